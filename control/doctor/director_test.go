package doctor_test

import (
	"net/netip"
	"testing"

	"lvsdr/control/api"
	"lvsdr/control/doctor"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane/frame"
)

// only is what a probe for the VIP gets; all else is well.
func only(o doctor.Outcome) func(doctor.Probe, uint16) doctor.Outcome {
	return func(p doctor.Probe, _ uint16) doctor.Outcome {
		if p.Dst == vip {
			return o
		}
		return doctor.Accepted
	}
}

// onlyPing is the same for pings.
func onlyPing(o doctor.Outcome) func(doctor.Probe, int) doctor.Outcome {
	return func(p doctor.Probe, _ int) doctor.Outcome {
		if p.Dst == vip {
			return o
		}
		return doctor.Echoed
	}
}

func TestFramesAreJudged(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*network)
		want string
	}{
		{"all is well", func(*network) {}, ""},
		{"a RST for the VIP and not for the own address", func(n *network) { n.connect = only(doctor.Refused) }, doctor.RSWrongPort},
		{"silence for the VIP, though it answers pings there", func(n *network) { n.connect = only(doctor.Silence) }, doctor.RSFirewall},
		{"an ICMP error of a firewall", func(n *network) { n.connect, n.icmp = only(doctor.Unreachable), 13 }, doctor.RSFirewall},
		{"an ICMP error of a router", func(n *network) { n.connect, n.icmp = only(doctor.Unreachable), 1 }, doctor.RSWithoutVIP},
		{"the packet comes back", func(n *network) { n.connect = only(doctor.Returned) }, doctor.RSWithoutVIP},
		{"silence for the VIP, and it answers questions in the VIP's name", func(n *network) {
			n.connect, n.ping, n.asVIP = only(doctor.Silence), onlyPing(doctor.Silence), true
		}, doctor.RSWithoutVIP},
		{"silence for the VIP, and for questions in its name", func(n *network) {
			n.connect, n.ping = only(doctor.Silence), onlyPing(doctor.Silence)
		}, doctor.RSFirewall},
		{"silence for everything", func(n *network) {
			n.connect = func(doctor.Probe, uint16) doctor.Outcome { return doctor.Silence }
			n.ping = func(doctor.Probe, int) doctor.Outcome { return doctor.Silence }
		}, doctor.RSDown},
		{"silence at the MAC address that ARP tells, and an answer from another", func(n *network) {
			n.connect = func(doctor.Probe, uint16) doctor.Outcome { return doctor.Silence }
			n.ping = func(doctor.Probe, int) doctor.Outcome { return doctor.Silence }
			n.pinged = newMAC
		}, doctor.RSMACChanged},
		{"ARP tells another MAC address than the director goes by", func(n *network) { n.claims[rs][0].MAC = newMAC }, doctor.RSMACChanged},
		{"nobody has the server's address", func(n *network) { delete(n.claims, rs) }, doctor.RSSilent},
		{"two have the server's address", func(n *network) {
			n.claims[rs] = append(n.claims[rs], doctor.Claim{MAC: newMAC, Evidence: "another"})
		}, doctor.RSAddressTwice},
		{"the server claims the VIP", func(n *network) {
			n.claims[vip] = []doctor.Claim{{MAC: rsMAC, Evidence: "an ARP reply"}}
		}, doctor.RSAnswersARP},
		{"another host claims the VIP, and a server answers what it gets", func(n *network) {
			n.claims[vip], n.from = []doctor.Claim{{MAC: other, Evidence: "an ARP reply"}}, rsMAC
		}, doctor.TwoDirectors},
		{"another host claims the VIP and answers", func(n *network) {
			n.claims[vip] = []doctor.Claim{{MAC: other, Evidence: "an ARP reply"}}
		}, doctor.VIPTaken},
		{"long pings get lost", func(n *network) {
			n.ping = func(_ doctor.Probe, size int) doctor.Outcome {
				if size > 1400 {
					return doctor.Silence
				}
				return doctor.Echoed
			}
		}, doctor.SmallMTU},
		{"no pings at all, which a firewall may want", func(n *network) {
			n.ping = func(doctor.Probe, int) doctor.Outcome { return doctor.Silence }
		}, ""},
		{"a small MSS", func(n *network) { n.mss = 1360 }, doctor.SmallMTU},
		{"wrong checksums leave", func(n *network) { n.traffic.BadSums, n.traffic.BadSum = 1, "a frame" }, doctor.ChecksumOffload},
		{"clients' connections to a server that answers us hang", func(n *network) {
			n.traffic.Towards = map[frame.MAC]doctor.Begun{rsMAC: {Stuck: 2, Syn: "a SYN"}}
		}, doctor.RPFilter},
		{"some clients' connections hang", func(n *network) {
			n.traffic.Towards = map[frame.MAC]doctor.Begun{rsMAC: {Stuck: 2, Going: 1, Syn: "a SYN"}}
		}, ""},
		{"a server asks in the VIP's name", func(n *network) {
			n.traffic.Askers = map[netip.Addr][]doctor.Claim{vip: {{MAC: rsMAC, Evidence: "an ARP request"}}}
		}, doctor.RSAnnouncesVIP},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := well()
			c.edit(n)
			if got := worst(t, director(n), doctor.DirectorChecks()); got != c.want {
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
		n.traffic.Towards = map[frame.MAC]doctor.Begun{rsMAC: {Stuck: 2, Syn: "a SYN"}}
		x := director(n)
		want := doctor.RPFilter
		if own {
			x.Host.Links[0].Addrs = append(x.Host.Links[0].Addrs, netip.PrefixFrom(vip, 32))
			want = doctor.VIPOnDirector
		}
		if got := worst(t, x, doctor.DirectorChecks()); got != want {
			t.Errorf("VIP on the director %v: found %q, want %q", own, got, want)
		}
	}
}

