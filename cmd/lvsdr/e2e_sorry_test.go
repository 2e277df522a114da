package main_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lvsdr/bench/netlab"
)

// hangs is how long a request may take. One that was cut off never ends by itself.
const hangs = 3 * time.Second

// A failure is a request that failed.
type failure struct {
	phase int    // in which it began
	from  string // its address and port
	err   error
}

// A stream makes requests with new connections.
type stream struct {
	phase    atomic.Int32
	answered atomic.Int64
	mu       sync.Mutex
	failed   []failure
	wait     sync.WaitGroup
}

// streams starts clients that make requests until stop is called.
func (q *quorumLab) streams(t *testing.T) (s *stream, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	c := q.Clients[0]
	s = &stream{}
	pace := time.NewTicker(time.Millisecond) // there are as many ports as for a minute
	for range 4 {
		s.wait.Go(func() {
			for ctx.Err() == nil {
				from := netip.AddrPortFrom(c.Addr, uint16(firstPort+q.ports.Add(1)))
				s.get(context.WithoutCancel(ctx), c, from, url(q.network))
				<-pace.C
			}
		})
	}
	return s, func() { cancel(); s.wait.Wait(); pace.Stop() }
}

// get makes one request from an address and port of c.
func (s *stream) get(ctx context.Context, c *netlab.Node, from netip.AddrPort, url string) {
	r := failure{phase: int(s.phase.Load()), from: from.String()}
	ctx, cancel := context.WithTimeout(ctx, hangs)
	defer cancel()
	dial := func(ctx context.Context, proto, addr string) (net.Conn, error) {
		return c.DialFrom(ctx, proto, from, addr)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	tally := netlab.Get(ctx, client, url, 1, 1)
	if tally.Errors == 0 {
		s.answered.Add(1)
		return
	}
	r.err = tally.First
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, r)
}

// next begins the next phase, after some requests more.
func (s *stream) next(t *testing.T) {
	t.Helper()
	s.phase.Add(1)
	enough := s.answered.Load() + 50
	await(t, "answers", func() bool { return s.answered.Load() > enough })
}

// assigned is the server of each connection in the director's table, by the client's end.
func assigned(t *testing.T, d *netlab.Director, lab *network) map[string]string {
	t.Helper()
	r := verb(t, "ipvsadm", "--socket", d.Socket, "-Lcn")
	all := map[string]string{}
	for line := range strings.Lines(r.stdout) {
		f := strings.Fields(line)
		if len(f) != 6 {
			continue
		}
		host, _, err := net.SplitHostPort(f[5])
		for _, n := range lab.Servers {
			if err == nil && n.Addr.String() == host {
				all[f[3]] = n.Name()
			}
		}
	}
	return all
}

// Servers that fail one after another are removed, and the sorry server comes in and goes again. A
// request fails only if its server was removed after it had begun: it was the server that failed, or the sorry server
// without sorry_server_inhibit. No request that begins later fails.
func TestOnlyRequestsOfTheServerThatFailsFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ words, last string }{{"sorry_server_inhibit", ""}, {"", "rs4"}} {
		t.Run("with "+cmp.Or(c.words, "nothing else"), func(t *testing.T) {
			t.Parallel()
			q := newQuorumLab(t)
			d := direct(t, q.network, q.config(fmt.Sprintf("sorry_server %s %d\n%s", q.Servers[3].Addr, port, c.words), ""))
			serving(t, d, q.network, "rs1", "rs2", "rs3")
			s, stop := q.streams(t)
			for i, left := range []string{"rs2 rs3", "rs3", "rs4"} {
				q.fail(t, i)
				serving(t, d, q.network, strings.Fields(left)...)
				s.next(t)
			}
			q.recover(t, 0)
			serving(t, d, q.network, "rs1")
			s.next(t)
			stop()
			servers := assigned(t, d, q.network)
			for _, r := range s.failed {
				if server := servers[r.from]; server == "" || server != []string{"rs1", "rs2", "rs3", c.last, ""}[r.phase] {
					t.Errorf("a request to %q failed that began in phase %d: %v", server, r.phase, r.err)
				}
			}
			t.Logf("%d requests were answered, %d failed", s.answered.Load(), len(s.failed))
		})
	}
}
