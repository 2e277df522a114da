package privileges

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Set is capabilities, each the bit of its number (capabilities(7)).
type Set uint64

// The capabilities of a director.
const (
	// Network is for packet sockets, and rules, routes and interfaces.
	Network Set = 1<<unix.CAP_NET_RAW | 1<<unix.CAP_NET_ADMIN
	// Users is for starting programs as other users, and for killing them.
	Users Set = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_KILL
	// Again is for another Reduce that takes more: with it all of that is taken from
	// the bounding set, too.
	Again Set = 1 << unix.CAP_SETPCAP
)

// Reduce takes all capabilities but these from all threads of
// the process, for good: also from its bounding and ambient sets, and no program that
// it starts can get more (no_new_privs; capabilities(7), prctl(2)). It lifts the limit
// of locked memory before, which AF_XDP sockets need. It cannot work in a process with
// cgo.
func Reduce(kept Set) error {
	all := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &all) // without the right to it the limit stays
	permitted, _, err := capabilities()
	if err != nil {
		return fmt.Errorf("read the capabilities of the process: %w", err)
	}
	if permitted&(1<<unix.CAP_SETPCAP) != 0 {
		if err := shrinkBounds(kept); err != nil {
			return err
		}
	}
	if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL); err != nil {
		return fmt.Errorf("clear the ambient capabilities: %w", err)
	}
	if permitted&^uint64(kept) == 0 {
		// There is nothing to give back, and a filter of system calls may forbid it.
	} else if err := set(permitted & uint64(kept)); err != nil {
		return fmt.Errorf("give capabilities back: %w", err)
	}
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}

// Held reports whether all of these capabilities are in force now.
func (s Set) Held() (bool, error) {
	_, effective, err := capabilities()
	if err != nil {
		return false, fmt.Errorf("read the capabilities of this process: %w", err)
	}
	return uint64(s)&^effective == 0, nil
}

// capabilities are those of the process.
func capabilities() (permitted, effective uint64, err error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, 0, err
	}
	return uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted), uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}

// shrinkBounds takes all others than kept out of the bounding set.
func shrinkBounds(kept Set) error {
	for c := uintptr(0); c < 64; c++ {
		if kept&(1<<c) != 0 {
			continue
		}
		switch err := prctl(unix.PR_CAPBSET_DROP, c); {
		case errors.Is(err, unix.EINVAL): // the kernel knows no more
			return nil
		case err != nil:
			return fmt.Errorf("take capability %d out of the bounding set: %w", c, err)
		}
	}
	return nil
}

// prctl calls prctl(2) in all threads.
func prctl(option int, arg uintptr) error {
	return errnoOf(syscall.AllThreadsSyscall6(unix.SYS_PRCTL, uintptr(option), arg, 0, 0, 0, 0))
}

func errnoOf(_, _ uintptr, errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
