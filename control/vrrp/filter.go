package vrrp

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
)

// netOffset is where the IP header begins in a filter of any socket: SKF_NET_OFF of <linux/filter.h>.
const netOffset = 0xfff00000

// maxSources is how many sources a filter tells apart: their list must end within the reach of a jump.
const maxSources = 16

// filterFor is a program for packets on p: it takes those that an instance there may take; with sources, only theirs.
func filterFor(p port, sources []netip.Addr) []bpf.Instruction {
	var code []bpf.Instruction
	if len(sources) > 0 && len(sources) <= maxSources {
		code = filterSources(sources)
	}
	ttl, header := uint32(8), uint32(0) // offsets; the header's length is in X for IPv4
	if p.is6 {
		ttl, header = 7, ip6Len
	}
	if !p.far {
		code = append(code, bpf.LoadAbsolute{Off: netOffset + ttl, Size: 1}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: TTL, SkipTrue: 1}, bpf.RetConstant{Val: 0})
	}
	if p.is6 {
		code = append(code, bpf.LoadAbsolute{Off: netOffset + header + 1, Size: 1})
	} else {
		// X is four times the low half of the first byte; LoadMemShift reads it from where the packet begins for the
		// filter, which is its IP header on raw sockets of IPv4.
		code = append(code, bpf.LoadMemShift{Off: 0}, bpf.LoadIndirect{Off: 1, Size: 1})
	}
	for _, id := range p.ids {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(id), SkipTrue: 1}, bpf.RetConstant{Val: maxTaken})
	}
	if p.all {
		return append(code, bpf.RetConstant{Val: maxTaken})
	}
	return append(code, bpf.RetConstant{Val: 0})
}

// filterSources drops packets from other sources. It compares the last four bytes of an address.
func filterSources(sources []netip.Addr) []bpf.Instruction {
	at := uint32(12)
	if sources[0].Is6() {
		at = 8 + 12
	}
	code := []bpf.Instruction{bpf.LoadAbsolute{Off: netOffset + at, Size: 4}}
	for k, a := range sources {
		b := a.AsSlice()
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(b[len(b)-4:]), SkipTrue: uint8(len(sources) - k)})
	}
	return append(code, bpf.RetConstant{Val: 0})
}

// maxTaken is how much of a packet a filter leaves.
const maxTaken = 1 << 16
