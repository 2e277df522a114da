package hostnet

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/control/neighbour"
)

// message is one of the kernel about the neighbour 192.168.1.N on link 2.
func message(n byte, state uint16) []byte {
	b := make([]byte, unix.SizeofNdMsg, unix.SizeofNdMsg+8)
	b[0] = unix.AF_INET
	binary.NativeEndian.PutUint32(b[4:], 2)
	binary.NativeEndian.PutUint16(b[8:], state)
	b = binary.NativeEndian.AppendUint16(b, 8)
	b = binary.NativeEndian.AppendUint16(b, unix.NDA_DST)
	return append(b, 192, 168, 1, n)
}

// A host that asks for a dead neighbour is told every few seconds that it failed: that
// is no reason to read all routes again. The end of a permanent entry is one.
func TestOnlyTheEndOfAPermanentNeighbourCounts(t *testing.T) {
	n := neighbours{permanent: map[neighbour.Place]bool{}}
	for i, step := range []struct {
		name  string
		of    byte
		state uint16
		want  bool
	}{
		{"one that answers", 11, unix.NUD_REACHABLE, false},
		{"one that does not", 11, unix.NUD_FAILED, false},
		{"a permanent one", 12, unix.NUD_PERMANENT, true},
		{"another that does not answer", 11, unix.NUD_FAILED, false},
		{"the permanent one, removed", 12, unix.NUD_FAILED, true},
		{"the same address, asked for in vain", 12, unix.NUD_FAILED, false},
		{"a permanent one again", 12, unix.NUD_PERMANENT, true},
		{"with another MAC address", 12, unix.NUD_PERMANENT, true},
		{"no longer permanent", 12, unix.NUD_REACHABLE, true},
	} {
		if got := n.count(message(step.of, step.state)); got != step.want {
			t.Errorf("step %d, %s: counts %v, want %v", i, step.name, got, step.want)
		}
	}
	for size := range unix.SizeofNdMsg {
		if n.count(message(12, unix.NUD_PERMANENT)[:size]) {
			t.Errorf("a message of %d bytes counts", size)
		}
	}
}
