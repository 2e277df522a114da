package checks

import (
	"net/netip"
	"testing"

	"lvsdr/control/api"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane/frame"
)

// only is the outcome of a probe for the VIP; all else is well.
func only(o wire.Outcome) func(wire.Probe, uint16) wire.Outcome {
	return func(p wire.Probe, _ uint16) wire.Outcome {
		if p.Dst == vip {
			return o
		}
		return wire.Accepted
	}
}

// onlyPing is the same for pings.
func onlyPing(o wire.Outcome) func(wire.Probe, int) wire.Outcome {
	return func(p wire.Probe, _ int) wire.Outcome {
		if p.Dst == vip {
			return o
		}
		return wire.Echoed
	}
}

func TestFramesAreJudged(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*fakeNetwork)
		want string
	}{
		{"all is well", func(*fakeNetwork) {}, ""},
		{"a RST for the VIP and not for the own address", func(n *fakeNetwork) { n.connect = only(wire.Refused) }, findings.RSWrongPort},
		{"silence for the VIP, though it answers pings there", func(n *fakeNetwork) { n.connect = only(wire.Silence) }, findings.RSFirewall},
		{"an ICMP error of a firewall", func(n *fakeNetwork) { n.connect, n.icmp = only(wire.Unreachable), [2]uint8{3, 13} }, findings.RSFirewall},
		{"an ICMP error of a router", func(n *fakeNetwork) { n.connect, n.icmp = only(wire.Unreachable), [2]uint8{3, 1} }, findings.RSWithoutVIP},
		{"the packet comes back", func(n *fakeNetwork) { n.connect = only(wire.Returned) }, findings.RSWithoutVIP},
		{"silence for the VIP, and it answers questions in the VIP's name", func(n *fakeNetwork) {
			n.connect, n.ping, n.asVIP = only(wire.Silence), onlyPing(wire.Silence), true
		}, findings.RSWithoutVIP},
		{"silence for the VIP, and for questions in its name", func(n *fakeNetwork) {
			n.connect, n.ping = only(wire.Silence), onlyPing(wire.Silence)
		}, findings.RSFirewall},
		{"silence for everything", func(n *fakeNetwork) {
			n.connect = func(wire.Probe, uint16) wire.Outcome { return wire.Silence }
			n.ping = func(wire.Probe, int) wire.Outcome { return wire.Silence }
		}, findings.RSDown},
		{"silence at the MAC address that ARP tells, and an answer from another", func(n *fakeNetwork) {
			n.connect = func(wire.Probe, uint16) wire.Outcome { return wire.Silence }
			n.ping = func(wire.Probe, int) wire.Outcome { return wire.Silence }
			n.pinged = newMAC
		}, findings.RSMACChanged},
		{"ARP tells another MAC address than the director goes by", func(n *fakeNetwork) { n.claims[rs][0].MAC = newMAC }, findings.RSMACChanged},
		{"nobody has the server's address", func(n *fakeNetwork) { delete(n.claims, rs) }, findings.RSSilent},
		{"two have the server's address", func(n *fakeNetwork) {
			n.claims[rs] = append(n.claims[rs], claim(rs, newMAC))
		}, findings.RSAddressTwice},
		{"the server claims the VIP", func(n *fakeNetwork) {
			n.claims[vip] = []wire.Claim{claim(vip, rsMAC)}
		}, findings.RSAnswersARP},
		{"another host claims the VIP, and a server answers what it gets", func(n *fakeNetwork) {
			n.claims[vip], n.from = []wire.Claim{claim(vip, other)}, rsMAC
		}, findings.TwoDirectors},
		{"another host claims the VIP and answers", func(n *fakeNetwork) {
			n.claims[vip] = []wire.Claim{claim(vip, other)}
		}, findings.VIPTaken},
		{"long pings get lost", func(n *fakeNetwork) {
			n.ping = func(_ wire.Probe, size int) wire.Outcome {
				if size > 1400 {
					return wire.Silence
				}
				return wire.Echoed
			}
		}, findings.SmallMTU},
		{"no pings at all, which a firewall may want", func(n *fakeNetwork) {
			n.ping = func(wire.Probe, int) wire.Outcome { return wire.Silence }
		}, ""},
		{"a small MSS", func(n *fakeNetwork) { n.mss = 1360 }, findings.SmallMTU},
		{"wrong checksums leave", func(n *fakeNetwork) { n.traffic.BadSums, n.traffic.BadSum = 1, "a frame" }, findings.ChecksumOffload},
		{"clients' connections to a server that answers us hang", func(n *fakeNetwork) {
			n.traffic.Towards = map[frame.MAC]wire.Connections{rsMAC: {Stuck: 2, Syn: "a SYN"}}
		}, findings.RPFilter},
		{"some clients' connections hang", func(n *fakeNetwork) {
			n.traffic.Towards = map[frame.MAC]wire.Connections{rsMAC: {Stuck: 2, Established: 1, Syn: "a SYN"}}
		}, ""},
		{"a server asks in the VIP's name", func(n *fakeNetwork) {
			n.traffic.Askers = map[netip.Addr][]wire.Claim{vip: {claim(vip, rsMAC)}}
		}, findings.RSAnnouncesVIP},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := well()
			c.edit(n)
			if got := director(n).worst(t); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

// Where the director's host refuses the VIP's clients itself, a real server whose
// connections do not begin is not accused.
func TestConnectionsThatTheDirectorsHostRefusesAccuseNobody(t *testing.T) {
	for _, own := range []bool{false, true} {
		n := well()
		n.traffic.Towards = map[frame.MAC]wire.Connections{rsMAC: {Stuck: 2, Syn: "a SYN"}}
		x := director(n)
		want := findings.RPFilter
		if own {
			x.Host.Links[0].Addrs = append(x.Host.Links[0].Addrs, netip.PrefixFrom(vip, 32))
			want = findings.VIPOnDirector
		}
		if got := x.worst(t); got != want {
			t.Errorf("VIP on the director %v: found %q, want %q", own, got, want)
		}
	}
}

func TestSettingsOfTheDirectorsHostAreJudged(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*exam)
		want string
	}{
		{"the VIP is configured", func(x *exam) {
			x.Host.Links[0].Addrs = append(x.Host.Links[0].Addrs, netip.PrefixFrom(vip, 32))
		}, findings.VIPOnDirector},
		{"no route to the VIP, and no director that runs says where", func(x *exam) {
			x.Status, x.Host.Routes[vip] = nil, facts.Route{Gateway: self.Addr(), Ifindex: 2}
		}, findings.VIPNotOnLink},
		{"an interface that does not exist", func(x *exam) { x.Status, x.Interface = nil, "eth9" }, findings.VIPNotOnLink},
		{"a VIP off link, and the operator says where", func(x *exam) {
			x.Status, x.Interface, x.Host.Routes[vip] = nil, "eth0", facts.Route{Gateway: self.Addr(), Ifindex: 2}
		}, ""},
		{"a server behind a router", func(x *exam) {
			x.Host.Routes[rs] = facts.Route{Gateway: self.Addr(), Ifindex: 2}
		}, findings.RSNotOnLink},
		{"a server that is this host", func(x *exam) { x.Host.Routes[rs] = facts.Route{Local: true} }, ""},
		{"no rule of the shield", func(x *exam) { x.Host.Guards = nil }, findings.NoShield},
		{"no rule of the shield, but no director", func(x *exam) { x.Host.Guards, x.Status = nil, nil }, ""},
		{"local clients are served, and nothing leads them", func(x *exam) { x.Status.Local = api.LocalServed }, findings.LocalClients},
		{"local clients are served", func(x *exam) { x.Status.Local, x.Host.Led = api.LocalServed, []netip.Addr{vip} }, ""},
		{"local clients are not served, and nothing leads them", func(x *exam) { x.Status.Local = "off" }, ""},
		{"all weights are 0", func(x *exam) { x.Config.VirtualServers[0].RealServers[0].Weight = 0 }, findings.NoServer},
		{"no real server", func(x *exam) { x.Config.VirtualServers[0].RealServers = nil }, findings.NoServer},
		{"persistence by default", func(x *exam) {
			x.Config.VirtualServers[0].Persistence = keepalived.Persistence{Timeout: 120, FromDefault: true}
		}, ""},
		{"a warning of the configuration's", func(x *exam) {
			x.Diags = keepalived.Diagnostics{{Pos: keepalived.Pos{File: "keepalived.conf", Line: 3}, Severity: keepalived.Warning, Keyword: "weight", Text: "text"}}
		}, findings.Configuration},
		{"a reload was refused", func(x *exam) { x.Status.ConfigErr = "text" }, findings.DirectorProblem},
		{"frames were missed", func(x *exam) {
			x.Status.Ports = map[string]api.PortStats{"eth0": {Received: 1, Missed: 1}}
		}, findings.DirectorProblem},
		{"another process takes frames", func(x *exam) {
			x.Status, x.Host.Taps = nil, []facts.Tap{{Ifindex: 2, PID: 7, Process: "tcpdump"}}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := director(well())
			c.edit(x)
			if got := x.worst(t); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

func TestAPassiveExaminationSendsNothing(t *testing.T) {
	n := well()
	x := director(n)
	x.passive = true
	n.traffic.Claims = map[netip.Addr][]wire.Claim{vip: {claim(vip, rsMAC), claim(vip, other)}}
	if got, want := x.worst(t), findings.RSAnswersARP+" "+findings.TwoDirectors; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	if n.sent > 0 {
		t.Errorf("%d questions were sent", n.sent)
	}
}

// A server that is well gets no more than it must.
func TestAHealthyServerIsAskedLittle(t *testing.T) {
	n := well()
	director(n).worst(t)
	if n.sent != 4 { // who has it, who has the VIP, one SYN, one long ping
		t.Errorf("%d questions, want 4", n.sent)
	}
}

// With two arms the real server is asked from the clients' side as well.
func TestTheClientsSideIsAskedFrom(t *testing.T) {
	outside := netip.MustParsePrefix("10.0.0.10/24")
	for want, o := range map[string]wire.Outcome{"": wire.Accepted, findings.RPFilter: wire.Silence} {
		n := well()
		n.connect = func(p wire.Probe, _ uint16) wire.Outcome {
			if p.Source == outside.Addr() {
				return o
			}
			return wire.Accepted
		}
		x := director(n)
		x.Status.Services[0].Interface = "eth1"
		x.Host.Links = append(x.Host.Links, facts.Link{Index: 3, Name: "eth1", MAC: other, MTU: 1500, Up: true, Addrs: []netip.Prefix{outside}})
		x.Host.Guards[0].Interface = "eth1"
		if got := x.worst(t); got != want {
			t.Errorf("an address in the clients' network gets %v: found %q, want %q", o, got, want)
		}
	}
}
