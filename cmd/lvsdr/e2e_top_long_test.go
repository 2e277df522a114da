//go:build long

package main_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

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
