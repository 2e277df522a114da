package netns

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// outsider is the test binary as helper what, believing to be in no world.
func outsider(t *testing.T, what string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, marker+"=") })
	cmd.Env = append(cmd.Env, helperEnv+"="+what)
	cmd.Stderr = os.Stderr
	return cmd
}

// pipes starts cmd and gives its standard input and output.
func pipes(t *testing.T, cmd *exec.Cmd) (io.WriteCloser, *bufio.Reader) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return in, bufio.NewReader(out)
}

// say writes a line and reads the answer.
func say(t *testing.T, in io.Writer, out *bufio.Reader, line string) string {
	t.Helper()
	if _, err := io.WriteString(in, line+"\n"); err != nil {
		t.Fatal(err)
	}
	s, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("answer to %q: %v", line, err)
	}
	return strings.TrimSuffix(s, "\n")
}

func TestReexecPassesFilesAndExitCode(t *testing.T) {
	Require(t)
	cmd := outsider(t, "world")
	in, out := pipes(t, cmd)
	if got := say(t, in, out, "hello"); got != "hello" {
		t.Errorf("said hello, heard %q", got)
	}
	if got := say(t, in, out, "pid"); got != "1" {
		t.Errorf("process id inside is %s, want 1", got)
	}
	if got := say(t, in, out, "addrs"); got != "127.0.0.1/8" {
		t.Errorf("first address inside is %s, want that of lo", got)
	}
	if _, err := io.WriteString(in, "exit\n"); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	if other := strings.TrimSpace(strings.ReplaceAll(string(rest), "::1/128", "")); other != "" {
		t.Errorf("more addresses than those of lo inside: %s", other)
	}
}

func TestReexecForwardsSIGTERM(t *testing.T) {
	Require(t)
	cmd := outsider(t, "world")
	in, out := pipes(t, cmd)
	say(t, in, out, "ready?")
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 9 {
		t.Errorf("exit code %d, want the child's 9", code)
	}
}

func TestWorldDiesWithItsParent(t *testing.T) {
	Require(t)
	cmd := outsider(t, "world")
	in, out := pipes(t, cmd)
	say(t, in, out, "ready?")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The world holds the other end of out and still has its input: only its
	// death ends the stream.
	if rest, err := io.ReadAll(out); err != nil || len(rest) != 0 {
		t.Errorf("read %q, %v; want the end of the stream", rest, err)
	}
	_ = cmd.Wait()
	if os.Getpid() == 1 { // then the orphan is ours
		Eventually(t, "the orphaned world is gone", func() bool {
			_, err := unix.Wait4(-1, nil, 0, nil)
			return errors.Is(err, unix.ECHILD)
		})
	}
}

func TestReexecEndsWithItsContext(t *testing.T) {
	Require(t)
	cmd := outsider(t, "cancelled")
	in, out := pipes(t, cmd)
	say(t, in, out, "ready?")
	if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(out)
	if want := context.Canceled.Error() + "\n"; err != nil || string(rest) != want {
		t.Errorf("read %q, %v; want %q", rest, err, want)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestReexecInsideIsAnError(t *testing.T) {
	Require(t)
	if code, err := Reexec(t.Context()); err == nil {
		t.Errorf("Reexec inside a world gave %d and no error", code)
	}
}

func TestMarkerFromAnotherPlaceIsNotBelieved(t *testing.T) {
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(marker, here)
	if Inside() {
		t.Error("Inside, though the world was entered from the namespace we are in")
	}
	t.Setenv(marker, "")
	if Inside() {
		t.Error("Inside without a marker")
	}
}

func TestKernelRefusalIsNamed(t *testing.T) {
	Require(t)
	cmd := outsider(t, "refused")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.Output()
	if isRefusal(err) {
		t.Skipf("needs a user namespace inside the world: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CAP_SYS_ADMIN", "no space left on device", "operation not permitted",
		"sysctl -w user.max_user_namespaces=15000", "run as root"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("refusal does not say %q:\n%s", want, out)
		}
	}
}

func TestRefusalNamesTheSettingThatForbids(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings map[string]string
		want     []string
		without  []string
	}{
		{"Debian's switch is off", map[string]string{"kernel.unprivileged_userns_clone": "0", "user.max_user_namespaces": "99"},
			[]string{"sysctl -w kernel.unprivileged_userns_clone=1", "root"}, []string{"sysctl -w user.", "apparmor"}},
		{"AppArmor forbids", map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "1"},
			[]string{"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"}, []string{"=15000"}},
		{"no user namespaces at all", map[string]string{"user.max_user_namespaces": "0"},
			[]string{"sysctl -w user.max_user_namespaces=15000"}, []string{"userns_clone"}},
		{"nothing known forbids, as in a container", nil,
			[]string{"SYS_ADMIN", "seccomp=unconfined", "user.max_user_namespaces", "root"}, []string{"sysctl -w"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := refusal(unix.EPERM, unix.EPERM, func(name string) string { return c.settings[name] })
			if !errors.Is(err, ErrRefused) {
				t.Errorf("%v is not ErrRefused", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("does not say %q: %v", w, err)
				}
			}
			for _, w := range c.without {
				if strings.Contains(err.Error(), w) {
					t.Errorf("says %q: %v", w, err)
				}
			}
		})
	}
}

// fakeT records what Require did.
type fakeT struct{ skipped, failed string }

func (f *fakeT) Helper()                      {}
func (f *fakeT) Cleanup(func())               {}
func (f *fakeT) Errorf(string, ...any)        {}
func (f *fakeT) Skipf(_ string, args ...any)  { f.skipped, _ = args[0].(string); runtime.Goexit() }
func (f *fakeT) Fatalf(s string, args ...any) { f.failed = s; runtime.Goexit() }

func TestRequire(t *testing.T) {
	require := func() fakeT {
		var f fakeT
		done := make(chan struct{})
		go func() {
			defer close(done)
			Require(&f)
		}()
		<-done
		return f
	}
	t.Setenv(marker, "")
	t.Setenv("CI", "")
	t.Setenv(refused, "needs a thing")
	if f := require(); f.skipped != "needs a thing" || f.failed != "" {
		t.Errorf("refused: %+v, want skipped with the reason", f)
	}
	t.Setenv("CI", "true")
	if f := require(); f.failed == "" || f.skipped != "" {
		t.Errorf("refused on a build machine: %+v, want failed", f)
	}
	t.Setenv("CI", "")
	t.Setenv(refused, "")
	if f := require(); f.failed == "" {
		t.Errorf("RunTests not called: %+v, want failed", f)
	}
}

func TestFuzzingIsSeenOnTheCommandLine(t *testing.T) {
	for _, test := range []struct {
		args string
		want bool
	}{
		{"", false}, {"-test.v -test.run=X", false}, {"-test.fuzzcachedir=/x -test.fuzztime 3s", false},
		{"-test.fuzz=FuzzX", true}, {"-test.run ^$ -test.fuzz ^FuzzX$", true}, {"--test.fuzzworker", true},
	} {
		if got := fuzzing(strings.Fields(test.args)); got != test.want {
			t.Errorf("%q: %v", test.args, got)
		}
	}
}
