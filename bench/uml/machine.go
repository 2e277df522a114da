package uml

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// A Machine says what a test needs of its kernel.
type Machine struct {
	Modules []string // by name; those that they need are loaded before them
	// Memory of the machine, MiB. Default 512.
	Memory int
	// Patience bounds the run. Default 10 min.
	Patience time.Duration
}

// The files in the folder that the host and the machine share.
const (
	jobFile  = "job.json"
	exitFile = "exit"
)

// A job is the work of the machine's first process.
type job struct {
	Dir     string   // the working directory
	Args    []string // of the test binary, its name first
	Env     []string
	Modules []string // files, in the order in which they are loaded
}

// Rerun runs the test t, and no other, inside a machine, and fails it if it fails there.
// Without Debian's package user-mode-linux the test is skipped or, when the environment
// has CI=true, fails.
func Rerun(t *testing.T, m Machine) {
	t.Helper()
	kernel := netns.Tool(t, "linux.uml", "user-mode-linux")
	out, err := m.run(kernel, t.TempDir(), "-test.v", "-test.run", "^"+t.Name()+"$")
	if err != nil {
		t.Fatalf("in User Mode Linux: %v; it wrote:\n%s", err, out)
	}
	t.Logf("in User Mode Linux:\n%s", out)
}

// run runs this program with args in a machine with the given kernel, and returns what it
// wrote. dir is an empty folder.
func (m *Machine) run(kernel, dir string, args ...string) (out string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if err := m.prepare(kernel, dir, append([]string{self}, args...)); err != nil {
		return "", err
	}
	cmd := exec.Command(kernel, fmt.Sprintf("mem=%dM", cmp.Or(m.Memory, 512)), "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw",
		"init="+self, "con=null", "con0=null,fd:1", "quiet", "loglevel=1", "panic=-1", "uml_dir="+dir, folderEnv+"="+dir)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	// The machine is several processes: they end together.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start %s: %w", kernel, err)
	}
	var late error
	patience := cmp.Or(m.Patience, 10*time.Minute)
	timer := time.AfterFunc(patience, func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // it may end by itself at this moment
	})
	err = cmd.Wait()
	if !timer.Stop() {
		late = fmt.Errorf("not done after %v", patience)
	}
	return strings.ReplaceAll(b.String(), "\r\n", "\n"), cmp.Or(late, ended(dir, err))
}

// prepare writes the job into dir.
func (m *Machine) prepare(kernel, dir string, args []string) error {
	release, err := exec.Command(kernel, "--version").Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", kernel, err)
	}
	modules, err := modulesOf(filepath.Join(moduleDir, strings.TrimSpace(string(release))), m.Modules)
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	b, err := json.Marshal(job{Dir: here, Args: args, Env: os.Environ(), Modules: modules})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, jobFile), b, 0o600)
}

// ended is how the job ended. failed is how the machine's process did, which tells nothing
// of the job.
func ended(dir string, failed error) error {
	b, err := os.ReadFile(filepath.Join(dir, exitFile))
	if err != nil {
		return errors.Join(errors.New("the machine ended before the test did"), failed)
	}
	if code, err := strconv.Atoi(string(b)); err != nil || code != 0 {
		return fmt.Errorf("exit code %s", b)
	}
	return nil
}
