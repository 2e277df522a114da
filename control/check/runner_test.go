package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/health"
)

// All tests here run in a bubble of testing/synctest: time is a number that
// jumps when every goroutine waits, and a goroutine that outlives the test is a
// failure.

var errRefused = errors.New("connection refused")

// A fake is a probe whose answer the test sets. It notes when it was asked.
type fake struct {
	name string

	mu     sync.Mutex
	err    error         // the answer
	weight health.Weight // of the answer
	takes  time.Duration // before it answers; or until ctx ends, if that is sooner
	starts []time.Time
	now    int // attempts under way
	peak   int // greatest value of now
}

func (p *fake) String() string { return p.name }

func (p *fake) Kind() string { return "FAKE" }

func (p *fake) Check(ctx context.Context) Result {
	p.mu.Lock()
	p.starts = append(p.starts, time.Now())
	p.now++
	p.peak = max(p.peak, p.now)
	takes := p.takes
	p.mu.Unlock()
	timer := time.NewTimer(takes)
	defer timer.Stop()
	var err error
	select {
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now--
	if err == nil {
		err = p.err
	}
	return Result{Err: err, Weight: p.weight}
}

// set changes the answer.
func (p *fake) set(err error, takes time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.takes = err, takes
}

// underWay is the number of attempts under way, and the greatest there was.
func (p *fake) underWay() (now, peak int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.peak
}

// times are the starts of attempts, counted from t0.
func (p *fake) times(t0 time.Time) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var d []time.Duration
	for _, t := range p.starts {
		d = append(d, t.Sub(t0))
	}
	return d
}

// A diary notes what OnChange is told, each with its time.
type diary struct {
	t0 time.Time

	mu    sync.Mutex
	lines []string
}

func (d *diary) note(c Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	line := fmt.Sprintf("%v %s up=%v err=%v", time.Since(d.t0), c.ID, c.Up, c.Result.Err)
	if c.Result.Weight != (health.Weight{}) {
		line += fmt.Sprintf(" weight=%v", c.Result.Weight)
	}
	d.lines = append(d.lines, line)
}

// expect compares the diary with lines.
func (d *diary) expect(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, lines) {
		t.Fatalf("OnChange was told\n\t%s\nwant\n\t%s", strings.Join(d.lines, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// quick checks each 10 s, twice again after 2 s each, and has no warmup.
func quick() Settings {
	return Settings{DelayLoop: 10 * sec, ConnectTimeout: 3 * sec, Retry: 2, DelayBeforeRetry: 2 * sec}
}

// bubble runs f with a Runner in a bubble.
func bubble(t *testing.T, cfg Config, f func(t *testing.T, r *Runner, d *diary)) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{t0: time.Now()}
		if cfg.OnChange == nil {
			cfg.OnChange = d.note
		}
		r := New(cfg)
		defer r.Close()
		f(t, r, d)
	})
}

// must fails the test if Set did.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestKilledServerIsReportedAtItsTime(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		takes time.Duration
		down  string
	}{
		// The last good check ended at 20 s; the bad ones are at 30, 32 and 34 s.
		{"refuses", errRefused, 0, "34s rs up=false err=connection refused"},
		// Each of the three costs 3 s more; 43 s is 20 s + Bound.
		{"is silent", nil, time.Hour, "43s rs up=false err=context deadline exceeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
				p := &fake{name: "p"}
				must(t, r.Set([]Spec{{ID: "rs", Settings: quick(), Probe: p}}))
				time.Sleep(25 * sec)
				d.expect(t)
				p.set(c.err, c.takes)
				time.Sleep(20 * sec)
				d.expect(t, c.down)
				p.set(nil, 0)
				time.Sleep(11 * sec)
				if s := r.States()[0]; !s.Up || s.LastError != "" {
					t.Fatalf("did not come back: %+v", s)
				}
			})
		})
	}
	if b := bound(quick()); b != 23*sec {
		t.Fatalf("bound %v, want 23s as the case above says", b)
	}
}

