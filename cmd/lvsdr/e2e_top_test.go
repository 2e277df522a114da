package main_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"lvsdr/bench/netlab"
)

func TestTopOnceShowsShares(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(3, 2, 1)})
	d := direct(t, lab, lab.Config(rotating()))
	get(t, lab, 60)
	r := lvsdr(t, "top", "--once", "--interval", "100ms", "--socket", d.Socket)
	words(t, r, "announcing", "tcp 192.168.1.100:8080 wrr, not persistent", "SERVER", "NOT FORWARDED", "arp")
	for _, want := range []string{`192\.168\.1\.11:8080 +3 +50\.0% █+\|`, `192\.168\.1\.12:8080 +2 +33\.3% █+\|`, `192\.168\.1\.13:8080 +1 +16\.7% █+\|`} {
		if !regexp.MustCompile(want).MatchString(r.stdout) {
			t.Errorf("no line %s in\n%s", want, r.stdout)
		}
	}
	if strings.Contains(r.stdout, "\x1b") || strings.Contains(r.stdout, "quit") {
		t.Error("what is printed is for a terminal")
	}
}

// control matches the control sequences that top writes to a terminal.
var control = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// screens returns the screens drawn on a terminal, one after the other.
func screens(written string) [][]string {
	var all [][]string
	for _, s := range strings.Split(written, "\x1b[H")[1:] {
		s, whole := strings.CutSuffix(s, "\x1b[J")
		if i := strings.Index(s, "\x1b[J"); i >= 0 {
			s, whole = s[:i], true
		}
		if whole {
			all = append(all, strings.Split(control.ReplaceAllString(s, ""), "\r\n"))
		}
	}
	return all
}

// wantFits wants a screen of at most so many cells.
func wantFits(t *testing.T, screen []string, width, height int) {
	t.Helper()
	for _, m := range misfits(screen, width, height) {
		t.Error(m)
	}
}

// misfits returns the lines that do not fit on a screen of so many cells.
func misfits(screen []string, width, height int) []string {
	var all []string
	if len(screen) > height {
		all = append(all, fmt.Sprintf("%d lines on a screen of %d", len(screen), height))
	}
	for _, line := range screen {
		if n := utf8.RuneCountInString(line); n > width {
			all = append(all, fmt.Sprintf("a line of %d on a screen of %d: %q", n, width, line))
		}
	}
	return all
}
