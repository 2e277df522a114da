package uml

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// folderEnv tells the machine's first process the folder that it shares with the host. The
// kernel makes an environment variable of what stands in its command line.
const folderEnv = "LVSDR_UML"

// Inside reports whether the process is the first one of a machine.
func Inside() bool { return os.Getenv(folderEnv) != "" && os.Getpid() == 1 }

// Main returns what tests returns; call it from TestMain. Inside a machine it makes it
// ready before, and does not return: the machine ends with the tests.
func Main(tests func() int) int {
	if !Inside() {
		return tests()
	}
	dir, code := os.Getenv(folderEnv), 1
	if err := settle(dir); err != nil {
		fmt.Println(err)
	} else {
		code = tests()
	}
	if err := os.WriteFile(filepath.Join(dir, exitFile), []byte(strconv.Itoa(code)), 0o600); err != nil {
		fmt.Println(err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	return code
}

// settle makes the machine ready for the job in dir.
func settle(dir string) error {
	for _, m := range []struct{ source, target string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/run"}, {"tmpfs", "/var/tmp"}, {"devtmpfs", "/dev"},
	} {
		if err := unix.Mount(m.source, m.target, m.source, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, jobFile))
	if err != nil {
		return err
	}
	var j job
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	for _, file := range j.Modules {
		if err := load(file); err != nil {
			return fmt.Errorf("load %s: %w", file, err)
		}
	}
	return j.begin(dir)
}

// begin makes the process the one that the job describes. Sockets cannot be in the host's
// file system, so temporary files are not.
func (j *job) begin(dir string) error {
	os.Clearenv()
	for _, pair := range append(j.Env, folderEnv+"="+dir, "TMPDIR=/var/tmp") {
		name, value, _ := strings.Cut(pair, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	os.Args = j.Args
	return errors.Join(os.Chdir(j.Dir), netns.Claim())
}

// load loads the module in a file.
func load(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
