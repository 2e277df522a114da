//go:build long

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/handover"
)

// While clients ask over connections that stay and over new ones, one process after another takes over, with other
// settings, too: no request fails, nothing on the host is taken away, and each process ends well.
func TestATakeOverFailsNoRequest(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1, 1)})
	dir := shortDir(t)
	config := filepath.Join(dir, "keepalived.conf")
	table := []string{"--table", filepath.Join(dir, "table"), "-c", config}
	s := rotating() // the connections live because the table is taken over
	s.Server = checked
	text := lab.Config(s)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	old := launchWith(t, lab, dir, table...)
	guards := shielded(t, lab)
	l := startAsking(t, lab, 8, 2)
	l.more(t, 200)
	steps := []struct {
		name, config string
		args         []string
	}{
		{"as it was", text, nil},
		{"with other workers", text, []string{"--workers", "2"}},
		{"with another configuration", strings.Replace(text, "lb_algo wrr", "lb_algo wrr\n    quorum 2", 1), nil},
	}
	for range rounds(0, 10) { // in the long run, ten more of the first kind
		steps = append(steps, steps[0])
	}
	for _, step := range steps {
		if err := os.WriteFile(config, []byte(step.config), 0o600); err != nil {
			t.Fatal(err)
		}
		l.longest.Store(0)
		l.probe.Store(0)
		old = takeOver(t, lab, dir, old, append(step.args, table...)...)
		l.more(t, 200)
		t.Logf("%s: frames waited %s; longest request %v, of one that asks once a millisecond %v", step.name, old.waited(), time.Duration(l.longest.Load()), time.Duration(l.probe.Load()))
		if got := shielded(t, lab); fmt.Sprint(got) != fmt.Sprint(guards) {
			t.Errorf("%s: it hides %v, want %v", step.name, got, guards)
		}
		st, err := askStatus(t.Context(), old.socket)
		if err != nil || st.Reasons["reset-no-connection"]+st.Reasons["resumed"] != 0 || st.ARP["announcements-sent"] != 0 {
			t.Errorf("%s: %v; frames %v, ARP %v: no connection is reset, and nothing is announced that all know", step.name, err, st.Reasons, st.ARP)
		}
	}
	l.end(t)
	t.Logf("%d requests", l.done.Load())
	if code := old.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("SIGTERM ended the last one with %d", code)
	}
	for _, path := range []string{old.socket, handover.Path(old.socket)} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("the last one has left %s", path)
		}
	}
	if got := shielded(t, lab); len(got) > 0 {
		t.Errorf("after the last one %v is hidden", got)
	}
}

// A successor that cannot take over, or ends half-way, changes nothing for the director that runs and its clients.
func TestASuccessorThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	dir := shortDir(t)
	p := launch(t, lab, dir, lab.Config(hashed()))
	l := startAsking(t, lab, 4, 1)
	l.more(t, 50)
	bad := filepath.Join(dir, "bad.conf")
	if err := os.WriteFile(bad, []byte("virtual_server bad {"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out netlab.Output
	cmd := lab.Director.Command(t.Context(), binary(), "run", "--takeover", "-c", bad, "--socket", p.socket)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 5 {
		t.Errorf("with a bad file: %v, %s", err, out.String())
	}
	for steps := range 3 {
		s, err := handover.Dial(handover.Path(p.socket), "test")
		if err != nil {
			t.Fatal(err)
		}
		if steps > 0 {
			err = s.State(nil)
		}
		if steps > 1 && err == nil {
			var files []handover.File
			_, files, err = s.Stop()
			for _, f := range files {
				_ = unix.Close(f.FD)
			}
		}
		if err != nil {
			t.Error(err)
		}
		s.Close()
		l.more(t, 50)
	}
	if got := strings.Count(p.log.String(), "it has not taken over; nothing has changed"); got != 2 {
		t.Errorf("the log says %d times that nothing has changed, want 2", got)
	}
	l.end(t)
	// It still can be taken over, and when it hangs it can be ended.
	p = takeOver(t, lab, dir, p, "-c", filepath.Join(dir, "keepalived.conf"))
	if err := unix.Kill(p.Process.Pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	next := launchWith(t, lab, dir, "--takeover=kill", "-c", filepath.Join(dir, "keepalived.conf"))
	if err := p.Wait(); err == nil || !strings.Contains(next.log.String(), "is killed, as it does not answer") {
		t.Errorf("one that hangs: %v\n%s", err, next.log.String())
	}
	get(t, lab, 5)
	next.end(t, unix.SIGTERM)
}
