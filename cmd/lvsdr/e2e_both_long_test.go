//go:build long

package main_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// A host may be the director of one VIP and a real server of another one, as
// the two of a pair are for each other. Neither the director's start, nor its
// crash, nor its end takes away what the real server's own clients need.
func TestADirectorLeavesARealServerOnItsHostAlone(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	other := netip.MustParseAddr("192.168.1.101")
	h := rsHost{lab.Director, shortDir(t), other}
	h.must(t, "start", "--balance-local-clients", fmt.Sprint(port))
	before := policy(t, h.Host)
	if !slices.ContainsFunc(before, func(s string) bool { return strings.Contains(s, other.String()) }) {
		t.Fatalf("nothing of the real server is there:\n%s", strings.Join(before, "\n"))
	}
	untouched := func(when string) {
		t.Helper()
		now := policy(t, h.Host)
		for _, s := range before {
			if !slices.Contains(now, s) {
				t.Errorf("%s: %q is gone", when, s)
			}
		}
		h.must(t, "status")
	}
	config, dir := lab.Config(rotating()), shortDir(t)
	p := launch(t, lab, dir, config)
	untouched("while the director runs")
	get(t, lab, 6)
	getByWeight(t, onDirector(lab))
	p.end(t, unix.SIGKILL)
	untouched("after a crash")
	p = launch(t, lab, dir, config)
	untouched("after the next start")
	if code := p.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("the director ended with %d", code)
	}
	untouched("after the end")
	if left := policy(t, h.Host); !slices.Equal(left, before) {
		t.Errorf("left behind:\n%s\nfound:\n%s", strings.Join(left, "\n"), strings.Join(before, "\n"))
	}
	h.must(t, "stop")
}
