package frametest

import (
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// parseIPv6 fills the IPv6 part of h and what is above.
func parseIPv6(data []byte, h *frame.Header) frame.Fault {
	if len(data) < 40 {
		return frame.TooShort
	}
	ip, ok := decode6(data, h)
	if !ok || int(ip.Length) > len(data)-40 {
		return frame.BadHeader
	}
	payload := data[40 : 40+int(ip.Length)]
	l := chainOf(ip.NextHeader, payload)
	if !l.obeys(int(ip.Length)) {
		return frame.BadHeader
	}
	l.fill(h, ip)
	h.End = uint32(h.L3) + 40 + uint32(ip.Length)
	if h.FragOff != 0 {
		if h.Proto == frame.ProtoTCP && h.FragOff == 8 {
			return frame.BadL4
		}
		return frame.NoFault
	}
	if !parseL4(l.upper, payload[l.len:], h) {
		return frame.BadL4
	}
	return frame.NoFault
}

// decode6 is the fixed header at data, which is long enough. It puts the
// addresses in h and reports whether they and the version may be.
func decode6(data []byte, h *frame.Header) (*layers.IPv6, bool) {
	var ip layers.IPv6
	// An error is about lengths, which are looked at elsewhere, or about the
	// inside of an option.
	_ = ip.DecodeFromBytes(data, gopacket.NilDecodeFeedback)
	src, _ := netip.AddrFromSlice(ip.SrcIP)
	dst, _ := netip.AddrFromSlice(ip.DstIP)
	if ip.Version != 6 || src.Is4In6() || dst.Is4In6() {
		return nil, false
	}
	h.Src, h.Dst = frame.AddrFrom(src), frame.AddrFrom(dst)
	return &ip, true
}

// A chain is the extension headers of a packet.
type chain struct {
	types []layers.IPProtocol
	at    []int             // where each starts in the payload
	upper layers.IPProtocol // what comes after the last
	len   int               // of all, in bytes
	whole bool              // whether upper was reached

	routing   [][]byte
	fragments []*layers.IPv6Fragment
}

// chainOf is the chain that begins with a header of type next at data. It ends
// with the fragment header of a later fragment, because what follows is no
// header.
func chainOf(next layers.IPProtocol, data []byte) *chain {
	l := &chain{upper: next}
	for {
		rest := data[l.len:]
		n := 0
		switch l.upper {
		case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Destination, layers.IPProtocolIPv6Routing:
			var skip layers.IPv6ExtensionSkipper
			if skip.DecodeFromBytes(rest, gopacket.NilDecodeFeedback) != nil {
				return l
			}
			n = len(skip.Contents)
			if l.upper == layers.IPProtocolIPv6Routing {
				l.routing = append(l.routing, skip.Contents)
			}
		case layers.IPProtocolAH:
			ah, ok := first(rest, layers.LayerTypeIPSecAH).(*layers.IPSecAH)
			if !ok || ah.ActualLength < 12 {
				return l
			}
			n = ah.ActualLength
		case layers.IPProtocolIPv6Fragment:
			g, ok := first(rest, layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment)
			if !ok {
				return l
			}
			l.fragments = append(l.fragments, g)
			n = 8
		default:
			l.whole = true
			return l
		}
		l.types = append(l.types, l.upper)
		l.at = append(l.at, l.len)
		l.upper = layers.IPProtocol(rest[0])
		l.len += n
		if k := len(l.fragments); k > 0 && l.fragments[k-1].FragmentOffset != 0 {
			l.whole = true
			return l
		}
	}
}

// first is the layer of type typ at the start of data, as gopacket finds it,
// or nil.
func first(data []byte, typ gopacket.LayerType) gopacket.Layer {
	return gopacket.NewPacket(data, typ, gopacket.DecodeOptions{Lazy: true, NoCopy: true}).Layer(typ)
}

// obeys reports whether l may be in a packet whose payload has the given
// length.
func (l *chain) obeys(payload int) bool {
	if !l.isOrdered() {
		return false
	}
	for i, typ := range l.types {
		if typ != layers.IPProtocolIPv6Fragment {
			continue
		}
		g := l.fragments[0]
		n := payload - l.at[i] - 8
		whole := l.at[i] + int(g.FragmentOffset)*8 + n // the payload so far, without fragment header
		if g.MoreFragments && n%8 != 0 || whole > 65535 {
			return false
		}
	}
	return true
}

// isOrdered is obeys where the length of the payload does not count.
func (l *chain) isOrdered() bool {
	if !l.whole || len(l.types) > 8 || len(l.fragments) > 1 {
		return false
	}
	for i, typ := range l.types {
		if typ == layers.IPProtocolIPv6HopByHop && i > 0 {
			return false
		}
	}
	for _, r := range l.routing {
		if segmentsLeft := r[3]; segmentsLeft != 0 {
			return false
		}
	}
	return true
}

// fill sets in h what l and the fixed header ip say.
func (l *chain) fill(h *frame.Header, ip *layers.IPv6) {
	h.L4 = h.L3 + 40 + uint16(l.len)
	h.Proto = frame.Proto(l.upper)
	h.TTL = ip.HopLimit
	h.DF = true
	for _, g := range l.fragments {
		h.FragID = g.Identification
		h.FragOff = g.FragmentOffset * 8
		h.More = g.MoreFragments
	}
}
