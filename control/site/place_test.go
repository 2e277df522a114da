package site

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/hostnet"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// aboutVIPs says where the virtual addresses are, as "ADDR@LINK", with ! where
// one is active.
func (sc *scene) aboutVIPs() string {
	var all []string
	for _, v := range sc.s.VIPs() {
		text := fmt.Sprintf("%v@%s", v.Addr, v.Place.Link.Name)
		if v.Active {
			text += "!"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// aboutNICs says which addresses are received where, as "LINK: ADDR ADDR".
func (sc *scene) aboutNICs() string {
	var all []string
	for _, n := range sc.s.NICs() {
		all = append(all, fmt.Sprintf("%s%v", n.Link.Name, n.VIPs))
	}
	return strings.Join(all, " ")
}

// problem states that there is one problem, which has all these words.
func (sc *scene) problem(words ...string) {
	sc.Helper()
	problems := sc.s.Problems()
	if len(words) == 0 && len(problems) == 0 {
		return
	}
	if len(problems) != 1 {
		sc.Fatalf("problems %q", problems)
	}
	for _, w := range words {
		if !strings.Contains(problems[0], w) {
			sc.Errorf("the problem %q does not say %q", problems[0], w)
		}
	}
}

func TestVIPsAndServersAreFoundOnTheirInterfaces(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11") + vs("192.168.1.101 443", "", "10.1.1.1 443", "192.168.1.11 443") + vs("192.168.1.101 80", ""))
	if got := sc.aboutVIPs(); got != "192.168.1.100@eth0 192.168.1.101@eth0" {
		t.Errorf("VIPs %s", got)
	}
	if got := sc.aboutNICs(); got != "eth0[] eth1[]" {
		t.Errorf("before the addresses are active: %s", got)
	}
	sc.do(Activate{Active: true})
	if got := sc.aboutNICs(); got != "eth0[192.168.1.100 192.168.1.101] eth1[]" {
		t.Errorf("then: %s", got)
	}
	sc.do(Activate{VIP: netip.MustParseAddr("192.168.1.100")})
	if got := sc.aboutVIPs(); got != "192.168.1.100@eth0 192.168.1.101@eth0!" {
		t.Errorf("one that is not active any more: %s", got)
	}
	want := []Guard{{netip.MustParseAddr("192.168.1.100"), "eth0"}, {netip.MustParseAddr("192.168.1.100"), "far"},
		{netip.MustParseAddr("192.168.1.101"), "eth0"}, {netip.MustParseAddr("192.168.1.101"), "far"}}
	if got := sc.s.Guards(); !slices.Equal(got, want) {
		t.Errorf("guards %v", got)
	}
	if got := sc.s.Own(); !slices.Equal(got, []frame.Addr{addr("192.168.1.100"), addr("192.168.1.101")}) {
		t.Errorf("own addresses %v", got)
	}
	targets := []Target{{Addr: netip.MustParseAddr("10.1.1.1"), Link: eth1, Source: netip.MustParseAddr("10.0.0.10")},
		{Addr: netip.MustParseAddr("192.168.1.11"), Link: eth0, Source: netip.MustParseAddr("192.168.1.10")}}
	if got := sc.s.Targets(); !slices.Equal(got, targets) {
		t.Errorf("targets %v", got)
	}
	sc.problem()
	sc.load("")
	if sc.aboutVIPs() != "" || sc.aboutNICs() != "" || len(sc.s.Targets()) != 0 {
		t.Errorf("an empty file leaves %s, %s", sc.aboutVIPs(), sc.aboutNICs())
	}
}

// A start with one network missing ended the whole director.
func TestAVIPOffEveryNetworkIsAProblemAndIsTakenUpLater(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11") + vs("172.16.0.1 80", "", "192.168.1.11 80"))
	sc.problem("test.conf:11: virtual_server [172.16.0.1]:tcp:80: ", "is not on a network of this host", "-i IFACE or default_interface")
	if got := sc.aboutVIPs(); got != "192.168.1.100@eth0" {
		t.Errorf("VIPs %s", got)
	}
	if got := sc.servers("172.16.0.1", 80); got != "11*1" {
		t.Errorf("its service waits with the servers %s", got)
	}
	sc.do(Activate{Active: true})
	sc.do(HostChanged{network(func(h *hostnet.Snapshot) {
		h.Routes = append(h.Routes, hostnet.Route{To: netip.MustParsePrefix("172.16.0.0/12"), Link: 3})
	})})
	sc.problem()
	if got := sc.aboutVIPs(); got != "172.16.0.1@eth1 192.168.1.100@eth0!" {
		t.Errorf("it is taken up as %s", got)
	}
}

func TestTheInterfaceOfVIPsCanBeNamed(t *testing.T) {
	const vip = "172.16.0.1 80"
	sc := newScene(t)
	sc.load("global_defs {\n default_interface eth1\n}\n" + vs(vip, ""))
	if got := sc.aboutVIPs(); got != "172.16.0.1@eth1" {
		t.Errorf("by default_interface: %s", got)
	}
	sc.load("global_defs {\n default_interface eth0\n}\n" + vs(vip, ""))
	if got := sc.aboutVIPs(); got != "172.16.0.1@eth0" {
		t.Errorf("by another one: %s", got)
	}
	sc.s = New(Options{Interface: "eth1"})
	sc.director = newDirector(t)
	sc.do(HostChanged{network()})
	sc.load("global_defs {\n default_interface eth0\n}\n" + vs(vip, ""))
	if got := sc.aboutVIPs(); got != "172.16.0.1@eth1" {
		t.Errorf("-i goes before the file: %s", got)
	}
}

func TestAnInterfaceThatGoesAndComesTakesItsAddressesWithIt(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11 TCP_CHECK {;}", "12") + vs("10.0.0.100 80", "", "10.1.1.1 80"))
	sc.do(Neighbour{netip.MustParseAddr("192.168.1.11"), 2, frame.MAC{2, 1}})
	sc.do(Activate{Active: true})
	sc.check(".11", false)
	gone := sc.do(HostChanged{network(without(2))})
	if got := sc.servers("192.168.1.100", 80); got != "" {
		t.Errorf("the servers %s are left", got)
	}
	if got := sc.aboutVIPs() + " " + sc.aboutNICs(); got != "10.0.0.100@eth1! eth1[10.0.0.100]" {
		t.Errorf("there are left %s", got)
	}
	if len(sc.s.Checks()) != 0 || len(gone.Hops) != 2 || gone.Hops[0] != (Hop{Addr: netip.MustParseAddr("192.168.1.11")}) {
		t.Errorf("checks %v, hops that change %v", sc.s.Checks(), gone.Hops)
	}
	if n := len(sc.s.Problems()); n != 3 {
		t.Errorf("problems %q", sc.s.Problems())
	}
	sc.do(HostChanged{network()})
	// 11 was down; it is untried now, as a server that is new.
	if got := sc.servers("192.168.1.100", 80); got != "12*1 11*1" {
		t.Errorf("the servers come back as %s", got)
	}
	if got := sc.aboutVIPs() + " " + sc.aboutNICs(); got != "10.0.0.100@eth1! 192.168.1.100@eth0 eth0[] eth1[10.0.0.100]" {
		t.Errorf("the addresses come back as %s", got)
	}
	if sc.s.MissingMACs() != 3 || len(sc.s.Checks()) != 1 {
		t.Errorf("%d MAC addresses are missing, checks %v", sc.s.MissingMACs(), sc.s.Checks())
	}
}

func TestAnotherMACOrMTUOfALinkChangesEveryHopOnItAndNoService(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11", "12") + vs("10.0.0.100 80", "", "10.1.1.1 80"))
	sc.do(Neighbour{netip.MustParseAddr("192.168.1.11"), 2, frame.MAC{2, 1}})
	c := sc.do(HostChanged{network(withLink(func(l *hostnet.Link) { l.MAC, l.MTU = frame.MAC{2, 2, 2, 2, 2, 2}, 1400 }))})
	if len(c.Edits) != 0 || !c.VIPs || !c.Targets || !c.NICs {
		t.Errorf("changes %+v", c)
	}
	if len(c.Hops) != 2 || c.Hops[0].MAC != (frame.MAC{2, 1}) || c.Hops[0].Link.MTU != 1400 {
		t.Errorf("hops %+v", c.Hops)
	}
	if again := sc.do(HostChanged{sc.s.host}); !reflect.DeepEqual(again, Changes{}) {
		t.Errorf("the same host again changes %+v", again)
	}
}

// A change that was on its way when a reload moved the server to another
// interface gave it the MAC address it had on the old one.
func TestANeighbourIsForItsInterfaceOnly(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11"))
	server := netip.MustParseAddr("192.168.1.11")
	for _, c := range []struct {
		law     string
		e       Event
		mac     frame.MAC
		missing int
	}{
		{"of another interface it says nothing", Neighbour{server, 3, frame.MAC{9}}, frame.MAC{}, 1},
		{"of its own it counts", Neighbour{server, 2, frame.MAC{1}}, frame.MAC{1}, 0},
		{"a new one too", Neighbour{server, 2, frame.MAC{2}}, frame.MAC{2}, 0},
		{"of a stranger it says nothing", Neighbour{netip.MustParseAddr("192.168.1.12"), 2, frame.MAC{3}}, frame.MAC{2}, 0},
		{"a server that moves is not known any more", HostChanged{network(func(h *hostnet.Snapshot) { h.Routes[0].Link = 3 })}, frame.MAC{}, 1},
		{"there it is", Neighbour{server, 3, frame.MAC{4}}, frame.MAC{4}, 0},
		{"and is lost", Neighbour{server, 3, frame.MAC{}}, frame.MAC{}, 1},
	} {
		before := len(allHops(sc.s))
		sc.do(c.e)
		if h := allHops(sc.s); len(h) != before || h[0].MAC != c.mac || sc.s.MissingMACs() != c.missing {
			t.Errorf("%s: %+v, %d missing", c.law, h, sc.s.MissingMACs())
		}
	}
	v, _ := sc.s.View(webKey)
	if v.Servers[0].MAC != (frame.MAC{}) || v.Servers[0].Place.Link != eth1 {
		t.Errorf("the server is shown as %+v", v.Servers[0])
	}
}

func TestAVIPOfThisHostIsServedWithAWarning(t *testing.T) {
	sc := newScene(t)
	sc.do(HostChanged{network(withAddr(2, "192.168.1.100/32"))})
	sc.load(web("11 TCP_CHECK {;}") + vs("192.168.1.101 80", "", "192.168.1.11 80"))
	sc.problem("test.conf:1: virtual_server [192.168.1.100]:tcp:80: ", "is configured on this host", "ip addr del 192.168.1.100/32 dev eth0")
	if got := sc.aboutVIPs(); got != "192.168.1.100@eth0 192.168.1.101@eth0" {
		t.Errorf("VIPs %s", got)
	}
	if c := sc.s.Checks(); len(c) != 1 || c[0].DR != nil {
		t.Errorf("checks %+v: this host itself would answer them", c)
	}
	if vips, _, lacking := sc.s.LocalVIPs(); len(vips) != 1 || vips[0].Addr != netip.MustParseAddr("192.168.1.101") || len(lacking) != 0 {
		t.Errorf("for the clients on this host: %+v, %v", vips, lacking)
	}
}

// Each of these was planned; the director then refused it and did not start, or
// asked for the MAC address of a VIP.
func TestAnAddressThatCannotBeARealServersIsAProblem(t *testing.T) {
	for _, c := range []struct {
		law, vip, server string
		problem          []string
	}{
		{"the VIP itself", "192.168.1.100", "192.168.1.100", []string{"test.conf:", "192.168.1.100:80 is left out", "is a virtual address"}},
		{"the VIP of a later service", "192.168.1.100", "192.168.1.101", []string{"is a virtual address"}},
		{"a link-local address", "fd00::100", "fe80::5", []string{"[fe80::5]:80 is left out", "link-local"}},
		{"one behind a gateway", "192.168.1.100", "203.0.113.9", []string{"test.conf:7: real_server 203.0.113.9:80 is left out",
			"Direct Routing cannot cross a router", "ip route add 203.0.113.9/32 dev IFACE"}},
	} {
		sc := newScene(t)
		sc.load(vs(c.vip+" 80", "", c.server+" 80 TCP_CHECK {;}") + vs("192.168.1.101 80", "", "192.168.1.12 80"))
		sc.problem(c.problem...)
		if got := sc.servers(c.vip, 80) + "," + sc.servers("192.168.1.101", 80); got != ",12*1" {
			t.Errorf("%s: servers %s", c.law, got)
		}
		if len(sc.s.Checks()) != 0 || len(sc.s.Targets()) != 1 {
			t.Errorf("%s: checks %v, targets %v", c.law, sc.s.Checks(), sc.s.Targets())
		}
		v, ok := sc.s.View(tcp(c.vip, 80))
		if !ok || len(v.Servers) != 1 || v.Servers[0].In || v.Servers[0].Problem == "" {
			t.Errorf("%s: it is shown as %+v", c.law, v)
		}
	}
}

// One address is one problem, whatever services there are behind it.
func TestTheServicesOfAGroupHaveTheirProblemsOnce(t *testing.T) {
	sc := newScene(t)
	sc.load("virtual_server_group g {\n 192.168.1.100-109 80\n 192.168.1.100 443\n}\n" + vs("group g", "", "203.0.113.9"))
	sc.problem("real_server 203.0.113.9")
}

func TestAServerOfTheFileWaitsForAVIPOfIpvsadmsToGo(t *testing.T) {
	sc := newScene(t)
	service := Edit{Op: AddService, Service: config4(tcp("192.168.1.11", 443), "rr")}
	sc.do(Admin{[]Edit{service}})
	sc.load(web("11", "12"))
	sc.problem("is a virtual address")
	if got := sc.servers("192.168.1.100", 80); got != "12*1" {
		t.Errorf("servers %s", got)
	}
	service.Op = DelService
	sc.do(Admin{[]Edit{service}})
	sc.problem()
	if got := sc.servers("192.168.1.100", 80); got != "11*1 12*1" {
		t.Errorf("servers %s", got)
	}
}

func TestAServerOfIpvsadmsHasNoPlaceWhenTheFileMakesItsAddressAVIP(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11"))
	sc.do(weight(AddServer, 12, 1))
	sc.load(web("11") + vs("192.168.1.12 80", ""))
	sc.problem("real server 192.168.1.12 of ipvsadm is left out", "is a virtual address")
	if got := sc.servers("192.168.1.100", 80); got != "12*1 11*1" {
		t.Errorf("it stays in the table, without a MAC address: %s", got)
	}
}

func TestIpvsadmIsRefusedWhatHasNoPlace(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11"))
	server := func(ip string) Edit {
		return Edit{Op: AddServer, Service: config4(webKey, ""), Server: dataplane.ServerConfig{Addr: addr(ip), Port: 80, Weight: 1}}
	}
	service := func(ip string) Edit { return Edit{Op: AddService, Service: config4(tcp(ip, 80), "rr")} }
	mark := Edit{Op: AddService, Service: config4(dataplane.ServiceKey{Mark: 7}, "rr")}
	for _, c := range []struct {
		law  string
		e    Edit
		want string // in the error; empty: it is done
	}{
		{"a VIP on a network", service("10.0.0.100"), ""},
		{"a VIP off every network", service("172.16.0.1"), "-i IFACE or default_interface"},
		{"the address of a real server", service("192.168.1.11"), "it is the address of a real server"},
		{"a mark needs no place", mark, ""},
		{"a server on a network", server("10.1.1.1"), ""},
		{"a server behind a gateway", server("203.0.113.9"), "Direct Routing cannot cross a router"},
		{"a VIP as a server", server("192.168.1.100"), "is a virtual address"},
		{"what the director refuses, with its words", service("192.168.1.100"), "Service already exists"},
	} {
		was := text(sc.s.table)
		_, err := sc.try(Admin{[]Edit{c.e}})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.law, err, c.want)
		}
		if changed := text(sc.s.table) != was; changed != (c.want == "") {
			t.Errorf("%s: the table changes: %v", c.law, changed)
		}
	}
	if got := sc.aboutVIPs(); got != "10.0.0.100@eth1 192.168.1.100@eth0" {
		t.Errorf("VIPs %s", got)
	}
	if v, ok := sc.s.View(mark.Service.Key); !ok || v.Place != (hostnet.Place{}) || v.Name != "FWM 7" || v.Owner != Runtime {
		t.Errorf("the service by mark is shown as %+v", v)
	}
}

func TestOfSeveralEditsThoseThatAreNotRefusedAreDone(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11"))
	_, err := sc.try(Admin{append(weight(AddServer, 12, 2).Edits, append(weight(AddServer, 12, 3).Edits, weight(EditServer, 11, 4).Edits...)...)})
	var refusals Refusals
	if !errors.As(err, &refusals) || len(refusals) != 3 || refusals[0] != nil || !errors.Is(refusals[1], dataplane.ErrServerExists) || refusals[2] != nil {
		t.Errorf("refusals %q", refusals)
	}
	if !errors.Is(err, dataplane.ErrServerExists) || err.Error() != dataplane.ErrServerExists.Error() {
		t.Errorf("error %v", err)
	}
	if got := sc.servers("192.168.1.100", 80); got != "12*2 11*4" {
		t.Errorf("servers %s", got)
	}
}

func TestBeforeTheHostIsKnownNothingHasAPlace(t *testing.T) {
	s := New(Options{})
	next, _, err := s.Apply(Loaded{Config: config(t, web("11"))})
	if err != nil || len(next.VIPs()) != 0 || len(next.Problems()) != 2 || !strings.Contains(next.Problems()[0], errNoHost.Error()) {
		t.Errorf("VIPs %v, problems %q, %v", next.VIPs(), next.Problems(), err)
	}
	next, _, err = next.Apply(HostChanged{network()})
	if err != nil || len(next.VIPs()) != 1 || len(next.Problems()) != 0 {
		t.Errorf("VIPs %v, problems %q, %v", next.VIPs(), next.Problems(), err)
	}
}

// A client on this host gets the address that its first real server can answer,
// and its packets fit all links.
func TestClientsOnThisHostGetAnAddressThatTheRealServersReach(t *testing.T) {
	for _, c := range []struct {
		name, text, ifname, source string
		replies                    []int
		lacking                    string
	}{
		{"all on one network", web("11", "12"), "", "192.168.1.10", []int{2}, ""},
		{"on two, the first decides", vs("192.168.1.100 80", "", "10.1.1.1 80", "192.168.1.11 80"), "", "10.0.0.10", []int{2, 3}, ""},
		{"the VIP's interface has no address", web("11"), "eth2", "192.168.1.10", []int{4, 2}, ""},
		{"no real server", web(), "", "192.168.1.10", []int{2}, ""},
		{"no address at all", web(), "eth2", "", nil, "ip addr add ADDRESS/BITS dev eth2"},
		{"a sorry server counts too, also while it does not serve", vs("192.168.1.100 80", "sorry_server 10.0.0.99 80", "192.168.1.11 80"), "", "192.168.1.10", []int{2, 3}, ""},
		{"a server that is down counts too", vs("192.168.1.100 80", "", "10.1.1.1 80 alpha;TCP_CHECK {;}", "192.168.1.11 80"), "", "10.0.0.10", []int{2, 3}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := &scene{tester: t, s: New(Options{Interface: c.ifname}), director: newDirector(t)}
			sc.do(HostChanged{network(func(h *hostnet.Snapshot) {
				h.Links = append(h.Links, hostnet.Link{Name: "eth2", Index: 4, MAC: frame.MAC{2, 0, 0, 0, 0, 4}, MTU: 1600, Up: true})
			})})
			sc.load(c.text)
			vips, mtu, lacking := sc.s.LocalVIPs()
			if c.lacking != "" {
				if len(lacking) != 1 || !strings.Contains(lacking[0], c.lacking) || len(vips) != 0 {
					t.Errorf("%+v, %v; want %q", vips, lacking, c.lacking)
				}
				return
			}
			if len(lacking) != 0 || len(vips) != 1 {
				t.Fatalf("%+v, %v", vips, lacking)
			}
			v := vips[0]
			if v.Addr != netip.MustParseAddr("192.168.1.100") || v.Source.String() != c.source || !slices.Equal(v.Replies, c.replies) {
				t.Errorf("%+v, want source %s and replies by %v", v, c.source, c.replies)
			}
			if least := 1500; mtu != least {
				t.Errorf("MTU %d, want %d", mtu, least)
			}
		})
	}
}
