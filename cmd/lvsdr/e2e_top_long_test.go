//go:build long

package main_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/creack/pty"

	"lvsdr/bench/netlab"
)

// Colours are for those who want them.
func TestTopWithoutColours(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	d := direct(t, lab, lab.Config(netlab.Service{Port: port, Persistence: "0", Server: "TCP_CHECK { connect_timeout 1 }"}))
	for _, colours := range []bool{true, false} {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary(), "top", "--interval", "100ms", "--socket", d.Socket)
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NO_COLOR=") })
		if !colours {
			cmd.Env = append(cmd.Env, "NO_COLOR=1")
		}
		term := onTerminal(t, cmd, 80)
		await(t, "a server that is down", func() bool { return strings.Contains(term.written.String(), " down") })
		term.press(t, "q")
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		term.close()
		if red := strings.Contains(term.written.String(), "\x1b[31m"); red != colours {
			t.Errorf("NO_COLOR set: %v, and yet red is %v", !colours, red)
		}
	}
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
