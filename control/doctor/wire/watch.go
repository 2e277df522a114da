package wire

import (
	"maps"
	"net/netip"
	"slices"

	"lvsdr/arp"
	"lvsdr/dataplane/frame"
)

// Traffic is the traffic seen on the links without asking.
type Traffic struct {
	// Forwarded is the number of frames for VIPs that this host sent.
	Forwarded int
	// BadSums is how many of them had a wrong transport checksum that was not
	// left to the hardware; BadSum shows one.
	BadSums int
	BadSum  string
	// Claims are those of other hosts to have a VIP.
	Claims map[netip.Addr][]Claim
	// Askers are the hosts that asked for another address with a VIP as their own.
	Askers map[netip.Addr][]Claim
	// Towards says, by the MAC address it was sent to, what became of clients'
	// new connections.
	Towards map[frame.MAC]Connections
	// TooBig are ICMP errors of routers that a packet from a VIP was too long.
	TooBig []string
}

// Connections counts new TCP connections.
type Connections struct {
	Established int    // the client has acknowledged the server's SYN
	Stuck       int    // the client repeated its SYN and has not got that far
	Syn         string // a frame of one that is stuck
}

// maxFlows bounds the connections that a watch remembers.
const maxFlows = 1 << 14

// A flowKey names a connection to a VIP.
type flowKey struct {
	client  frame.Addr
	port    uint16
	vip     frame.Addr
	service uint16
}

// A flow is a connection whose first SYN was seen.
type flow struct {
	mac         frame.MAC // it was sent to last
	syns        int
	established bool
	syn         string
}

// A watch makes Traffic out of frames.
type watch struct {
	vips    map[frame.Addr]bool
	traffic Traffic
	flows   map[flowKey]*flow
}

func newWatch(vips []netip.Addr) *watch {
	w := &watch{vips: map[frame.Addr]bool{}, flows: map[flowKey]*flow{},
		traffic: Traffic{Claims: map[netip.Addr][]Claim{}, Askers: map[netip.Addr][]Claim{}}}
	for _, a := range vips {
		w.vips[frame.AddrFrom(a)] = true
	}
	return w
}

// add takes a frame in.
func (w *watch) add(s *captured) {
	h := &s.header
	switch {
	case s.outgoing && w.vips[h.Dst] && h.Fault == frame.NoFault:
		w.forwarded(s)
	case s.outgoing:
	case h.Kind == frame.ARP || h.Proto == frame.ProtoICMPv6 && h.TTL == 255:
		w.said(s)
	case w.vips[h.Dst] && tooBig(h):
		if len(w.traffic.TooBig) < maxEvidence {
			w.traffic.TooBig = append(w.traffic.TooBig, describe(s))
		}
	}
}

// maxEvidence bounds how many frames prove one thing.
const maxEvidence = 3

// tooBig reports whether h says that a packet was too long for a link
// (RFC 1191, RFC 8201).
func tooBig(h *frame.Header) bool {
	return h.Kind == frame.IPv4 && h.Proto == frame.ProtoICMP && h.ICMPType == icmpUnreachable && h.ICMPCode == 4 ||
		h.Kind == frame.IPv6 && h.Proto == frame.ProtoICMPv6 && h.ICMPType == icmp6TooBig
}

// forwarded takes in a frame for a VIP that this host has sent.
func (w *watch) forwarded(s *captured) {
	h, t := &s.header, &w.traffic
	t.Forwarded++
	if !s.unfinished && !frame.L4ChecksumOK(s.data, h) {
		t.BadSums++
		if t.BadSum == "" {
			t.BadSum = describe(s)
		}
	}
	if h.Proto != frame.ProtoTCP || h.FragOff != 0 {
		return
	}
	key := flowKey{h.Src, h.SrcPort, h.Dst, h.DstPort}
	f := w.flows[key]
	switch {
	case h.Flags&(frame.SYN|frame.ACK|frame.RST) == frame.SYN:
		if f == nil {
			if len(w.flows) >= maxFlows {
				return
			}
			f = &flow{syn: describe(s)}
			w.flows[key] = f
		}
		f.syns++
		f.mac = frame.DstMAC(s.data)
	case f != nil && h.Flags&frame.ACK != 0:
		f.established = true
	}
}

// said takes in what a host says about a VIP by ARP or Neighbor Discovery.
func (w *watch) said(s *captured) {
	in, ok := arp.Parse(s.data)
	if !ok || !w.vips[frame.AddrFrom(in.SenderIP)] || in.SenderMAC == s.link.MAC {
		return
	}
	into := w.traffic.Claims
	if in.Op == arp.Request && in.TargetIP != in.SenderIP {
		into = w.traffic.Askers
	}
	if !slices.ContainsFunc(into[in.SenderIP], func(c Claim) bool { return c.MAC == in.SenderMAC }) {
		into[in.SenderIP] = append(into[in.SenderIP], Claim{s.link.Name, in.SenderIP, in.SenderMAC})
	}
}

// summary is a copy of what is known.
func (w *watch) summary() Traffic {
	t := w.traffic
	t.Claims, t.Askers, t.TooBig = maps.Clone(t.Claims), maps.Clone(t.Askers), slices.Clone(t.TooBig)
	t.Towards = map[frame.MAC]Connections{}
	for _, f := range w.flows {
		b := t.Towards[f.mac]
		switch {
		case f.established:
			b.Established++
		case f.syns > 1:
			b.Stuck++
			b.Syn = f.syn
		}
		t.Towards[f.mac] = b
	}
	return t
}
