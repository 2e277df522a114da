package checks

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/control/keepalived"
	"lvsdr/control/shield"
	"lvsdr/dataplane/frame"
)

func TestRemediesAreInTheWordsOfIPv6(t *testing.T) {
	for _, c := range []struct {
		name   string
		edit   func(*exam)
		want   string
		remedy string
	}{
		{"a server that answers for the VIP", func(x *exam) {
			x.net.claims[vip6] = []wire.Claim{claim(vip6, rsMAC)}
		}, findings.RSAnswersARP, "ip addr add fd00:1::100/128 dev lo"},
		{"a firewall", func(x *exam) {
			x.net.connect, x.net.icmp = only6(wire.Unreachable), [2]uint8{1, 1}
		}, findings.RSFirewall, "ip6 daddr fd00:1::100"},
		{"a router's error", func(x *exam) {
			x.net.connect, x.net.icmp = only6(wire.Unreachable), [2]uint8{1, 3}
		}, findings.RSWithoutVIP, "ip addr add fd00:1::100/128 dev lo"},
		{"a hop limit that is over", func(x *exam) {
			x.net.connect, x.net.icmp = only6(wire.Unreachable), [2]uint8{3, 0}
		}, findings.RSWithoutVIP, "ip addr add fd00:1::100/128 dev lo"},
		{"silence at the MAC address, and an answer to a multicast", func(x *exam) {
			x.net.connect = func(wire.Probe, uint16) wire.Outcome { return wire.Silence }
			x.net.ping = func(wire.Probe, int) wire.Outcome { return wire.Silence }
			x.net.pinged = newMAC
		}, findings.RSMACChanged, "arping"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := director6(well())
			c.edit(x)
			if f := x.find(t, c.want); !strings.Contains(f.Remedy, c.remedy) {
				t.Errorf("remedy %q, want %q in it", f.Remedy, c.remedy)
			}
		})
	}
	if got := director6(well()).worst(t); got != "" {
		t.Errorf("on a site of IPv6 on which all is well: %s", got)
	}
}

// only6 is only for the VIP of IPv6.
func only6(o wire.Outcome) func(wire.Probe, uint16) wire.Outcome {
	return func(p wire.Probe, _ uint16) wire.Outcome {
		if p.Dst == vip6 {
			return o
		}
		return wire.Accepted
	}
}

// A question that cannot be sent is a finding, and the others are asked all the
// same.
func TestAQuestionThatCannotBeSentIsAFinding(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*fakeNetwork)
		from int // the first question that is sent to its end
		to   int
	}{
		{"with a healthy server", func(*fakeNetwork) {}, 1, 4},
		{"with one that is silent for the VIP", func(n *fakeNetwork) {
			n.connect, n.ping = only(wire.Silence), onlyPing(wire.Silence)
		}, 3, 7},
		{"with one that is silent", func(n *fakeNetwork) {
			n.connect = func(wire.Probe, uint16) wire.Outcome { return wire.Silence }
			n.ping = func(wire.Probe, int) wire.Outcome { return wire.Silence }
		}, 3, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			for fail := c.from; fail <= c.to; fail++ {
				n := well()
				c.edit(n)
				n.fail = fail
				if f := director(n).find(t, findings.NotTested); !slices.Equal(f.Evidence, []string{errDown.Error()}) {
					t.Errorf("question %d failed: %+v", fail, f)
				}
			}
		})
	}
}

func TestWithoutANetworkNothingIsAskedOrHeard(t *testing.T) {
	r, err := director(well()).Examine(t.Context(), Asking{}, nil)
	if err != nil || slices.Contains(r.Checks, "traffic") || len(r.Checks) != 6 {
		t.Errorf("checks %v, %v", r.Checks, err)
	}
}

