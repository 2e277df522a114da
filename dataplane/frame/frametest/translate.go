package frametest

import (
	"encoding/binary"
	"hash/crc32"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// Translate is the frame that frame.Translate must make of f, by the definitions: bytes are
// replaced, and each checksum that covers them is computed over all that it covers. One
// that was wrong must be wrong by the same in ones' complement, which this reference
// expresses by a sum over the old and the new packet. It is slow.
func Translate(f []byte, e frame.End, to frame.Addr, port uint16, partial bool) []byte {
	h := Parse(f)
	out := append([]byte{}, f...)
	setAddr(out, &h, e, to)
	if h.FragOff != 0 {
		return out
	}
	now := h
	if e == frame.Source {
		now.Src = to
	} else {
		now.Dst = to
	}
	l4, was := out[h.L4:h.End], f[h.L4:h.End]
	if h.Proto.HasPorts() {
		binary.BigEndian.PutUint16(l4[2*int(e):], port)
	}
	switch {
	case h.Proto == frame.ProtoSCTP:
		if string(l4) != string(was) && !partial && !h.More {
			PutSCTPSum(l4)
		}
	case h.Proto == frame.ProtoUDP && was[6] == 0 && was[7] == 0:
		if h.Kind == frame.IPv4 && !partial && !h.More {
			n := binary.BigEndian.Uint16(l4[4:])
			putSum(l4[6:], complete(&now, l4[:n]))
		}
	case h.Proto == frame.ProtoTCP:
		moveSum(l4[16:], &h, &now, was, l4, partial)
	case h.Proto == frame.ProtoUDP:
		moveSum(l4[6:], &h, &now, was, l4, partial)
		if l4[6] == 0 && l4[7] == 0 {
			l4[6], l4[7] = 0xff, 0xff
		}
	case h.Proto == frame.ProtoICMPv6 && h.Kind == frame.IPv6:
		moveSum(l4[2:], &h, &now, was, l4, partial)
	}
	return out
}

// setAddr replaces an address, and makes the checksum of an IPv4 header anew.
func setAddr(f []byte, h *frame.Header, e frame.End, to frame.Addr) {
	if h.Kind == frame.IPv6 {
		copy(f[int(h.L3)+8+16*int(e):], to[:])
		return
	}
	copy(f[int(h.L3)+12+4*int(e):], to[12:])
	build.FixHeaderSum(f)
}

// moveSum makes the checksum at b, of which l4 is the packet now and was the one before,
// as wrong as it was. A partial checksum covers the pseudo header alone.
func moveSum(b []byte, h, now *frame.Header, was, l4 []byte, partial bool) {
	old := binary.BigEndian.Uint16(b)
	if partial {
		putSum(b, plus(old, minus(pseudo(now, nil), pseudo(h, nil))))
		return
	}
	putSum(b, plus(old, minus(complete(now, l4), complete(h, was))))
}

// complete is the checksum of l4, whatever stands where it has it.
func complete(h *frame.Header, l4 []byte) uint16 { return ^pseudo(h, l4) }

// pseudo is the sum over the pseudo header without its length, which never changes, and l4.
func pseudo(h *frame.Header, l4 []byte) uint16 {
	var b []byte
	if h.Kind == frame.IPv4 {
		b = append(append(b, h.Src[12:]...), h.Dst[12:]...)
	} else {
		b = append(append(b, h.Src[:]...), h.Dst[:]...)
	}
	b = append(b, 0, byte(h.Proto), byte(len(l4)>>8), byte(len(l4)))
	return ^build.Checksum(append(b, l4...))
}

// plus adds in ones' complement arithmetic.
func plus(a, b uint16) uint16 {
	sum := a + b
	if sum < a {
		sum++
	}
	return sum
}

// minus subtracts likewise.
func minus(a, b uint16) uint16 { return plus(a, ^b) }

func putSum(b []byte, sum uint16) { binary.BigEndian.PutUint16(b, sum) }

// PutSCTPSum writes the right checksum of the SCTP packet l4: bit by bit would be slower
// still, and the standard library is another's code.
func PutSCTPSum(l4 []byte) {
	zeroed := append([]byte{}, l4...)
	copy(zeroed[8:12], []byte{0, 0, 0, 0})
	sum := crc32.Checksum(zeroed, crc32.MakeTable(crc32.Castagnoli))
	copy(l4[8:12], []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)})
}
