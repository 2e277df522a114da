package netlab

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lvsdr/control/realserver"
	"lvsdr/dataplane/frame"
	packets "lvsdr/dataplane/frame/build"
)

// Each host's interfaces and its way to other networks, by method.
func TestEachMethodHasItsTopology(t *testing.T) {
	for _, c := range []struct {
		name string
		spec Spec
		want string // of each host: its interfaces, and the gateway
	}{
		{"NAT", Spec{Method: NAT}, "client1 192.168.1.50; director 192.168.1.10 192.168.2.10; rs1 192.168.2.11 by 192.168.2.10"},
		{"NAT, clients behind a router", Spec{Method: NAT, Routed: true},
			"client1 192.168.3.50 by 192.168.3.1; router 192.168.1.1 192.168.3.1; director 192.168.1.10 192.168.2.10 by 192.168.1.1; rs1 192.168.2.11 by 192.168.2.10"},
		{"TUN", Spec{Method: TUN}, "client1 192.168.1.50 by 192.168.1.1; router 192.168.1.1 192.168.2.1; director 192.168.1.10 by 192.168.1.1; rs1 192.168.2.11 by 192.168.2.1"},
		{"TUN, clients behind the router", Spec{Method: TUN, Routed: true},
			"client1 192.168.3.50 by 192.168.3.1; router 192.168.1.1 192.168.3.1 192.168.2.1; director 192.168.1.10 by 192.168.1.1; rs1 192.168.2.11 by 192.168.2.1"},
		{"NAT, IPv6", Spec{Method: NAT, Net: net6}, "client1 fd00:1::50; director fd00:1::10 fd00:1:0:1::10; rs1 fd00:1:0:1::11 by fd00:1:0:1::10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spec.Servers = []ServerSpec{{Weight: 1}}
			lab := build(t, c.spec)
			var got []string
			for _, n := range lab.Nodes() {
				s := n.Name()
				for _, p := range n.Ports {
					s += " " + p.Addr.Addr().String()
				}
				if g := lab.gateway(n); g.IsValid() {
					s += " by " + g.String()
				}
				got = append(got, s)
			}
			if text := strings.Join(got, "; "); text != c.want {
				t.Errorf("%s\nwant %s", text, c.want)
			}
			for line := range strings.Lines(lab.Drawing()) {
				if len(line) > 81 {
					t.Errorf("%d columns: %s", len(line)-1, line)
				}
			}
			rs := lab.Servers[0]
			addrs, err := rs.Netlink().AddrList(nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if has := strings.Contains(fmt.Sprint(addrs), lab.Spec.VIP.String()); has != (c.spec.Method != NAT) {
				t.Errorf("rs1 has the VIP: %v", has)
			}
		})
	}
}

func TestMethodsThatTheLabHasNot(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"--method fullnat", "there are dr, nat, tun"},
		{"--method nat --two-armed", "a network of their own"},
		{"--method tun --two-armed", "a network of their own"},
		{"--method nat --directors 2", "a second virtual address"},
		{"--tunnel gre", "--tunnel is for --method tun"},
		{"--method nat --tunnel gre", "--tunnel is for --method tun"},
		{"--method tun --tunnel vxlan", "there are ipip, gre, gue"},
		{"--method tun --tunnel gue", ""},
		{"--method tun --directors 2", ""},
		{"--method nat --routed", ""},
		{"--method dr --two-armed", ""},
	} {
		s := NewTopology()
		if err := s.flags.Parse(strings.Fields(c.args)); err != nil {
			t.Fatal(err)
		}
		err := s.check()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.args, err, c.says)
		}
	}
}

func TestTheConfigurationNamesTheMethod(t *testing.T) {
	for want, s := range map[string]Spec{
		"lb_kind DR\n": {}, "lb_kind NAT\n": {Method: NAT}, "lb_kind TUN\n": {Method: TUN},
		"lb_kind TUN type gre\n": {Method: TUN, Tunnel: "gre"}, "lb_kind TUN type gue port 6080\n": {Method: TUN, Tunnel: "gue"},
	} {
		if got := (&Lab{Spec: s}).Config(Service{Port: 80}); !strings.Contains(got, want) {
			t.Errorf("%+v: %s", s, got)
		}
	}
	for m, want := range map[Method]string{DR: "Direct Routing", NAT: "NAT", TUN: "Tunneling"} {
		if m.String() != want {
			t.Errorf("%s, want %s", m, want)
		}
	}
}

// wrapped is b, an IP packet, as a tunnel of this kind carries it behind the outer
// IP header, or the UDP header.
func wrapped(kind string, b []byte) []byte {
	switch v6 := b[0]>>4 == 6; {
	case kind == realserver.KindGRE && v6:
		return append([]byte{0, 0, 0x86, 0xdd}, b...)
	case kind == realserver.KindGRE:
		return append([]byte{0, 0, 8, 0}, b...)
	case kind == realserver.KindGUE && v6:
		return append([]byte{0, 41, 0, 0}, b...)
	case kind == realserver.KindGUE:
		return append([]byte{0, 4, 0, 0}, b...)
	}
	return b
}

