package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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
	takes  time.Duration // before it answers; or until ctx ends, if that is sooner
	starts []time.Time
	now    int // attempts under way
	peak   int // greatest value of now
}

func (p *fake) String() string { return p.name }

func (p *fake) Check(ctx context.Context) error {
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
	return err
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

func (d *diary) note(server string, up bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("%v %s up=%v err=%v", time.Since(d.t0), server, up, err))
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
				must(t, r.Set([]Spec{{ID: "c", Server: "rs", Settings: quick(), Probe: p}}))
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
	if b := quick().Bound(); b != 23*sec {
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
			specs := func() []Spec { return []Spec{{ID: "c", Server: "rs", Settings: quick(), Probe: p}} }
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
		spec := Spec{ID: "c", Server: "rs", Settings: quick(), Probe: p}
		must(t, r.Set([]Spec{spec}))
		time.Sleep(1 * sec)
		spec.Settings.DelayLoop, spec.Settings.Warmup = 5*sec, 4*sec
		must(t, r.Set([]Spec{spec}))
		s := r.States()[0]
		if s.Up || s.Checks != 1 || s.Since != d.t0 {
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
		if r.Servers()["rs"] {
			t.Fatal("a new probe brought a dead server up before its first check")
		}
		time.Sleep(3 * sec)
		d.expect(t, "0s rs up=false err=connection refused", "23s rs up=true err=<nil>")
	})
}

func TestServerIsUpWhenAllItsChecksAre(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
		a, b := &fake{name: "a", err: errRefused}, &fake{name: "b"}
		specs := []Spec{
			{ID: "a", Server: "rs", Settings: quick(), Probe: a},
			{ID: "b", Server: "rs", Settings: quick(), Probe: b},
		}
		must(t, r.Set(specs))
		d.expect(t, "0s rs up=false err=connection refused")
		b.set(errors.New("also dead"), 0) // no news: b is out at 14 s
		time.Sleep(21 * sec)
		a.set(nil, 0) // good at 30 s, but b is not
		time.Sleep(10 * sec)
		d.expect(t, "0s rs up=false err=connection refused")
		b.set(nil, 0) // good at 34 s
		time.Sleep(10 * sec)
		d.expect(t, "0s rs up=false err=connection refused", "34s rs up=true err=<nil>")

		specs[1].Settings.Alpha, specs[1].ID = true, "new"
		must(t, r.Set(specs)) // a new check that starts down
		d.expect(t, "0s rs up=false err=connection refused", "34s rs up=true err=<nil>",
			"41s rs up=false err=new is down", "41s rs up=true err=<nil>")
	})
}

func TestStartStates(t *testing.T) {
	bubble(t, Config{Rand: func() uint64 { return 1 << 63 }}, func(t *testing.T, r *Runner, d *diary) {
		up, alpha := quick(), quick()
		up.Warmup, alpha.Warmup, alpha.Alpha = 60*sec, 60*sec, true
		bad := &fake{name: "bad", err: errRefused}
		must(t, r.Set([]Spec{
			{ID: "a", Server: "rs", Settings: up, Probe: bad},
			{ID: "b", Server: "alpha rs", Settings: up, Probe: bad},
			{ID: "c", Server: "alpha rs", Settings: alpha, Probe: bad},
			{ID: "alone", Settings: alpha, Probe: bad},
		}))
		time.Sleep(29 * sec)
		d.expect(t)
		want := map[string]bool{"rs": true, "alpha rs": false, "alone": false}
		if got := r.Servers(); !reflect.DeepEqual(got, want) {
			t.Fatalf("start states %v, want %v", got, want)
		}
		time.Sleep(2 * sec) // for a server that started down bad checks are no news
		d.expect(t, "30s rs up=false err=connection refused")
	})
}

