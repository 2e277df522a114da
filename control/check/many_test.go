package check

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A metronome is a probe that takes a while, and notes how late its attempts begin: after the
// first, delay_loop from the end of the one before.
type metronome struct {
	name        string
	takes, loop time.Duration
	all         *metronomes

	end time.Time // of the last attempt
	n   int
}

type metronomes struct {
	now, peak, attempts atomic.Int64
	latest              atomic.Int64 // the greatest delay, in nanoseconds
}

func (m *metronome) String() string { return m.name }
func (m *metronome) Kind() string   { return "METRONOME" }

func (m *metronome) Check(context.Context) Result {
	greatest := func(a *atomic.Int64, v int64) {
		for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
		}
	}
	greatest(&m.all.peak, m.all.now.Add(1))
	defer m.all.now.Add(-1)
	if m.n > 0 {
		greatest(&m.all.latest, int64(time.Since(m.end)-m.loop))
	}
	time.Sleep(m.takes)
	m.n++
	m.end = time.Now()
	m.all.attempts.Add(1)
	return Result{}
}

// Ten thousand checks with delay_loop 6, a fifth of which take 100 ms: the first attempts are
// spread by warmup, so that few places do, and none is later than 100 ms.
func TestTenThousandChecksAreOnTime(t *testing.T) {
	const checks, places = 10_000, 256
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{Parallel: places})
		defer r.Close()
		s := Settings{DelayLoop: 6 * sec, ConnectTimeout: 5 * sec, Retry: 1, DelayBeforeRetry: sec, Warmup: 6 * sec}
		all := &metronomes{}
		specs := make([]Spec, checks)
		for i := range specs {
			m := &metronome{name: strconv.Itoa(i), takes: time.Millisecond, loop: s.DelayLoop, all: all}
			if i%5 == 0 {
				m.takes = 100 * time.Millisecond
			}
			specs[i] = Spec{ID: m.name, Settings: s, Probe: m}
		}
		must(t, r.Set(specs))
		time.Sleep(20 * sec)
		if late := time.Duration(all.latest.Load()); late > 100*time.Millisecond {
			t.Errorf("an attempt began %v late", late)
		}
		if n, peak := all.attempts.Load(), all.peak.Load(); n < 2*checks || peak > places {
			t.Errorf("%d attempts, %d at a time", n, peak)
		}
		t.Logf("%d attempts, at most %d at a time, at most %v late", all.attempts.Load(), all.peak.Load(), time.Duration(all.latest.Load()))
	})
}
