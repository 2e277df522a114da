package afpacket

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"

	"lvsdr/dataplane/frame"
)

// Offsets and values the filter compares; the frame starts at its Ethernet
// header, and a VLAN tag was stripped by the kernel before.
const (
	offIPv4Dst = frame.EtherLen + frame.Off4Dst

	pktMulticast = 2 // PACKET_MULTICAST, <linux/if_packet.h>
	pktOtherHost = 3 // PACKET_OTHERHOST; OUTGOING is 4

	// The first four bytes of the MAC addresses of virtual routers (RFC 9568 section 7.3).
	// The interface has another one, so the kernel takes frames to them as those of another host.
	virtualRouters = 0x00005e00

	acceptBytes = 0x40000 // more than any frame: nothing is cut off
)

// maxInstructions is BPF_MAXINSNS, <linux/bpf_common.h>.
const maxInstructions = 4096

// leafAddrs is how many addresses are compared one by one before the search
// branches. Classic BPF jumps are 8 bit, so it must stay well below 255.
const leafAddrs = 16

// rejectAll is the filter of a socket that is not ready yet.
var rejectAll = []bpf.Instruction{bpf.RetConstant{Val: 0}}

// filters are the programs of a NIC's sockets.
type filters struct {
	others, syns, all, none []bpf.RawInstruction
}

// newFilters makes the programs of a NIC's two sockets. What they let in is ARP, and
// IP frames to one of vips, if they were sent to this host, to a group or to all; not
// what is meant for another host (a promiscuous interface) nor what this host sends. With
// routers, frames to the MAC address of a virtual router count as sent to this host.
// With an IPv6 address among vips, or neighbours, they let in neighbour discovery as
// well; what b says, too. The SYNs among all
// that (see selectSYN) are let in by syns, the rest by others.
//
// About 3000 addresses fit, IPv4 or IPv6 with a common prefix; of IPv6
// addresses that have nothing in common, 400.
func newFilters(vips []netip.Addr, b backward, neighbours bool, how arrival) (f filters, err error) {
	addrs, err := addressFilter(vips, neighbours)
	if err != nil {
		return filters{}, err
	}
	from, err := sourceFilter(b)
	if err != nil {
		return filters{}, err
	}
	reject := bpf.RetConstant{Val: 0}
	for _, c := range []struct {
		prog  *[]bpf.RawInstruction
		parts [][]bpf.Instruction
	}{
		{&f.others, [][]bpf.Instruction{selectSYN([]bpf.Instruction{reject}), from, addrs}},
		{&f.syns, [][]bpf.Instruction{selectSYN([]bpf.Instruction{bpf.Jump{Skip: 1}, reject}), from, addrs}},
		{&f.all, [][]bpf.Instruction{from, addrs}},
		{&f.none, [][]bpf.Instruction{rejectAll}},
	} {
		if *c.prog, err = assemble(how, c.parts...); err != nil {
			return filters{}, fmt.Errorf("filter for %d addresses: %w", len(vips)+len(b.sources), err)
		}
	}
	return f, nil
}

// assemble makes a program that looks at how a frame came, and then runs through parts.
func assemble(how arrival, parts ...[]bpf.Instruction) ([]bpf.RawInstruction, error) {
	prog := slices.Concat(append([][]bpf.Instruction{how.filter()}, parts...)...)
	if len(prog) > maxInstructions {
		return nil, fmt.Errorf("%d instructions, the kernel takes %d", len(prog), maxInstructions)
	}
	return bpf.Assemble(prog)
}

// An arrival says how frames have to come, beside those that were sent to this host.
type arrival struct {
	routers bool   // to the MAC address of a virtual router
	mark    uint32 // with this mark; 0: none
}

// filter is the part that looks at how the frame came: it ends the program
// or runs into what follows. bpf.VM cannot load the packet type, so this part
// is tested on live sockets only.
func (how arrival) filter() []bpf.Instruction {
	host := hostFilter(how.routers)
	if how.mark == 0 {
		return host
	}
	return append([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtMark},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: how.mark, SkipTrue: uint8(len(host))},
	}, host...)
}

// hostFilter is that of frames that were sent to this host.
func hostFilter(routers bool) []bpf.Instruction {
	if !routers {
		return []bpf.Instruction{
			bpf.LoadExtension{Num: bpf.ExtType},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: pktMulticast, SkipFalse: 1},
			bpf.RetConstant{Val: 0},
		}
	}
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: pktMulticast, SkipFalse: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: pktOtherHost, SkipTrue: 2},
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: virtualRouters, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
}

// addressFilter is the part that looks into the frame: a whole program, that
// bpf.VM can run.
func addressFilter(vips []netip.Addr, neighbours bool) ([]bpf.Instruction, error) {
	v4, v6, err := keysOf(vips)
	if err != nil {
		return nil, err
	}
	ipv4 := append([]bpf.Instruction{bpf.LoadAbsolute{Off: offIPv4Dst, Size: 4}}, searchFilter(v4)...)
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: frame.OffEtherType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: frame.EtherTypeARP, SkipFalse: 1},
		bpf.RetConstant{Val: acceptBytes},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: frame.EtherTypeIPv4, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(ipv4))}, // the accumulator still holds the EtherType
	}
	prog = append(prog, ipv4...)
	if len(v6) == 0 && !neighbours {
		return append(prog, bpf.RetConstant{Val: 0}), nil
	}
	return append(prog, ipv6Filter(v6)...), nil
}

// keysOf are addresses as the searches compare them, sorted, each once.
func keysOf(addrs []netip.Addr) (v4 []uint32, v6 []words, err error) {
	for _, a := range addrs {
		a = a.Unmap()
		switch {
		case a.Is4():
			b := a.As4()
			v4 = append(v4, binary.BigEndian.Uint32(b[:]))
		case a.Is6() && a.Zone() == "":
			v6 = append(v6, wordsOf(a))
		default:
			return nil, nil, fmt.Errorf("filter for %s: not an address of the whole network", a)
		}
	}
	slices.Sort(v4)
	slices.SortFunc(v6, func(a, b words) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(v4), slices.Compact(v6), nil
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
	return halve(keys[mid], searchFilter(keys[:mid]), searchFilter(keys[mid:]))
}

// halve goes on with high if the accumulator is at least key, else with low,
// which must end the program.
func halve(key uint32, low, high []bpf.Instruction) []bpf.Instruction {
	// A conditional jump reaches 255 instructions, an unconditional one all.
	prog := []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: key, SkipFalse: 1},
		bpf.Jump{Skip: uint32(len(low))},
	}
	return append(append(prog, low...), high...)
}
