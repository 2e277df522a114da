package netlab

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

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
