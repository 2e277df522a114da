package doctor

import (
	"context"
	"fmt"
	"net/netip"

	"lvsdr/dataplane/frame"
)

// A pairing is a real server of a TCP service.
type pairing struct {
	vip     netip.Addr
	port    uint16
	rs      netip.Addr
	at      *neighbor
	clients site // where the VIP's clients are
}

// pairings are all of them that can be tried, each VIP, port and real server
// once.
func (x *Exam) pairings() []pairing {
	var all []pairing
	for _, vs := range x.Config.VirtualServers {
		for _, rs := range vs.RealServers {
			n := x.servers[rs.Addr]
			if n == nil || n.mac == (frame.MAC{}) || !n.Source.IsValid() || vs.Protocol != frame.ProtoTCP || vs.Port == 0 {
				continue
			}
			all = append(all, pairing{vs.Addr, vs.Port, rs.Addr, n, x.vips[vs.Addr]})
		}
	}
	return all
}

// seen is what the probes of a pairing gave.
type seen struct {
	pairing
	vipConn, ownConn Answer
	vipPing, ownPing Answer
	side             Answer // to a SYN for the VIP from the clients' side
	sideAsked        bool
	hasNot           bool      // answers a question that it would not with the VIP
	moved            frame.MAC // where an answer to a broadcast came from; zero: nowhere
	movedEvidence    string
}

// checkServers makes the connections that clients would make, through each real
// server, and where one fails asks further.
func checkServers(ctx context.Context, x *Exam) []Finding {
	return each(x.pairings(), func(p pairing) []Finding {
		s, err := x.examine(ctx, p)
		if err != nil {
			return notTested(p.about(), err)
		}
		return s.judge()
	})
}

func (p *pairing) about() string {
	return fmt.Sprintf("real server %s of %s", p.rs, netip.AddrPortFrom(p.vip, p.port))
}

// examine asks as little as is needed: a healthy server gets one SYN, and one
// more where the clients are on another network.
func (x *Exam) examine(ctx context.Context, p pairing) (seen, error) {
	s := seen{pairing: p}
	toVIP := Probe{Link: p.at.Link, MAC: p.at.mac, Source: p.at.Source, Dst: p.vip}
	toOwn := toVIP
	toOwn.Dst = p.rs
	var err error
	if s.vipConn, err = x.Net.Connect(ctx, toVIP, p.port); err != nil {
		return s, err
	}
	if s.vipConn.Outcome == Accepted {
		p.at.answers.Store(true)
		if p.clients.Link == nil || p.clients.Link == p.at.Link || !p.clients.Source.IsValid() {
			return s, nil
		}
		toVIP.Source, s.sideAsked = p.clients.Source, true
		s.side, err = x.Net.Connect(ctx, toVIP, p.port)
		return s, err
	}
	if s.ownConn, err = x.Net.Connect(ctx, toOwn, p.port); err != nil {
		return s, err
	}
	if s.vipConn.Outcome == Refused {
		return s, nil
	}
	if s.vipPing, err = x.Net.Ping(ctx, toVIP, 0); err != nil {
		return s, err
	}
	if s.ownPing, err = x.Net.Ping(ctx, toOwn, 0); err != nil {
		return s, err
	}
	if s.reached() {
		s.hasNot, err = x.Net.AsVIP(ctx, p.at.Link, p.at.mac, p.rs, p.vip)
		return s, err
	}
	toOwn.MAC = everybody(p.rs)
	a, err := x.Net.Ping(ctx, toOwn, 0)
	if a.Outcome == Echoed && a.From != p.at.mac {
		s.moved, s.movedEvidence = a.From, a.Evidence
	}
	return s, err
}

// reached reports whether anything was answered by the server's MAC address.
func (s *seen) reached() bool {
	for _, a := range []Answer{s.vipConn, s.ownConn, s.vipPing, s.ownPing} {
		if a.Outcome != Silence {
			return true
		}
	}
	return false
}

