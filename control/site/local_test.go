package site

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/hostnet"
	"lvsdr/dataplane"
)

// withLoopback gives a host lo.
func withLoopback(h *hostnet.Snapshot) {
	h.Links = append(h.Links, hostnet.Link{Name: "lo", Index: 1, MTU: 65536, Up: true, Kind: hostnet.Loopback})
	withAddr(1, "127.0.0.1/8")(h)
}

// A real server on this host is served like any other: it has a hop that is this host, and
// a check; nobody is asked for its MAC address, and it does not prove Direct Routing. Its
// virtual address says that it is served here.
func TestARealServerOnThisHostIsServed(t *testing.T) {
	for _, own := range []string{"127.0.0.1", "192.168.1.10"} {
		for _, kind := range []string{"DR", "NAT", "TUN"} {
			sc := newScene(t)
			sc.do(HostChanged{network(withLoopback)})
			sc.load(vs("192.168.1.100 80", "", own+" 80 lvs_method "+kind+";TCP_CHECK {;}", "192.168.1.11 80") + vs("192.168.1.101 80", "", "192.168.1.12 80"))
			sc.problem()
			if got := sc.servers("192.168.1.100", 80); got != "11*1 "+own[strings.LastIndex(own, ".")+1:]+"*1" {
				t.Errorf("%s %s: servers %s", own, kind, got)
			}
			addr := netip.MustParseAddr(own)
			if h := sc.s.hop(addr); h != (Hop{Addr: addr, Local: true}) || !slices.Equal(sc.s.OwnHops(), []Hop{h}) {
				t.Errorf("%s %s: hop %+v, own hops %+v", own, kind, h, sc.s.OwnHops())
			}
			if c := sc.s.Checks(); len(c) != 1 || c[0].DR != nil || c[0].Ifindex != 0 {
				t.Errorf("%s %s: checks %+v", own, kind, c)
			}
			if n := len(sc.s.Targets()); n != 2 || sc.s.MissingMACs() != 2 {
				t.Errorf("%s %s: %d targets, %d without MAC address; want those of the two other servers", own, kind, n, sc.s.MissingMACs())
			}
			vips, _, lacking := sc.s.LocalVIPs()
			if len(lacking) != 0 || len(vips) != 2 {
				t.Fatalf("%s %s: %+v, %v", own, kind, vips, lacking)
			}
			for _, v := range vips {
				if served := v.Addr == netip.MustParseAddr("192.168.1.100"); v.Served != served || !v.Source.IsValid() || !slices.Equal(v.Replies, []int{2}) {
					t.Errorf("%s %s: %+v, want Served %v", own, kind, v, served)
				}
			}
			sc.check(own, false)
			if got := sc.servers("192.168.1.100", 80); got != "11*1" {
				t.Errorf("%s %s: down, servers %s", own, kind, got)
			}
		}
	}
}

// ipvsadm adds one, too, and what is not led to this host is not sent there.
func TestARealServerOnThisHostNeedsAWayThere(t *testing.T) {
	add := func(sc *scene) error {
		k := tcp("192.168.1.100", 80)
		_, err := sc.try(Admin{[]Edit{{Op: AddServer, Service: dataplane.ServiceConfig{Key: k}, Server: dataplane.ServerConfig{Addr: addr("127.0.0.1"), Port: 80, Weight: 1}}}})
		return err
	}
	sc := newScene(t)
	sc.do(HostChanged{network(withLoopback)})
	sc.load(web("11"))
	if err := add(sc); err != nil || len(sc.s.OwnHops()) != 1 {
		t.Errorf("%v, own hops %+v", err, sc.s.OwnHops())
	}
	sc = &scene{tester: t, s: New(Options{DRChecks: true}), director: newDirector(t)}
	sc.do(HostChanged{network(withLoopback)})
	sc.load(vs("192.168.1.100 80", "", "127.0.0.1 80", "192.168.1.11 80"))
	sc.problem("127.0.0.1:80 is left out", "--local-clients=false")
	if err := add(sc); err == nil {
		t.Error("it was added")
	}
}

// Where this host has the virtual address itself no clients on it are led, but its own server
// is served.
func TestARealServerOnThisHostWithTheVirtualAddress(t *testing.T) {
	sc := newScene(t)
	sc.do(HostChanged{network(withLoopback, withAddr(1, "192.168.1.100/32"))})
	sc.load(web("11"))
	if vips, _, _ := sc.s.LocalVIPs(); len(vips) != 0 {
		t.Errorf("without a server on this host: %+v", vips)
	}
	sc.load(vs("192.168.1.100 80", "", "127.0.0.1 80", "192.168.1.11 80"))
	vips, _, lacking := sc.s.LocalVIPs()
	if len(vips) != 1 || len(lacking) != 0 || !vips[0].Served || vips[0].Source.IsValid() {
		t.Errorf("%+v, %v", vips, lacking)
	}
}