func TestProgressIsToldOfEveryCheck(t *testing.T) {
	var told []string
	tell := func(title string, _ []findings.Finding) { told = append(told, title) }
	r, err := director(well()).Examine(t.Context(), Asking{Network: well()}, tell)
	if err != nil || !slices.Equal(told, r.Checks) || len(told) != 11 {
		t.Errorf("told of %v, %v; checks %v", told, err, r)
	}
	told = nil
	if r, err = server().Examine(t.Context(), tell); err != nil || !slices.Equal(told, r.Checks) || len(told) != 7 {
		t.Errorf("told of %v, %v; checks %v", told, err, r)
	}
}

func TestAnExaminationEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var told []string
	r, err := director(well()).Examine(ctx, Asking{Network: well(), Listen: time.Hour}, func(title string, _ []findings.Finding) {
		told = append(told, title)
		if title == "packets as long as the MTU" {
			cancel()
		}
	})
	if r != nil || !errors.Is(err, context.Canceled) || err.Error() != "examine the traffic: context canceled" || len(told) != 10 {
		t.Errorf("%v, %v after %v", r, err, told)
	}
}

func TestDiagnosticsBecomeFindings(t *testing.T) {
	diags := keepalived.Diagnostics{
		{Severity: keepalived.Note, Keyword: "virtual_server", Text: "persistence by default"},
		{Severity: keepalived.Note, Keyword: "notify_up", Text: "is not used"},
		{Severity: keepalived.Warning, Keyword: "weight", Text: "a warning"},
		{Severity: keepalived.Error, Keyword: "real_server", Text: "an error"},
	}
	want := []findings.Severity{findings.Info, findings.Warning, findings.Error}
	found := configuration("f.conf", diags)
	if len(found) != len(want) {
		t.Fatalf("%d findings, want %d: that about persistence is another check's", len(found), len(want))
	}
	for i, f := range found {
		if f.Severity != want[i] || f.Name != findings.Configuration || (f.Remedy == "") != (f.Severity == findings.Info) {
			t.Errorf("finding %d: %+v, want %v", i, f, want[i])
		}
	}
}

func TestTheRunningDirectorsOwnViewIsPassedOn(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*api.Status)
		want string // in the text
	}{
		{"it does not announce its VIPs", func(s *api.Status) { s.Active = false }, "does not announce"},
		{"it has left a server out", func(s *api.Status) { s.Problems = []string{"f:3: left out"} }, "left something out"},
		{"its checks say that a server is down", func(s *api.Status) { s.Services[0].Servers[0].Up = false }, "192.168.1.11 of 192.168.1.100:0 is down"},
		{"its last reload was refused", func(s *api.Status) { s.ConfigErr = "f:1: text" }, "reload was refused"},
		{"it has missed frames", func(s *api.Status) { s.Ports = map[string]api.PortStats{"eth0": {Received: 2, Missed: 1}} }, "too slow"},
		{"it has missed SYNs", func(s *api.Status) { s.Ports = map[string]api.PortStats{"eth0": {Received: 2, MissedSYN: 1}} }, "more SYNs came"},
	} {
		x := director(well())
		c.edit(x.Status)
		if f := x.find(t, findings.DirectorProblem); !strings.Contains(f.Text, c.want) {
			t.Errorf("%s: %q, want %q in it", c.name, f.Text, c.want)
		}
	}
}

func TestOtherForwardersAreNamedWhereNoDirectorRuns(t *testing.T) {
	x := director(well())
	x.Status = nil
	x.Host.Taps = []facts.Tap{{Ifindex: 2, PID: 7, Process: "fwd"}, {Ifindex: 2}, {Ifindex: 9, PID: 8, Process: "elsewhere"}}
	x.net.traffic.BadSums, x.net.traffic.BadSum = 1, "a frame"
	f := x.find(t, findings.ChecksumOffload)
	if len(f.Evidence) != 3 || !strings.Contains(f.Evidence[1], "process 7 (fwd)") || !strings.Contains(f.Evidence[2], "cannot be named") {
		t.Errorf("evidence %q", f.Evidence)
	}
}