// everybody is the MAC address of all hosts that speak a's family.
func everybody(a netip.Addr) frame.MAC {
	if a.Is4() {
		return frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return frame.MAC{0x33, 0x33, 0, 0, 0, 1} // ff02::1
}

// judge says what the probes mean.
func (s *seen) judge() []Finding {
	f := Finding{Severity: Error, About: s.about(), Evidence: []string{s.vipConn.Evidence}}
	add := func(all ...Answer) {
		for _, a := range all {
			if a.Evidence != "" {
				f.Evidence = append(f.Evidence, a.Evidence)
			}
		}
	}
	look := fmt.Sprintf("on the real server: lvsdr doctor --rs --vip %s --port %d", s.vip, s.port)
	addVIP := fmt.Sprintf("on the real server: ip addr add %s/%d dev lo", s.vip, s.vip.BitLen())
	switch v := s.vipConn; {
	case v.Outcome == Accepted:
		return s.judgeSide()
	case v.Outcome == Refused:
		f.Name = RSWrongPort
		add(s.ownConn)
		f.Text = fmt.Sprintf("nothing listens on port %d of the real server, whose kernel refuses clients in the VIP's name", s.port)
		f.Remedy = fmt.Sprintf("let the server listen on port %d of all addresses (ss -ltn); Direct Routing cannot change ports", s.port)
		if s.ownConn.Outcome == Accepted {
			f.Text = fmt.Sprintf("the server listens on port %d of its own address alone, and refuses clients in the VIP's name "+
				"(or a firewall resets what is for the VIP)", s.port)
			f.Remedy = fmt.Sprintf("let the server listen on %s or on all addresses", netip.AddrPortFrom(s.vip, s.port))
		}
	case s.moved != frame.MAC{}:
		f.Name = RSMACChanged
		f.Text = fmt.Sprintf("the real server is at %s now, and the network goes on telling %s, where nobody answers", s.moved, s.at.mac)
		f.Evidence = append(f.Evidence, claimed(s.at.Link, s.rs, s.at.mac), s.movedEvidence)
		f.Remedy = fmt.Sprintf("on the real server: arping -U -I IFACE -c 3 %s; or mend the ARP table of the switch (ARP suppression)", s.rs)
	case !s.reached():
		f.Name = RSDown
		add(s.ownConn, s.ownPing)
		f.Text = "the real server answers ARP and nothing else: it is down behind a switch that answers for it, or its firewall drops all"
		f.Remedy = look
	case v.Outcome == Returned || s.vipPing.Outcome == Returned || s.forwards():
		f.Name = RSWithoutVIP
		add(s.vipPing, s.ownConn)
		f.Text = "the real server does not have the VIP: it forwards the clients' packets"
		f.Remedy = addVIP
	case v.Outcome == Unreachable || s.vipPing.Outcome == Echoed:
		f.Name = RSFirewall
		add(s.ownConn, s.vipPing)
		f.Text = fmt.Sprintf("the real server has the VIP, but its firewall does not let connections to port %d of it through", s.port)
		f.Remedy = fmt.Sprintf("on the real server: nft insert rule inet filter input ip daddr %s tcp dport %d accept (or as its firewall has it); %s", s.vip, s.port, look)
		if s.vip.Is6() {
			f.Remedy = fmt.Sprintf("on the real server: nft insert rule inet filter input ip6 daddr %s tcp dport %d accept (or as its firewall has it); %s", s.vip, s.port, look)
		}
	case s.hasNot:
		f.Name = RSWithoutVIP
		add(s.vipPing, s.ownConn)
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s answers when it is asked for %s in the name of %s, which a host that has the VIP does not (but with accept_local=1)", s.at.mac, s.rs, s.vip))
		f.Text = "the real server does not have the VIP, and drops what is for it"
		f.Remedy = addVIP
	default:
		f.Name = RSFirewall
		add(s.vipPing, s.ownConn)
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s does not answer when it is asked for %s in the name of %s, as a host that has the VIP does", s.at.mac, s.rs, s.vip))
		f.Text = "the real server drops what is for the VIP, which it seems to have: a firewall, or else the VIP is missing after all"
		f.Remedy = look + "; or there: ip addr show to " + s.vip.String() + "; ip rule; nft list ruleset"
	}
	return []Finding{f}
}

// forwards reports whether an ICMP error for the VIP is one of a router: host or
// network unreachable, or too many hops. A firewall's are others.
func (s *seen) forwards() bool {
	for _, a := range []Answer{s.vipConn, s.vipPing} {
		if a.Outcome != Unreachable {
			continue
		}
		if s.vip.Is4() && (a.Type == icmpTimeExceeded || a.Code <= 1) ||
			s.vip.Is6() && (a.Type == icmp6TimeExceeded || a.Type == icmp6Unreachable && (a.Code == 0 || a.Code == 3)) {
			return true
		}
	}
	return false
}

// judgeSide judges a server that answers this host, but perhaps not the network
// of the clients, and looks at the segments it takes.
func (s *seen) judgeSide() []Finding {
	var found []Finding
	if s.sideAsked && s.side.Outcome == Silence {
		found = append(found, Finding{Name: RPFilter, Severity: Error, About: s.about(),
			Text: "the real server answers for the VIP, but not to an address in the clients' network: its reverse path filter drops such packets, " +
				"or it has no route back",
			Evidence: []string{s.vipConn.Evidence, s.side.Evidence},
			Remedy:   "on the real server: sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.IFACE.rp_filter=0; ip route get " + s.clients.Source.String()})
	}
	headers := Probe{Dst: s.vip}.ipLen() + tcpLen
	if mtu := s.vipConn.MSS + headers; s.vipConn.MSS > 0 && mtu < s.at.Link.MTU {
		found = append(found, Finding{Name: SmallMTU, Severity: Warning, About: s.about(),
			Text:     fmt.Sprintf("the real server's MTU is %d and this link's %d: longer packets to it, of UDP for one, are dropped", mtu, s.at.Link.MTU),
			Evidence: []string{s.vipConn.Evidence, fmt.Sprintf("MSS %d in its SYN+ACK; ip link show %s: mtu %d", s.vipConn.MSS, s.at.Link.Name, s.at.Link.MTU)},
			Remedy:   fmt.Sprintf("on the real server: ip link set IFACE mtu %d", s.at.Link.MTU)})
	}
	return found
}

// checkSizes sends each real server a packet as long as the link takes.
func checkSizes(ctx context.Context, x *Exam) []Finding {
	return each(x.reachable(), func(rs netip.Addr) []Finding {
		n := x.servers[rs]
		if n.mac == (frame.MAC{}) || !n.Source.IsValid() {
			return nil
		}
		about := "real server " + rs.String()
		p := Probe{Link: n.Link, MAC: n.mac, Source: n.Source, Dst: rs}
		long, err := x.Net.Ping(ctx, p, n.Link.MTU)
		if err != nil {
			return notTested(about, err)
		}
		if long.Outcome == Echoed && long.Whole {
			return nil
		}
		short, err := x.Net.Ping(ctx, p, 0)
		if err != nil {
			return notTested(about, err)
		}
		if short.Outcome != Echoed {
			return nil // it does not answer pings, or not at all
		}
		f := Finding{Name: SmallMTU, Severity: Error, About: about,
			Text: fmt.Sprintf("packets of %d bytes, this link's MTU, get lost on the way to the real server or back: "+
				"connections are established, and long answers hang", n.Link.MTU),
			Evidence: []string{long.Evidence, short.Evidence},
			Remedy: fmt.Sprintf("find the link with the smaller MTU (ping -M do -s %d %s) and raise it, or on the real server: "+
				"ip link set IFACE mtu N", n.Link.MTU-p.ipLen()-icmpLen, rs)}
		if long.Outcome == Echoed {
			f.Severity = Warning
			f.Text = fmt.Sprintf("the real server answers a packet of %d bytes in fragments: the MTU of its interface is smaller", n.Link.MTU)
			f.Remedy = fmt.Sprintf("on the real server: ip link set IFACE mtu %d", n.Link.MTU)
		}
		return []Finding{f}
	})
}