// TestReloadDoesNotFlap sets the same specs, in new values, in all phases of a
// server's life. The times of its checks and its changes must be those of a
// server that is left alone.
func TestReloadDoesNotFlap(t *testing.T) {
	live := func(t *testing.T, reload time.Duration) (times []time.Duration, lines []string) {
		bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
			p := &fake{name: "p", takes: 1 * sec}
			specs := func() []Spec { return []Spec{{ID: "rs", Settings: quick(), Probe: p}} }
			must(t, r.Set(specs()))
			for now := time.Duration(0); now < 120*sec; now += reload {
				switch now {
				case 25 * sec:
					p.set(errRefused, 1*sec)
				case 75 * sec:
					p.set(nil, 1*sec)
				}
				time.Sleep(reload)
				if reload < 25*sec {
					must(t, r.Set(specs()))
				}
			}
			synctest.Wait()
			times, lines = p.times(d.t0), d.lines
		})
		return times, lines
	}
	calm, calmLines := live(t, 25*sec)
	for _, reload := range []time.Duration{500 * time.Millisecond, sec, 2500 * time.Millisecond} {
		times, lines := live(t, reload)
		if n := len(calm); !slices.Equal(times[:min(n, len(times))], calm[:min(n, len(times))]) || len(times) < n-1 {
			t.Errorf("reload each %v: checks at %v, want %v", reload, times, calm)
		}
		if !slices.Equal(lines, calmLines) {
			t.Errorf("reload each %v: %v, want %v", reload, lines, calmLines)
		}
	}
	if len(calmLines) != 2 {
		t.Fatalf("the server should go and come once: %v", calmLines)
	}
}

func TestChangedSettingsKeepTheState(t *testing.T) {
	bubble(t, Config{Rand: func() uint64 { return 1 << 63 }}, func(t *testing.T, r *Runner, d *diary) {
		p := &fake{name: "p", err: errRefused}
		spec := Spec{ID: "rs", Settings: quick(), Probe: p}
		must(t, r.Set([]Spec{spec}))
		time.Sleep(1 * sec)
		spec.Settings.DelayLoop, spec.Settings.Warmup = 5*sec, 4*sec
		must(t, r.Set([]Spec{spec}))
		s := r.States()[0]
		if s.Up || s.Attempts != 1 || s.Since != d.t0 {
			t.Fatalf("state after the change: %+v", s)
		}
		time.Sleep(20 * sec)
		// The first at once, then half the warmup after the change, then each 5 s.
		want := []time.Duration{0, 3 * sec, 8 * sec, 13 * sec, 18 * sec}
		if got := p.times(d.t0); !slices.Equal(got, want) {
			t.Fatalf("checks at %v, want %v", got, want)
		}
		d.expect(t, "0s rs up=false err=connection refused")
		good := &fake{name: "another probe"}
		spec.Probe = good
		must(t, r.Set([]Spec{spec}))
		if s, ok := r.State("rs"); !ok || s.Up || s.Probe != "another probe" {
			t.Fatal("a new probe brought a dead server up before its first check")
		}
		time.Sleep(3 * sec)
		d.expect(t, "0s rs up=false err=connection refused", "23s rs up=true err=<nil>")
	})
}

func TestEveryCheckIsReportedByItself(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
		a, b := &fake{name: "a", err: errRefused}, &fake{name: "b"}
		specs := []Spec{
			{ID: "a", Settings: quick(), Probe: a},
			{ID: "b", Settings: quick(), Probe: b},
		}
		must(t, r.Set(specs))
		first := []string{"0s a up=false err=connection refused"}
		d.expect(t, first...)
		b.set(errors.New("also dead"), 0)
		time.Sleep(21 * sec)
		a.set(nil, 0) // good at 30 s
		time.Sleep(10 * sec)
		more := append(first, "14s b up=false err=also dead", "30s a up=true err=<nil>")
		d.expect(t, more...)

		specs[1].Settings.Alpha, specs[1].ID = true, "new"
		must(t, r.Set(specs)) // a new check that starts down: that is no change
		if s, _ := r.State("new"); s.Up {
			t.Error("a check with alpha starts up")
		}
		time.Sleep(10 * sec)
		d.expect(t, more...)
		b.set(nil, 0) // good at 51 s
		time.Sleep(10 * sec)
		d.expect(t, append(more, "51s new up=true err=<nil>")...)
	})
}