func TestPlacesThatDoNotDo(t *testing.T) {
	down := func(x *exam) { x.Host.Links[0].Up = false }
	noEthernet := func(x *exam) { x.Host.Links[0].MAC = frame.MAC{} }
	noRoute := func(a netip.Addr) func(x *exam) {
		return func(x *exam) { x.Host.Routes[a] = facts.Route{Err: errDown} }
	}
	for _, c := range []struct {
		name       string
		edit       func(*exam)
		want, text string
	}{
		{"the interface of the VIP is down", down, findings.VIPNotOnLink, "is down"},
		{"the interface of the VIP has no frames", noEthernet, findings.VIPNotOnLink, "not on an Ethernet interface"},
		{"no route to the VIP", noRoute(vip), findings.VIPNotOnLink, "no interface in the network"},
		{"the interface of the server is down", down, findings.RSNotOnLink, "is down"},
		{"the interface of the server has no frames", noEthernet, findings.RSNotOnLink, "not on an Ethernet interface"},
		{"no route to the server", noRoute(rs), findings.RSNotOnLink, "no route"},
	} {
		x := director(well())
		x.Status = nil
		c.edit(x)
		if f := x.find(t, c.want); !strings.Contains(f.Text, c.text) {
			t.Errorf("%s: %q, want %q in it", c.name, f.Text, c.text)
		}
	}
}

func TestWhatIsGoodToKnowOfTheDirectorsHost(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*exam)
		want string
		text string
	}{
		{"local clients are led to the director", func(x *exam) { x.Host.Led = []netip.Addr{vip} }, findings.LocalClients, "a rule leads"},
		{"local clients are not", func(*exam) {}, findings.LocalClients, "does not come in by an interface"},
		{"a process listens on the port", func(x *exam) {
			x.Host.Listeners = []facts.Listener{{Protocol: "tcp", At: netip.MustParseAddrPort("0.0.0.0:8080"), Process: "nginx, process 7"}}
		}, findings.NoListener, "a process of this host listens"},
		{"no process does", func(*exam) {}, findings.NoListener, "no process listens"},
		{"a router says that packets are too long", func(x *exam) { x.net.traffic.TooBig = []string{"an ICMP error"} }, findings.TrafficSeen, "smaller MTU"},
		{"no client came by", func(x *exam) { x.net.traffic.Forwarded = 0 }, findings.TrafficSeen, "no client's frame"},
	} {
		x := director(well())
		c.edit(x)
		if f := x.find(t, c.want); f.Severity != findings.Info || !strings.Contains(f.Text, c.text) {
			t.Errorf("%s: %+v, want %q in it", c.name, f, c.text)
		}
	}
}

func TestAnswersOfTheServerInDetail(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*fakeNetwork)
		want string
		text string
	}{
		{"a RST on the own address as well", func(n *fakeNetwork) {
			n.connect = func(wire.Probe, uint16) wire.Outcome { return wire.Refused }
		}, findings.RSWrongPort, "nothing listens"},
		{"a RST for the VIP alone", func(n *fakeNetwork) { n.connect = only(wire.Refused) }, findings.RSWrongPort, "own address only"},
		{"long pings are answered in fragments", func(n *fakeNetwork) { n.pieces = true }, findings.SmallMTU, "in fragments"},
		{"a claim by a MAC address of VRRP", func(n *fakeNetwork) {
			n.claims[vip] = []wire.Claim{claim(vip, frame.MAC{0, 0, 0x5e, 0, 1, 7})}
		}, findings.VIPTaken, "one of VRRP"},
		{"another host claims the VIP and refuses", func(n *fakeNetwork) {
			n.claims[vip] = []wire.Claim{claim(vip, other)}
			n.connect = func(p wire.Probe, _ uint16) wire.Outcome {
				if p.MAC == other {
					return wire.Refused
				}
				return wire.Accepted
			}
		}, findings.TwoDirectors, "another director, or one that has it as an address"},
		{"clients' connections to an unknown host hang", func(n *fakeNetwork) {
			n.traffic.Towards = map[frame.MAC]wire.Connections{other: {Stuck: 2, Syn: "a SYN"}}
		}, findings.ClientsStuck, "are not established"},
	} {
		n := well()
		c.edit(n)
		if f := director(n).find(t, c.want); !strings.Contains(f.Text, c.text) {
			t.Errorf("%s: %q, want %q in it", c.name, f.Text, c.text)
		}
	}
}

