package check

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/health"
)

// retold are r's checks as another process is told of them, as JSON.
func retold(t *testing.T, r *Runner) []Saved {
	t.Helper()
	b, err := json.Marshal(r.Save())
	if err != nil {
		t.Fatal(err)
	}
	var all []Saved
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// spec is a check every ten seconds, with two retries.
func savedSpec(p Probe) Spec {
	return Spec{ID: "a", Probe: p, Settings: Settings{DelayLoop: 10 * time.Second, ConnectTimeout: time.Second, Retry: 2, DelayBeforeRetry: 3 * time.Second, Warmup: time.Hour}}
}

// A check that another process goes on with makes its next attempt when that was planned, without a
// first attempt at a random time, and has the retries that were left.
func TestASavedCheckGoesOnWhereItStood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fake{name: "p"}
		first := New(Config{Rand: func() uint64 { return 0 }})
		if err := first.Set([]Spec{savedSpec(p)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		p.set(errRefused, 0)
		time.Sleep(6 * time.Second) // one bad attempt, of three that bring it down
		all := retold(t, first)
		first.Close()

		d := &diary{t0: time.Now()}
		q := &fake{name: "p", err: errRefused}
		second := New(Config{Rand: func() uint64 { return 1 << 63 }, Saved: all, OnChange: d.note})
		defer second.Close()
		if err := second.Set([]Spec{savedSpec(q)}); err != nil {
			t.Fatal(err)
		}
		st, ok := second.State("a")
		if !ok || !st.Up || st.Attempts != 3 || st.Failures != 1 || st.Retrying != 1 || st.LastError != errRefused.Error() {
			t.Fatalf("it starts as %+v", st)
		}
		time.Sleep(6 * time.Second)
		if got := q.times(d.t0); !slices.Equal(got, []time.Duration{2 * time.Second, 5 * time.Second}) {
			t.Errorf("attempts at %v, want 2s and 5s", got)
		}
		d.expect(t, "5s a up=false err=connection refused")
	})
}

func TestASavedCheckThatIsDownComesUpByAGoodAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		weight := health.Weight{Kind: health.AddWeight, N: 3}
		d := &diary{t0: time.Now()}
		r := New(Config{OnChange: d.note, Saved: []Saved{{ID: "a", Made: true, Next: time.Now().Add(4 * time.Second), Weight: weight}, {ID: "gone", Up: true}}})
		defer r.Close()
		if err := r.Set([]Spec{savedSpec(&fake{name: "p"})}); err != nil {
			t.Fatal(err)
		}
		if st, _ := r.State("a"); st.Up || st.Weight != weight {
			t.Fatalf("it starts as %+v", st)
		}
		time.Sleep(5 * time.Second)
		d.expect(t, "4s a up=true err=<nil>")
	})
}

// A plan that lies behind is for now, and one that another clock or a longer delay_loop made is for the next turn.
func TestTheNextAttemptOfASavedCheckIsWithinItsDelay(t *testing.T) {
	for name, c := range map[string]struct{ planned, want time.Duration }{
		"it was under way": {-time.Minute, 0}, "it is to come": {7 * time.Second, 7 * time.Second}, "it is far away": {time.Hour, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				t0 := time.Now()
				r := New(Config{Saved: []Saved{{ID: "a", Up: true, Made: true, Step: 9, Stuck: true, Next: t0.Add(c.planned)}}})
				defer r.Close()
				p := &fake{name: "p"}
				if err := r.Set([]Spec{savedSpec(p)}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.want + time.Second)
				if got := p.times(t0); len(got) != 1 || got[0] != c.want {
					t.Errorf("attempts at %v, want %v", got, c.want)
				}
			})
		})
	}
}

// What was saved is for the first Set that names the check: one that is taken away and put back begins anew.
func TestASavedCheckIsGoneOnWithOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{Saved: []Saved{{ID: "a", Made: true, Next: time.Now().Add(9 * time.Second)}}})
		defer r.Close()
		for i, up := range []bool{false, true} {
			if err := r.Set([]Spec{savedSpec(&fake{name: "p"})}); err != nil {
				t.Fatal(err)
			}
			if st, _ := r.State("a"); st.Up != up {
				t.Errorf("time %d: up %v", i+1, st.Up)
			}
			if err := r.Set(nil); err != nil {
				t.Fatal(err)
			}
		}
	})
}
