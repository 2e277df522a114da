package lesson

import (
	"net/netip"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
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
