package afpacket

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// Offsets and values the filter compares; the frame starts at its Ethernet
// header, and a VLAN tag was stripped by the kernel before.
const (
	offEtherType = 12
	offIPv4Dst   = 14 + 16 // RFC 791 section 3.1

	etherTypeIPv4 = 0x0800
	etherTypeARP  = 0x0806

	pktMulticast = 2 // PACKET_MULTICAST, <linux/if_packet.h>; OTHERHOST is 3, OUTGOING 4

	acceptBytes = 0x40000 // more than any frame: nothing is cut off
)

// maxInstructions is BPF_MAXINSNS, <linux/bpf_common.h>.
const maxInstructions = 4096

// leafAddrs is how many addresses are compared one by one before the search
// branches. Classic BPF jumps are 8 bit, so it must stay well below 255.
const leafAddrs = 16

// rejectAll is the filter of a socket that is not ready yet.
var rejectAll = []bpf.Instruction{bpf.RetConstant{Val: 0}}

// newFilter makes the program that hands out ARP, and IPv4 frames to one of
// vips, if they were sent to this host, to a group or to all; not what is
// meant for another host (a promiscuous interface) nor what this host sends.
// About 3000 addresses fit.
func newFilter(vips []netip.Addr) ([]bpf.RawInstruction, error) {
	addrs, err := addressFilter(vips)
	if err != nil {
		return nil, err
	}
	prog := append(hostFilter(), addrs...)
	if len(prog) > maxInstructions {
		return nil, fmt.Errorf("filter for %d addresses: %d instructions, the kernel takes %d", len(vips), len(prog), maxInstructions)
	}
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return nil, fmt.Errorf("assemble filter for %d addresses: %w", len(vips), err)
	}
	return raw, nil
}

// hostFilter is the part that looks at how the frame came: it ends the program
// or runs into what follows. bpf.VM cannot load the packet type, so this part
// is tested on live sockets only.
func hostFilter() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: pktMulticast, SkipFalse: 1},
		bpf.RetConstant{Val: 0},
	}
}

// addressFilter is the part that looks into the frame: a whole program, that
// bpf.VM can run.
func addressFilter(vips []netip.Addr) ([]bpf.Instruction, error) {
	keys := make([]uint32, 0, len(vips))
	for _, a := range vips {
		a = a.Unmap()
		if !a.Is4() {
			return nil, fmt.Errorf("filter for %s: only IPv4 addresses can be received", a)
		}
		b := a.As4()
		keys = append(keys, binary.BigEndian.Uint32(b[:]))
	}
	slices.Sort(keys)
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offEtherType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherTypeARP, SkipFalse: 1},
		bpf.RetConstant{Val: acceptBytes},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherTypeIPv4, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadAbsolute{Off: offIPv4Dst, Size: 4},
	}
	return append(prog, searchFilter(slices.Compact(keys))...), nil
}

// searchFilter compares the accumulator with sorted keys: halves them until few
// are left and compares those in turn. Every branch ends the program.
func searchFilter(keys []uint32) []bpf.Instruction {
	if len(keys) <= leafAddrs {
		leaf := make([]bpf.Instruction, 0, len(keys)+2)
		for i, k := range keys {
			// Over the later comparisons and the reject to the accept.
			leaf = append(leaf, bpf.JumpIf{Cond: bpf.JumpEqual, Val: k, SkipTrue: uint8(len(keys) - i)})
		}
		leaf = append(leaf, bpf.RetConstant{Val: 0})
		if len(keys) > 0 {
			leaf = append(leaf, bpf.RetConstant{Val: acceptBytes})
		}
		return leaf
	}
	mid := len(keys) / 2
	low, high := searchFilter(keys[:mid]), searchFilter(keys[mid:])
	// A conditional jump reaches 255 instructions, an unconditional one all.
	prog := []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: keys[mid], SkipFalse: 1},
		bpf.Jump{Skip: uint32(len(low))},
	}
	return append(append(prog, low...), high...)
}
