package site

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/control/hostnet"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

const far = "203.0.113.9 80 lvs_method TUN"

// hopOf is how an address is reached, as MAC@LINK from SOURCE.
func (sc *scene) hopOf(a string) string {
	h := sc.s.hop(netip.MustParseAddr(a))
	return fmt.Sprintf("%d@%s from %v", h.MAC[5], h.Link.Name, h.Source)
}

// targets are the addresses whose MAC addresses are asked for, with their links.
func (sc *scene) targets() string {
	var all []string
	for _, t := range sc.s.Targets() {
		all = append(all, fmt.Sprintf("%v@%s", t.Addr, t.Link.Name))
	}
	return strings.Join(all, " ")
}

// tell says that an address has a MAC address with this last byte.
func (sc *scene) tell(a string, link int, last byte) Changes {
	return sc.do(Neighbour{netip.MustParseAddr(a), link, frame.MAC{2, 0, 0, 0, 1, last}})
}

// A tunnel and NAT cross a router, so what is asked for is its MAC address, once for all
// the servers behind it; a server that comes later has it at once.
func TestServersBehindARouterAreReachedByItsMACAddress(t *testing.T) {
	for _, method := range []string{"TUN", "TUN type gre csum", "TUN type gue port 6080"} {
		sc := newScene(t)
		sc.load(vs("192.168.1.100 80", "lb_kind "+method, "203.0.113.9 80", "203.0.113.10 80", "192.168.1.11 80"))
		sc.problem()
		if got := sc.targets(); got != "192.168.1.11@eth0 192.168.1.1@eth0" {
			t.Errorf("%s: targets %s", method, got)
		}
		if got := sc.servers("192.168.1.100", 80); got != "11*1 10*1 9*1" {
			t.Errorf("%s: servers %s", method, got)
		}
		if n := sc.s.MissingMACs(); n != 3 {
			t.Errorf("%s: %d MAC addresses are missing", method, n)
		}
		c := sc.tell("192.168.1.1", 2, 1)
		if len(c.Hops) != 2 || sc.s.MissingMACs() != 1 {
			t.Errorf("%s: hops %+v", method, c.Hops)
		}
		sc.do(Admin{[]Edit{{Op: AddServer, Service: config4(webKey, ""), Server: dataplane.ServerConfig{Addr: addr("203.0.113.11"), Port: 80, Weight: 1, Method: dataplane.IPIP}}}})
		for _, a := range []string{"203.0.113.9", "203.0.113.10", "203.0.113.11"} {
			if got := sc.hopOf(a); got != "1@eth0 from 192.168.1.10" {
				t.Errorf("%s: %s is reached by %s", method, a, got)
			}
		}
	}
}

// The gateway's new MAC address is that of all servers behind it; one on another link, or
// of a server on the network, says nothing about it.
func TestAGatewayThatMovesTakesItsServersAlong(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "", far, "203.0.113.10 80 lvs_method TUN"))
	sc.tell("192.168.1.1", 2, 1)
	if c := sc.tell("192.168.1.1", 2, 1); len(c.Hops) != 0 {
		t.Errorf("what is known already changes %+v", c.Hops)
	}
	sc.tell("192.168.1.1", 3, 7)
	sc.tell("203.0.113.9", 2, 8)
	if got := sc.hopOf("203.0.113.9"); got != "1@eth0 from 192.168.1.10" {
		t.Errorf("reached by %s", got)
	}
	if c := sc.tell("192.168.1.1", 2, 2); len(c.Hops) != 2 {
		t.Errorf("hops %+v", c.Hops)
	}
	sc.do(Neighbour{netip.MustParseAddr("192.168.1.1"), 2, frame.MAC{}})
	if sc.s.MissingMACs() != 2 {
		t.Errorf("%d MAC addresses are missing of a silent gateway's", sc.s.MissingMACs())
	}
}

