package main_test

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/creack/pty"

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

// On a terminal of 80 by 24, and on others, no line is longer than it, nor are
// there more; the keys work; and the terminal is left as it was.
func TestTopOnATerminal(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)})
	d := direct(t, lab, lab.Config(netlab.Service{Port: port, Persistence: "0", Server: "TCP_CHECK { connect_timeout 1 }"}))
	get(t, lab, 40)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary(), "top", "--interval", "100ms", "--socket", d.Socket)
	term := onTerminal(t, cmd, 80)
	last := func() []string {
		all := screens(term.written.String())
		if len(all) == 0 {
			return nil
		}
		return all[len(all)-1]
	}
	latest := func(text string) func() bool {
		return func() bool { return strings.Contains(strings.Join(last(), "\n"), text) }
	}
	press := func(keys string) {
		t.Helper()
		term.press(t, keys)
	}
	await(t, "the first screen", latest("> tcp 192.168.1.100:8080"))
	press("jj\x1b[B")
	await(t, "the third server to be selected", latest("> 192.168.1.13:8080"))
	press("k")
	await(t, "the second server to be selected", latest("> 192.168.1.12:8080"))
	press(strings.Repeat("j", 30))
	await(t, "the last server to be scrolled to", latest("> 192.168.1.25:8080"))
	press("s")
	await(t, "another order", latest("sort: connections/s"))
	press("p")
	await(t, "a pause", latest("PAUSED"))
	for _, s := range screens(term.written.String()) {
		wantFits(t, s, 80, 24)
	}
	if err := pty.Setsize(term.master, &pty.Winsize{Rows: 10, Cols: 40}); err != nil {
		t.Fatal(err)
	}
	// One of the old size may have been under way.
	await(t, "the smaller screen", func() bool { return len(misfits(last(), 40, 10)) == 0 })
	seen := len(screens(term.written.String()))
	await(t, "another one", func() bool { return len(screens(term.written.String())) > seen })
	for _, s := range screens(term.written.String())[seen:] {
		wantFits(t, s, 40, 10)
	}
	press("q")
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	term.close()
	if !strings.HasSuffix(term.written.String(), "\x1b[?25h\x1b[?1049l") {
		t.Errorf("it leaves the terminal as %q", term.written.String()[max(0, len(term.written.String())-40):])
	}
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