func TestRemovedCheckStops(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, d *diary) {
		bad, good := &fake{name: "bad", err: errRefused}, &fake{name: "good"}
		specs := []Spec{
			{ID: "good", Server: "rs", Settings: quick(), Probe: good},
			{ID: "bad", Server: "rs", Settings: quick(), Probe: bad},
		}
		must(t, r.Set(specs))
		time.Sleep(1 * sec)
		must(t, r.Set(specs[:1]))
		time.Sleep(100 * sec)
		if n := len(bad.times(d.t0)); n != 1 {
			t.Fatalf("%d checks, want none after it was removed", n-1)
		}
		// Without its bad check the server is up.
		d.expect(t, "0s rs up=false err=connection refused", "1s rs up=true err=<nil>")

		good.set(errRefused, 2*sec)
		time.Sleep(10 * sec) // 111 s; the attempt of 110 s is under way
		if now, _ := good.underWay(); now != 1 {
			t.Fatal("no attempt under way")
		}
		must(t, r.Set(nil))
		time.Sleep(100 * sec)
		if now, _ := good.underWay(); now != 0 || len(r.States()) != 0 || len(r.Servers()) != 0 {
			t.Fatal("something is left of the removed check")
		}
		d.expect(t, "0s rs up=false err=connection refused", "1s rs up=true err=<nil>")
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

// TestRemovedServerIsNotReported: while OnChange is slow a second report
// waits; its server is removed meanwhile.
func TestRemovedServerIsNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{t0: time.Now()}
		r := New(Config{OnChange: func(server string, up bool, err error) {
			d.note(server, up, err)
			time.Sleep(5 * sec)
		}})
		defer r.Close()
		late := quick()
		late.DelayLoop = 12 * sec
		good := &fake{name: "good"}
		specs := []Spec{
			{ID: "first", Settings: quick(), Probe: &fake{name: "bad", err: errRefused}},
			{ID: "kept", Settings: late, Probe: good},
			{ID: "removed", Settings: late, Probe: good},
		}
		for i := range specs {
			specs[i].Settings.Retry = 0
		}
		must(t, r.Set(specs))
		time.Sleep(11 * sec)
		specs[0].Probe.(*fake).set(nil, 0) // good at 20 s
		time.Sleep(10 * sec)
		good.set(errRefused, 0) // bad at 24 s; OnChange is busy until 25 s
		time.Sleep(3500 * time.Millisecond)
		must(t, r.Set(specs[:2]))
		time.Sleep(2 * sec)
		d.expect(t, "0s first up=false err=connection refused", "20s first up=true err=<nil>", "25s kept up=false err=connection refused")
	})
}

func TestOnChangeMayCallSet(t *testing.T) {
	var r *Runner
	done := make(chan struct{})
	cfg := Config{OnChange: func(server string, up bool, err error) {
		r.Set(nil)
		r.States()
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

func TestAttemptThatWasNotMadeChangesNothing(t *testing.T) {
	var log strings.Builder
	bubble(t, Config{Log: plain(&log)}, func(t *testing.T, r *Runner, d *diary) {
		p := &fake{name: "p", err: fmt.Errorf("%w: no descriptors", ErrNotMade)}
		must(t, r.Set([]Spec{{ID: "c", Settings: quick(), Probe: p}}))
		time.Sleep(35 * sec)
		d.expect(t)
		s := r.States()[0]
		if !s.Up || s.Checks != 4 || s.Failures != 0 || s.LastError != "check not made: no descriptors" {
			t.Fatalf("%+v", s)
		}
	})
	if want := "level=WARN msg=\"check not made\" check=c error=\"check not made: no descriptors\"\n"; log.String() != want {
		t.Fatalf("log:\n%swant it once:\n%s", log.String(), want)
	}
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
		for _, want := range []string{"level=WARN msg=\"check down\" check=c error=\"connection refused\"\n", "level=INFO msg=\"check up\" check=c\n"} {
			if strings.Count(log.String(), want) != 1 {
				t.Errorf("log_all_failures %v: want %q once:\n%s", all, want, log.String())
			}
		}
	}
}

// plain is a logger whose lines have no time.
func plain(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}
