//go:build long

package main_test

import (
	"strings"
	"testing"

	"lvsdr/bench/netns"
)

func TestAllLessonsComeOutInIPv6(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	r := runLab(t, tmp, "lesson", "all", "--ipv6")
	if r.code != 0 || r.stderr != "" || strings.Count(r.stdout, "\nAfter:  ") != 5 || strings.Contains(r.stdout, "192.168.") {
		t.Errorf("exit code %d, %q, and\n%s", r.code, r.stderr, r.stdout)
	}
	wantNoTrace(t, tmp)
}
