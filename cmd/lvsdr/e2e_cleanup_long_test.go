//go:build long

package main_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// --keep-shield leaves the host silent about the VIP and nothing else; cleanup removes
// it, and refuses while a director runs.
func TestTheShieldIsKeptOverAStopAndCleanedUp(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	untouched := policy(t, lab.Director.Host)
	dir := shortDir(t)
	file := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(file, []byte(lab.Config(rotating())), 0o600); err != nil {
		t.Fatal(err)
	}
	first := launchWith(t, lab, dir, "-c", file, "--keep-shield")
	cleanup := func() (string, error) {
		out, err := lab.Director.Command(t.Context(), binary(), "cleanup").CombinedOutput()
		return string(out), err
	}
	if out, err := cleanup(); err == nil || !strings.Contains(out, "another director runs") {
		t.Errorf("cleanup beside a director: %v, %s", err, out)
	}
	get(t, lab, 5)
	if code := first.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("the director ended with %d", code)
	}
	kept := shielded(t, lab)
	if len(kept) == 0 || kept[0].VIP != lab.Spec.VIP {
		t.Errorf("after the stop %v is hidden", kept)
	}
	second := launchWith(t, lab, dir, "-c", file) // it takes the shield over
	get(t, lab, 5)
	second.end(t, unix.SIGKILL)
	if out, err := cleanup(); err != nil || out != "" {
		t.Errorf("cleanup: %v, %s", err, out)
	}
	if got := shielded(t, lab); len(got) != 0 {
		t.Errorf("%v is hidden after the cleanup", got)
	}
	if left := policy(t, lab.Director.Host); !slices.Equal(left, untouched) {
		t.Errorf("left behind:\n%s\nfound:\n%s", strings.Join(left, "\n"), strings.Join(untouched, "\n"))
	}
	if out, err := cleanup(); err != nil || out != "" {
		t.Errorf("cleanup of nothing: %v, %s", err, out)
	}
}
