package handover

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// answerTime is how long an answer of the director that runs is waited for. It is busy with a
// reload at most.
const answerTime = 15 * time.Second

// ErrNobody says that no director hands over at the socket.
var ErrNobody = errors.New("no director hands over here")

// ErrSilent says that the director that runs does not answer.
var ErrSilent = errors.New("the director that runs does not answer")

// A Taker is the successor's side of the conversation.
type Taker struct {
	link
	peer    peer
	wait    time.Duration // answerTime
	Version string        // of the director that runs
}

// Dial connects to the director that hands over at path. version is this build's.
//
// One that does not answer is ErrSilent; then there is a Taker all the same, for Kill and Close.
func Dial(path, version string) (*Taker, error) { return dial(path, version, Protocol, answerTime) }

func dial(path, version string, protocol int, wait time.Duration) (*Taker, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNobody
	}
	if err != nil {
		return nil, fmt.Errorf("take over: %w", err)
	}
	t := &Taker{link: link{c}, wait: wait}
	if err := t.greet(path, Hello{Protocol: protocol, Version: version, PID: os.Getpid()}); err != nil {
		_ = c.Close()
		if errors.Is(err, ErrSilent) {
			return t, err
		}
		return nil, err
	}
	return t, nil
}

// greet says who we are, and hears who runs.
func (t *Taker) greet(path string, h Hello) (err error) {
	if t.peer, err = peerOf(t.conn); err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	if own := os.Geteuid(); own != 0 && !trusted(t.peer.uid, own) {
		return fmt.Errorf("take over: process %d at %s is of user %d, not of this one", t.peer.pid, path, t.peer.uid)
	}
	_ = t.conn.SetWriteDeadline(time.Now().Add(t.wait)) // of no use on a socket that is broken already
	if err := t.send(hello, h); err != nil {
		return t.silent(err)
	}
	var in Hello
	if _, err := t.receive(welcome, &in, t.wait); err != nil {
		return t.silent(err)
	}
	t.Version = in.Version
	switch {
	case in.Refused != "":
		return fmt.Errorf("take over from process %d: %s; stop it and start this one", t.peer.pid, in.Refused)
	case in.Protocol != h.Protocol:
		return fmt.Errorf("take over from process %d: its version %s has protocol %d, this one %d; stop it and start this one", t.peer.pid, in.Version, in.Protocol, h.Protocol)
	}
	return nil
}

// silent is err of a conversation; one that took too long is ErrSilent.
func (t *Taker) silent(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("take over from process %d: %w", t.peer.pid, ErrSilent)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("take over from process %d: it has ended the conversation and goes on; its log says why", t.peer.pid)
	}
	return fmt.Errorf("take over from process %d: %w", t.peer.pid, err)
}

// PID is the process that runs.
func (t *Taker) PID() int { return t.peer.pid }

// State asks for the state, and puts it into into. From then on the director that runs takes no
// events, until it is told to stop or the conversation ends.
func (t *Taker) State(into any) error {
	if err := t.send(ask, nil); err != nil {
		return t.silent(err)
	}
	if _, err := t.receive(state, into, t.wait); err != nil {
		return t.silent(err)
	}
	return nil
}

// Stop has the workers of the director that runs rest. All frames before cut are done, in
// nanoseconds of CLOCK_REALTIME. The descriptors are the caller's.
func (t *Taker) Stop() (cut int64, files []File, err error) {
	if err := t.send(stop, nil); err != nil {
		return 0, nil, t.silent(err)
	}
	var in Stopped
	fds, err := t.receive(stopped, &in, t.wait)
	if err == nil && len(fds) != len(in.Files) {
		closeAll(fds)
		err = fmt.Errorf("%d descriptors came, and %d names", len(fds), len(in.Files))
	}
	if err != nil {
		return 0, nil, t.silent(err)
	}
	for i, name := range in.Files {
		files = append(files, File{name, fds[i]})
	}
	return in.Cut, files, nil
}

// Commit takes the work. After it the director that ran has left, or is leaving.
func (t *Taker) Commit() error {
	if err := t.send(commit, nil); err != nil {
		return t.silent(err)
	}
	if _, err := t.receive(left, nil, t.wait); err != nil {
		return t.silent(err)
	}
	return nil
}

// Kill ends the director that runs, whatever it does.
func (t *Taker) Kill() error {
	if err := unix.Kill(t.peer.pid, unix.SIGKILL); err != nil {
		return fmt.Errorf("kill process %d: %w", t.peer.pid, os.NewSyscallError("kill", err))
	}
	return nil
}

// Close ends the conversation: without a commit the director that runs goes on.
func (t *Taker) Close() error { return t.conn.Close() }
