package handover

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/control/lock"
)

// Protocol is the version of the conversation. Two builds can hand over if they have the
// same; fields that one of them does not know are left out.
const Protocol = 1

// A kind says what a message is.
type kind byte

// The kinds of message.
const (
	hello kind = 'h'
	// welcome answers hello.
	welcome kind = 'w'
	ask     kind = 'a' // for the state
	state   kind = 's'
	stop    kind = 'p'
	stopped kind = 'q'
	commit  kind = 'c'
	left    kind = 'l'
)

// A Hello opens the conversation, and is answered by one.
type Hello struct {
	Protocol int
	Version  string // of the build
	PID      int
	Refused  string // why nothing is handed over; empty: something is
}

// A Stopped says that the workers rest.
type Stopped struct {
	Cut   int64    // all frames before were done, nanoseconds of CLOCK_REALTIME
	Files []string // the names of the descriptors
}

// Bounds of a message.
const (
	maxMessage = 1 << 28 // bytes
	maxFiles   = 64      // descriptors
	headLen    = 5
)

// A link is one end of the conversation.
type link struct{ conn *net.UnixConn }

// send sends one message with descriptors.
func (l link) send(k kind, content any, fds ...int) error {
	body, err := json.Marshal(content)
	if err != nil {
		return err
	}
	head := make([]byte, headLen)
	head[0] = byte(k)
	binary.BigEndian.PutUint32(head[1:], uint32(len(body)))
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if n, _, err := l.conn.WriteMsgUnix(head, rights, nil); err != nil || n != headLen {
		return errors.Join(err, shortWrite(n))
	}
	_, err = l.conn.Write(body)
	return err
}

// shortWrite is the error of a head of which only n bytes were written.
func shortWrite(n int) error {
	if n == headLen {
		return nil
	}
	return io.ErrShortWrite
}

// receive waits for a message of kind k, and puts its content into content; nil: there is none of interest. The
// descriptors are the caller's.
func (l link) receive(k kind, content any, within time.Duration) (fds []int, err error) {
	got, body, fds, err := l.next(within)
	if err == nil && got != k {
		err = fmt.Errorf("a message %q where %q is due", got, k)
	}
	if err == nil && content != nil {
		err = json.Unmarshal(body, content)
	}
	if err != nil {
		closeAll(fds)
		return nil, err
	}
	return fds, nil
}

// next waits for a message.
func (l link) next(within time.Duration) (k kind, body []byte, fds []int, err error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return 0, nil, nil, err
	}
	head, rights := make([]byte, headLen), make([]byte, unix.CmsgSpace(4*maxFiles))
	n, oob, _, _, err := l.conn.ReadMsgUnix(head, rights)
	if err == nil {
		fds, err = descriptors(rights[:oob])
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err == nil {
		_, err = io.ReadFull(l.conn, head[n:])
	}
	size := binary.BigEndian.Uint32(head[1:])
	if err == nil && size > maxMessage {
		err = fmt.Errorf("a message of %d bytes", size)
	}
	if err == nil {
		body = make([]byte, size)
		_, err = io.ReadFull(l.conn, body)
	}
	if err != nil {
		closeAll(fds)
		return 0, nil, nil, err
	}
	return kind(head[0]), body, fds, nil
}

// descriptors are those that came with a message; they are closed on exec (net.UnixConn.ReadMsgUnix).
func descriptors(rights []byte) (fds []int, err error) {
	all, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	for i := range all {
		some, err := unix.ParseUnixRights(&all[i])
		if err != nil {
			closeAll(fds)
			return nil, os.NewSyscallError("recvmsg", err)
		}
		fds = append(fds, some...)
	}
	return fds, nil
}

// closeAll closes descriptors.
func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// A peer is the process at the other end.
type peer struct{ pid, uid int }

// peerOf is the process at the other end of c.
func peerOf(c *net.UnixConn) (p peer, err error) {
	who, err := lock.Peer(c)
	if err != nil {
		return p, fmt.Errorf("who is at the other end: %w", err)
	}
	return peer{int(who.Pid), int(who.Uid)}, nil
}

// trusted reports whether a process of user uid may hand over to one of user own, or take over from it.
func trusted(uid, own int) bool { return slices.Contains([]int{0, own}, uid) }
