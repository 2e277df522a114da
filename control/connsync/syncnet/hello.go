package syncnet

import "encoding/binary"

// A hello says that a master is there, which message was its last, and where it gives
// its table. It is a message without entries, which other directors pass over:
//
//	0        1        2               4        5        6        8
//	│ 0      │ syncid │ length        │ 0      │ 0xd1   │ port   │ stamp
type hello struct {
	syncID uint8
	port   uint16 // TCP; 0: the table is not given
	stamp
}

// The parts of a hello.
const (
	helloVersion = 0xd1
	helloLen     = headerLen + stampLen
)

// append writes h behind b, authenticated by secret if there is one.
func (h *hello) append(b []byte, secret []byte) []byte {
	start := len(b)
	b = append(b, 0, h.syncID, 0, helloLen, 0, helloVersion)
	b = binary.BigEndian.AppendUint16(b, h.port)
	b = h.stamp.append(b)
	sign(b[start:], secret)
	return b
}

// isHello reports whether a message is a hello.
func isHello(b []byte) bool {
	return len(b) == helloLen && b[0] == 0 && b[4] == 0 && b[5] == helloVersion && int(binary.BigEndian.Uint16(b[2:])) == helloLen
}

// read reads a message for which isHello holds.
func (h *hello) read(b []byte, secret []byte) error {
	h.syncID, h.port = b[1], binary.BigEndian.Uint16(b[6:])
	if err := h.stamp.read(b[headerLen:]); err != nil {
		return err
	}
	return verify(b, secret)
}
