package arp

import (
	"fmt"
	"net/netip"

	mdarp "github.com/mdlayher/arp"

	"lvsdr/dataplane/frame"
)

// A VIP is a virtual address, announced on one interface and nowhere else.
type VIP struct {
	Addr    netip.Addr // IPv4
	Ifindex int32
	// MAC is what requests are answered with: the interface's own address or
	// a virtual one.
	MAC frame.MAC
}

// check says what is wrong with v.
func (v VIP) check() error {
	switch {
	case !v.Addr.Is4():
		return fmt.Errorf("vip %v: not an IPv4 address", v.Addr)
	case v.Addr.IsUnspecified() || v.Addr.IsMulticast() || v.Addr.IsLoopback():
		return fmt.Errorf("vip %v: not an address ARP can resolve", v.Addr)
	case v.Ifindex <= 0:
		return fmt.Errorf("vip %v: interface index %d", v.Addr, v.Ifindex)
	case !station(v.MAC):
		return fmt.Errorf("vip %v: %s is not the MAC address of an interface", v.Addr, macText(v.MAC))
	}
	return nil
}

// A Known is a real server whose MAC address is known. Name is for messages.
type Known struct {
	Addr netip.Addr
	MAC  frame.MAC
	Name string
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
	servers map[frame.MAC]Known
}

// NewView makes a View. It is active when the host is to speak for the VIPs. The
// addresses of own, beside the VIPs' MACs, are this host's. Of several real
// servers with one MAC address the first is named. It keeps none of the slices.
func NewView(active bool, vips []VIP, servers []Known, own []frame.MAC) *View {
	v := &View{
		active:  active,
		vips:    make(map[place]VIP, len(vips)),
		anyVIP:  make(map[netip.Addr]bool, len(vips)),
		own:     make(map[frame.MAC]bool, len(own)+1),
		servers: make(map[frame.MAC]Known, len(servers)),
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
		if _, taken := v.servers[s.MAC]; !taken {
			v.servers[s.MAC] = s
		}
	}
	return v
}

// An Action is what Decide wants done about one frame.
type Action struct {
	Reason Reason
	// Answer is a reply to be sent to its target hardware address; nil: none.
	Answer *mdarp.Packet
	// Defend asks for a gratuitous ARP for VIP, as often as Announcer.Defend
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
//	  broadcast or to its MAC                      reply, unicast; report probes and real servers
//	request for anything else                      nothing
//	anything about a VIP while not active          nothing
//
// Whoever does not own a VIP on this very interface is not told of it (no ARP
// flux). In backup state not even a conflict is reported: the other user of
// the VIP is the active director then, which may be a real server as well.
func Decide(v *View, in *Input) Action {
	p := &in.Packet
	if v.own[in.Src] || v.own[in.Sender] {
		return Action{Reason: Own}
	}
	if vip, ok := v.vips[place{in.Ifindex, p.SenderIP}]; ok {
		return v.claimed(in, vip)
	}
	if p.Operation == mdarp.OperationReply {
		return Action{Reason: v.elsewhere(p.SenderIP)}
	}
	vip, ok := v.vips[place{in.Ifindex, p.TargetIP}]
	if !ok {
		return Action{Reason: v.elsewhere(p.TargetIP)}
	}
	if !v.active {
		return Action{Reason: Backup, VIP: vip}
	}
	if in.Dst != broadcast && in.Dst != vip.MAC {
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
		Answer: newPacket(mdarp.OperationReply, vip.MAC, vip.Addr, in.Sender, p.SenderIP),
		VIP:    vip,
	}
	_, isServer := v.servers[in.Sender]
	switch {
	case p.SenderIP.IsUnspecified():
		// RFC 5227 section 1.1: all-zero sender address makes it a probe.
		a.Reason, a.Event = AnsweredProbe, v.event(TakeoverAttempt, in, vip)
	case isServer:
		a.Reason, a.Event = AnsweredRealServer, v.event(RealServerAsks, in, vip)
	case in.Dst != broadcast:
		a.Reason = AnsweredUnicast
	}
	return a
}

// claimed is about a frame from another MAC that names vip as its sender.
// RFC 5227 section 2.4: any such packet, request or reply, is a conflict.
func (v *View) claimed(in *Input, vip VIP) Action {
	if !v.active {
		return Action{Reason: Backup, VIP: vip}
	}
	p := &in.Packet
	_, isServer := v.servers[in.Sender]
	a := Action{Reason: ClaimedByRealServer, Defend: true, VIP: vip}
	switch {
	case !isServer:
		a.Reason, a.Event = ClaimedByOther, v.event(Conflict, in, vip)
	case p.TargetIP == vip.Addr:
		a.Event = v.event(RealServerAnnounces, in, vip)
	case p.Operation == mdarp.OperationReply:
		a.Event = v.event(RealServerAnswers, in, vip)
	default:
		a.Reason, a.Event = SourceOfRealServer, v.event(RealServerSource, in, vip)
	}
	return a
}

// event is an Event of kind k about vip and the sender of in.
func (v *View) event(k EventKind, in *Input, vip VIP) Event {
	s := v.servers[in.Sender]
	return Event{Kind: k, Ifindex: in.Ifindex, VIP: vip.Addr, RealServer: s.Addr, Name: s.Name, MAC: in.Sender}
}
