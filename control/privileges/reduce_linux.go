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
	// Programs is for BPF programs.
	Programs Set = 1<<unix.CAP_BPF | 1<<unix.CAP_PERFMON
	// Again is for another Reduce that takes more: with it all of that is taken from
	// the bounding set, too.
	Again Set = 1 << unix.CAP_SETPCAP
)

// Limit takes all capabilities but these, and Again, from all threads of the process, for good, and no program that it
// starts can get more (no_new_privs; capabilities(7), prctl(2)). It leaves the bounding set as it is, which takes
// far longer: see Reduce. It lifts the limit of locked memory before, which AF_XDP sockets need. It cannot work in a
// process with cgo.
func Limit(kept Set) error {
	all := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &all) // without the right to it the limit stays
	held, err := capabilities()
	if err != nil {
		return fmt.Errorf("read the capabilities of the process: %w", err)
	}
	return limit(&held, kept|Again)
}

// limit is Limit of a process that has these capabilities, with nothing that is done already: a filter of
// system calls may forbid it.
func limit(held *owned, kept Set) error {
	if held.inheritable != 0 { // or there are no ambient ones
		if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL); err != nil {
			return fmt.Errorf("clear the ambient capabilities: %w", err)
		}
	}
	if held.permitted&^kept != 0 {
		if err := set(uint64(held.permitted & kept)); err != nil {
			return fmt.Errorf("give capabilities back: %w", err)
		}
	}
	if on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && on == 1 {
		return nil
	}
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}

// Reduce is Limit that takes Again, too, unless it is among the kept, and all of it from the bounding set: one system call in
// each thread for each capability, all of which wait for each other meanwhile.
func Reduce(kept Set) error {
	held, err := capabilities()
	if err != nil {
		return fmt.Errorf("read the capabilities of the process: %w", err)
	}
	if held.permitted&Again != 0 {
		if err := shrinkBounds(kept); err != nil {
			return err
		}
	}
	return limit(&held, kept)
}

// Held reports whether all of these capabilities are in force now.
func (s Set) Held() (bool, error) {
	held, err := capabilities()
	if err != nil {
		return false, fmt.Errorf("read the capabilities of this process: %w", err)
	}
	return s&^held.effective == 0, nil
}

// owned are the capabilities of a thread.
type owned struct{ permitted, effective, inheritable Set }

// capabilities are those of this thread.
func capabilities() (held owned, err error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return held, err
	}
	both := func(low, high uint32) Set { return Set(high)<<32 | Set(low) }
	return owned{both(data[0].Permitted, data[1].Permitted), both(data[0].Effective, data[1].Effective), both(data[0].Inheritable, data[1].Inheritable)}, nil
}

// shrinkBounds takes all others than kept out of the bounding set, in which all threads have the same.
func shrinkBounds(kept Set) error {
	for c := uintptr(0); c < 64; c++ {
		if in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); kept&(1<<c) != 0 || err == nil && in == 0 {
			continue // as of a service manager that has taken it
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
