package ladder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// The site of the rung "reload". The services are ports of one VIP, and have the same
// servers' addresses.
const (
	reloadServices = 1000
	reloadServers  = 10 // of each service
	reloadPort     = 10_001
	reloadAddr     = 101 // last byte of the first server's address
)

// reloadGap is the time between an answer and the next request: the process is to be
// found at work by requests, not to be kept from it.
const reloadGap = 100 * time.Microsecond

// A change makes the j-th server of the i-th service another one in the changed file.
type change func(i, j int, c *reloadServer)

// A reloadServer is a server in the file: the last byte of its address, and its weight.
type reloadServer struct{ addr, weight int }

// A reloadCase is a candidate of the rung: what differs in the file, and who reads it.
type reloadCase struct {
	name    string
	change  change // nil: there is no reload
	foreign bool   // another process reads the file, and the director does not
}

// reloadCases are the candidates. What the foreign one costs, the machine takes for
// anybody's work: see docs/performance.md.
var reloadCases = []reloadCase{
	{name: "no reload"},
	{name: "another process", change: func(int, int, *reloadServer) {}, foreign: true},
	{name: "nothing changes", change: func(int, int, *reloadServer) {}},
	{name: "one weight", change: func(i, j int, c *reloadServer) {
		if i == reloadServices/2 && j == 0 {
			c.weight++
		}
	}},
	{name: "all weights", change: func(_, _ int, c *reloadServer) { c.weight++ }},
	{name: "all servers", change: func(_, _ int, c *reloadServer) { c.addr += reloadServers }},
}

// reloadMetrics are the metrics of reloading.
func reloadMetrics() []Metric {
	return []Metric{{Name: "/p99.9", Unit: "µs", Less: true}, {Name: "/max", Unit: "µs", Less: true}, {Name: "/took", Unit: "ms", Less: true, Bare: true}}
}

// reloadRung is the time to an answer while the director reloads a file with 1000
// services of ten servers again and again.
func (l *Live) reloadRung() Rung {
	r := Rung{Name: "reload", Metrics: reloadMetrics(), Live: true}
	for _, c := range reloadCases {
		way := device{name: c.name, start: func(ctx context.Context, s *site) error { return startReloading(ctx, s, &c) }}
		r.Candidates = append(r.Candidates, l.candidates(switched, onThreads(urgently, reloading), []device{way})...)
	}
	return r
}

// startReloading is `lvsdr run` with the site of 1000 services, which between turns of
// s.reload has the file with the change of c and that without it in turn.
func startReloading(ctx context.Context, s *site, c *reloadCase) error {
	s.target = netip.AddrPortFrom(s.Spec.VIP, livePort)
	for i := range 2 * reloadServers {
		if err := s.Servers[0].AddAddr(netlab.Ifname, netip.PrefixFrom(reloadServerAddr(s, reloadAddr+i), s.Spec.Net.Bits())); err != nil {
			return err
		}
	}
	d, err := s.direct(ctx, s.reloadConfig(nil))
	if err != nil {
		return err
	}
	s.reload = &reloader{d: d, client: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.Socket)
	}}}}
	if c.change != nil {
		s.reload.texts = [2]string{s.reloadConfig(c.change), s.reloadConfig(nil)}
	}
	if c.foreign {
		s.reload.instead = func(ctx context.Context) error {
			return s.Director.Command(ctx, s.live.Lvsdr, "run", "-t", "-c", d.File()).Run()
		}
	}
	return nil
}

// A reloader has a director reload two files in turn. It does next to nothing while the
// director is at work: the client of the rung needs the Go scheduler of this process.
type reloader struct {
	d      *netlab.Director
	client *http.Client
	texts  [2]string
	n      int // reloads so far
	// instead takes the place of a reload; nil: the director reloads.
	instead func(context.Context) error
}

// write makes the next text the director's file.
func (r *reloader) write() error {
	r.n++
	if r.texts[0] == "" {
		return nil
	}
	return r.d.Write(r.texts[(r.n-1)%2])
}

