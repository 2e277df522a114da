package netns

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrRefused is wrapped by the error of Reexec when the kernel does not allow
// this process to make a world.
var ErrRefused = errors.New("lab world refused")

// isRefusal reports whether err of starting a process in new namespaces means
// that the namespaces were refused, not that something else went wrong.
func isRefusal(err error) bool {
	for _, e := range []error{
		unix.EPERM, unix.EACCES, // no privilege, a security module or a seccomp filter
		unix.ENOSPC, unix.EUSERS, // user.max_*_namespaces
		unix.EINVAL, unix.ENOSYS, // the kernel was built without them
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// A setting is a kernel setting that can forbid user namespaces.
type setting struct {
	name    string // as sysctl(8) writes it
	forbids string // the value that forbids
	remedy  string // the value that allows
}

// settings lists what can forbid user namespaces to a user.
func settings() []setting {
	return []setting{
		{"kernel.unprivileged_userns_clone", "0", "1"},             // Debian, Arch
		{"user.max_user_namespaces", "0", "15000"},                 // namespaces(7); RHEL 7 default 0
		{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"}, // Ubuntu 23.10 and later
		{"user.max_net_namespaces", "0", "15000"},                  // namespaces(7)
		{"user.max_pid_namespaces", "0", "15000"},                  // namespaces(7)
	}
}

// refusal makes the error that names the missing privilege and the remedy.
// userErr and netErr are the kernel's answers to a world with and without a
// user namespace; read gives the value of a kernel setting, empty if it does
// not exist.
func refusal(userErr, netErr error, read func(name string) string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "with a user namespace: %v; without: %v; needs CAP_SYS_ADMIN or the right to make user namespaces", userErr, netErr)
	found := false
	for _, s := range settings() {
		if read(s.name) == s.forbids {
			fmt.Fprintf(&b, "; %s is %s: run `sysctl -w %s=%s`", s.name, s.forbids, s.name, s.remedy)
			found = true
		}
	}
	if found {
		b.WriteString(", or run as root")
	} else {
		b.WriteString("; run as root, or check kernel.unprivileged_userns_clone, user.max_user_namespaces and " +
			"kernel.apparmor_restrict_unprivileged_userns; in a container add --cap-add SYS_ADMIN " +
			"--security-opt seccomp=unconfined --security-opt apparmor=unconfined")
	}
	return fmt.Errorf("%w: %s", ErrRefused, b.String())
}

// readKernelSetting reads a setting by its sysctl(8) name; empty if there is
// no such setting.
func readKernelSetting(name string) string {
	b, err := os.ReadFile(sysctlPath(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
