package lesson

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// drawn is a lab of names and cables only, with a router where it has more than
// one network.
type drawn struct {
	site                             netlab.Site
	client, router, director, server *netlab.Node
}

func draw(routed, twoArmed bool) *drawn {
	front, clients, servers := &netns.Switch{}, &netns.Switch{}, &netns.Switch{}
	node := func(switches ...*netns.Switch) *netlab.Node {
		n := &netlab.Node{Host: &netns.Host{}}
		for i, s := range switches {
			n.Ports = append(n.Ports, netlab.Port{Ifname: []string{"eth0", "eth1", "eth2"}[i], Switch: s})
		}
		return n
	}
	if !routed {
		clients = front
	}
	if !twoArmed {
		servers = front
	}
	d := &drawn{client: node(clients), director: node(front, servers), server: node(servers)}
	if routed || twoArmed {
		d.router = node(front, clients, servers)
	}
	d.client.Addr, d.server.Addr = netip.MustParseAddr("192.0.2.50"), netip.MustParseAddr("192.0.2.11")
	d.site.Lab = &netlab.Lab{Director: d.director, Router: d.router, Spec: netlab.Spec{Routed: routed, TwoArmed: twoArmed, VIP: netip.MustParseAddr("192.0.2.100")}}
	return d
}

// drawMethod is the lab of another method.
func drawMethod(m netlab.Method, routed bool) *drawn {
	d := draw(routed, true)
	front := d.director.Ports[0].Switch
	d.director.Addr = netip.MustParseAddr("192.0.2.10")
	d.site.Spec.TwoArmed, d.site.Spec.Method = false, m
	switch {
	case m == netlab.TUN: // whose director is not on the servers' network
		d.director.Ports = d.director.Ports[:1]
	case !routed:
		d.router, d.site.Router = nil, nil
	default:
		d.router.Ports = slices.DeleteFunc(d.router.Ports, func(p netlab.Port) bool { return p.Switch != front && p.Switch != d.client.Ports[0].Switch })
	}
	return d
}

// Each step has the addresses that the method's table gives it.
func TestTheWayOfAPacketByEachMethod(t *testing.T) {
	const ask, sent, fromServer, answer = "192.0.2.50>192.0.2.100", "192.0.2.50>192.0.2.11", "192.0.2.11>192.0.2.50", "192.0.2.100>192.0.2.50"
	const tunnelled = "192.0.2.10>192.0.2.11[" + ask + "]"
	for _, c := range []struct {
		law    string
		method netlab.Method
		routed bool
		way    []string
	}{
		{"NAT changes the destination, and in the answer the source", netlab.NAT, false, []string{"CD " + ask, "DS " + sent, "SD " + fromServer, "DC " + answer}},
		{"the answer of NAT goes by the director and the clients' router", netlab.NAT, true,
			[]string{"CR " + ask, "RD " + ask, "DS " + sent, "SD " + fromServer, "DR " + answer, "RC " + answer}},
		{"a tunnel leads through the router, and the answer goes past the director", netlab.TUN, false,
			[]string{"CD " + ask, "DR " + tunnelled, "RS " + tunnelled, "SR " + answer, "RC " + answer}},
		{"clients behind the same router", netlab.TUN, true,
			[]string{"CR " + ask, "RD " + ask, "DR " + tunnelled, "RS " + tunnelled, "SR " + answer, "RC " + answer}},
	} {
		d := drawMethod(c.method, c.routed)
		letter := map[*netlab.Node]string{d.client: "C", d.router: "R", d.director: "D", d.server: "S"}
		var got []string
		for _, l := range (&demo{Site: &d.site}).legs(d.client, d.director, d.server) {
			addrs := fmt.Sprintf("%s>%s", l.src, l.dst)
			if l.outerDst.IsValid() {
				addrs = fmt.Sprintf("%s>%s[%s]", l.outerSrc, l.outerDst, addrs)
			}
			got = append(got, letter[l.from]+letter[l.to]+" "+addrs)
			if from, to := l.ports(); from.Switch != to.Switch || (l.flags == frame.SYN) != strings.Contains(addrs, "192.0.2.50>192.0.2.1") {
				t.Errorf("%s: leg %s is a segment %#x between different networks", c.law, addrs, l.flags)
			}
		}
		if !slices.Equal(got, c.way) {
			t.Errorf("%s:\n%q, want\n%q", c.law, got, c.way)
		}
	}
}

