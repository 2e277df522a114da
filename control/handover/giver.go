package handover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"
)

// Times within which the other process is heard of.
const (
	helloTime   = 2 * time.Second
	prepareTime = 20 * time.Second // from the state to the stop: sockets are opened meanwhile
	commitTime  = 2 * time.Second  // from the stop to the commit: frames wait
)

// Path is where a director whose control socket is at socket hands over.
func Path(socket string) string { return socket + ".takeover" }

// Listen opens the socket at path, for this user alone, in place of one that a process before this one has left.
func Listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("hand-over socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("hand-over socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("hand-over socket: %w", err)
	}
	return l, nil
}

// A File is a descriptor that is handed over, by a name that both builds know.
type File struct {
	Name string
	FD   int
}

// A Giver is the director that runs.
type Giver interface {
	// State has the director take no more events, and gives what the successor needs to know.
	State() any
	// Stop has the workers rest, and gives the moment before which every frame was done, and descriptors.
	Stop() (cut int64, files []File)
	// Leave closes the connection table for good: the successor, process pid, opens it.
	Leave(pid int)
	// Resume has the director go on as if nothing had been; it may not have got as far as Stop.
	Resume()
}

// A Session is a conversation with a process that may become the successor.
type Session struct {
	link
	peer            peer
	prepare, commit time.Duration // prepareTime, commitTime
	// Version is the successor's.
	Version string
}

// PID is the process.
func (s *Session) PID() int { return s.peer.pid }

// Handler takes what other processes ask for.
type Handler struct {
	Version string
	// Give hands over; it calls Session.Give, and does not return before that has.
	Give func(*Session)

	prepare, commit time.Duration // 0: prepareTime, commitTime
}

// Serve answers at l, one process after another, until ctx ends, which is no error, or l is
// closed.
func (h *Handler) Serve(ctx context.Context, l *net.UnixListener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		c, err := l.AcceptUnix()
		switch {
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			if c != nil {
				_ = c.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("hand-over socket: %w", err)
		}
		h.talk(c)
		_ = c.Close()
	}
}

// talk answers one process.
func (h *Handler) talk(c *net.UnixConn) {
	s := &Session{link: link{c}, prepare: cmp.Or(h.prepare, prepareTime), commit: cmp.Or(h.commit, commitTime)}
	var in Hello
	var err error
	if s.peer, err = peerOf(c); err != nil || !trusted(s.peer.uid, os.Geteuid()) {
		return
	}
	if _, err := s.receive(hello, &in, helloTime); err != nil {
		return
	}
	s.Version = in.Version
	out := Hello{Protocol: Protocol, Version: h.Version, PID: os.Getpid()}
	if in.Protocol != Protocol {
		out.Refused = fmt.Sprintf("protocol %d of the successor, version %s, is not protocol %d of the director that runs, version %s", in.Protocol, in.Version, Protocol, h.Version)
	}
	if s.send(welcome, out) != nil || out.Refused != "" {
		return
	}
	switch k, _, fds, err := s.next(helloTime); {
	case err != nil:
	case k == ask:
		closeAll(fds)
		h.Give(s)
	default:
		closeAll(fds)
	}
}

// Give hands over to the successor. It reports true when that has the work; false, with the reason: this
// process goes on with it.
func (s *Session) Give(g Giver) (gone bool, err error) {
	if err := s.untilCommit(g); err != nil {
		g.Resume()
		return false, err
	}
	g.Leave(s.peer.pid)
	_ = s.send(left, nil) // a successor that does not hear it has ended, and what comes next is no business of ours
	return true, nil
}

// untilCommit is the conversation up to the commit.
func (s *Session) untilCommit(g Giver) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.prepare)); err != nil {
		return err
	}
	if err := s.send(state, g.State()); err != nil {
		return fmt.Errorf("tell the state: %w", err)
	}
	if _, err := s.receive(stop, nil, s.prepare); err != nil {
		return fmt.Errorf("wait until it is ready: %w", err)
	}
	cut, files := g.Stop()
	out, fds := Stopped{Cut: cut}, []int(nil)
	for _, f := range files {
		out.Files, fds = append(out.Files, f.Name), append(fds, f.FD)
	}
	if err := s.send(stopped, out, fds...); err != nil {
		return fmt.Errorf("tell it that the workers rest: %w", err)
	}
	if _, err := s.receive(commit, nil, s.commit); err != nil {
		return fmt.Errorf("wait until it takes over: %w", err)
	}
	return nil
}
