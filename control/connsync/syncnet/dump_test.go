package syncnet

import (
	"cmp"
	"context"
	"iter"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
)

// A real is a director as an engine. It notes how long it held its locks in a row.
type real struct {
	*dataplane.Director
	takes []spell // for takeStep entries that it took, each
	reads []spell // for a part of the table that it gave
}

// A spell is a time on the clock, and the CPU time of its thread.
type spell struct{ wall, cpu time.Duration }

// now is the present as a spell, of a thread that is locked to its goroutine.
func now() spell {
	var clock, used unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock) // it cannot fail, nor can the next
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used)
	return spell{time.Duration(clock.Nano()), time.Duration(used.Nano())}
}

// since is the spell from s until now.
func since(s spell) spell {
	n := now()
	return spell{n.wall - s.wall, n.cpu - s.cpu}
}

// takeStep is how many entries a director takes with its lock held.
const takeStep = 64

func (r *real) Follow() Feed { return r.FollowSync() }

func (r *real) Take(all []dataplane.Synced) (taken Taken) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for len(all) > 0 {
		n := min(takeStep, len(all))
		began := now()
		taken.Add(r.TakeSync(all[:n], int64(time.Minute)))
		r.takes = append(r.takes, since(began))
		all = all[n:]
	}
	return taken
}

// All notes the time before each entry that is the first of a part: the clock is read just before
// the part is, with the locks held.
func (r *real) All() iter.Seq[dataplane.Synced] {
	var began spell
	all := r.EachSynced(func() int64 {
		began = now()
		return int64(time.Minute)
	})
	return func(yield func(dataplane.Synced) bool) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for s := range all {
			if began != (spell{}) {
				r.reads = append(r.reads, since(began))
				began = spell{}
			}
			if !yield(s) {
				return
			}
		}
	}
}

func (r *real) Tunables() Tunables { return Tunables{Version: 1, Ports: 1} }

// newReal is a director with room for so many connections and the service of conn.
func newReal(tb testing.TB, room int) *real {
	tb.Helper()
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: room}, Workers: 1, Tunables: dataplane.DefaultTunables()})
	if err != nil {
		tb.Fatal(err)
	}
	one := conn(0)
	d.Edit(0, func(tx *dataplane.Tx) {
		key := dataplane.ServiceKey{Proto: one.Key.Proto, Addr: one.Key.Virtual, Port: one.Key.VirtualPort}
		if err = tx.AddService(dataplane.ServiceConfig{Key: key, Scheduler: "rr"}); err == nil {
			err = tx.AddServer(key, dataplane.ServerConfig{Addr: one.Server, Port: one.Port, Method: one.Method, Weight: 1})
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	return &real{Director: d}
}

// fill gives a director n connections.
func (r *real) fill(tb testing.TB, n int) {
	tb.Helper()
	some := make([]dataplane.Synced, 0, takeStep)
	for i := range n {
		s := conn(0)
		s.Key.Client[13], s.Key.Client[14], s.Key.Client[15] = byte(i>>16), byte(i>>8), byte(i)
		if some = append(some, s); len(some) == cap(some) || i == n-1 {
			if taken := r.Take(some); int(taken.Made) != len(some) {
				tb.Fatalf("%+v of %d", taken, len(some))
			}
			some = some[:0]
		}
	}
	r.takes = nil
}

// fetch has a director fetch the table of another one over TCP.
func fetch(tb testing.TB, here, there *real) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	served := make(chan error, 1)
	s := &server{engine: there, secret: []byte("word"), syncID: 7, allowed: func(netip.Addr) bool { return true }}
	go func() { served <- s.serve(ctx, l) }()
	a := &asker{engine: here, secret: []byte("word"), dial: func(ctx context.Context, to string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", to)
	}}
	n, taken, err := a.table(tb.Context(), l.Addr().String())
	cancel()
	<-served
	if err != nil || int(taken.Made) != n {
		tb.Fatalf("%d came, %+v, %v", n, taken, err)
	}
	return n
}

// A director that joins has each connection of the other one, as that has it.
func TestADirectorFetchesTheWholeTableOfAnother(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 20_000} {
		here, there := newReal(t, 1<<16), newReal(t, 1<<16)
		there.fill(t, n)
		if got := fetch(t, here, there); got != n {
			t.Errorf("%d of %d came", got, n)
		}
		ours, _ := digestOf(hashes(here.All()))
		theirs, _ := digestOf(hashes(there.All()))
		if differ := ours.differing(theirs); len(differ) != 0 {
			t.Errorf("of %d connections %d parts of the digest differ", n, len(differ))
		}
	}
}

// cpu is the CPU time of this process.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFullDump is a table of a million connections that goes from one director to another over TCP, with a
// secret, at the pace of the server: both sides' CPU, and how long the locks were held in a row, by the one that takes
// entries and by the one that gives them: that is how long a worker may wait. The longest CPU time is the work
// itself; the longest on the clock is more where the host ran something else in between.
func BenchmarkFullDump(b *testing.B) {
	const n = 1_000_000
	there := newReal(b, 1<<21)
	there.fill(b, n)
	var used time.Duration
	var takes, reads []spell
	for b.Loop() {
		b.StopTimer()
		here := newReal(b, 1<<21)
		there.reads = nil
		began := cpu(b)
		b.StartTimer()
		if got := fetch(b, here, there); got != n {
			b.Fatalf("%d of %d came", got, n)
		}
		used += cpu(b) - began
		takes, reads = append(takes, here.takes...), append(reads, there.reads...)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/dump")
	b.ReportMetric(used.Seconds()/float64(b.N), "CPU-s/dump")
	for name, all := range map[string][]spell{"take": takes, "give": reads} {
		report := func(of string, d time.Duration) { b.ReportMetric(float64(d.Nanoseconds())/1e3, of+"-"+name+"-µs") }
		slices.SortFunc(all, func(x, y spell) int { return cmp.Compare(x.cpu, y.cpu) })
		report("longest-cpu", all[len(all)-1].cpu)
		slices.SortFunc(all, func(x, y spell) int { return cmp.Compare(x.wall, y.wall) })
		report("longest", all[len(all)-1].wall)
		report("p999", all[len(all)*999/1000].wall)
	}
}
