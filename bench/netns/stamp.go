package netns

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stampTimeout is how long the kernel may take to begin to stamp frames; it
// does so in a work item, normally in less than a millisecond.
const stampTimeout = 5 * time.Second

// openStamper opens a socket in the namespace of the calling thread, whose lo
// must be up, that makes the kernel stamp frames when an interface sees them,
// for as long as it is open. The kernel begins to do so only some time after
// the first socket on the machine has asked for it (net_enable_timestamp in
// net/core/dev.c defers the switch), and until then gives the moment at which
// a frame is read in place of that at which it was seen. So a host asks when
// it is made, before anything can be captured, and waits for the first stamp.
func openStamper() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := awaitStamps(fd); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("wait for time stamps: %w", err)
	}
	return os.NewFile(uintptr(fd), "stamper"), nil
}

// awaitStamps sends datagrams from fd to itself until one bears a stamp from
// before it was read.
func awaitStamps(fd int) error {
	lo := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Bind(fd, lo); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return os.NewSyscallError("setsockopt SO_TIMESTAMPNS", err)
	}
	self, err := unix.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	oob := make([]byte, stampSpace())
	for end := time.Now().Add(stampTimeout); time.Now().Before(end); time.Sleep(50 * time.Microsecond) {
		if err := unix.Sendto(fd, []byte{0}, 0, self); err != nil {
			return os.NewSyscallError("sendto", err)
		}
		before := time.Now()
		_, n, _, _, err := unix.Recvmsg(fd, make([]byte, 1), oob, 0)
		if err != nil { // lo delivers before sendto returns, but need not
			continue
		}
		if stamp, ok := readStamp(oob[:n]); ok && stamp.Before(before) {
			return nil
		}
	}
	return os.ErrDeadlineExceeded
}

// stampSpace is the room a control message with a stamp takes.
func stampSpace() int { return unix.CmsgSpace(binary.Size(unix.Timespec{})) }

// readStamp reads a control message SCM_TIMESTAMPNS, a struct timespec.
func readStamp(oob []byte) (time.Time, bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Time{}, false
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_TIMESTAMPNS {
			continue
		}
		var ts unix.Timespec
		if _, err := binary.Decode(m.Data, binary.NativeEndian, &ts); err == nil {
			return time.Unix(ts.Unix()), true
		}
	}
	return time.Time{}, false
}