func TestStartStates(t *testing.T) {
	bubble(t, Config{Rand: func() uint64 { return 1 << 63 }}, func(t *testing.T, r *Runner, d *diary) {
		up, alpha := quick(), quick()
		up.Warmup, alpha.Warmup, alpha.Alpha = 60*sec, 60*sec, true
		bad := &fake{name: "bad", err: errRefused}
		must(t, r.Set([]Spec{
			{ID: "a", Settings: up, Probe: bad},
			{ID: "alpha", Settings: alpha, Probe: bad},
		}))
		time.Sleep(29 * sec)
		d.expect(t)
		states := r.States()
		if len(states) != 2 || !states[0].Up || states[1].Up || !states[0].Made || states[0].Kind != "FAKE" || states[0].Probe != "bad" {
			t.Fatalf("start states %+v", states)
		}
		time.Sleep(2 * sec) // for a check that started down bad attempts are no news
		d.expect(t, "30s a up=false err=connection refused")
	})
}

func TestTheWeightOfAGoodAttemptIsReported(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
		p := &fake{name: "p"}
		must(t, r.Set([]Spec{{ID: "c", Settings: quick(), Probe: p}}))
		weigh := func(w health.Weight, err error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.weight, p.err = w, err
		}
		five := health.Weight{Kind: health.SetWeight, N: 5}
		time.Sleep(5 * sec)
		weigh(five, nil) // at 10 s
		time.Sleep(20 * sec)
		weigh(health.Weight{Kind: health.SetWeight, N: 9}, errRefused) // at 30, 32 and 34 s; counts for nothing
		time.Sleep(10 * sec)
		if s, _ := r.State("c"); s.Weight != five {
			t.Errorf("weight %v after bad attempts, want that of the last good one", s.Weight)
		}
		weigh(five, nil) // at 44 s
		time.Sleep(10 * sec)
		d.expect(t, "10s c up=true err=<nil> weight={1 5}",
			"34s c up=false err=connection refused weight={1 9}", "44s c up=true err=<nil> weight={1 5}")
	})
}

func TestRemovedCheckStops(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
		bad, good := &fake{name: "bad", err: errRefused}, &fake{name: "good"}
		specs := []Spec{
			{ID: "good", Settings: quick(), Probe: good},
			{ID: "bad", Settings: quick(), Probe: bad},
		}
		must(t, r.Set(specs))
		time.Sleep(1 * sec)
		must(t, r.Set(specs[:1]))
		time.Sleep(100 * sec)
		if n := len(bad.times(d.t0)); n != 1 {
			t.Fatalf("%d checks, want none after it was removed", n-1)
		}
		good.set(errRefused, 2*sec)
		time.Sleep(10 * sec) // 111 s; the attempt of 110 s is under way
		if now, _ := good.underWay(); now != 1 {
			t.Fatal("no attempt under way")
		}
		must(t, r.Set(nil))
		time.Sleep(100 * sec)
		if now, _ := good.underWay(); now != 0 || len(r.States()) != 0 {
			t.Fatal("something is left of the removed check")
		}
		if _, ok := r.State("good"); ok {
			t.Fatal("a removed check has a state")
		}
		d.expect(t, "0s bad up=false err=connection refused")
	})
}

