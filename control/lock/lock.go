package lock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A lock is an abstract unix socket, which belongs to a network namespace and is gone
// with its process, however that ends. Every local user can take such a name; so
// there are several, and those that no director holds are passed over.
const (
	name  = "@lvsdr-director"
	names = 16
)

const (
	// patience is how long a holder that ends is waited for: a process that was
	// killed holds its sockets until the kernel has taken it apart.
	patience = 1500 * time.Millisecond
	pause    = 2 * time.Millisecond
	// dialTime bounds the question who a holder is; a director answers at once.
	dialTime = 200 * time.Millisecond
)

// ErrHeld says that another director runs in this network namespace.
var ErrHeld = errors.New("another director runs in this network namespace")

// A Lock is held by the only director of a network namespace.
type Lock struct{ listener net.Listener }

// Take takes the lock. It waits for a holder that ends, and returns ErrHeld, with the
// process, for one that does not. Where other processes hold all names it goes on
// without a lock, which it logs.
func Take(ctx context.Context, log *slog.Logger) (*Lock, error) {
	l, _, err := within(ctx, log, patience)
	return l, err
}

// within is Take that waits so long for a director that ends. ErrHeld comes with the director.
func within(ctx context.Context, log *slog.Logger, wait time.Duration) (*Lock, holder, error) {
	for i := range names {
		n := name
		if i > 0 {
			n = fmt.Sprintf("%s-%d", name, i)
		}
		l, by, err := take(ctx, n, wait)
		if err != nil {
			return nil, by, err
		}
		if l != nil {
			go answer(l)
			return &Lock{l}, holder{}, nil
		}
		log.Warn("a process that is no director holds the name of the director's lock", "name", n, "process", by.pid, "user", by.uid)
	}
	log.Warn("no name is left for the director's lock: a second director would not be noticed")
	return &Lock{}, holder{}, nil
}

// Close gives the lock back.
func (l *Lock) Close() error {
	if l == nil || l.listener == nil {
		return nil
	}
	return l.listener.Close()
}

// waiters is how many processes can wait for the end of a connection to the holder: the last that came.
const waiters = 16

// answer lets others ask who holds the lock, until l is closed. Their connections end with it, or with this process.
func answer(l net.Listener) {
	var asked [waiters]net.Conn
	for i := 0; ; i = (i + 1) % waiters {
		c, err := l.Accept()
		if asked[i] != nil {
			asked[i].Close()
		}
		if asked[i] = c; err != nil {
			break
		}
	}
	for _, c := range asked {
		if c != nil {
			c.Close()
		}
	}
}

// take listens at one name, and waits so long for a director to end. A nil listener without an error
// comes with the holder, which is no director.
func take(ctx context.Context, n string, wait time.Duration) (net.Listener, holder, error) {
	for began := time.Now(); ; {
		l, err := net.Listen("unix", n)
		if err == nil {
			return l, holder{}, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, holder{}, fmt.Errorf("take the director's lock: %w", err)
		}
		by, known := ask(ctx, n)
		if known && !by.isDirector() {
			return nil, by, nil
		}
		waited := time.Since(began)
		if !known && waited > patience { // it does not answer, as a director would
			return nil, by, nil
		}
		if known && waited > wait {
			return nil, by, fmt.Errorf("%w: process %d", ErrHeld, by.pid)
		}
		select {
		case <-ctx.Done():
			return nil, by, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// ask finds out who holds a name; false: it does not answer.
func ask(ctx context.Context, n string) (holder, bool) {
	c, by, err := dial(ctx, n)
	if err != nil {
		return holder{}, false
	}
	_ = c.Close()
	return by, true
}

// dial connects to who holds a name.
func dial(ctx context.Context, n string) (*net.UnixConn, holder, error) {
	d := net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(ctx, "unix", n)
	if err != nil {
		return nil, holder{}, err
	}
	u := c.(*net.UnixConn)
	who, err := Peer(u)
	if err != nil {
		return nil, holder{}, errors.Join(err, u.Close())
	}
	return u, holder{int(who.Pid), int(who.Uid), n}, nil
}

// Peer is the process at the other end of c (SO_PEERCRED, unix(7)).
func Peer(c *net.UnixConn) (who *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	ctlErr := raw.Control(func(fd uintptr) { who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return who, errors.Join(ctlErr, err)
}
