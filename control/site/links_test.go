package site

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/hostnet"
	"lvsdr/dataplane/frame"
)

// down takes a link down, as the kernel does: its routes go, and its IPv6 addresses.
func down(link int) func(*hostnet.Snapshot) {
	return func(h *hostnet.Snapshot) {
		for i := range h.Links {
			if h.Links[i].Index == link {
				h.Links[i].Up = false
			}
		}
		h.Routes = slices.DeleteFunc(h.Routes, func(r hostnet.Route) bool { return r.Link == link })
		h.Addrs = slices.DeleteFunc(h.Addrs, func(a hostnet.Addr) bool { return a.Link == link && a.Prefix.Addr().Is6() })
	}
}

// noCarrier pulls the cable of a link: routes and addresses stay.
func noCarrier(link int) func(*hostnet.Snapshot) {
	return func(h *hostnet.Snapshot) { h.NoCarrier = append(h.NoCarrier, link) }
}

// A link that goes down takes nothing with it: its addresses and servers stay where they
// were, with their health and MAC addresses, though they are silent and not asked. One
// problem says so.
func TestALinkThatIsDownTakesNothingWithIt(t *testing.T) {
	text := web("11 "+tcpCheck, "12 "+tcpCheck) + vs("10.0.0.100 80", "", "10.0.0.11 80")
	for _, c := range []struct {
		name    string
		change  func(int) func(*hostnet.Snapshot)
		problem string
	}{
		{"taken down", down, "is down"},
		{"without carrier", noCarrier, "has no carrier"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := newScene(t)
			sc.load(text)
			for _, a := range []string{"192.168.1.11", "192.168.1.12"} {
				sc.do(Neighbour{Addr: netip.MustParseAddr(a), Ifindex: 2, MAC: frame.MAC{2, 0, 0, 0, 1, 1}})
			}
			sc.do(Activate{Active: true})
			sc.check(".12", false)
			vips, nics, servers, checks := sc.aboutVIPs(), sc.aboutNICs(), sc.servers("192.168.1.100", 80), len(sc.s.Checks())

			ch := sc.do(HostChanged{network(c.change(2))})
			sc.problem("interface eth0 "+c.problem, "silent", "stay as they were")
			if len(sc.notices) != 0 || len(ch.Edits) != 0 || len(ch.Hops) != 0 || !ch.VIPs || !ch.Targets || !ch.Problems {
				t.Errorf("notices %v, changes %+v", sc.notices, ch)
			}
			if got := sc.aboutVIPs() + sc.aboutNICs() + sc.servers("192.168.1.100", 80); got != vips+nics+servers || len(sc.s.Checks()) != checks {
				t.Errorf("there is %s", got)
			}
			for _, v := range sc.s.VIPs() {
				if want := v.Place.Link.Index == 2; v.Down != want {
					t.Errorf("%v: down %v, want %v", v.Addr, v.Down, want)
				}
			}
			for _, x := range sc.s.Targets() {
				if want := x.Link.Index == 2; x.Down != want {
					t.Errorf("%v: down %v, want %v", x.Addr, x.Down, want)
				}
			}
			sc.load(text + vs("10.0.0.101 80", "")) // a reload changes nothing of it
			sc.problem("interface eth0 " + c.problem)
			if got := sc.servers("192.168.1.100", 80); got != servers || len(sc.notices) != 0 {
				t.Errorf("after a reload servers %s, notices %v", got, sc.notices)
			}

			ch = sc.do(HostChanged{network()})
			sc.problem()
			if len(sc.notices) != 0 || len(ch.Edits) != 0 || len(ch.Hops) != 0 || len(sc.s.LinksDown()) != 0 {
				t.Errorf("up again: notices %v, changes %+v", sc.notices, ch)
			}
			if got := sc.servers("192.168.1.100", 80); got != servers {
				t.Errorf("up again: servers %s", got)
			}
		})
	}
}

// What has lost its network for good is told of when the link is up again: no place is
// kept that the host does not find then.
func TestAnAddressThatIsGoneWhenTheLinkIsUpAgainIsAProblem(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("fd00::100 80", "", "fd00::11 80"))
	sc.do(HostChanged{network(down(3))})
	sc.problem("interface eth1 is down")
	sc.do(HostChanged{network(func(h *hostnet.Snapshot) {
		h.Addrs = slices.DeleteFunc(h.Addrs, func(a hostnet.Addr) bool { return a.Prefix.Addr().Is6() })
		h.Routes = slices.DeleteFunc(h.Routes, func(r hostnet.Route) bool { return r.To.Addr().Is6() })
	})})
	if got := sc.s.Problems(); len(got) != 2 || sc.aboutVIPs() != "" || len(sc.s.Targets()) != 0 {
		t.Errorf("problems %q, VIPs %s", got, sc.aboutVIPs())
	}
}