func TestFirstChecksAreSpread(t *testing.T) {
	var n uint64
	quarter := func() uint64 { n++; return (n - 1) << 62 }
	bubble(t, Config{Rand: quarter}, func(t *testing.T, r *Runner, d *diary) {
		var specs []Spec
		var probes []*fake
		for i := range 4 {
			s := quick()
			s.Warmup = 8 * sec
			p := &fake{name: "p"}
			probes = append(probes, p)
			specs = append(specs, Spec{ID: fmt.Sprint(i), Settings: s, Probe: p})
		}
		must(t, r.Set(specs))
		next := r.States()[3].Next
		time.Sleep(9 * sec)
		for i, p := range probes {
			if got := p.times(d.t0); !slices.Equal(got, []time.Duration{time.Duration(i) * 2 * sec}) {
				t.Errorf("check %d at %v, want %d s", i, got, 2*i)
			}
		}
		if next.Sub(d.t0) != 6*sec {
			t.Errorf("State.Next announced %v, want 6s", next.Sub(d.t0))
		}
	})
}

func TestNoMoreAttemptsThanParallel(t *testing.T) {
	bubble(t, Config{Parallel: 3}, func(t *testing.T, r *Runner, d *diary) {
		p := &fake{name: "p", takes: 1 * sec}
		var specs []Spec
		for i := range 12 {
			specs = append(specs, Spec{ID: fmt.Sprint(i), Settings: quick(), Probe: p})
		}
		must(t, r.Set(specs))
		time.Sleep(5 * sec) // 12 attempts of a second, three at a time
		synctest.Wait()
		if _, peak := p.underWay(); peak != 3 || len(p.times(d.t0)) != 12 {
			t.Fatalf("%d attempts, at most %d at a time; want 12 and 3", len(p.times(d.t0)), peak)
		}
	})
}

func TestCloseEndsAnAttemptUnderWay(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
		p := &fake{name: "p", takes: time.Hour}
		s := quick()
		s.ConnectTimeout = time.Hour
		must(t, r.Set([]Spec{{ID: "c", Settings: s, Probe: p}}))
		time.Sleep(sec)
		r.Close()
		if now, _ := p.underWay(); time.Since(d.t0) != sec || now != 0 {
			t.Fatalf("Close returned after %v with %d attempts under way", time.Since(d.t0)-sec, now)
		}
		d.expect(t) // that the attempt was ended is not the server's fault
		if err := r.Set(nil); !errors.Is(err, os.ErrClosed) {
			t.Fatalf("Set after Close: %v", err)
		}
		r.Close()
	})
}

func TestInvalidSpecsChangeNothing(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
		ok := Spec{ID: "ok", Settings: quick(), Probe: &fake{name: "p"}}
		must(t, r.Set([]Spec{ok}))
		noID, noProbe, bad := ok, ok, ok
		noID.ID, noProbe.Probe, bad.Settings.DelayLoop = "", nil, 0
		for want, specs := range map[string][]Spec{
			"has no ID":           {noID},
			"ok has no probe":     {noProbe},
			"two are called ok":   {ok, ok},
			"ok: delay_loop 0s: ": {bad},
		} {
			if err := r.Set(specs); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
			if s := r.States(); len(s) != 1 || s[0].ID != "ok" {
				t.Fatalf("states %v", s)
			}
		}
	})
}