// What comes out of a tunnel on a real server is served as if the client had sent it there, and
// the answer goes to the client directly, as the VIP: with each kind of tunnel, in both
// families, and with a checksum that the sender left to the network card.
func TestATunnelServerAnswersTheClientDirectly(t *testing.T) {
	for _, kind := range realserver.Kinds() {
		for _, network := range []netip.Prefix{{}, net6} {
			t.Run(fmt.Sprint(kind, " ", network), func(t *testing.T) {
				lab := build(t, Spec{Method: TUN, Tunnel: kind, Net: network, Servers: []ServerSpec{{Weight: 1}}})
				client, rs, vip := lab.Clients[0], lab.Servers[0], netip.AddrPortFrom(lab.Spec.VIP, 7)
				service, err := rs.ListenPacket("udp", vip.String())
				if err != nil {
					t.Fatal(err)
				}
				defer closeOK(t, service)
				asker, err := client.ListenPacket("udp", netip.AddrPortFrom(client.Addr, 4000).String())
				if err != nil {
					t.Fatal(err)
				}
				defer closeOK(t, asker)
				tunnel, err := lab.Director.Dial(t.Context(), outerNetwork(kind, rs.Addr), outerAddr(kind, rs.Addr))
				if err != nil {
					t.Fatal(err)
				}
				defer closeOK(t, tunnel)
				for _, unfinished := range []bool{false, true} {
					f := packets.UDP{Src: netip.AddrPortFrom(client.Addr, 4000), Dst: vip, Payload: []byte("who")}.Bytes()
					if unfinished {
						leaveSum(f)
					}
					if _, err := tunnel.Write(wrapped(kind, f[14:])); err != nil {
						t.Fatal(err)
					}
					b := make([]byte, 16)
					deadline := time.Now().Add(30 * time.Second)
					if err := service.SetReadDeadline(deadline); err != nil {
						t.Fatal(err)
					}
					n, from, err := service.ReadFrom(b)
					if err != nil || string(b[:n]) != "who" {
						t.Fatalf("unfinished %v: the service reads %q, %v", unfinished, b[:n], err)
					}
					if _, err := service.WriteTo([]byte("me"), from); err != nil {
						t.Fatal(err)
					}
					if err := asker.SetReadDeadline(deadline); err != nil {
						t.Fatal(err)
					}
					n, from, err = asker.ReadFrom(b)
					if err != nil || string(b[:n]) != "me" || from.String() != vip.String() {
						t.Errorf("the client reads %q from %v, %v", b[:n], from, err)
					}
				}
			})
		}
	}
}

// outerNetwork and outerAddr are where a tunnel to addr leads, in the words of package net.
func outerNetwork(kind string, addr netip.Addr) string {
	switch {
	case kind == realserver.KindGUE:
		return "udp"
	case kind == realserver.KindGRE:
		return "ip:47"
	case addr.Is6():
		return "ip:41"
	}
	return "ip:4"
}

func outerAddr(kind string, addr netip.Addr) string {
	if kind == realserver.KindGUE {
		return net.JoinHostPort(addr.String(), fmt.Sprint(guePort))
	}
	return addr.String()
}

// leaveSum makes the checksum of a UDP datagram unfinished.
func leaveSum(f []byte) {
	var h frame.Header
	frame.Parse(f, &h)
	sum := frame.Fold(frame.PseudoSum(h.Src, h.Dst, h.Proto, int(h.End)-int(h.L4)))
	f[h.L4+6], f[h.L4+7] = byte(sum>>8), byte(sum)
}

// Only a checksum that is unfinished is finished: a wrong one stays wrong.
func TestOnlyUnfinishedChecksumsAreFinished(t *testing.T) {
	src, dst := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")
	right := packets.UDP{Src: src, Dst: dst, Payload: []byte("text")}.Bytes()
	unfinished := packets.UDP{Src: src, Dst: dst, Payload: []byte("text")}.Bytes()
	leaveSum(unfinished)
	wrong := packets.UDP{Src: src, Dst: dst, Payload: []byte("text"), BadSum: true}.Bytes()
	none := packets.UDP{Src: src, Dst: dst, Payload: []byte("text"), NoSum: true}.Bytes()
	for name, c := range map[string]struct{ in, want []byte }{
		"right": {right, right}, "unfinished": {unfinished, right}, "wrong": {wrong, wrong}, "none": {none, none}, "no packet": {[]byte("x"), []byte("x")},
	} {
		got := append([]byte{}, c.in...)
		if finish(got); string(got) != string(c.want) {
			t.Errorf("%s: % x, want % x", name, got, c.want)
		}
	}
}