// A link that is down at the start is one problem, however much waits for it, and what is
// left out for other reasons has problems of its own. Each address and server still
// says why it is not served.
func TestALinkThatIsDownAtTheStartIsOneProblem(t *testing.T) {
	for _, ifname := range []string{"", "eth0"} { // named, and found by the network
		sc := newScene(t)
		sc.do(HostChanged{network(down(2))})
		text := web("11", "12") + vs("192.168.1.101 80", "", "192.168.1.13 80") + vs("172.31.0.100 80", "", "10.0.0.11 80")
		if ifname != "" {
			text = "global_defs {\n default_interface " + ifname + "\n}\n" + web("11", "12") + vs("192.168.1.101 80", "", "192.168.1.13 80", "172.31.0.11 80")
		}
		sc.load(text)
		got := sc.s.Problems()
		if want := "interface eth0 is down; bring it up: ip link set eth0 up; virtual addresses that wait for it: 2, real servers: 3"; len(got) != 2 || got[0] != want {
			t.Errorf("interface %q: problems %q, want %q and one of another network", ifname, got, want)
		}
		v, ok := sc.s.View(tcp("192.168.1.100", 80))
		if !ok || !strings.Contains(v.Problem, "eth0") || len(v.Servers) != 2 || !strings.Contains(v.Servers[1].Problem, "192.168.1.12 is on the network of interface eth0, which is down") {
			t.Errorf("interface %q: the service is %+v", ifname, v)
		}
		sc.do(HostChanged{network()})
		if got := sc.s.Problems(); len(got) != 1 || strings.Contains(got[0], "is down") {
			t.Errorf("interface %q: up again: problems %q", ifname, got)
		}
	}
}

// The kernel removes the addresses and routes of IPv6 from a link that goes down. A
// link that is down at the start is one problem for all addresses of both families
// all the same, although nothing tells where those of IPv6 belong; with a second such
// link each says itself that no route leads to it.
func TestALinkThatIsDownAtTheStartIsOneProblemForIPv6(t *testing.T) {
	lost := func(index int) func(h *hostnet.Snapshot) {
		return func(h *hostnet.Snapshot) {
			down(index)(h)
			h.Addrs = slices.DeleteFunc(h.Addrs, func(a hostnet.Addr) bool { return a.Link == index && a.Prefix.Addr().Is6() })
			h.Routes = slices.DeleteFunc(h.Routes, func(r hostnet.Route) bool { return r.Link == index && r.To.Addr().Is6() })
		}
	}
	sc := newScene(t)
	sc.do(HostChanged{network(lost(2))})
	sc.load(web("11") + vs("fd00:1::100 80", "", "fd00:1::11 80") + vs("fd00:1::101 80", "", "fd00:1::11 80") + vs("fd00:1::102 80", "", "fd00:1::12 80"))
	sc.problem("interface eth0 is down; bring it up: ip link set eth0 up; virtual addresses that wait for it: 4, real servers: 3")
	v, _ := sc.s.View(tcp("fd00:1::101", 80))
	for _, part := range []string{"fd00:1::101 is on no network of this host", "interface eth0 is down", "ip link set eth0 up", "-i IFACE"} {
		if !strings.Contains(v.Problem, part) {
			t.Errorf("the service says %q, want %q in it", v.Problem, part)
		}
	}
	sc.do(HostChanged{network(lost(2), lost(3))})
	if got := sc.s.Problems(); len(got) != 6 || !strings.HasPrefix(got[0], "interface eth0 is down; ") {
		t.Errorf("with two such links: problems %q, want one of IPv4 and five of IPv6", got)
	}
	sc.do(HostChanged{network()})
	if got := sc.s.Problems(); slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, "is down") }) {
		t.Errorf("up again: problems %q", got)
	}
}

// What was never served says itself why not; a link that nothing needs is no problem.
func TestOnlyLinksOfWhatIsServedAreProblems(t *testing.T) {
	sc := newScene(t)
	sc.do(HostChanged{network(down(2), noCarrier(3))})
	sc.problem()
	sc.load(web("11"))
	sc.problem("interface eth0 is down; bring it up: ip link set eth0 up; virtual addresses that wait for it: 1, real servers: 1")
	if len(sc.s.LinksDown()) != 0 {
		t.Errorf("links %v", sc.s.LinksDown())
	}
	sc.load(vs("10.0.0.100 80", "", "10.0.0.11 80"))
	if want := map[int]string{3: "interface eth1 has no carrier"}; !maps.Equal(sc.s.LinksDown(), want) {
		t.Errorf("links %v, want %v", sc.s.LinksDown(), want)
	}
	sc.load(web())
	if len(sc.s.LinksDown()) != 0 {
		t.Errorf("links %v of what is not served any more", sc.s.LinksDown())
	}
	edits := []Edit{{Op: AddService, Service: config4(tcp("10.0.0.102", 80), "rr")}}
	if _, err := sc.try(Admin{Edits: edits}); err != nil {
		t.Fatal(err)
	}
	if len(sc.s.LinksDown()) != 1 {
		t.Errorf("links %v of a service of ipvsadm", sc.s.LinksDown())
	}
}
