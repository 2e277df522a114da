package main_test

import (
	"context"
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
