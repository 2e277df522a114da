package checks

import (
	"fmt"
	"net/netip"

	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/dataplane/frame"
)

// judge says what the answers of a real server mean:
//
//	for the VIP     and else                                     the server
//	accepted                                                     works; what is judged are the clients' side and its MTU
//	refused                                                      does not listen on the port, or not for the VIP
//	silence         a broadcast ping is answered from elsewhere  has another MAC address
//	silence         silence for everything                       is down
//	router's error, or the packet comes back                     does not have the VIP, and forwards
//	other error, or a ping for the VIP is answered               has a firewall
//	silence         answers questions in the VIP's name          does not have the VIP
//	silence         does not answer them                         has a firewall, or does not have the VIP
func (a *answers) judge() []findings.Finding {
	var f findings.Finding
	switch {
	case a.vipConn.Outcome == wire.Accepted:
		return a.judgeWorking()
	case a.vipConn.Outcome == wire.Refused:
		f = a.refuses()
	case a.moved != frame.MAC{}:
		f = a.hasMoved()
	case !a.reached():
		f = a.isDown()
	case a.vipConn.Outcome == wire.Returned || a.vipPing.Outcome == wire.Returned || a.vipConn.FromRouter() || a.vipPing.FromRouter():
		f = a.lacksVIP("the real server does not have the VIP: it forwards the clients' packets")
	case a.vipConn.Outcome == wire.Unreachable || a.vipPing.Outcome == wire.Echoed:
		f = a.blocksPort()
	case a.hasNot:
		f = a.lacksVIP("the real server does not have the VIP, and drops what is for it")
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s answers when it is asked for %s in the name of %s, "+
			"which a host that has the VIP does not (except with accept_local=1)", a.mac, a.rs, a.vip))
	default:
		f = a.drops()
	}
	return []findings.Finding{f}
}

// finding is a finding about a with the evidence of the connection to the VIP and
// of others.
func (a *answers) finding(name, text, remedy string, others ...wire.Answer) findings.Finding {
	f := findings.Finding{Name: name, Severity: findings.Error, About: a.about(), Text: text, Evidence: []string{a.vipConn.Evidence}, Remedy: remedy}
	for _, x := range others {
		if x.Evidence != "" {
			f.Evidence = append(f.Evidence, x.Evidence)
		}
	}
	return f
}

// examine is the command that examines the real server.
func (a *answers) examine() string {
	return fmt.Sprintf("on the real server: lvsdr doctor --rs --vip %s --port %d", a.vip, a.port)
}

// refuses is about a server that answers RST for the VIP.
func (a *answers) refuses() findings.Finding {
	text := fmt.Sprintf("nothing listens on port %d of the real server, whose kernel refuses clients in the VIP's name", a.port)
	remedy := fmt.Sprintf("let the server listen on port %d of all addresses (ss -ltn); Direct Routing cannot change ports", a.port)
	if a.ownConn.Outcome == wire.Accepted {
		text = fmt.Sprintf("the server listens on port %d of its own address only, and refuses clients in the VIP's name "+
			"(or a firewall resets what is for the VIP)", a.port)
		remedy = fmt.Sprintf("let the server listen on %s or on all addresses", netip.AddrPortFrom(a.vip, a.port))
	}
	return a.finding(findings.RSWrongPort, text, remedy, a.ownConn)
}

// hasMoved is about a server that answers from another MAC address.
func (a *answers) hasMoved() findings.Finding {
	f := a.finding(findings.RSMACChanged,
		fmt.Sprintf("the real server is at %s now, and the network still says %s, where no host answers", a.moved, a.mac),
		fmt.Sprintf("on the real server: arping -U -I IFACE -c 3 %s; or correct the ARP table of the switch (ARP suppression)", a.rs))
	f.Evidence = append(f.Evidence, wire.Claim{Link: a.at.link.Name, Addr: a.rs, MAC: a.mac}.String(), a.movedEvidence)
	return f
}

// isDown is about a server that is silent but for ARP.
func (a *answers) isDown() findings.Finding {
	return a.finding(findings.RSDown,
		"the real server answers ARP and nothing else: it is down behind a switch that answers for it, or its firewall drops everything",
		a.examine(), a.ownConn, a.ownPing)
}

// lacksVIP is about a server without the VIP.
func (a *answers) lacksVIP(text string) findings.Finding {
	remedy := fmt.Sprintf("on the real server: ip addr add %s/%d dev lo", a.vip, a.vip.BitLen())
	return a.finding(findings.RSWithoutVIP, text, remedy, a.vipPing, a.ownConn)
}

// blocksPort is about a server that has the VIP and does not let connections to
// the port through.
func (a *answers) blocksPort() findings.Finding {
	ip := "ip"
	if a.vip.Is6() {
		ip = "ip6"
	}
	return a.finding(findings.RSFirewall,
		fmt.Sprintf("the real server has the VIP, but its firewall blocks connections to port %d of it", a.port),
		fmt.Sprintf("on the real server: nft insert rule inet filter input %s daddr %s tcp dport %d accept (or as its firewall is written); %s",
			ip, a.vip, a.port, a.examine()),
		a.ownConn, a.vipPing)
}

// drops is about a server that is silent for the VIP.
func (a *answers) drops() findings.Finding {
	f := a.finding(findings.RSFirewall,
		"the real server drops what is for the VIP, which it seems to have: a firewall, or else the VIP is missing after all",
		a.examine()+"; or there: ip addr show to "+a.vip.String()+"; ip rule; nft list ruleset",
		a.vipPing, a.ownConn)
	f.Evidence = append(f.Evidence, fmt.Sprintf("%s does not answer when it is asked for %s in the name of %s, as a host that has the VIP does not",
		a.mac, a.rs, a.vip))
	return f
}

// judgeWorking judges a server that answers this host, but perhaps not the network
// of the clients, and the size of the segments it takes.
func (a *answers) judgeWorking() []findings.Finding {
	var found []findings.Finding
	if a.sideAsked && a.side.Outcome == wire.Silence {
		found = append(found, findings.Finding{Name: findings.RPFilter, Severity: findings.Error, About: a.about(),
			Text: "the real server answers for the VIP, but not to an address in the clients' network: its reverse path filter drops such packets, " +
				"or it has no route back",
			Evidence: []string{a.vipConn.Evidence, a.side.Evidence},
			Remedy:   "on the real server: sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.IFACE.rp_filter=0; ip route get " + a.clients.source.String()})
	}
	headers := wire.Probe{Dst: a.vip}.IPLen() + frame.TCPLen
	if mtu := a.vipConn.MSS + headers; a.vipConn.MSS > 0 && mtu < a.at.link.MTU {
		found = append(found, findings.Finding{Name: findings.SmallMTU, Severity: findings.Warning, About: a.about(),
			Text:     fmt.Sprintf("the real server's MTU is %d and this link's %d: longer packets to it, such as UDP datagrams, are dropped", mtu, a.at.link.MTU),
			Evidence: []string{a.vipConn.Evidence, fmt.Sprintf("MSS %d in its SYN+ACK; ip link show %s: mtu %d", a.vipConn.MSS, a.at.link.Name, a.at.link.MTU)},
			Remedy:   fmt.Sprintf("on the real server: ip link set IFACE mtu %d", a.at.link.MTU)})
	}
	return found
}
