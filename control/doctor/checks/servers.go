package checks

import (
	"context"
	"fmt"
	"net/netip"

	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/dataplane/frame"
)

// A pairing is a real server of a TCP service.
type pairing struct {
	vip     netip.Addr
	port    uint16
	rs      netip.Addr
	at      place
	mac     frame.MAC // of the real server
	clients place     // where the VIP's clients are
}

// pairings are all of them that can be tried.
func (n *network) pairings() []pairing {
	var all []pairing
	for _, p := range n.Config.Points() {
		for _, rs := range p.Service.RealServers {
			at, mac := n.servers[rs.Addr], n.macs[rs.Addr]
			if mac == (frame.MAC{}) || !at.source.IsValid() || p.Protocol != frame.ProtoTCP || p.Port == 0 {
				continue
			}
			all = append(all, pairing{p.Addr, p.Port, rs.Addr, at, mac, n.vips[p.Addr]})
		}
	}
	return all
}

func (p *pairing) about() string {
	return fmt.Sprintf("real server %s of %s", p.rs, netip.AddrPortFrom(p.vip, p.port))
}

// answers holds the results of the probes of a pairing; a probe that was not sent gave
// silence without evidence.
type answers struct {
	pairing
	vipConn, ownConn wire.Answer
	vipPing, ownPing wire.Answer
	side             wire.Answer // to a SYN for the VIP from the clients' side
	sideAsked        bool
	hasNot           bool      // it answers a question that it would not with the VIP
	moved            frame.MAC // where an answer to a broadcast came from; zero: nowhere
	movedEvidence    string
}

// tryServers makes the connections that clients would make, through each real
// server, and where one fails asks further. It gives the real servers that have
// answered for a VIP.
func (n *network) tryServers(ctx context.Context) (answering map[netip.Addr]bool, found []findings.Finding) {
	type result struct {
		rs       netip.Addr
		answered bool
		found    []findings.Finding
	}
	answering = map[netip.Addr]bool{}
	for _, r := range each(n.pairings(), func(p pairing) result {
		a, err := n.try(ctx, p)
		answered := a.vipConn.Outcome == wire.Accepted
		if err != nil {
			return result{p.rs, answered, notTested(p.about(), err)}
		}
		return result{p.rs, answered, a.judge()}
	}) {
		answering[r.rs] = answering[r.rs] || r.answered
		found = append(found, r.found...)
	}
	return answering, found
}

// try asks as little as is needed: a healthy server gets one SYN, and one more
// where the clients are on another network.
func (n *network) try(ctx context.Context, p pairing) (answers, error) {
	a := answers{pairing: p}
	toVIP := wire.Probe{Link: p.at.link, MAC: p.mac, Source: p.at.source, Dst: p.vip}
	toOwn := toVIP
	toOwn.Dst = p.rs
	var err error
	if a.vipConn, err = n.Connect(ctx, toVIP, p.port); err != nil {
		return a, err
	}
	if a.vipConn.Outcome == wire.Accepted {
		if p.clients.link == nil || p.clients.link == p.at.link || !p.clients.source.IsValid() {
			return a, nil
		}
		toVIP.Source, a.sideAsked = p.clients.source, true
		a.side, err = n.Connect(ctx, toVIP, p.port)
		return a, err
	}
	if a.ownConn, err = n.Connect(ctx, toOwn, p.port); err != nil || a.vipConn.Outcome == wire.Refused {
		return a, err
	}
	if a.vipPing, err = n.Ping(ctx, toVIP, 0); err != nil {
		return a, err
	}
	if a.ownPing, err = n.Ping(ctx, toOwn, 0); err != nil {
		return a, err
	}
	if a.reached() {
		a.hasNot, err = n.AsVIP(ctx, p.at.link, p.mac, p.rs, p.vip)
		return a, err
	}
	toOwn.MAC = broadcast(p.rs)
	all, err := n.Ping(ctx, toOwn, 0)
	if all.Outcome == wire.Echoed && all.From != p.mac {
		a.moved, a.movedEvidence = all.From, all.Evidence
	}
	return a, err
}

// reached reports whether the server's MAC address has answered anything.
func (a *answers) reached() bool {
	for _, x := range []wire.Answer{a.vipConn, a.ownConn, a.vipPing, a.ownPing} {
		if x.Outcome != wire.Silence {
			return true
		}
	}
	return false
}

// broadcast is the MAC address of all hosts that speak a's family.
func broadcast(a netip.Addr) frame.MAC {
	if a.Is4() {
		return frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return frame.MAC{0x33, 0x33, 0, 0, 0, 1} // ff02::1
}
