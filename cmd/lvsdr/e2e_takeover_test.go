package main_test

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// An asking asks without a break, over connections that stay and over new ones, and measures the longest time that any
// request took.
type asking struct {
	stop    context.CancelFunc
	all     sync.WaitGroup
	done    atomic.Int64
	failed  atomic.Int64
	first   atomic.Pointer[error]
	longest atomic.Int64 // ns
	probe   atomic.Int64 // ns, of the connection that asks once a millisecond
}

// startAsking has the lab's first client ask over so many connections of each kind.
func startAsking(t *testing.T, lab *network, keep, fresh int) *asking {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	l := &asking{stop: cancel}
	dial := func() (net.Conn, error) { return lab.Clients[0].Dial(ctx, "tcp", vipPort(lab)) }
	for range keep {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		l.all.Go(func() { defer c.Close(); l.stay(ctx, c, 0, &l.longest) })
	}
	for range fresh {
		l.all.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				c, err := dial()
				if err == nil {
					_ = c.SetDeadline(start.Add(patience))
					_, err = request(c, bufio.NewReader(c))
					c.Close()
				}
				l.count(ctx, start, err, &l.longest)
			}
		})
	}
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	l.all.Go(func() { defer c.Close(); l.stay(ctx, c, time.Millisecond, &l.probe) })
	t.Cleanup(func() { cancel(); l.all.Wait() })
	return l
}

// stay asks over c, with pauses.
func (l *asking) stay(ctx context.Context, c net.Conn, pause time.Duration, longest *atomic.Int64) {
	from := bufio.NewReader(c)
	for ctx.Err() == nil {
		start := time.Now()
		_ = c.SetDeadline(start.Add(patience))
		_, err := request(c, from)
		l.count(ctx, start, err, longest)
		if err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// count counts a request.
func (l *asking) count(ctx context.Context, start time.Time, err error, longest *atomic.Int64) {
	if ctx.Err() != nil {
		return
	}
	if l.done.Add(1); err != nil {
		l.failed.Add(1)
		l.first.CompareAndSwap(nil, &err)
	}
	took := int64(time.Since(start))
	for was := longest.Load(); took > was && !longest.CompareAndSwap(was, took); was = longest.Load() {
	}
}

// more waits until there have been n more requests.
func (l *asking) more(t *testing.T, n int64) {
	t.Helper()
	want := l.done.Load() + n
	await(t, "requests", func() bool { return l.done.Load() >= want })
}

// end ends the load, of which no request may have failed.
func (l *asking) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.all.Wait()
	if n := l.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the first: %v", n, l.done.Load(), *l.first.Load())
	}
}

// takeOver has a process started with args take over from old, which ends with code 0.
func takeOver(t *testing.T, lab *network, dir string, old *process, args ...string) *process {
	t.Helper()
	next := launchWith(t, lab, dir, append([]string{"--takeover"}, args...)...)
	if err := old.Wait(); err != nil {
		t.Errorf("the old process ended with %v", err)
	}
	if strings.Contains(next.log.String(), "there is no director") {
		t.Error("it has not taken over from anybody")
	}
	return next
}

// waited is how long frames waited in p's take-over, as its log says.
func (p *process) waited() string {
	_, after, _ := strings.Cut(p.log.String(), `"frames waited"=`)
	return strings.Fields(after + " ?")[0]
}

// hashed is a service whose connections any director sends to the same servers.
func hashed() netlab.Service {
	return netlab.Service{Port: port, Persistence: "0", Scheduler: "mh", More: "mh-port", Server: checked}
}

// rounds is short, or long in the long run.
func rounds(short, long int) int {
	if os.Getenv("LVSDR_LONG") != "" {
		return long
	}
	return short
}

// Where nothing runs a take-over is a start.
func TestATakeOverFromNobodyIsAStart(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	dir := shortDir(t)
	p := launch(t, lab, dir, lab.Config(rotating()))
	p.end(t, unix.SIGKILL)
	p = launchWith(t, lab, dir, "--takeover", "-c", filepath.Join(dir, "keepalived.conf"))
	if !strings.Contains(p.log.String(), "there is no director to take over from") {
		t.Errorf("the log is\n%s", p.log.String())
	}
	get(t, lab, 5)
	p.end(t, unix.SIGTERM)
}

// What ipvsadm did, what the checks have found and what programs were told goes from process to process.
func TestATakeOverForgetsNothing(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	dir := shortDir(t)
	fifo := filepath.Join(dir, "fifo")
	s := hashed()
	config := "global_defs {\n    lvs_notify_fifo " + fifo + "\n}\n" + lab.Config(s)
	p := launch(t, lab, dir, config)
	vip := netip.AddrPortFrom(lab.Spec.VIP, port).String()
	for _, args := range [][]string{{"-E", "-t", vip, "-s", "sh"}, {"-A", "-t", netip.AddrPortFrom(lab.Spec.VIP, 81).String(), "-s", "rr"}, {"--set", "60", "0", "0"}} {
		if got := lvsdr(t, append([]string{"ipvsadm", "--socket", p.socket}, args...)...); got.code != 0 {
			t.Fatalf("ipvsadm %q: %s", args, got.stderr)
		}
	}
	before := lvsdr(t, "ipvsadm", "--socket", p.socket, "-S", "-n").stdout
	timeouts := lvsdr(t, "ipvsadm", "--socket", p.socket, "-L", "--timeout").stdout
	told, err := unix.Open(fifo, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(told)
	buf := make([]byte, 4096)
	if n, _ := unix.Read(told, buf); n <= 0 {
		t.Fatal("programs are told nothing: this test proves nothing")
	}
	p = takeOver(t, lab, dir, p, "-c", filepath.Join(dir, "keepalived.conf"))
	if after := lvsdr(t, "ipvsadm", "--socket", p.socket, "-S", "-n").stdout; after != before {
		t.Errorf("after it there is\n%s, before there was\n%s", after, before)
	}
	if after := lvsdr(t, "ipvsadm", "--socket", p.socket, "-L", "--timeout").stdout; after != timeouts {
		t.Errorf("the timeouts are %s, and were %s", after, timeouts)
	}
	st, err := askStatus(t.Context(), p.socket)
	if err != nil || !servesAll(st) {
		t.Errorf("%v: %+v", err, st)
	}
	if n, _ := unix.Read(told, buf); n > 0 {
		t.Errorf("programs are told again: %q", buf[:n])
	}
	get(t, lab, 5)
	p.end(t, unix.SIGTERM)
	if _, err := os.Stat(fifo); err == nil {
		t.Error("the last process leaves the FIFO that the first one made")
	}
}