// Routes change: another gateway, another uplink, none, and the network itself.
func TestServersFollowTheRoutes(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "", far))
	sc.tell("192.168.1.1", 2, 1)
	for _, c := range []struct {
		law    string
		host   *hostnet.Snapshot
		target string
		tell   func()
		hop    string
	}{
		{"another gateway", network(routeTo("203.0.113.0/24", 2, "192.168.1.2")), "192.168.1.2@eth0", func() { sc.tell("192.168.1.2", 2, 2) }, "2@eth0 from 192.168.1.10"},
		{"another uplink", network(routeTo("203.0.113.0/24", 3, "10.0.0.1")), "10.0.0.1@eth1", func() { sc.tell("10.0.0.1", 3, 3) }, "3@eth1 from 10.0.0.10"},
		{"the first again", network(), "192.168.1.1@eth0", func() { sc.tell("192.168.1.1", 2, 4) }, "4@eth0 from 192.168.1.10"},
		{"a network of this host", network(withAddr(2, "203.0.113.1/24"), func(h *hostnet.Snapshot) {
			h.Routes = append(h.Routes, hostnet.Route{To: netip.MustParsePrefix("203.0.113.0/24"), Link: 2})
		}), "203.0.113.9@eth0", func() { sc.tell("203.0.113.9", 2, 9) }, "9@eth0 from 203.0.113.1"},
	} {
		sc.do(HostChanged{c.host})
		if got := sc.targets(); got != c.target || sc.s.MissingMACs() != 1 {
			t.Errorf("%s: targets %s, %d missing", c.law, got, sc.s.MissingMACs())
		}
		c.tell()
		if got := sc.hopOf("203.0.113.9"); got != c.hop {
			t.Errorf("%s: reached by %s, want %s", c.law, got, c.hop)
		}
	}
	sc.do(HostChanged{network(func(h *hostnet.Snapshot) { h.Routes = h.Routes[:3] })})
	sc.problem("203.0.113.9:80 is left out", "no route leads there")
	if got := sc.servers("192.168.1.100", 80); got != "" {
		t.Errorf("servers without a route: %s", got)
	}
	sc.do(HostChanged{network()})
	sc.problem()
	if got := sc.servers("192.168.1.100", 80); got != "9*1" {
		t.Errorf("servers with a route again: %s", got)
	}
}

// An address behind a router may be served by a tunnel and, in another service, by Direct
// Routing, which cannot work: that server alone is left out.
func TestOfOneAddressTheServerOfDirectRoutingIsLeftOut(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "", far) + vs("192.168.1.101 80", "", "203.0.113.9 80 TCP_CHECK {;}"))
	sc.problem("203.0.113.9:80 is left out where its method is DR", "Direct Routing cannot cross a router", "or reach it by lvs_method TUN")
	if got := sc.servers("192.168.1.100", 80) + "," + sc.servers("192.168.1.101", 80); got != "9*1," {
		t.Errorf("servers %s", got)
	}
	if all := sc.s.Checks(); len(all) != 0 {
		t.Errorf("what is left out is checked: %+v", all)
	}
	v, _ := sc.s.View(tcp("192.168.1.101", 80))
	if len(v.Servers) != 1 || v.Servers[0].Problem == "" {
		t.Errorf("it is shown as %+v", v)
	}
	if v, _ = sc.s.View(webKey); v.Servers[0].Problem != "" {
		t.Errorf("the tunnelled one is shown as %+v", v)
	}
	sc.load(vs("192.168.1.100 80", "", far) + vs("192.168.1.101 80", "lb_kind TUN", "203.0.113.9 80 TCP_CHECK {;}"))
	sc.problem()
	if got := sc.servers("192.168.1.101", 80); got != "9*1" || len(sc.s.Checks()) != 1 {
		t.Errorf("servers %s, checks %+v", got, sc.s.Checks())
	}
	if dr := sc.s.Checks()[0].DR; dr != nil {
		t.Errorf("a tunnel is proved by Direct Routing: %+v", dr)
	}
	sc.load(vs("192.168.1.100 80", "", "203.0.113.9 80"))
	if got := sc.servers("192.168.1.100", 80); got != "" || sc.targets() != "" {
		t.Errorf("servers %s, targets %s of a file that has DR alone", got, sc.targets())
	}
}

