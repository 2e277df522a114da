//go:build long

package main_test

import (
	"testing"

	"lvsdr/bench/scenario"
	"lvsdr/bench/scenario/sessiontest"
	"lvsdr/control/api"
	"lvsdr/control/ipvsadm"
)

// The recorded sessions of ipvsadm, through the control socket of a director that
// runs without a file: exit code and text are those of the kernel, but for what
// needs other methods than Direct Routing, packets, or a director that is its own real
// server.
func TestRecordedSessionsOnARunningDirector(t *testing.T) {
	t.Parallel()
	sessions, err := sessiontest.Sessions("../..")
	if err != nil {
		t.Fatal(err)
	}
	p := launchWith(t, everywhere(t), shortDir(t), "--no-config", "--interface", recordedLink)
	c := api.NewClient(p.socket)
	defer c.Close()
	anew := ipvsadm.Interpreter{Admin: c}
	for i, s := range sessions {
		if i%3 != 0 && !long() { // the core plays all of them in the tests of bench/scenario
			continue
		}
		for _, args := range [][]string{{"-C"}, {"--set", "900", "120", "300"}} { // as a director that has just started
			if r := anew.Run(t.Context(), args, nil); r.Exit != 0 {
				t.Fatalf("%v: exit code %d, %s", args, r.Exit, r.Err)
			}
		}
		want, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		if err := scenario.PlayThrough(got, func(api.Admin) api.Admin { return c }); err != nil {
			t.Fatal(err)
		}
		left, diffs := sessiontest.How{Host: true}.Compare(want, got)
		for _, d := range diffs {
			t.Errorf("%s: %s", s.Name, d)
		}
		if r := sessiontest.Ranges(left); r != s.LeftOutOnHost {
			t.Errorf("%s: something was left out of the lines %q, want %q", s.Name, r, s.LeftOutOnHost)
		}
	}
}
