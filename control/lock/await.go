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

const (
	// again is the pause before a lock is asked for once more that has the same holder, though
	// that seems to have ended, and tries is how often that is done.
	again = time.Millisecond
	tries = 20
	// seldom is the pause if the holder cannot be watched.
	seldom = 20 * time.Millisecond
)

// Await is Take that waits for a director that runs until it has ended, however long that takes, and
// takes the lock at once then. If several wait, one has it, and the others wait for that
// one.
//
// A process that was killed seems to run until the kernel has closed its sockets one after the other, which takes
// 100 ms and more for packet sockets. A connection to it ends before that.
func Await(ctx context.Context, log *slog.Logger) (*Lock, error) {
	var last holder
	for same := 0; ; same++ {
		l, by, err := within(ctx, log, 0)
		if !errors.Is(err, ErrHeld) {
			return l, err
		}
		if by != last {
			last, same = by, 0
		}
		if same > 0 && same < tries {
			time.Sleep(again)
			continue
		}
		var c *os.File
		if same == 0 {
			c = connect(ctx, by)
		}
		err = ended(ctx, by.pid, c)
		_ = c.Close() // there may be none
		if err != nil {
			return nil, err
		}
	}
}

// connect is a connection to a holder; nil: it has ended, or does not answer.
func connect(ctx context.Context, to holder) *os.File {
	c, by, err := dial(ctx, to.name)
	if err != nil {
		return nil
	}
	defer func() { _ = c.Close() }()
	if by.pid != to.pid {
		return nil
	}
	f, err := c.File()
	if err != nil {
		return nil
	}
	return f
}

// ended waits until a process has ended, or ctx, or c, a connection to it. A process that cannot be watched, as
// one of another PID namespace, is asked about from time to time.
func ended(ctx context.Context, pid int, c *os.File) error {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		select {
		case <-ctx.Done():
		case <-time.After(seldom):
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
	if c != nil {
		fds = append(fds, unix.PollFd{Fd: int32(c.Fd()), Events: unix.POLLIN})
	}
	for {
		if _, err := unix.Poll(fds, -1); err != unix.EINTR {
			return errors.Join(ctx.Err(), os.NewSyscallError("poll", err))
		}
	}
}
