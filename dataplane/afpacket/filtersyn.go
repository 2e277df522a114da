package afpacket

import (
	"encoding/binary"
	"slices"

	"golang.org/x/net/bpf"

	"lvsdr/dataplane/frame"
)

// A SYN is here a frame that begins a TCP connection and is told by a few loads: TCP
// with SYN and without ACK, RST and FIN, in a frame of at most synMax bytes, in IPv4
// without options that is not a fragment, or in IPv6 without extension headers. All
// other frames come by the main ring: also SYNs with much data (TCP Fast Open).
const (
	offTCPFlags = 13
	off4Flags   = frame.EtherLen + frame.IPv4Len + offTCPFlags
	off6Flags   = frame.EtherLen + frame.IPv6Len + offTCPFlags

	firstByte4  = 0x45   // version 4, five words: no options
	anyFragment = 0x3fff // more fragments, or an offset (RFC 791 section 3.1)

	synMin4 = frame.EtherLen + frame.IPv4Len + frame.TCPLen
	synMin6 = frame.EtherLen + frame.IPv6Len + frame.TCPLen
	// synMax has room for IPv6, and a TCP header with all 40 bytes of options.
	synMax = synMin6 + 40

	synFlags = frame.FIN | frame.SYN | frame.RST | frame.ACK // that tell a SYN
)

// miss is a jump that selectSYN is to aim at the second of its ends.
const miss = 255

// selectSYN runs into the first of ends if the frame is a SYN, and into the second if
// it is not. A load behind the end of a frame would end the program, so that the length
// comes before the flags. What tells most frames from a SYN comes first: each frame of
// the interface passes here, twice.
func selectSYN(ends []bpf.Instruction) []bpf.Instruction {
	over4 := []bpf.Instruction{
		bpf.LoadAbsolute{Off: frame.EtherLen + frame.Off4Proto, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(frame.ProtoTCP), SkipTrue: miss},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: synMin4, SkipTrue: miss},
		bpf.LoadAbsolute{Off: off4Flags, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: synFlags},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: frame.SYN, SkipTrue: miss},
		bpf.LoadAbsolute{Off: frame.EtherLen, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: firstByte4, SkipTrue: miss},
		bpf.LoadAbsolute{Off: frame.EtherLen + frame.Off4Frag, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: anyFragment, SkipTrue: miss},
	}
	over6 := []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: frame.EtherTypeIPv6, SkipTrue: miss},
		bpf.LoadAbsolute{Off: offIPv6Next, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(frame.ProtoTCP), SkipTrue: miss},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: synMin6, SkipTrue: miss},
		bpf.LoadAbsolute{Off: off6Flags, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: synFlags},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: frame.SYN, SkipTrue: miss},
	}
	prog := slices.Concat([]bpf.Instruction{
		bpf.LoadAbsolute{Off: frame.OffEtherType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: frame.EtherTypeIPv4, SkipFalse: uint8(len(over4) + 1)},
	}, over4, []bpf.Instruction{bpf.Jump{Skip: uint32(len(over6))}}, over6, []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: synMax, SkipTrue: miss},
	})
	for i, in := range prog {
		if j, ok := in.(bpf.JumpIf); ok && j.SkipTrue == miss {
			j.SkipTrue = uint8(len(prog) - i)
			prog[i] = j
		}
	}
	return append(prog, ends...)
}

// isSYN reports what selectSYN tells, of a frame that may have got its VLAN tag back.
func isSYN(f []byte) bool {
	at := frame.EtherLen
	if len(f) < synMin4 {
		return false
	}
	if typ := binary.BigEndian.Uint16(f[frame.OffEtherType:]); typ == frame.EtherTypeVLAN || typ == frame.EtherTypeQinQ {
		at += frame.TagLen
	}
	typ, ip := binary.BigEndian.Uint16(f[at-2:]), f[at:]
	l4 := frame.IPv4Len
	switch {
	case len(ip) > synMax-frame.EtherLen:
		return false
	case typ == frame.EtherTypeIPv4:
		if ip[0] != firstByte4 || ip[frame.Off4Proto] != uint8(frame.ProtoTCP) || binary.BigEndian.Uint16(ip[frame.Off4Frag:])&anyFragment != 0 {
			return false
		}
	case typ == frame.EtherTypeIPv6:
		if l4 = frame.IPv6Len; ip[frame.Off6Next] != uint8(frame.ProtoTCP) {
			return false
		}
	default:
		return false
	}
	return len(ip) >= l4+frame.TCPLen && ip[l4+offTCPFlags]&synFlags == frame.SYN
}
