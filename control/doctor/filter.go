package doctor

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
)

// Where an Ethernet frame has what, in bytes.
const (
	atType     = 12
	at4Proto   = 23
	at4Src     = 26
	at4Dst     = 30
	at6Next    = 20
	at6SrcTail = 34 // the last four bytes
	at6DstTail = 50
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
	ip4 := family(at4Proto, 1, at4Src, at4Dst, v4)
	ip6 := family(at6Next, 58, at6SrcTail, at6DstTail, v6)
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: atType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x0806, SkipFalse: 1},
		all,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x0800, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(ip4))},
	}
	prog = append(prog, ip4...)
	prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x86dd, SkipTrue: 1}, bpf.RetConstant{Val: 0})
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