func TestSettingsOfTheDirectorsHostAreJudged(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*doctor.Exam)
		want string
	}{
		{"the VIP is configured", func(x *doctor.Exam) {
			x.Host.Links[0].Addrs = append(x.Host.Links[0].Addrs, netip.PrefixFrom(vip, 32))
		}, doctor.VIPOnDirector},
		{"no route to the VIP, and no director that runs says where", func(x *doctor.Exam) {
			x.Status, x.Host.Routes[vip] = nil, doctor.Route{Gateway: self.Addr(), Ifindex: 2}
		}, doctor.VIPNotOnLink},
		{"an interface that does not exist", func(x *doctor.Exam) { x.Status, x.Interface = nil, "eth9" }, doctor.VIPNotOnLink},
		{"a VIP off link, and the operator says where", func(x *doctor.Exam) {
			x.Status, x.Interface, x.Host.Routes[vip] = nil, "eth0", doctor.Route{Gateway: self.Addr(), Ifindex: 2}
		}, ""},
		{"a server behind a router", func(x *doctor.Exam) {
			x.Host.Routes[rs] = doctor.Route{Gateway: self.Addr(), Ifindex: 2}
		}, doctor.RSNotOnLink},
		{"a server that is this host", func(x *doctor.Exam) { x.Host.Routes[rs] = doctor.Route{Local: true} }, doctor.RSNotOnLink},
		{"no rule of the shield", func(x *doctor.Exam) { x.Host.Guards = nil }, doctor.NoShield},
		{"no rule of the shield, but no director", func(x *doctor.Exam) { x.Host.Guards, x.Status = nil, nil }, ""},
		{"all weights are 0", func(x *doctor.Exam) { x.Config.VirtualServers[0].RealServers[0].Weight = 0 }, doctor.NoServer},
		{"no real server", func(x *doctor.Exam) { x.Config.VirtualServers[0].RealServers = nil }, doctor.NoServer},
		{"persistence by default", func(x *doctor.Exam) {
			x.Config.VirtualServers[0].Persistence = keepalived.Persistence{Timeout: 120, FromDefault: true}
		}, ""},
		{"a warning of the configuration's", func(x *doctor.Exam) {
			x.Diags = keepalived.Diagnostics{{Severity: keepalived.Warning, Keyword: "weight", Text: "text"}}
		}, doctor.Configuration},
		{"a reload was refused", func(x *doctor.Exam) { x.Status.ConfigErr = "text" }, doctor.DirectorProblem},
		{"frames were missed", func(x *doctor.Exam) {
			x.Status.Ports = map[string]api.PortStats{"eth0": {Received: 1, Missed: 1}}
		}, doctor.DirectorProblem},
		{"another process takes frames", func(x *doctor.Exam) {
			x.Status, x.Host.Taps = nil, []doctor.Tap{{Ifindex: 2, PID: 7, Process: "tcpdump"}}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := director(well())
			c.edit(x)
			if got := worst(t, x, doctor.DirectorChecks()); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

func TestAPassiveExaminationSendsNothing(t *testing.T) {
	n := well()
	x := director(n)
	x.Passive = true
	n.traffic.Claims = map[netip.Addr][]doctor.Claim{vip: {{MAC: rsMAC, Evidence: "an ARP reply"}, {MAC: other, Evidence: "another"}}}
	if got, want := worst(t, x, doctor.DirectorChecks()), doctor.RSAnswersARP+" "+doctor.TwoDirectors; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	if n.sent > 0 {
		t.Errorf("%d questions were sent", n.sent)
	}
}

// A server that is well gets no more than it must.
func TestAHealthyServerIsAskedLittle(t *testing.T) {
	n := well()
	worst(t, director(n), doctor.DirectorChecks())
	if n.sent != 4 { // who has it, who has the VIP, one SYN, one long ping
		t.Errorf("%d questions, want 4", n.sent)
	}
}

// With two arms the real server is asked from the clients' side as well.
func TestTheClientsSideIsAskedFrom(t *testing.T) {
	outside := netip.MustParsePrefix("10.0.0.10/24")
	for want, o := range map[string]doctor.Outcome{"": doctor.Accepted, doctor.RPFilter: doctor.Silence} {
		n := well()
		n.connect = func(p doctor.Probe, _ uint16) doctor.Outcome {
			if p.Source == outside.Addr() {
				return o
			}
			return doctor.Accepted
		}
		x := director(n)
		x.Status.Services[0].Interface = "eth1"
		x.Host.Links = append(x.Host.Links, doctor.Link{Index: 3, Name: "eth1", MAC: other, MTU: 1500, Up: true, Addrs: []netip.Prefix{outside}})
		x.Host.Guards[0].Interface = "eth1"
		if got := worst(t, x, doctor.DirectorChecks()); got != want {
			t.Errorf("an address in the clients' network gets %v: found %q, want %q", o, got, want)
		}
	}
}
