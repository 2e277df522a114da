package arp

import (
	"bytes"
	"fmt"
	"net/netip"

	"lvsdr/dataplane/frame"
)

// A VIP is a virtual address on an interface.
type VIP struct {
	Addr    netip.Addr // IPv4 or IPv6, without a zone
	Ifindex int32
	// MAC is the address in answers and announcements: the interface's own address or
	// a virtual one.
	MAC frame.MAC
	// Active says that this host speaks for the address: it announces it on the
	// interface and answers for it there. While a VIP is not active, another
	// host may have it, and nothing about it is answered or reported.
	Active bool
	// Elected says that VRRP has given the VIP to this host, and how it is
	// announced; zero: VRRP does not decide about it.
	Elected Elected
	// Kernel says that the host's kernel has the address and answers for it: it is
	// announced only.
	Kernel bool
}

func (v VIP) place() place { return place{v.Ifindex, v.Addr} }

// check says what is wrong with v.
func (v VIP) check() error {
	switch {
	case !resolvable(v.Addr):
		return fmt.Errorf("vip %v: not the address of a host on a link", v.Addr)
	case v.Ifindex <= 0:
		return fmt.Errorf("vip %v: interface index %d", v.Addr, v.Ifindex)
	case !station(v.MAC):
		return fmt.Errorf("vip %v: %s is not the MAC address of an interface", v.Addr, v.MAC)
	}
	return nil
}

// An action says what to do about one frame.
type action struct {
	reason reason
	answer *Packet // a reply to be sent; nil: none
	// defend asks for an announcement of vip, as often as announcer.defend
	// allows.
	defend bool
	// used says that the sender uses vip: it has it, or is about to take it and
	// goes first.
	used  bool
	vip   VIP   // the VIP the frame is about; zero if it is about none
	event Event // without its Text; of kind NoEvent: none
}

// decide says what to do about the frame in, which parse found sound. It is the
// whole of the responder:
//
//	from ourselves                                 nothing
//	sender IP is a VIP, from another MAC           conflict: report and defend, never reply
//	any other reply                                nothing (the resolver reads it)
//	request for a VIP of this interface,
//	  to all or to its MAC                         reply, unicast; report probes and real servers
//	request for anything else                      nothing
//	anything about a VIP that is not active,
//	  or that the host's kernel has                nothing
//	anything about one that is looked for or held  nothing, but its use is noted
//
// A VIP is answered for on its own interface only (no ARP flux). To all is
// broadcast in ARP and the VIP's solicited-node group in Neighbor Discovery,
// where the reply to a probe goes to all nodes, since there is no address to
// send it to. For a VIP that is not active not even a conflict is reported: its
// other user is the active director then, which may be a real server as well.
func decide(v *view, in *input) action {
	p := &in.Packet
	if v.own[in.Src] || v.own[in.SenderMAC] {
		return action{reason: own}
	}
	if vip, ok := v.vips[place{in.ifindex, p.SenderIP}]; ok {
		return v.claimed(in, vip)
	}
	if p.Op == Reply {
		return action{reason: v.elsewhere(p.SenderIP)}
	}
	vip, ok := v.vips[place{in.ifindex, p.TargetIP}]
	if !ok {
		return action{reason: v.elsewhere(p.TargetIP)}
	}
	if !vip.Active || vip.Kernel {
		return action{reason: backup, vip: vip}
	}
	if v.quiet[vip.place()] {
		return action{reason: notAnnounced, vip: vip, used: p.SenderIP.IsUnspecified() && goesFirst(p.SenderMAC, vip.MAC)}
	}
	if in.Dst != askedAt(vip.Addr) && in.Dst != vip.MAC {
		return action{reason: otherHost, vip: vip}
	}
	return v.asked(in, vip)
}

// elsewhere is the reason not to care about address a on this interface.
func (v *view) elsewhere(a netip.Addr) reason {
	if v.anyVIP[a] {
		return otherInterface
	}
	return notVIP
}

// goesFirst reports whether the host at mac gets a VIP that it and the one at ours
// look for at one moment: the lower address wins.
func goesFirst(mac, ours frame.MAC) bool { return bytes.Compare(mac[:], ours[:]) < 0 }

// asked answers a request for vip.
func (v *view) asked(in *input, vip VIP) action {
	p := &in.Packet
	a := action{
		reason: answered,
		answer: &Packet{
			Dst: p.SenderMAC, Src: vip.MAC, Op: Reply,
			SenderMAC: vip.MAC, SenderIP: vip.Addr, TargetMAC: p.SenderMAC, TargetIP: p.SenderIP,
		},
		vip: vip,
	}
	if vip.Addr.Is6() && p.SenderIP.IsUnspecified() {
		a.answer.Dst = announcedAt(vip.Addr) // RFC 4861 section 7.2.4
	}
	_, isServer := v.server(in, vip)
	switch {
	case p.SenderIP.IsUnspecified():
		// RFC 5227 section 1.1, RFC 4862 section 5.4.2: it is a probe.
		a.reason, a.event = answeredProbe, v.event(TakeoverAttempt, in, vip)
	case isServer:
		a.reason, a.event = answeredRealServer, v.event(RealServerAsks, in, vip)
	case in.Dst != askedAt(vip.Addr):
		a.reason = answeredUnicast
	}
	return a
}

// claimed is about a frame from another MAC that names vip as its sender.
// RFC 5227 section 2.4: any such packet, request or reply, is a conflict; RFC
// 4862 section 5.4.4 says the same of advertisements.
func (v *view) claimed(in *input, vip VIP) action {
	if !vip.Active || vip.Kernel {
		return action{reason: backup, vip: vip}
	}
	p := &in.Packet
	_, isServer := v.server(in, vip)
	if v.quiet[vip.place()] {
		return action{reason: notAnnounced, vip: vip, used: !isServer}
	}
	a := action{reason: claimedByRealServer, defend: true, vip: vip}
	switch {
	case !isServer:
		a.reason, a.used, a.event = claimedByOther, true, v.event(Conflict, in, vip)
	case p.TargetIP == vip.Addr:
		a.event = v.event(RealServerAnnounces, in, vip)
	case p.Op == Reply:
		a.event = v.event(RealServerAnswers, in, vip)
	default:
		a.reason, a.event = sourceOfRealServer, v.event(RealServerSource, in, vip)
	}
	return a
}

// event is an Event of kind k about vip and the sender of in.
func (v *view) event(k EventKind, in *input, vip VIP) Event {
	s, _ := v.server(in, vip)
	return Event{Kind: k, Ifindex: in.ifindex, VIP: vip.Addr, RealServer: s.addr, Name: s.name, MAC: in.SenderMAC}
}