// TestWhileOnChangeIsBusy: it is told the newest state afterwards, and nothing of
// a check that was removed meanwhile or is as it was.
func TestWhileOnChangeIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{t0: time.Now()}
		r := New(Config{OnChange: func(c Change) {
			d.note(c)
			time.Sleep(10 * sec)
		}})
		defer r.Close()
		s := quick()
		s.DelayLoop, s.Retry = sec, 0
		probe := func(name string) *fake { return &fake{name: name} }
		busy, kept, removed, flaps := probe("busy"), probe("kept"), probe("removed"), probe("flaps")
		var specs []Spec
		for _, p := range []*fake{busy, kept, flaps, removed} {
			specs = append(specs, Spec{ID: p.name, Settings: s, Probe: p})
		}
		must(t, r.Set(specs))
		time.Sleep(500 * time.Millisecond)
		busy.set(errRefused, 0) // bad at 1 s; OnChange is busy until 11 s
		time.Sleep(sec)
		for _, p := range []*fake{kept, removed, flaps} {
			p.set(errRefused, 0) // bad at 2 s
		}
		time.Sleep(sec)
		kept.set(errors.New("another reason"), 0)
		flaps.set(nil, 0)
		time.Sleep(sec)
		must(t, r.Set(specs[:3]))
		time.Sleep(20 * sec)
		d.expect(t, "1s busy up=false err=connection refused", "11s kept up=false err=another reason")
	})
}

// A Runner that is asked whether it works answers at once, unless
// OnChange hangs.
func TestARunnerThatIsStuckDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		r := New(Config{OnChange: func(Change) { <-free }})
		defer r.Close()
		answers := func() bool {
			r.Ask()
			time.Sleep(time.Minute)
			synctest.Wait()
			return r.Answered()
		}
		if !r.Answered() || !answers() {
			t.Error("one without checks does not answer")
		}
		p := &fake{name: "server", err: errRefused}
		s := quick()
		s.DelayLoop, s.Retry = sec, 0
		must(t, r.Set([]Spec{{ID: "server", Settings: s, Probe: p}}))
		time.Sleep(10 * sec)
		if answers() {
			t.Error("it answers while who is told hangs")
		}
		close(free)
		synctest.Wait()
		if !r.Answered() || !answers() {
			t.Error("it does not answer, and nothing hangs any more")
		}
	})
}

func TestOnChangeMayCallTheRunner(t *testing.T) {
	var r *Runner
	done := make(chan struct{})
	cfg := Config{OnChange: func(c Change) {
		r.State(c.ID)
		r.States()
		r.Set(nil)
		close(done)
	}}
	synctest.Test(t, func(t *testing.T) {
		done = make(chan struct{})
		r = New(cfg)
		defer r.Close()
		must(t, r.Set([]Spec{{ID: "c", Settings: quick(), Probe: &fake{name: "p", err: errRefused}}}))
		<-done
		if len(r.States()) != 0 {
			t.Fatal("Set in OnChange had no effect")
		}
	})
}

// TestAReplacedCheckReportsWhatIsNotToldYet: the check goes down while OnChange
// is busy, and before it is told, a reload changes its settings.
func TestAReplacedCheckReportsWhatIsNotToldYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{t0: time.Now()}
		r := New(Config{Rand: func() uint64 { return 1 << 63 }, OnChange: func(c Change) {
			d.note(c)
			time.Sleep(5 * sec)
		}})
		defer r.Close()
		bad := &fake{name: "bad", err: errRefused}
		specs := []Spec{{ID: "a", Settings: quick(), Probe: bad}, {ID: "b", Settings: quick(), Probe: bad}}
		specs[1].Settings.Warmup = sec // so at half a second
		must(t, r.Set(specs))
		time.Sleep(sec)
		specs[1].Settings.DelayLoop = time.Hour
		specs[1].Settings.Warmup = time.Hour
		must(t, r.Set(specs))
		time.Sleep(10 * sec)
		d.expect(t, "0s a up=false err=connection refused", "5s b up=false err=connection refused")
	})
}

