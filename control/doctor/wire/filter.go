package wire

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"

	"lvsdr/dataplane/frame"
)

// Where an Ethernet frame has what, in bytes.
const (
	at4Proto   = frame.EtherLen + frame.Off4Proto
	at4Src     = frame.EtherLen + frame.Off4Src
	at4Dst     = frame.EtherLen + frame.Off4Dst
	at6Next    = frame.EtherLen + frame.Off6Next
	at6SrcTail = frame.EtherLen + frame.Off6Src + 12 // the last four bytes
	at6DstTail = frame.EtherLen + frame.Off6Dst + 12
)

// filterAddrs is how many addresses the filter tells apart: a program has at
// most 4096 instructions, and each takes four.
const filterAddrs = 900

// concerning is a packet filter that takes ARP, ICMP, and what is from or to one
// of addrs; of an IPv6 address it looks at the last four bytes. Where there are
// too many it takes all.
func concerning(addrs []netip.Addr) []bpf.Instruction {
	all := bpf.RetConstant{Val: maxSnap}
	if len(addrs) > filterAddrs {
		return []bpf.Instruction{all}
	}
	var v4, v6 []uint32
	for _, a := range addrs {
		b := a.AsSlice()
		word := binary.BigEndian.Uint32(b[len(b)-4:])
		if a.Is4() {
			v4 = append(v4, word)
		} else {
			v6 = append(v6, word)
		}
	}
	ip4 := family(at4Proto, uint32(frame.ProtoICMP), at4Src, at4Dst, v4)
	ip6 := family(at6Next, uint32(frame.ProtoICMPv6), at6SrcTail, at6DstTail, v6)
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: frame.OffEtherType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: frame.EtherTypeARP, SkipFalse: 1},
		all,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: frame.EtherTypeIPv4, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(ip4))},
	}
	prog = append(prog, ip4...)
	prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: frame.EtherTypeIPv6, SkipTrue: 1}, bpf.RetConstant{Val: 0})
	return append(prog, ip6...)
}

// maxSnap is more than any frame has.
const maxSnap = 1 << 18

// family is the part of the filter for one address family; it ends the program.
func family(proto, icmp, src, dst uint32, addrs []uint32) []bpf.Instruction {
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: proto, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmp, SkipFalse: 1},
		bpf.RetConstant{Val: maxSnap},
	}
	for _, at := range []uint32{src, dst} {
		prog = append(prog, bpf.LoadAbsolute{Off: at, Size: 4})
		for _, a := range addrs {
			prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: a, SkipFalse: 1}, bpf.RetConstant{Val: maxSnap})
		}
	}
	return append(prog, bpf.RetConstant{Val: 0})
}
