package arp

import (
	"fmt"
	"net/netip"

	"lvsdr/dataplane/frame"
)

// A VIP is a virtual address, announced on one interface and nowhere else.
type VIP struct {
	Addr    netip.Addr // IPv4 or IPv6, without a zone
	Ifindex int32
	// MAC is what requests are answered with: the interface's own address or
	// a virtual one.
	MAC frame.MAC
}

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

// A Known is a real server whose MAC address is known. Name is for messages.
type Known struct {
	Addr netip.Addr
	MAC  frame.MAC
	Name string
}

// An identity is how a real server is known again. One with addresses of both
// families has one MAC address and two identities.
type identity struct {
	mac frame.MAC
	is6 bool
}

type place struct {
	ifindex int32
	addr    netip.Addr
}

// A View is what Decide goes by. It does not change once made and may be used
// by any number of goroutines.
type View struct {
	active  bool
	vips    map[place]VIP
	anyVIP  map[netip.Addr]bool // on whichever interface
	own     map[frame.MAC]bool
	servers map[identity]Known
}

// NewView makes a View. It is active when the host is to speak for the VIPs. The
// addresses of own, beside the VIPs' MACs, are this host's. Of several real
// servers with one MAC address and one family the first is named. It keeps none
// of the slices.
func NewView(active bool, vips []VIP, servers []Known, own []frame.MAC) *View {
	v := &View{
		active:  active,
		vips:    make(map[place]VIP, len(vips)),
		anyVIP:  make(map[netip.Addr]bool, len(vips)),
		own:     make(map[frame.MAC]bool, len(own)+1),
		servers: make(map[identity]Known, len(servers)),
	}
	for _, vip := range vips {
		v.vips[place{vip.Ifindex, vip.Addr}] = vip
		v.anyVIP[vip.Addr] = true
		v.own[vip.MAC] = true
	}
	for _, m := range own {
		v.own[m] = true
	}
	for _, s := range servers {
		id := identity{s.MAC, s.Addr.Is6()}
		if _, taken := v.servers[id]; !taken {
			v.servers[id] = s
		}
	}
	return v
}

// An Action is what Decide wants done about one frame.
type Action struct {
	Reason Reason
	Answer *Packet // a reply to be sent; nil: none
	// Defend asks for an announcement of VIP, as often as Announcer.Defend
	// allows.
	Defend bool
	VIP    VIP   // the VIP the frame is about; zero if it is about none
	Event  Event // without its Text; of kind NoEvent: none
}

// Decide says what to do about the frame in, which Parse found sound. It is the
// whole of the responder:
//
//	from ourselves                                 nothing
//	sender IP is a VIP, from another MAC           conflict: report and defend, never reply
//	any other reply                                nothing (the Resolver reads it)
//	request for a VIP of this interface,
//	  to all or to its MAC                         reply, unicast; report probes and real servers
//	request for anything else                      nothing
//	anything about a VIP while not active          nothing
//
// Whoever does not own a VIP on this very interface is not told of it (no ARP
// flux). To all is broadcast in ARP and the VIP's solicited-node group in
// Neighbor Discovery, where the reply to a probe goes to all nodes, since there
// is no address to send it to. In backup state not even a conflict is reported: the other user of
// the VIP is the active director then, which may be a real server as well.
func Decide(v *View, in *Input) Action {
	p := &in.Packet
	if v.own[in.Src] || v.own[in.SenderMAC] {
		return Action{Reason: Own}
	}
	if vip, ok := v.vips[place{in.Ifindex, p.SenderIP}]; ok {
		return v.claimed(in, vip)
	}
	if p.Op == Reply {
		return Action{Reason: v.elsewhere(p.SenderIP)}
	}
	vip, ok := v.vips[place{in.Ifindex, p.TargetIP}]
	if !ok {
		return Action{Reason: v.elsewhere(p.TargetIP)}
	}
	if !v.active {
		return Action{Reason: Backup, VIP: vip}
	}
	if in.Dst != askedAt(vip.Addr) && in.Dst != vip.MAC {
		return Action{Reason: OtherHost, VIP: vip}
	}
	return v.asked(in, vip)
}

// elsewhere is the reason not to care about address a on this interface.
func (v *View) elsewhere(a netip.Addr) Reason {
	if v.anyVIP[a] {
		return OtherInterface
	}
	return NotVIP
}

// asked answers a request for vip.
func (v *View) asked(in *Input, vip VIP) Action {
	p := &in.Packet
	a := Action{
		Reason: Answered,
		Answer: &Packet{
			Dst: p.SenderMAC, Src: vip.MAC, Op: Reply,
			SenderMAC: vip.MAC, SenderIP: vip.Addr, TargetMAC: p.SenderMAC, TargetIP: p.SenderIP,
		},
		VIP: vip,
	}
	if vip.Addr.Is6() && p.SenderIP.IsUnspecified() {
		a.Answer.Dst = announcedAt(vip.Addr) // RFC 4861 section 7.2.4
	}
	_, isServer := v.server(in, vip)
	switch {
	case p.SenderIP.IsUnspecified():
		// RFC 5227 section 1.1, RFC 4862 section 5.4.2: it is a probe.
		a.Reason, a.Event = AnsweredProbe, v.event(TakeoverAttempt, in, vip)
	case isServer:
		a.Reason, a.Event = AnsweredRealServer, v.event(RealServerAsks, in, vip)
	case in.Dst != askedAt(vip.Addr):
		a.Reason = AnsweredUnicast
	}
	return a
}

// claimed is about a frame from another MAC that names vip as its sender.
// RFC 5227 section 2.4: any such packet, request or reply, is a conflict; and so
// does RFC 4862 section 5.4.4 have it of advertisements.
func (v *View) claimed(in *Input, vip VIP) Action {
	if !v.active {
		return Action{Reason: Backup, VIP: vip}
	}
	p := &in.Packet
	_, isServer := v.server(in, vip)
	a := Action{Reason: ClaimedByRealServer, Defend: true, VIP: vip}
	switch {
	case !isServer:
		a.Reason, a.Event = ClaimedByOther, v.event(Conflict, in, vip)
	case p.TargetIP == vip.Addr:
		a.Event = v.event(RealServerAnnounces, in, vip)
	case p.Op == Reply:
		a.Event = v.event(RealServerAnswers, in, vip)
	default:
		a.Reason, a.Event = SourceOfRealServer, v.event(RealServerSource, in, vip)
	}
	return a
}

// event is an Event of kind k about vip and the sender of in.
func (v *View) event(k EventKind, in *Input, vip VIP) Event {
	s, _ := v.server(in, vip)
	return Event{Kind: k, Ifindex: in.Ifindex, VIP: vip.Addr, RealServer: s.Addr, Name: s.Name, MAC: in.SenderMAC}
}

// server is the real server that sent in, by its address of the VIP's family if
// it has one.
func (v *View) server(in *Input, vip VIP) (Known, bool) {
	s, ok := v.servers[identity{in.SenderMAC, vip.Addr.Is6()}]
	if !ok {
		s, ok = v.servers[identity{in.SenderMAC, !vip.Addr.Is6()}]
	}
	return s, ok
}
