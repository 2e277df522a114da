package hostnet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"lvsdr/dataplane/frame"
)

// Martians are the addresses that no packet of another host has as its source: this
// host's own, and the network and the broadcast address of each of its IPv4 networks
// (RFC 1812 section 5.3.7). Tentative addresses may be another's. They are sorted,
// each once; the caller does not change them.
func (s *Snapshot) Martians() []frame.Addr { return s.find().martians }

// martians is Martians, computed.
func (s *Snapshot) martians() []frame.Addr {
	all := []frame.Addr{}
	for _, a := range s.Addrs {
		if a.Tentative {
			continue
		}
		all = append(all, frame.AddrFrom(a.Prefix.Addr()))
		if a.Prefix.Addr().Is4() && a.Prefix.Bits() < 31 { // a network of two has neither (RFC 3021)
			first := a.Prefix.Masked().Addr()
			all = append(all, frame.AddrFrom(first), frame.AddrFrom(lastOf(first, a.Prefix.Bits())))
		}
	}
	slices.SortFunc(all, func(a, b frame.Addr) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(all)
}

// lastOf is the last address of the IPv4 network of so many bits that starts at
// first.
func lastOf(first netip.Addr, bits int) netip.Addr {
	b := first.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|^uint32(0)>>bits)
	return netip.AddrFrom4(b)
}
