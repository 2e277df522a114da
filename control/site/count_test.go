package site

import (
	"testing"
)

// countSlow counts what Views lists.
func countSlow(s *State) (n Count) {
	for v := range s.Views() {
		n.Services++
		for _, r := range v.Servers {
			n.Servers++
			if r.Up {
				n.Up++
			}
		}
	}
	return n
}

// The count is that of the views: with servers that are down and not in the table, and
// sorry servers while they serve.
func TestTheCountIsThatOfTheViews(t *testing.T) {
	sc := newScene(t)
	expect := func(what string, want Count) {
		t.Helper()
		if got, slow := sc.s.Count(), countSlow(sc.s); got != want || got != slow {
			t.Errorf("%s: %+v, by the views %+v, want %+v", what, got, slow, want)
		}
	}
	expect("nothing", Count{})
	sc.load(vs("192.168.1.100 80", "sorry_server 192.168.1.99 80", "192.168.1.11 80 "+tcpCheck, "192.168.1.12 80 "+tcpCheck) +
		vs("192.168.1.101 80", "", "192.168.1.13 80"))
	expect("all up", Count{Services: 2, Servers: 3, Up: 3})
	sc.check(".11", false)
	expect("one down", Count{Services: 2, Servers: 3, Up: 2})
	sc.check(".12", false)
	expect("the sorry server serves", Count{Services: 2, Servers: 4, Up: 2})
	sc.check(".11", true)
	sc.check(".12", true)
	expect("all up again", Count{Services: 2, Servers: 3, Up: 3})
	if n := testing.AllocsPerRun(10, func() { sc.s.Count() }); n != 0 {
		t.Errorf("%v allocations per count", n)
	}
}