func TestAServerThatHangsForClientsAndIsSilentForUsIsToBeExaminedThere(t *testing.T) {
	n := well()
	n.connect, n.ping = only(wire.Silence), onlyPing(wire.Silence)
	n.traffic.Towards = map[frame.MAC]wire.Connections{rsMAC: {Stuck: 2, Syn: "a SYN"}}
	f := director(n).find(t, findings.ClientsStuck)
	if f.About != "real server 192.168.1.11" || f.Remedy != "on the real server: lvsdr doctor --rs --vip 192.168.1.100" {
		t.Errorf("%+v", f)
	}
}

func TestAnAskerThatIsNoServerIsNamedByItsMAC(t *testing.T) {
	n := well()
	n.traffic.Askers = map[netip.Addr][]wire.Claim{vip: {claim(vip, other)}}
	if f := director(n).find(t, findings.RSAnnouncesVIP); f.About != "the host at 02:00:00:00:dd:02" {
		t.Errorf("about %q", f.About)
	}
}

// Only TCP services can be tried, and only if this host has an address to ask
// from.
func TestWhatCannotBeTriedIsLeftOut(t *testing.T) {
	for name, edit := range map[string]func(*exam){
		"UDP":                         func(x *exam) { x.Config.VirtualServers[0].Protocol = frame.ProtoUDP },
		"all ports":                   func(x *exam) { x.Config.VirtualServers[0].Port = 0 },
		"this host has no address":    func(x *exam) { x.Host.Links[0].Addrs = nil },
		"nobody has the server's MAC": func(x *exam) { delete(x.net.claims, rs) },
	} {
		x := director(well())
		x.net.claims[vip] = []wire.Claim{claim(vip, other)}
		x.net.connect = func(wire.Probe, uint16) wire.Outcome {
			if name != "nobody has the server's MAC" {
				t.Errorf("%s: a SYN is sent", name)
			}
			return wire.Silence
		}
		edit(x)
		x.worst(t)
	}
}

func TestTheInterfacesToListenOn(t *testing.T) {
	link := func(index int, name string) facts.Link {
		return facts.Link{Index: index, Name: name, MAC: frame.MAC{2, 0, 0, 0, 0, byte(index)}, Up: true}
	}
	x := director(well())
	x.Host.Links = []facts.Link{link(2, "eth0"), link(3, "eth1"), link(4, "eth2"), link(5, "eth3"), link(6, "eth4"), link(7, "eth5")}
	x.Host.Links[3].Up = false
	x.Interface = "eth1"                                                            // where the operator says
	x.Status.Services[0].Interface = "eth3"                                         // where the director says; it is down
	x.Host.Routes = map[netip.Addr]facts.Route{vip: {Ifindex: 2}, rs: {Ifindex: 4}} // where the kernel says
	x.Host.Links[4].Addrs = []netip.Prefix{netip.PrefixFrom(rs, 24)}                // where it is configured
	var names []string
	for _, l := range x.Links() {
		names = append(names, l.Name)
	}
	if got := strings.Join(names, " "); got != "eth0 eth1 eth2 eth4" {
		t.Errorf("interfaces %s", got)
	}
}

func TestVIPsAndServersAreThereOnce(t *testing.T) {
	x := director(well())
	x.Config.VirtualServers = append(x.Config.VirtualServers, service(vip, rs), service(vip6, rs6))
	if got := x.VIPs(); !slices.Equal(got, []netip.Addr{vip, vip6}) {
		t.Errorf("VIPs %v", got)
	}
	if got := x.RealServers(); !slices.Equal(got, []netip.Addr{rs, rs6}) {
		t.Errorf("real servers %v", got)
	}
}

func TestManyServersAreAskedAtATimeAndReportedInOrder(t *testing.T) {
	items := make([]int, 100)
	for i := range items {
		items[i] = i
	}
	got := each(items, func(i int) int { return i * i })
	for i, n := range got {
		if n != i*i {
			t.Fatalf("result %d is %d", i, n)
		}
	}
}

