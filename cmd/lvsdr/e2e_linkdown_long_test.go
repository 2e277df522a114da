//go:build long

package main_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/bench/netlab"
)

// The director's own interface goes down, for longer than the checks have patience, and
// up again: one cause, one line, in the log and in the status. Nothing is learnt about
// the servers meanwhile, and afterwards clients are served at once.
func TestTheDirectorsOwnInterfaceGoesDownAndUp(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1, 1)})
	s := rotating()
	s.Server = checked
	config := lab.Config(s)
	d := direct(t, lab, config)
	get(t, lab, 3)
	nl := lab.Director.Netlink()
	link, err := nl.LinkByName(netlab.Ifname)
	if err != nil {
		t.Fatal(err)
	}
	attempts := func() (n int) {
		for _, s := range status(t, d).Services[0].Servers {
			for _, c := range s.Checks {
				n += int(c.Attempts)
			}
		}
		return n
	}
	await(t, "the first checks", func() bool { return attempts() >= 3 })
	before := strings.Count(d.Log.String(), "\n")
	lines := func() []string { return strings.Split(d.Log.String(), "\n")[before:] }

	if err := nl.LinkSetDown(link); err != nil {
		t.Fatal(err)
	}
	await(t, "the problem", func() bool { return len(status(t, d).Problems) > 0 })
	done := attempts() + 12 // four of each server
	await(t, "more checks", func() bool { return attempts() >= done })
	st := status(t, d)
	want := "interface " + netlab.Ifname + " is down: until it is up its virtual addresses are silent, and its real servers stay as they were"
	if !slices.Equal(st.Problems, []string{want}) {
		t.Errorf("problems %q, want %q", st.Problems, want)
	}
	serversUp(t, st)
	if l := lines(); len(l) != 2 || !strings.Contains(l[0], want) {
		t.Errorf("logged when it went down:\n%s", strings.Join(l, "\n"))
	}

	if err := nl.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	up := time.Now()
	await(t, "no problem to be left", func() bool { st = status(t, d); return len(st.Problems) == 0 && st.Active })
	get(t, lab, 6)
	t.Logf("served %v after it is up", time.Since(up).Round(time.Millisecond))
	done = attempts() + 6
	await(t, "checks that are made", func() bool { return attempts() >= done })
	await(t, "the log to say that it is over", func() bool { return len(lines()) >= 3 })
	serversUp(t, status(t, d))
	if l := lines(); len(l) != 3 || !strings.Contains(l[1], "solved: "+want) {
		t.Errorf("logged in all:\n%s", strings.Join(l, "\n"))
	}
}