// A packet in a tunnel is a leg's by both pairs of addresses.
func TestAPacketInATunnelIsFoundByItsAddresses(t *testing.T) {
	addr := netip.MustParseAddr
	inner := build.TCP{Src: netip.MustParseAddrPort("192.0.2.50:1"), Dst: netip.MustParseAddrPort("192.0.2.100:80"), Flags: "S"}.Bytes()
	outer := build.UDP{Src: netip.MustParseAddrPort("192.0.2.10:1"), Dst: netip.MustParseAddrPort("192.0.2.11:6080"), Payload: append([]byte{0, 4, 0, 0}, inner[14:]...)}.Bytes()
	right := leg{flags: frame.SYN, src: addr("192.0.2.50"), dst: addr("192.0.2.100"), outerSrc: addr("192.0.2.10"), outerDst: addr("192.0.2.11")}
	wrongOuter, wrongInner, plain := right, right, right
	wrongOuter.outerDst = addr("192.0.2.12")
	wrongInner.dst = addr("192.0.2.101")
	plain.outerSrc, plain.outerDst = netip.Addr{}, netip.Addr{}
	for _, c := range []struct {
		name  string
		l     leg
		frame []byte
		want  bool
	}{
		{"both pairs are right", right, outer, true}, {"another server", wrongOuter, outer, false}, {"another service", wrongInner, outer, false},
		{"a packet without a tunnel", right, inner, false}, {"a leg without a tunnel", plain, inner, true}, {"a tunnel where none should be", plain, outer, false},
	} {
		p := netlab.PacketOf(netlab.Frame{Data: c.frame})
		if got := c.l.is(&p); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// The answer goes past the director in each shape, and the router is on the way
// where there is one: to the director only for clients behind it.
func TestTheWayOfAPacketInEachShape(t *testing.T) {
	for _, c := range []struct {
		law              string
		routed, twoArmed bool
		way              string // C, R, D, S as the packet crosses them, and the answer
	}{
		{"on one network there are three frames", false, false, "CD DS SC"},
		{"a router stands before clients in both directions", true, false, "CR RD DS SR RC"},
		{"servers behind the director answer by the router", false, true, "CD DS SR RC"},
		{"three networks", true, true, "CR RD DS SR RC"},
	} {
		d := draw(c.routed, c.twoArmed)
		letter := map[*netlab.Node]string{d.client: "C", d.router: "R", d.director: "D", d.server: "S"}
		s := &demo{Site: &d.site}
		way, answer := "", false
		for i, l := range s.legs(d.client, d.director, d.server) {
			if i > 0 {
				way += " "
			}
			way += letter[l.from] + letter[l.to]
			answer = answer || l.from == d.server
			flags, src, dst := uint8(frame.SYN), d.client.Addr, d.site.Spec.VIP
			if answer {
				flags, src, dst = frame.SYN|frame.ACK, dst, src
			}
			if l.flags != flags || l.src != src || l.dst != dst {
				t.Errorf("%s: leg %d is a segment %#x from %s to %s", c.law, i+1, l.flags, l.src, l.dst)
			}
			if from, to := l.ports(); from.Switch != to.Switch {
				t.Errorf("%s: leg %d begins and ends on different networks", c.law, i+1)
			}
		}
		if way != c.way {
			t.Errorf("%s: %s, want %s", c.law, way, c.way)
		}
	}
}

func TestHostsWithoutACommonNetworkAreABug(t *testing.T) {
	d := draw(true, true)
	defer func() {
		if recover() == nil {
			t.Error("a leg from the client to a real server behind two routers was found")
		}
	}()
	leg{from: d.client, to: d.server}.ports()
}
