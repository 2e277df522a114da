package script

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The capabilities of a director, and those that it keeps for other users.
const (
	network = 1<<unix.CAP_NET_RAW | 1<<unix.CAP_NET_ADMIN
	users   = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_KILL
)

// reduced calls f in a thread that has these capabilities alone, and no_new_privs.
func reduced(t *testing.T, caps uint32, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs CAP_SETUID; try it as root")
	}
	done := make(chan error)
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{{Permitted: caps, Effective: caps}}
		err := errors.Join(unix.Capset(&hdr, &data[0]), unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A program of another user has none of this process' rights, and is killed all the same.
func TestAReducedProcessRunsProgramsAsOthers(t *testing.T) {
	reduced(t, network|users, func() {
		if err := CanBecome("nobody", ""); err != nil {
			t.Error(err)
		}
		c := sh("id -un; grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status")
		c.User = "nobody"
		o, err := Run(t.Context(), c)
		if errors.Is(err, os.ErrPermission) {
			t.Log("this process may not become nobody")
			return
		}
		const none = "0000000000000000\n"
		if want := "nobody\nCapPrm:\t" + none + "CapEff:\t" + none + "CapAmb:\t" + none; err != nil || string(o.Output) != want {
			t.Errorf("%q, %v, want %q", o.Output, err, want)
		}
		c = sh("sleep 1000 & wait")
		c.User, c.Timeout, c.Grace = "nobody", short, short
		if o, err := Run(t.Context(), c); err != nil || !o.TimedOut {
			t.Errorf("%+v, %v", o, err)
		}
	})
}

func TestAProcessWithoutTheRightSaysSo(t *testing.T) {
	for _, caps := range []uint32{network, network | users&^(1<<unix.CAP_KILL), network | users&^(1<<unix.CAP_SETGID)} {
		reduced(t, caps, func() {
			if err := CanBecome("nobody", ""); !errors.Is(err, ErrRights) {
				t.Errorf("with %#x: %v", caps, err)
			}
			if err := CanBecome("", ""); err != nil {
				t.Errorf("its own user: %v", err)
			}
			if err := CanBecome("root", "root"); err != nil {
				t.Errorf("its own user by name: %v", err)
			}
		})
	}
	reduced(t, network, func() {
		c := sh("id -un")
		c.User = "nobody"
		if o, err := Run(t.Context(), c); !errors.Is(err, os.ErrPermission) {
			t.Errorf("%q, %v", o.Output, err)
		}
	})
}

func TestTheOwnUserIsKnown(t *testing.T) {
	for _, c := range []struct {
		user, group string
		own         bool
		err         string
	}{
		{"", "", true, ""},
		{"nobody", "", os.Geteuid() == 65534, ""},
		{"lvsdr-test-nobody", "", false, "run as lvsdr-test-nobody"},
		{"", "lvsdr-test-nobody", false, "run as a member of lvsdr-test-nobody"},
		{"4294967296", "", false, "run as 4294967296"},
	} {
		own, err := Own(c.user, c.group)
		if err == nil && own != c.own || (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
			t.Errorf("%q:%q: %v, %v", c.user, c.group, own, err)
		}
	}
}
