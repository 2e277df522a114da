package afpacket

import (
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"

	"lvsdr/dataplane/frame"
)

// Offsets of what the filter of sources compares.
const (
	offIPv4Proto = frame.EtherLen + frame.Off4Proto
	offIPv4Src   = frame.EtherLen + frame.Off4Src
	offIPv6Src   = frame.EtherLen + frame.Off6Src
)

// The ICMP errors that routers on the servers' side send about a client's packet, to the
// client (RFC 792, RFC 4443): destination unreachable, source quench, time exceeded; of
// ICMPv6 the types 1 to 4.
var icmpErrors = []uint32{3, 4, 11}

const lastICMPv6Error = 4

// A backward names the frames that are let in whatever their destination.
type backward struct {
	sources []netip.Addr // of servers whose answers must go back by this host
	errors  bool         // ICMP errors from anywhere, which may be about what went to servers
}

// sourceFilter is the part that lets in b. All other frames run into what follows.
func sourceFilter(b backward) ([]bpf.Instruction, error) {
	v4, v6, err := keysOf(b.sources)
	if err != nil {
		return nil, err
	}
	return slices.Concat(ofEtherType(frame.EtherTypeIPv4, append(b.errors4(), sources4(v4)...)),
		ofEtherType(frame.EtherTypeIPv6, append(b.errors6(), sources6(v6)...))), nil
}

// ofEtherType runs through part for frames of a type, and past it for others.
func ofEtherType(etherType uint32, part []bpf.Instruction) []bpf.Instruction {
	if len(part) == 0 {
		return nil
	}
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: frame.OffEtherType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherType, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(part))},
	}, part...)
}

// errors4 is the part for ICMP errors.
func (b *backward) errors4() []bpf.Instruction {
	if !b.errors {
		return nil
	}
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offIPv4Proto, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(frame.ProtoICMP), SkipTrue: uint8(4 + len(icmpErrors))},
		bpf.LoadMemShift{Off: frame.EtherLen},
		bpf.LoadIndirect{Off: frame.EtherLen, Size: 1},
	}
	for i, t := range icmpErrors { // to the accept
		prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: t, SkipTrue: uint8(len(icmpErrors) - i)})
	}
	return append(prog, bpf.Jump{Skip: 1}, bpf.RetConstant{Val: acceptBytes})
}

// sources4 is the part for frames of IPv4.
func sources4(keys []uint32) []bpf.Instruction {
	if len(keys) == 0 {
		return nil
	}
	return append([]bpf.Instruction{bpf.LoadAbsolute{Off: offIPv4Src, Size: 4}}, orOn(searchFilter(keys))...)
}

// errors6 is the part for ICMPv6 errors.
func (b *backward) errors6() []bpf.Instruction {
	if !b.errors {
		return nil
	}
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: offIPv6Next, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(frame.ProtoICMPv6), SkipTrue: 4},
		bpf.LoadAbsolute{Off: offICMPv6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: lastICMPv6Error, SkipTrue: 1},
		bpf.RetConstant{Val: acceptBytes},
	}
}

// sources6 is the part for frames of IPv6.
func sources6(keys []words) []bpf.Instruction {
	if len(keys) == 0 {
		return nil
	}
	return orOn(addressAt(offIPv6Src, keys))
}

// orOn is prog, but where that would reject a frame, it runs into what follows.
func orOn(prog []bpf.Instruction) []bpf.Instruction {
	out := slices.Clone(prog)
	for i, in := range out {
		if r, ok := in.(bpf.RetConstant); ok && r.Val == 0 {
			out[i] = bpf.Jump{Skip: uint32(len(out) - i - 1)}
		}
	}
	return out
}