// TestSetDoesNotWait: neither for an attempt under way nor for a log.
func TestSetDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		stubborn := &unstoppable{leave: leave}
		r := New(Config{Log: slog.New(slog.NewTextHandler(blocked{leave}, nil))})
		specs := []Spec{
			{ID: "attempt", Settings: quick(), Probe: stubborn},
			{ID: "log", Settings: quick(), Probe: &fake{name: "bad", err: errRefused}},
			{ID: "other", Settings: quick(), Probe: &fake{name: "good"}},
		}
		must(t, r.Set(specs))
		time.Sleep(55 * sec)
		t0 := time.Now()
		must(t, r.Set(specs[1:]))
		must(t, r.Set(specs[2:]))
		if s, _ := r.State("other"); time.Since(t0) != 0 || s.Attempts != 6 {
			t.Errorf("Set took %v, %d attempts at another server", time.Since(t0), s.Attempts)
		}
		close(leave)
		r.Close()
	})
}

// An unstoppable probe ignores the end of its context.
type unstoppable struct{ leave chan struct{} }

func (*unstoppable) Kind() string                   { return "FAKE" }
func (*unstoppable) String() string                 { return "unstoppable" }
func (p *unstoppable) Check(context.Context) Result { <-p.leave; return Result{} }

// A blocked writer is that of a log whose reader has stopped reading.
type blocked struct{ until chan struct{} }

func (b blocked) Write(p []byte) (int, error) { <-b.until; return len(p), nil }

// TestOneOfManyChanged: with 30,000 checks a change of one starts that one anew
// and leaves the others alone.
func TestOneOfManyChanged(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
		specs := manySpecs(30_000)
		must(t, r.Set(specs))
		before := r.States()
		time.Sleep(sec)
		specs[17].Settings.DelayLoop++
		must(t, r.Set(specs))
		for i, s := range r.States() {
			if changed := s.Next != before[i].Next; changed != (s.ID == specs[17].ID) {
				t.Fatalf("check %s starts at %v, before at %v", s.ID, s.Next, before[i].Next)
			}
		}
	})
}

// manySpecs are n checks of a server each, none of them due within the hour.
func manySpecs(n int) []Spec {
	s := quick()
	s.Warmup = 1000 * time.Hour
	specs := make([]Spec, n)
	for i := range specs {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		specs[i] = Spec{ID: fmt.Sprintf("TCP_CHECK of [%s]:tcp:80", addr), Settings: s, Probe: TCP{Addr: netip.AddrPortFrom(addr, 80)}}
	}
	return specs
}

// BenchmarkSetOneOf30000 is a reload that changes one check.
func BenchmarkSetOneOf30000(b *testing.B) {
	r := New(Config{})
	defer r.Close()
	specs := manySpecs(30_000)
	if err := r.Set(specs); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		specs[17].Settings.DelayLoop++
		if err := r.Set(specs); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAttemptThatWasNotMadeChangesNothing(t *testing.T) {
	var log strings.Builder
	bubble(t, Config{Log: plain(&log)}, func(t *testing.T, r *Runner, d *diary) {
		p := &fake{name: "p", err: fmt.Errorf("%w: no descriptors", ErrNotMade)}
		must(t, r.Set([]Spec{{ID: "c", Settings: quick(), Probe: p}}))
		time.Sleep(35 * sec)
		d.expect(t, "0s c up=true err=check not made: no descriptors")
		s := r.States()[0]
		if !s.Up || s.Made || s.NotMade != 4 || s.Attempts != 4 || s.Failures != 0 || s.LastError != "check not made: no descriptors" {
			t.Fatalf("%+v", s)
		}
		p.set(nil, 0) // at 40 s
		time.Sleep(10 * sec)
		d.expect(t, "0s c up=true err=check not made: no descriptors", "40s c up=true err=<nil>")
		if s := r.States()[0]; !s.Made || s.NotMade != 0 {
			t.Fatalf("made again: %+v", s)
		}
	})
	if want := "level=WARN msg=\"check not made\" check=c error=\"check not made: no descriptors\"\n"; log.String() != want {
		t.Fatalf("log:\n%swant it once:\n%s", log.String(), want)
	}
}

func TestAStateTellsOfRetries(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
		p := &fake{name: "p"}
		must(t, r.Set([]Spec{{ID: "c", Settings: quick(), Probe: p}}))
		time.Sleep(sec)
		p.set(errRefused, 0)
		time.Sleep(12 * sec) // bad at 10 and 12 s
		s, _ := r.State("c")
		want := State{ID: "c", Kind: "FAKE", Probe: "p", Up: true, Made: true, Since: d.t0, LastError: "connection refused",
			Attempts: 3, Failures: 2, Retrying: 2, Next: d.t0.Add(14 * sec)}
		if s != want {
			t.Errorf("state %+v, want %+v", s, want)
		}
		time.Sleep(2 * sec) // bad at 14 s
		s, _ = r.State("c")
		want.Up, want.Since, want.Attempts, want.Failures, want.Retrying = false, d.t0.Add(14*sec), 4, 3, 0
		want.Next = d.t0.Add(24 * sec)
		if s != want {
			t.Errorf("state %+v, want %+v", s, want)
		}
	})
}

