package lock

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Listener is the socket by which the lock is held, for a successor; nil: there is none.
func (l *Lock) Listener() *net.UnixListener {
	if l == nil {
		return nil
	}
	u, _ := l.listener.(*net.UnixListener)
	return u
}

// backlog is how many may ask at once who holds the lock.
const backlog = 16

// Inherit holds the lock by the descriptor of a process before this one, which it closes. The name is held all the
// time: no third director comes in between.
func Inherit(fd int) (*Lock, error) {
	// From here on those who ask are told of this process (unix_listen in net/unix/af_unix.c).
	if err := unix.Listen(fd, backlog); err != nil {
		return nil, errors.Join(fmt.Errorf("take the director's lock over: %w", os.NewSyscallError("listen", err)), unix.Close(fd))
	}
	f := os.NewFile(uintptr(fd), "lock")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take the director's lock over: %w", err)
	}
	go answer(l)
	return &Lock{l}, nil
}