// run makes the director reload and waits for the end of its answer, which has a line
// for each change. Without texts it only waits.
func (r *reloader) run(ctx context.Context) error {
	if r.texts[0] == "" {
		return pass(ctx, 100*time.Millisecond)
	}
	if r.instead != nil {
		return r.instead(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://lvsdr/v1/reload", nil)
	if err != nil {
		return err
	}
	answer, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("reload: %s", answer.Status)
	}
	return err
}

func reloadServerAddr(s *site, last int) netip.Addr {
	a := s.Spec.Net.Addr().As4()
	a[3] = byte(last)
	return netip.AddrFrom4(a)
}

// reloadConfig is the file, with a change or, where it is nil, without. The service that
// is measured never changes.
func (s *site) reloadConfig(with change) string {
	var b strings.Builder
	service := func(port int) {
		fmt.Fprintf(&b, "virtual_server %s %d {\n lb_algo wlc\n lb_kind DR\n protocol TCP\n", s.Spec.VIP, port)
	}
	b.WriteString("global_defs {\n persistence_default off\n}\n")
	service(livePort)
	fmt.Fprintf(&b, " real_server %s %d {\n }\n}\n", s.Servers[0].Addr, livePort)
	for i := range reloadServices {
		service(reloadPort + i)
		for j := range reloadServers {
			c := reloadServer{addr: reloadAddr + j, weight: 1 + j}
			if with != nil {
				with(i, j, &c)
			}
			fmt.Fprintf(&b, " real_server %s %d {\n  weight %d\n }\n", reloadServerAddr(s, c.addr), reloadPort+i, c.weight)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// urgently runs f on a thread of its own, before all others where that is allowed:
// clients and servers are hosts of their own elsewhere, which do not wait for the
// director's CPU.
func urgently(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 1}, 0); err != nil {
		return f()
	}
	defer func() { _ = unix.SchedSetAttr(0, &unix.SchedAttr{}, 0) }() // was in force a moment ago
	return f()
}

// spareTurns is how many more goroutines may run at a time than usual while a rung is measured:
// client, server, and those that ask for the reload.
const spareTurns = 8

// unhindered keeps Go from holding up client and server until the returned function is
// called: nothing is collected, and a thread that comes from a system call always finds a turn.
// Without it the rung measured its own process, too.
func unhindered() (restore func()) {
	percent := debug.SetGCPercent(-1)
	turns := runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareTurns)
	return func() {
		runtime.GOMAXPROCS(turns)
		debug.SetGCPercent(percent)
	}
}

// aftermath is how long after a reload requests still count: the director's garbage
// collector may be at work.
const aftermath = 50 * time.Millisecond

// minReloads is the least number of reloads in a turn.
const minReloads = 4

// reloading sends one request after the other by one connection while the director
// reloads, and measures the 99.9th percentile and the longest of the times to the
// answer, in µs, and how long a reload takes at the median, in ms.
func reloading(ctx context.Context, s *site, _ *server, t time.Duration) ([]float64, error) {
	defer unhindered()()
	c, err := connect(s.target)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var on atomic.Bool // while a reload is under way
	var reloads []time.Duration
	done := make(chan error, 1)
	go func() {
		var err error
		for begin := time.Now(); err == nil && (len(reloads) < minReloads || time.Since(begin) < t); {
			if err = s.reload.write(); err != nil {
				break
			}
			at := time.Now()
			on.Store(true)
			err = s.reload.run(ctx)
			reloads = append(reloads, time.Since(at))
			err = errors.Join(err, pass(ctx, aftermath))
			on.Store(false)
		}
		done <- err
	}()
	took, err := timeRequests(c, &on, done)
	if err != nil {
		return nil, err
	}
	if len(took) < minRequests {
		return nil, fmt.Errorf("only %d requests in %d reloads: too few for a percentile", len(took), len(reloads))
	}
	slices.Sort(took)
	slices.Sort(reloads)
	micros := func(i int) float64 { return float64(took[i].Nanoseconds()) / 1e3 }
	return []float64{micros((len(took) - 1) * 999 / 1000), micros(len(took) - 1), float64(reloads[len(reloads)/2].Nanoseconds()) / 1e6}, nil
}

// timeRequests is how long each request took that was sent while on, until done has the
// outcome.
func timeRequests(c stream, on *atomic.Bool, done <-chan error) (took []time.Duration, err error) {
	buf := make([]byte, requestSize)
	for {
		select {
		case err := <-done:
			return took, err
		default:
		}
		counts, begin := on.Load(), time.Now()
		if err := c.exchange(buf); err != nil {
			return nil, err
		}
		if counts {
			took = append(took, time.Since(begin))
		}
		wait := unix.NsecToTimespec(reloadGap.Nanoseconds())
		// An interrupted pause is a shorter one.
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &wait, nil)
	}
}