func TestLogAll(t *testing.T) {
	for _, all := range []bool{false, true} {
		var log strings.Builder
		bubble(t, Config{Log: plain(&log)}, func(t *testing.T, r *Runner, d *diary) {
			s := quick()
			s.LogAll = all
			p := &fake{name: "p"}
			must(t, r.Set([]Spec{{ID: "c", Settings: s, Probe: p}}))
			time.Sleep(sec)
			p.set(errRefused, 0)
			time.Sleep(24 * sec) // failures at 10, 12, 14 (down) and 24 s
			p.set(nil, 0)
			time.Sleep(10 * sec)
		})
		failed := strings.Count(log.String(), "msg=\"check failed\"")
		if want := map[bool]int{false: 0, true: 3}[all]; failed != want {
			t.Errorf("log_all_failures %v: %d failures logged, want %d:\n%s", all, failed, want, log.String())
		}
		for _, want := range []string{"level=DEBUG msg=\"check down\" check=c error=\"connection refused\"\n", "level=DEBUG msg=\"check up\" check=c\n"} {
			if strings.Count(log.String(), want) != 1 {
				t.Errorf("log_all_failures %v: want %q once:\n%s", all, want, log.String())
			}
		}
	}
}

// plain is a logger whose lines have no time.
func plain(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// A check that waits keeps its state, and is made at once when it may be.
func TestASuspendedCheckStaysAsItIs(t *testing.T) {
	for _, up := range []bool{true, false} {
		t.Run(fmt.Sprint("up ", up), func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
				p := &fake{name: "p"}
				var told []string
				if !up {
					p.set(errRefused, 0)
					told = append(told, "0s rs up=false err=connection refused")
				}
				spec := Spec{ID: "rs", Settings: quick(), Probe: p}
				must(t, r.Set([]Spec{spec}))
				time.Sleep(sec)
				spec.Suspended = true
				must(t, r.Set([]Spec{spec}))
				p.set(map[bool]error{true: errRefused}[up], 0)
				time.Sleep(3600 * sec)
				d.expect(t, told...)
				if s, ok := r.State("rs"); !ok || s.Up != up || s.Attempts != 1 {
					t.Errorf("after an hour: %+v", s)
				}
				spec.Suspended = false
				must(t, r.Set([]Spec{spec}))
				synctest.Wait()
				if s, _ := r.State("rs"); s.Attempts != 2 {
					t.Errorf("it is not made at once: %+v", s)
				}
				time.Sleep(10 * sec)
				if s, _ := r.State("rs"); s.Up == up {
					t.Errorf("its state does not change any more: %+v", s)
				}
			})
		})
	}
}

func TestACheckMayStartSuspended(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
		p := &fake{name: "p", err: errRefused}
		must(t, r.Set([]Spec{{ID: "rs", Settings: quick(), Probe: p, Suspended: true}}))
		time.Sleep(100 * sec)
		d.expect(t)
		if len(p.times(d.t0)) != 0 {
			t.Error("it was made")
		}
	})
}