// A sorry server behind a router serves by its own method.
func TestASorryServerMayBeBehindARouter(t *testing.T) {
	for _, c := range []struct{ lines, want string }{
		{"sorry_server 203.0.113.9 80;sorry_server_lvs_method TUN", "9*1"},
		{"sorry_server 203.0.113.9 80", ""},
	} {
		sc := newScene(t)
		sc.load(vs("192.168.1.100 80", "alpha;"+c.lines, "192.168.1.11 80 TCP_CHECK {;}"))
		if got := sc.servers("192.168.1.100", 80); got != c.want {
			t.Errorf("%s: servers %s", c.lines, got)
		}
	}
}

// ipvsadm may add a tunnelled server behind a router, and no other.
func TestIpvsadmAddsServersBehindARouterByTunnelsAlone(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11"))
	add := func(m dataplane.Method) error {
		_, err := sc.try(Admin{[]Edit{{Op: AddServer, Service: config4(webKey, ""), Server: dataplane.ServerConfig{Addr: addr("203.0.113.9"), Port: 80, Weight: 1, Method: m}}}})
		return err
	}
	if err := add(dataplane.Direct); err == nil || !strings.Contains(err.Error(), "or reach it by lvs_method TUN") {
		t.Errorf("by Direct Routing: %v", err)
	}
	if err := add(dataplane.IPIP); err != nil {
		t.Errorf("by a tunnel: %v", err)
	}
	if got := sc.targets(); got != "192.168.1.11@eth0 192.168.1.1@eth0" {
		t.Errorf("targets %s", got)
	}
	sc.do(Admin{[]Edit{{Op: DelServer, Service: config4(webKey, ""), Server: dataplane.ServerConfig{Addr: addr("203.0.113.9"), Port: 80}}}})
	if got := sc.targets(); got != "192.168.1.11@eth0" {
		t.Errorf("targets %s of a server that is gone", got)
	}
}

// A router may be a real server itself: it is one target.
func TestAGatewayMayBeARealServer(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "", far, "192.168.1.1 80"))
	if got := sc.targets(); got != "192.168.1.1@eth0" {
		t.Errorf("targets %s", got)
	}
	if c := sc.tell("192.168.1.1", 2, 1); len(c.Hops) != 2 || sc.s.MissingMACs() != 0 {
		t.Errorf("hops %+v", c.Hops)
	}
}

// lvsdr_mac says where frames for a server go, also for one behind a router.
func TestAGivenMACAddressGoesBeforeTheGateways(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "", far+";lvsdr_mac 02:00:00:00:00:55"))
	all := sc.s.Targets()
	if len(all) != 1 || all[0].Addr != netip.MustParseAddr("203.0.113.9") || all[0].MAC != (frame.MAC{2, 0, 0, 0, 0, 0x55}) {
		t.Errorf("targets %+v", all)
	}
}

// While the link to the gateway is down its servers stay as they were; so does a server
// of the network that is down, though the default route now seems to lead to it.
func TestServersBehindARouterStayWhileTheLinkIsDown(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "", "10.1.0.9 80 lvs_method TUN", far))
	sc.tell("10.1.0.9", 3, 1)
	down := network(func(h *hostnet.Snapshot) {
		h.Links[1].Up = false
		h.Routes = append(h.Routes[:1:1], h.Routes[3])
	})
	sc.do(HostChanged{down})
	if got := sc.hopOf("10.1.0.9"); got != "1@eth1 from 10.0.0.10" {
		t.Errorf("reached by %s", got)
	}
}

// A successor goes on with the gateways' MAC addresses.
func TestGatewaysAreHandedOver(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "sorry_server 203.0.113.20 80;sorry_server_lvs_method TUN", far, "192.168.1.11 80"))
	sc.tell("192.168.1.1", 2, 1)
	sc.tell("192.168.1.11", 2, 2)
	next, _, err := New(sc.s.options).Apply(Inherited{sc.s.Heritage(), sc.s.host})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"203.0.113.9", "203.0.113.20", "192.168.1.11"} {
		if got, want := next.hop(netip.MustParseAddr(a)), sc.s.hop(netip.MustParseAddr(a)); got != want || got.MAC == (frame.MAC{}) {
			t.Errorf("%s is reached by %+v, before by %+v", a, got, want)
		}
	}
	lawOfState(t, next)
}
