package check

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/ask"
)

// A sleeper is a probe of a lane that takes all the time it has, and counts.
type sleeper struct {
	name       string
	in         lane
	now, peak  *atomic.Int64
	concurrent *atomic.Int64 // attempts of all sleepers that have begun
}

func (p sleeper) String() string { return p.name }
func (p sleeper) Kind() string   { return "SLEEPER" }
func (p sleeper) lane() lane     { return p.in }

func (p sleeper) Check(ctx context.Context) Result {
	p.concurrent.Add(1)
	n := p.now.Add(1)
	for old := p.peak.Load(); n > old && !p.peak.CompareAndSwap(old, n); old = p.peak.Load() {
	}
	<-ctx.Done()
	p.now.Add(-1)
	return Result{}
}

// A thousand programs that hang, and as many attempts that wait for what does not come, take no
// place of a check that is due.
func TestOneLaneDoesNotHoldUpAnother(t *testing.T) {
	const places, sleepers = 8, 1000
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{Parallel: places})
		defer r.Close()
		var specs []Spec
		var now, peak [lanes]atomic.Int64
		var begun atomic.Int64
		for l := silent; l < lanes; l++ {
			for i := range sleepers {
				p := sleeper{strconv.Itoa(int(l)) + "/" + strconv.Itoa(i), l, &now[l], &peak[l], &begun}
				specs = append(specs, Spec{ID: p.name, Settings: Settings{DelayLoop: sec, ConnectTimeout: 60 * sec}, Probe: p})
			}
		}
		m := &metronome{name: "swift", takes: time.Millisecond, loop: 6 * sec, all: &metronomes{}}
		specs = append(specs, Spec{ID: "swift", Settings: Settings{DelayLoop: m.loop, ConnectTimeout: sec}, Probe: m})
		must(t, r.Set(specs))
		time.Sleep(600 * sec)
		if late := time.Duration(m.all.latest.Load()); late > 0 || m.all.attempts.Load() < 99 {
			t.Errorf("%d attempts, one of them %v late", m.all.attempts.Load(), late)
		}
		if s, p := peak[silent].Load(), peak[program].Load(); s != 16*places || p != places {
			t.Errorf("%d attempts that waited and %d programs at a time, want %d and %d", s, p, 16*places, places)
		}
	})
}

// A check that is taken away while it waits for a place of its lane is not made any more.
func TestACheckLeavesItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{Parallel: 1})
		defer r.Close()
		var now, peak, begun atomic.Int64
		spec := func(name string) Spec {
			return Spec{ID: name, Settings: Settings{DelayLoop: sec, ConnectTimeout: 60 * sec}, Probe: sleeper{name, program, &now, &peak, &begun}}
		}
		must(t, r.Set([]Spec{spec("a"), spec("b"), spec("c")}))
		time.Sleep(sec)
		must(t, r.Set([]Spec{spec("d")}))
		time.Sleep(sec)
		if n := begun.Load(); n != 2 || now.Load() != 1 {
			t.Errorf("%d attempts have begun, %d are under way; want one of a and one of d", n, now.Load())
		}
	})
}

func TestTheLanesOfProbes(t *testing.T) {
	for _, c := range []struct {
		p    Probe
		want lane
	}{
		{TCP{}, swift}, {DNS{}, swift}, {Pair{Own: TCP{}}, swift}, {Misc{&ask.Program{}}, program},
		{UDP{Ask: &ask.UDP{}}, silent}, {UDP{Ask: &ask.UDP{Reply: true}}, swift},
		{OnLink{Probe: Misc{&ask.Program{}}}, program}, {OnLink{Probe: TCP{}}, swift},
	} {
		if got := laneOf(c.p); got != c.want {
			t.Errorf("%s: %d, want %d", c.p.Kind(), got, c.want)
		}
	}
}