// The packet in a tunnel is found in a captured frame, behind every header that there may be.
func TestThePacketInATunnelIsFound(t *testing.T) {
	inside := packets.UDP{Src: netip.MustParseAddrPort("192.0.2.1:1"), Dst: netip.MustParseAddrPort("192.0.2.2:2")}.Bytes()[14:]
	outside := func(proto byte, port uint16, data []byte) Packet {
		b := packets.UDP{Src: netip.MustParseAddrPort("10.0.0.1:1"), Dst: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), port), Payload: data}.Bytes()
		if proto != 17 { // the UDP header goes
			b = append(b[:34], b[42:]...)
			b[23] = proto
			b[17] -= 8
			packets.FixHeaderSum(b)
		}
		return PacketOf(Frame{Host: "rs1", Data: b})
	}
	for _, c := range []struct {
		name string
		p    Packet
		ok   bool
	}{
		{"IPIP", outside(4, 1, inside), true},
		{"GRE", outside(47, 1, wrapped("gre", inside)), true},
		{"GRE with a checksum", outside(47, 1, append([]byte{0x80, 0, 8, 0, 1, 2, 0, 0}, inside...)), true},
		{"GRE with a checksum, a key and a number", outside(47, 1, append([]byte{0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, inside...)), true},
		{"GUE", outside(17, guePort, wrapped("gue", inside)), true},
		{"GUE with options", outside(17, guePort, append([]byte{1, 4, 0, 1, 0, 0, 0, 0}, inside...)), true},
		{"UDP to another port", outside(17, 53, wrapped("gue", inside)), false},
		{"GUE with nothing in it", outside(17, guePort, []byte{0, 4, 0, 0}), false},
		{"GRE that is cut off", outside(47, 1, []byte{0x80, 0, 8, 0}), false},
		{"IPIP with something else in it", outside(4, 1, []byte("text")), false},
	} {
		got, ok := c.p.Inner()
		if what := c.p.What(); c.ok && !strings.Contains(what, " [192.0.2.1 > 192.0.2.2, ttl 64, ") {
			t.Errorf("%s is called %q", c.name, what)
		}
		if ok != c.ok || ok && (got.Src.String() != "192.0.2.1" || got.DstPort != 2 || got.Host != "rs1") {
			t.Errorf("%s: %v, %+v", c.name, ok, got.Header)
		}
	}
}

// What a capture says about each step.
func TestCommentsOnPacketsOfEachMethod(t *testing.T) {
	node := func(role Role, name, addr string, n byte) *Node {
		return &Node{Host: newHost(t, name), Role: role, MAC: net.HardwareAddr{2, 0, 0, 0, byte(role), n}, Addr: netip.MustParseAddr(addr)}
	}
	client, director, rs := node(RoleClient, "client1", "192.0.2.50", 1), node(RoleDirector, "director", "192.0.2.10", 1), node(RoleServer, "rs1", "192.0.3.11", 1)
	for _, n := range []*Node{client, director, rs} {
		n.Ports = []Port{{Ifname: Ifname, MAC: n.MAC}}
	}
	syn := func(from, to *Node, src, dst string) []byte {
		return packets.TCP{Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst), Flags: "S",
			IP: packets.IP{SrcMAC: frame.MAC(from.MAC), DstMAC: frame.MAC(to.MAC)}}.Bytes()
	}
	tunnelled := packets.UDP{Src: netip.MustParseAddrPort("192.0.2.10:1"), Dst: netip.MustParseAddrPort("192.0.3.11:6080"), IP: packets.IP{SrcMAC: frame.MAC(director.MAC), DstMAC: frame.MAC(rs.MAC)},
		Payload: append([]byte{0, 4, 0, 0}, syn(client, director, "192.0.2.50:1", "192.0.2.100:80")[14:]...)}.Bytes()
	for _, c := range []struct {
		method Method
		data   []byte
		want   string
	}{
		{NAT, syn(client, director, "192.0.2.50:1", "192.0.2.100:80"), "for the VIP: TCP SYN from client1"},
		{NAT, syn(director, rs, "192.0.2.50:1", "192.0.3.11:80"), "its destination was the VIP"},
		{NAT, syn(rs, director, "192.0.3.11:80", "192.0.2.50:1"), "an answer: TCP SYN from rs1 to its default gateway"},
		{NAT, syn(director, client, "192.0.2.100:80", "192.0.2.50:1"), "its source is the VIP again"},
		{NAT, syn(director, rs, "192.0.2.10:5", "192.0.3.11:80"), ""},
		{TUN, tunnelled, "in a tunnel to 192.0.3.11: GUE [192.0.2.50 > 192.0.2.100, ttl 64, TCP SYN] from director"},
		{TUN, syn(rs, client, "192.0.2.100:80", "192.0.2.50:1"), "an answer as the VIP: TCP SYN from rs1"},
		{TUN, syn(rs, client, "192.0.3.11:80", "192.0.2.50:1"), ""},
	} {
		lab := &Lab{Spec: Spec{Method: c.method, VIP: netip.MustParseAddr("192.0.2.100")}, Clients: []*Node{client}, Director: director, Servers: []*Node{rs}}
		got := lab.Comment(Frame{Host: "client1", Ifname: Ifname, Data: c.data})
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.method, got, c.want)
		}
	}
}
