//go:build long

package main_test

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// A soak is a director that serves connections which stay open, while faults strike.
type soak struct {
	*network
	length      time.Duration // how long faults strike; 0: two do
	dir, config string
	director    *process
	reader      sync.Mutex // held: nobody reads what the director logs
	second      *netlab.Node
	talks       []*talk
}

// A blow is a fault that strikes, and is over when strike returns. From then on it heals: within
// heals every connection is answered again and new ones are served. docs/operations.md
// states the times.
type blow struct {
	name   string
	heals  time.Duration
	strike func(*soak, *testing.T)
}

var blows = []blow{
	{"nobody reads the log", 2 * time.Second, (*soak).stopTheReader},
	{"the interface is down", 5 * time.Second, (*soak).cutTheInterface},
	{"rules are deleted", 2 * time.Second, (*soak).deleteRules},
	{"a server's address is claimed", 5 * time.Second, (*soak).claim},
	{"descriptors are short", 2 * time.Second, (*soak).takeDescriptors},
	{"kill -9 and a start", 5 * time.Second, (*soak).kill},
	{"a second director", 2 * time.Second, (*soak).addDirector},
}

const strikes = 2 * time.Second // how long a fault lasts that has no end of its own

// TestEveryFaultOfASoakHeals has random faults strike, one after the other, and loses no
// connection. LVSDR_SOAK is how long it goes on; without it two faults strike.
func TestEveryFaultOfASoakHeals(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	s := newSoak(t)
	begin := time.Now()
	var order []int
	for n := 0; n < 2 || time.Since(begin) < s.length; n++ {
		if len(order) == 0 {
			order = rnd.Perm(len(blows))
		}
		f := blows[order[0]]
		order = order[1:]
		f.strike(s, t)
		took := s.heal(t, f)
		t.Logf("%v: %s: healed after %v", time.Since(begin).Round(time.Second), f.name, took.Round(time.Millisecond))
		if t.Failed() {
			return
		}
	}
}

func newSoak(t *testing.T) *soak {
	service := netlab.Service{Port: port, Persistence: "0", Scheduler: "mh", More: "mh-port", Server: checked}
	s := &soak{network: newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1, 1)}), dir: shortDir(t)}
	s.config = s.Config(service)
	var err error
	if length := os.Getenv("LVSDR_SOAK"); length != "" {
		if s.length, err = time.ParseDuration(length); err != nil {
			t.Fatal(err)
		}
	}
	if s.second, err = s.AddDirector(t.Context(), "director2"); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	t.Cleanup(func() {
		if code := s.director.end(t, unix.SIGTERM); code != 0 {
			t.Errorf("the director ended with %d", code)
		}
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var talking sync.WaitGroup
	t.Cleanup(func() { stop(); talking.Wait() })
	for range 20 {
		c, err := s.Clients[0].Dial(t.Context(), "tcp", vipPort(s.network))
		if err != nil {
			t.Fatal(err)
		}
		talk := &talk{Conn: c, from: bufio.NewReader(c)}
		s.talks = append(s.talks, talk)
		talking.Go(func() { talk.run(ctx) })
	}
	return s
}

// start starts the director, with a pipe for its log that is soon full.
func (s *soak) start(t *testing.T) {
	t.Helper()
	file := filepath.Join(s.dir, "keepalived.conf")
	if err := os.WriteFile(file, []byte(s.config), 0o600); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	p := &process{socket: filepath.Join(s.dir, "sock")}
	p.Cmd = s.Director.Command(context.WithoutCancel(t.Context()), binary(), "run", netlab.SmallTable, "-c", file, "--socket", p.socket, "--log-level", "debug")
	p.Stderr = w
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close() // the director has it
	go s.read(r, &p.log)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the director wrote:\n%s", p.log.String())
		}
	})
	await(t, "the director to serve", func() bool {
		st, err := askStatus(t.Context(), p.socket)
		return err == nil && st.Active && st.PID == p.Process.Pid && servesAll(st)
	})
	s.director = p
}

