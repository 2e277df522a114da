package main_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/api"
	"lvsdr/control/localclient"
	"lvsdr/control/shield"
)

// A process is a director started as an operator would.
type process struct {
	*netns.Cmd
	socket string
	log    netlab.Output
}

// launch runs the program with a configuration and socket in dir and returns
// when it announces its VIPs.
func launch(t *testing.T, lab *network, dir, config string) *process {
	t.Helper()
	file := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return launchWith(t, lab, dir, "-c", file)
}

// launchWith is launch with these arguments of run.
func launchWith(t *testing.T, lab *network, dir string, args ...string) *process {
	t.Helper()
	p := &process{socket: filepath.Join(dir, "sock")}
	p.Cmd = lab.Director.Command(context.WithoutCancel(t.Context()), binary(), append([]string{"run", netlab.SmallTable, "--socket", p.socket}, args...)...)
	p.Stdout, p.Stderr = &p.log, &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("a director wrote:\n%s", p.log.String())
		}
	})
	await(t, "the director to announce its VIPs", func() bool {
		st, err := askStatus(t.Context(), p.socket)
		return err == nil && st.Active && st.PID == p.Process.Pid && servesAll(st)
	})
	return p
}

// servesAll reports whether every server is up and has a MAC address.
func servesAll(st *api.Status) bool {
	for _, s := range st.Services {
		for _, r := range s.Servers {
			if !r.Up || r.MAC == "" {
				return false
			}
		}
	}
	return true
}

// end signals the process and returns its exit code, -1 if the signal killed it.
func (p *process) end(t *testing.T, s unix.Signal) int {
	t.Helper()
	if err := unix.Kill(p.Process.Pid, s); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // the exit code says it
	return p.ProcessState.ExitCode()
}

// shielded returns the VIPs that the shield hides on the director's host.
func shielded(t *testing.T, lab *network) (guards []shield.Guard) {
	t.Helper()
	if err := lab.Director.Do(func() (err error) { guards, err = shield.Guarded(); return err }); err != nil {
		t.Fatal(err)
	}
	return guards
}

func TestACrashIsCleanedUpByTheNextStart(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	if err := lab.Director.Sysctl("net.ipv4.ip_forward", "1"); err != nil {
		t.Fatal(err)
	}
	s := rotating()
	s.Server = checked
	config, dir := lab.Config(s), shortDir(t)
	untouched := policy(t, lab.Director.Host)

	first := launch(t, lab, dir, config)
	get(t, lab, 10)
	running := policy(t, lab.Director.Host)
	guards := []shield.Guard{{VIP: lab.Spec.VIP, Interface: netlab.Ifname}, {VIP: lab.Spec.VIP, Interface: localclient.DirectorEnd}}
	if got := shielded(t, lab); !slices.Equal(got, guards) {
		t.Errorf("a running director hides %v, want %v", got, guards)
	}
	if code := first.end(t, unix.SIGKILL); code != -1 {
		t.Fatalf("killed, the director ended with %d", code)
	}
	if left := policy(t, lab.Director.Host); !slices.Equal(left, running) {
		t.Errorf("SIGKILL changed rules and routes from\n%s to\n%s", strings.Join(running, "\n"), strings.Join(left, "\n"))
	}
	if got := shielded(t, lab); !slices.Equal(got, guards) {
		t.Errorf("after SIGKILL %v is hidden, want %v", got, guards)
	}
	if _, err := os.Stat(first.socket); err != nil {
		t.Errorf("a director that was killed left no socket: this test proves nothing: %v", err)
	}

	second := launch(t, lab, dir, config)
	if again := policy(t, lab.Director.Host); !slices.Equal(again, running) {
		t.Errorf("the second director has rules and routes\n%s, the first had\n%s", strings.Join(again, "\n"), strings.Join(running, "\n"))
	}
	get(t, lab, 10)
	if code := second.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("SIGTERM ended the director with %d", code)
	}
	wantNothingLeft(t, lab, second, untouched)
}

func TestACleanStopLeavesNothing(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		t.Run(unix.SignalName(s), func(t *testing.T) {
			t.Parallel()
			lab := newHTTPLab(t, netlab.Spec{})
			atDirector := capture(t, lab.Director)
			untouched := policy(t, lab.Director.Host)
			p := launch(t, lab, shortDir(t), lab.Config(rotating()))
			if slices.Equal(policy(t, lab.Director.Host), untouched) {
				t.Error("a running director has changed nothing: this test proves nothing")
			}
			get(t, lab, 20)
			settled(t, lab, p.socket, atDirector)
			if code := p.end(t, s); code != 0 {
				t.Errorf("the director ended with %d", code)
			}
			wantNothingLeft(t, lab, p, untouched)
			// The counters' last word is in the log.
			wire := checkDirector(t, lab, atDirector)
			logged := counter(t, p, "frames.hit") + counter(t, p, "frames.scheduled")
			if logged != wire.forwarded || counter(t, p, "frames.scheduled") != 20 {
				t.Errorf("the log says that %d frames were forwarded, %d of them new connections; the wire says %d and 20",
					logged, counter(t, p, "frames.scheduled"), wire.forwarded)
			}
		})
	}
}

// counter is a number in the last line of the log.
func counter(t *testing.T, p *process, name string) int {
	t.Helper()
	m := regexp.MustCompile(`msg=stopping .*\b` + regexp.QuoteMeta(name) + `=(\d+)`).FindStringSubmatch(p.log.String())
	if m == nil {
		t.Errorf("the log ends without the counter %s", name)
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wantNothingLeft wants the host as it was found.
func wantNothingLeft(t *testing.T, lab *network, p *process, untouched []string) {
	t.Helper()
	if left := policy(t, lab.Director.Host); !slices.Equal(left, untouched) {
		t.Errorf("left behind:\n%s\nfound:\n%s", strings.Join(left, "\n"), strings.Join(untouched, "\n"))
	}
	if got := shielded(t, lab); len(got) != 0 {
		t.Errorf("%v is still hidden", got)
	}
	if _, err := os.Stat(p.socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the control socket is left: %v", err)
	}
}

func TestASecondDirectorIsRefused(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	p := launch(t, lab, shortDir(t), lab.Config(rotating()))
	before := policy(t, lab.Director.Host)
	file := filepath.Join(filepath.Dir(p.socket), "keepalived.conf")
	second := lab.Director.Command(t.Context(), binary(), "run", "-c", file, "--socket", filepath.Join(shortDir(t), "sock"))
	out, err := second.CombinedOutput()
	if err == nil || second.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "another director runs") {
		t.Errorf("a second director: %v, it wrote %s", err, out)
	}
	if after := policy(t, lab.Director.Host); !slices.Equal(before, after) {
		t.Error("the second director has touched the rules of the first")
	}
	get(t, lab, 10)
	p.end(t, unix.SIGTERM)
}

func TestASocketPathThatIsTooLongIsNamed(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	before := policy(t, lab.Director.Host)
	socket := filepath.Join(shortDir(t), strings.Repeat("x", 100))
	cmd := lab.Director.Command(t.Context(), binary(), "run", "-c", file(t, minimal), "--socket", socket)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "at most 107 bytes") {
		t.Errorf("%v, it wrote %s", err, out)
	}
	if after := policy(t, lab.Director.Host); !slices.Equal(before, after) {
		t.Error("a director that did not start left something behind")
	}
}
