package lesson

import (
	"strings"
	"testing"

	"lvsdr/bench/netlab"
)

// What is said of a pair is not said of a director alone, and nothing is said of directors
// that do not answer.
func TestAPairIsShownAsItIs(t *testing.T) {
	lab := newLab(t, netlab.Spec{Directors: 2, Servers: []netlab.ServerSpec{{Weight: 1}}})
	out := new(strings.Builder)
	s := &demo{&netlab.Site{Lab: lab, Running: &netlab.Director{Socket: "/none"}}, report{out: out}}
	if got := s.named(lab.Director); got != "The director" {
		t.Errorf("a director alone is %q", got)
	}
	if err := s.introduce(t.Context()); err != nil || !strings.Contains(out.String(), "The director does not have the VIP") {
		t.Errorf("%v, %q", err, out.String())
	}
	out.Reset()
	if err := s.byDirector(t.Context(), nil, 600); err != nil || out.String() != "" {
		t.Errorf("a director alone has shares: %v, %q", err, out.String())
	}
	s.Second = &netlab.Director{Socket: "/none"}
	if got := s.named(lab.Standby()); got != "The master, director2," {
		t.Errorf("the master is %q", got)
	}
	for name, err := range map[string]error{"introduced": s.introduce(t.Context()), "compared": s.byDirector(t.Context(), []int{0, 0}, 600)} {
		if err == nil {
			t.Errorf("directors that do not answer were %s", name)
		}
	}
	if out.Len() > 0 {
		t.Errorf("of directors that do not answer it says %q", out)
	}
}
