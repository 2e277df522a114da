package lock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// again is the pause before a lock is asked for once more that has the same holder, though
// that has ended.
const again = time.Millisecond

// Await is Take that waits for a director that runs until it has ended, however long that takes, and
// takes the lock at once then. If several wait, one has it, and the others wait for that
// one.
func Await(ctx context.Context, log *slog.Logger) (*Lock, error) {
	var last holder
	for {
		l, by, err := within(ctx, log, 0)
		if !errors.Is(err, ErrHeld) {
			return l, err
		}
		if by == last {
			time.Sleep(again)
		}
		last = by
		if err := ended(ctx, by.pid); err != nil {
			return nil, err
		}
	}
}

// ended waits until a process has ended, or ctx. A process that cannot be watched, as
// one of another PID namespace, is asked about from time to time.
func ended(ctx context.Context, pid int) error {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		return ctx.Err()
	}
	defer func() { _ = unix.Close(process) }()
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("wait for process %d: %w", pid, os.NewSyscallError("eventfd", err))
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 1}) // there is room for one (eventfd(2))
	})
	defer func() {
		if !stop() {
			<-woken // wake is in use
		}
		_ = unix.Close(wake)
	}()
	fds := []unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != unix.EINTR {
			return errors.Join(ctx.Err(), os.NewSyscallError("poll", err))
		}
	}
}