// read copies the log while s.reader is not held.
func (s *soak) read(r io.ReadCloser, log io.Writer) {
	defer r.Close()
	for b := make([]byte, 4096); ; {
		n, err := r.Read(b)
		s.reader.Lock()
		_, _ = log.Write(b[:n])
		s.reader.Unlock()
		if err != nil {
			return
		}
	}
}

// heal waits until the fault has healed, and gives the time that took.
func (s *soak) heal(t *testing.T, f blow) time.Duration {
	t.Helper()
	begin := time.Now()
	before := make([]int64, len(s.talks))
	for i, talk := range s.talks {
		before[i] = talk.answers.Load()
	}
	for i, talk := range s.talks {
		for talk.answers.Load() < before[i]+2 { // one may have been on its way
			if err := talk.err.Load(); err != nil {
				t.Errorf("%s: connection %d is lost: %v", f.name, i, *err)
				return time.Since(begin)
			}
			if time.Since(begin) > f.heals+patience {
				t.Errorf("%s: connection %d is not answered any more", f.name, i)
				return time.Since(begin)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	await(t, "all servers to be up", func() bool {
		st, err := askStatus(t.Context(), s.director.socket)
		return err == nil && servesAll(st)
	})
	get(t, s.network, 10)
	took := time.Since(begin)
	if s.length > 0 && took > f.heals {
		t.Errorf("%s: healed after %v, not within %v", f.name, took, f.heals)
	}
	return took
}

// A talk is a connection that makes a request every tenth of a second.
type talk struct {
	net.Conn
	from    *bufio.Reader
	answers atomic.Int64
	err     atomic.Pointer[error]
}

func (k *talk) run(ctx context.Context) {
	defer k.Close()
	for ctx.Err() == nil {
		if _, err := request(k, k.from); err != nil {
			k.err.Store(&err)
			return
		}
		k.answers.Add(1)
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *soak) stopTheReader(*testing.T) {
	s.reader.Lock()
	defer s.reader.Unlock()
	time.Sleep(strikes)
}

func (s *soak) cutTheInterface(t *testing.T) {
	nl := s.Director.Netlink()
	link, err := nl.LinkByName(netlab.Ifname)
	if err == nil {
		err = nl.LinkSetDown(link)
	}
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(strikes)
	if err := nl.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
}

// deleteRules deletes all routing rules but the kernel's own, and all of nftables, and
// waits until they are back.
func (s *soak) deleteRules(t *testing.T) {
	nft := tool(t, "nft", "nftables")
	before := shielded(t, s.network)
	err := s.Director.Do(func() error {
		rules, err := netlink.RuleList(netlink.FAMILY_V4)
		for _, r := range rules {
			if own := r.Table == unix.RT_TABLE_LOCAL || r.Table == unix.RT_TABLE_MAIN || r.Table == unix.RT_TABLE_DEFAULT; !own && err == nil {
				err = netlink.RuleDel(&r)
			}
		}
		return err
	})
	if err == nil {
		err = s.Director.Command(t.Context(), nft, "flush", "ruleset").Run()
	}
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the shield to be back", func() bool { return slices.Equal(shielded(t, s.network), before) })
}

// claim claims the address, which the kernel of the director's host believes each time until
// its entry is set back.
func (s *soak) claim(t *testing.T) {
	stop := make(chan struct{})
	time.AfterFunc(strikes, func() { close(stop) })
	claims(t, s.network, s.Servers[0], time.Millisecond, stop)
}

func (s *soak) takeDescriptors(*testing.T) {
	for range 300 {
		c, err := net.Dial("unix", s.director.socket)
		if err != nil {
			break // its queue is full
		}
		defer c.Close()
	}
	time.Sleep(strikes)
}

func (s *soak) kill(t *testing.T) {
	s.director.end(t, unix.SIGKILL)
	s.start(t)
}

func (s *soak) addDirector(t *testing.T) {
	d, err := netlab.StartDirector(context.WithoutCancel(t.Context()), s.second.Host, binary(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(strikes)
	if err := d.Stop(); err != nil {
		t.Errorf("the second director: %v; it wrote:\n%s", err, d.Log.String())
	}
}