func TestInfosOfARealServer(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*RealServer)
		want string
		text string // in text, evidence or remedy
	}{
		{"no default route", func(*RealServer) {}, findings.NoDefaultRoute, "own networks"},
		{"the MTU", func(*RealServer) {}, findings.MTU, "1500"},
		{"its own clients reach its own server", func(*RealServer) {}, findings.OwnClients, "--balance-local-clients 8080"},
		{"without a port too", func(r *RealServer) { r.Port = 0 }, findings.OwnClients, "--balance-local-clients PORT"},
		{"its own clients are led to the director", func(r *RealServer) { r.Host.Led = []netip.Addr{vip} }, findings.OwnClients, "iif lo to 192.168.1.100"},
		{"a firewall", func(r *RealServer) { r.Host.Firewall.Rules = 3 }, findings.Firewall, "3 rules"},
		{"an older firewall", func(r *RealServer) { r.Host.Firewall.Legacy = []string{"filter", "nat"} }, findings.Firewall, "filter, nat"},
		{"a firewall that cannot be seen", func(r *RealServer) { r.Host.Firewall.Err = errDown }, findings.Firewall, "network is down"},
		{"no port was given", func(r *RealServer) { r.Port = 0 }, findings.NotTested, "--port"},
	} {
		r := server()
		c.edit(r)
		found := func() bool {
			rep, err := r.Examine(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range rep.Findings {
				all := strings.Join(append(f.Evidence, f.Text, f.Remedy), "\n")
				if f.Name == c.want && f.Severity == findings.Info && strings.Contains(all, c.text) {
					return true
				}
			}
			return false
		}
		if !found() {
			t.Errorf("%s: no %s with %q", c.name, c.want, c.text)
		}
	}
}

func TestSettingsThatAreNotARealServersFault(t *testing.T) {
	for name, edit := range map[string]func(*RealServer){
		"a VIP of IPv6 needs no ARP settings": func(r *RealServer) {
			r.VIPs = []netip.Addr{vip6}
			r.Host.Links[0].Addrs = []netip.Prefix{netip.PrefixFrom(vip6, 128)}
			r.Host.Listeners[0].At = netip.MustParseAddrPort("[::]:8080")
			r.Host.Sysctls = nil
		},
		"the VIP on a dummy without ARP": func(r *RealServer) {
			r.Host.Links[0].Addrs = nil
			r.Host.Links = append(r.Host.Links, facts.Link{Index: 3, Name: "dummy0", MAC: other, NoARP: true, Up: true, Addrs: []netip.Prefix{netip.PrefixFrom(vip, 32)}})
		},
		"the VIP on a tunnel": func(r *RealServer) {
			r.Host.Links[0].Addrs = nil
			r.Host.Links = append(r.Host.Links, facts.Link{Index: 3, Name: "tun0", Up: true, Addrs: []netip.Prefix{netip.PrefixFrom(vip, 32)}})
		},
		"a UDP socket on the port": func(r *RealServer) { r.Host.Listeners[0].Protocol = "udp" },
		"a default route":          func(r *RealServer) { r.Host.Defaults = []facts.Route{{Ifindex: 2}} },
	} {
		r := server()
		edit(r)
		rep, err := r.Examine(t.Context(), nil)
		if got := worst(t, rep, err); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	r := server()
	r.Host.Listeners = nil
	rep, err := r.Examine(t.Context(), nil)
	if got := worst(t, rep, err); got != findings.RSWrongPort || !slices.Contains(rep.Findings[0].Evidence, "no TCP socket listens at all") {
		t.Errorf("without a listener: %+v", rep.Findings[0])
	}
}

// The rules of the shield are for an interface.
func TestARuleForAnotherInterfaceDoesNotCount(t *testing.T) {
	x := director(well())
	x.Host.Guards = []shield.Guard{{VIP: vip, Interface: "eth1"}}
	if got := x.worst(t); got != findings.NoShield {
		t.Errorf("found %q", got)
	}
}
