package health

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const passiveHold = 30 * time.Second

// looked is a window after looks at what was counted from 0 on: connections and repeated SYNs
// of each second.
func looked(seconds ...[2]uint64) Window {
	var n SYNs
	w := Window{}.Look(n)
	for _, s := range seconds {
		n.Connections += s[0]
		n.Repeated += s[1]
		w = w.Look(n)
	}
	return w
}

func TestRepeatedSYNsAreAFailure(t *testing.T) {
	p := Passive{Percent: 40, Connections: 10, Hold: passiveHold}
	for _, c := range []struct {
		name    string
		p       Passive
		seconds [][2]uint64
		want    string // in the reason; empty: no failure
	}{
		{"nothing was sent", p, nil, ""},
		{"every connection is answered", p, [][2]uint64{{50, 0}, {50, 0}, {50, 0}}, ""},
		{"every SYN is repeated after a second", p, [][2]uint64{{10, 0}, {10, 10}, {10, 10}, {10, 20}}, "40 of 80 SYNs"},
		{"just as many as are allowed", p, [][2]uint64{{60, 40}}, ""},
		{"one more", p, [][2]uint64{{60, 41}}, "41 of 101 SYNs"},
		{"too few connections to say so", p, [][2]uint64{{9, 27}}, ""},
		{"as few as are enough", p, [][2]uint64{{10, 27}}, "27 of 37 SYNs"},
		{"repeats of old connections alone", p, [][2]uint64{{0, 100}}, ""},
		{"what was more than four looks ago does not count", p, [][2]uint64{{100, 900}, {10, 0}, {10, 0}, {10, 0}, {10, 0}}, ""},
		{"what was four looks ago does", p, [][2]uint64{{100, 900}, {10, 0}, {10, 0}, {10, 0}}, "900 of 1030 SYNs"},
		{"it is off", Passive{Connections: 1}, [][2]uint64{{10, 1000}}, ""},
	} {
		got := c.p.Failure(looked(c.seconds...))
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A window holds the growth between its last looks, whatever was counted before the first one and
// when a counter begins anew.
func TestAWindowHoldsWhatWasSentBetweenItsLastLooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := SYNs{rapid.Uint64Range(0, 1000).Draw(t, "before"), rapid.Uint64Range(0, 1000).Draw(t, "repeated before")}
		w := Window{}.Look(n)
		if w.Sum() != (SYNs{}) {
			t.Fatalf("the first look gives %v", w.Sum())
		}
		var all []SYNs
		for range rapid.IntRange(0, 12).Draw(t, "looks") {
			more := SYNs{rapid.Uint64Range(0, 9).Draw(t, "connections"), rapid.Uint64Range(0, 9).Draw(t, "repeated")}
			n.Connections += more.Connections
			n.Repeated += more.Repeated
			if rapid.IntRange(0, 5).Draw(t, "zeroed") == 0 && more.Connections < n.Connections-more.Connections {
				n.Connections = more.Connections
			}
			w = w.Look(n)
			all = append(all, more)
		}
		var want SYNs
		for _, more := range all[max(len(all)-looks, 0):] {
			want.Connections += more.Connections
			want.Repeated += more.Repeated
		}
		if got := w.Sum(); got != want {
			t.Fatalf("it holds %v, want %v", got, want)
		}
	})
}

func TestAServerThatHasFailedIsTriedAgainAfterTheHold(t *testing.T) {
	s := NewServer(Policy{SlowStart: 20 * time.Second, Passive: Passive{Percent: 40, Connections: 10, Hold: passiveHold}}, []Check{{}})
	failed := s.Fail("passive: so it is", 5*time.Second)
	if !s.Up() || failed.Up() || failed.Reason() != "passive: so it is" || failed.Equal(s) {
		t.Fatalf("up %v, %q", failed.Up(), failed.Reason())
	}
	if at, ok := failed.Next(6 * time.Second); !ok || at != 35*time.Second {
		t.Errorf("it is tried again at %v, %v", at, ok)
	}
	if good := failed.Result(0, Result{Up: true}, 10*time.Second); good.Up() {
		t.Error("a good check ends the hold")
	}
	if still := failed.At(35*time.Second - 1); !still.Equal(failed) {
		t.Error("it is up before the hold is over")
	}
	back := failed.At(35 * time.Second)
	if !back.Up() || back.Reason() != "" || back.Weight(100, 35*time.Second) != 1 {
		t.Errorf("after the hold: up %v, %q, weight %d of a slow start", back.Up(), back.Reason(), back.Weight(100, 35*time.Second))
	}
	both := failed.Result(0, Result{Reason: "refused"}, 10*time.Second)
	if got := both.Reason(); got != "refused" {
		t.Errorf("with a bad check it is down because of %q", got)
	}
	if after := both.At(time.Minute); after.Up() || after.Reason() != "refused" {
		t.Errorf("the end of the hold brings a server up whose check is bad: %q", after.Reason())
	}
}

func TestAReloadKeepsAHoldUnlessItsWordHasChanged(t *testing.T) {
	p := Policy{Passive: Passive{Percent: 40, Connections: 10, Hold: passiveHold}}
	failed := NewServer(p, []Check{{}}).Fail("passive", 0)
	if got := failed.Renew(p, []Check{{}}, time.Second); got.Up() {
		t.Error("the same file brings it up")
	}
	for name, q := range map[string]Policy{"off": {}, "another hold": {Passive: Passive{Percent: 40, Connections: 10, Hold: time.Hour}}} {
		if got := failed.Renew(q, []Check{{}}, time.Second); !got.Up() {
			t.Errorf("%s: it stays down", name)
		}
	}
}
