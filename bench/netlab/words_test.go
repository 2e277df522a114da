package netlab

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
	framed "lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/tap"
)

// seen is a frame as it was seen on a host.
func seen(host, ifname string, outgoing bool, f []byte) Packet {
	return PacketOf(Frame{Host: host, Ifname: ifname, Outgoing: outgoing, Data: f})
}

func TestPacketsInAFewWords(t *testing.T) {
	src, dst := netip.MustParseAddrPort("192.0.2.1:1024"), netip.MustParseAddrPort("192.0.2.2:80")
	src6, dst6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	tcp := func(flags string) []byte { return framed.TCP{Src: src, Dst: dst, Flags: flags}.Bytes() }
	bad := framed.TCP{Src: src, Dst: dst, Flags: "S", BadSum: true}.Bytes()
	icmp := func(typ, code uint8) []byte {
		return framed.ICMP{Src: src.Addr(), Dst: dst.Addr(), Type: typ, Code: code}.Bytes()
	}
	icmp6 := func(typ uint8) []byte { return framed.ICMP{Src: src6, Dst: dst6, Type: typ}.Bytes() }
	for _, c := range []struct {
		law, want string
		p         Packet
	}{
		{"a SYN", "TCP SYN", seen("a", "eth0", true, tcp("S"))},
		{"flags in the order of a connection", "TCP SYN ACK", seen("a", "eth0", true, tcp("AS"))},
		{"a last segment", "TCP FIN ACK", seen("a", "eth0", true, tcp("FA"))},
		{"a reset", "TCP RST", seen("a", "eth0", true, tcp("R"))},
		{"PSH and URG do not count", "TCP ACK", seen("a", "eth0", true, tcp("PUA"))},
		{"no flag at all", "TCP", seen("a", "eth0", true, tcp(""))},
		{"a wrong checksum where it arrives", "TCP SYN, bad checksum", seen("a", "eth0", false, bad)},
		{"where it leaves it may still be finished", "TCP SYN", seen("a", "eth0", true, bad)},
		{"or the kernel says so", "TCP SYN", PacketOf(Frame{Data: bad, Unfinished: true})},
		{"a ping", "ICMP echo request", seen("a", "eth0", true, icmp(8, 0))},
		{"its answer", "ICMP echo reply", seen("a", "eth0", true, icmp(0, 0))},
		{"an error", "ICMP type 3 code 4", seen("a", "eth0", true, icmp(3, 4))},
		{"a ping of IPv6", "ICMP echo request", seen("a", "eth0", true, icmp6(128))},
		{"its answer of IPv6", "ICMP echo reply", seen("a", "eth0", true, icmp6(129))},
		{"the types of one family are not the other's", "ICMP type 8 code 0", seen("a", "eth0", true, icmp6(8))},
		{"UDP is nothing special", "", seen("a", "eth0", true, framed.UDP{Src: src, Dst: dst}.Bytes())},
		{"a claim by ARP", "ARP: 192.0.2.1 is at 02:00:00:00:00:07", seen("a", "eth0", true,
			framed.ARP{Op: 2, SenderMAC: frame.MAC{2, 0, 0, 0, 0, 7}, SenderIP: src.Addr(), TargetIP: dst.Addr()}.Bytes())},
		{"a probe claims nothing", "ARP", seen("a", "eth0", true, framed.ARP{SenderIP: netip.IPv4Unspecified(), TargetIP: dst.Addr()}.Bytes())},
		{"a stump", "", seen("a", "eth0", true, make([]byte, 5))},
	} {
		if got := c.p.What(); got != c.want {
			t.Errorf("%s: %q, want %q", c.law, got, c.want)
		}
	}
}

func TestPacketsKnowTheirEnds(t *testing.T) {
	src, dst := netip.MustParseAddrPort("192.0.2.1:1024"), netip.MustParseAddrPort("192.0.2.2:80")
	mac := func(last byte) frame.MAC { return frame.MAC{2, 5: last} }
	f := framed.TCP{Src: src, Dst: dst, Flags: "SP", IP: framed.IP{SrcMAC: mac(1), DstMAC: mac(2)}}.Bytes()
	p := PacketOf(Frame{Data: f})
	if p.From() != mac(1) || p.To() != mac(2) || !p.IsFrom(src.Addr()) || !p.IsTo(dst.Addr()) || p.IsTo(src.Addr()) || p.IsFrom(dst.Addr()) {
		t.Errorf("%+v: from %s to %s", p.Header, p.From(), p.To())
	}
	if !p.TCP(frame.SYN) || p.TCP(frame.SYN|frame.ACK) || p.TCP(0) {
		t.Error("a SYN is not one")
	}
	if _, _, ok := p.Claim(); ok {
		t.Error("a SYN claims an address")
	}
	for n := range 14 {
		short := PacketOf(Frame{Data: f[:n]})
		if whole := n >= 12; (short.From() != frame.MAC{}) != whole || (short.To() != frame.MAC{}) != whole || short.IsFrom(src.Addr()) || short.TCP(frame.SYN) {
			t.Errorf("%d bytes: from %s to %s", n, short.From(), short.To())
		}
	}
	later := framed.Fragment(framed.UDP{Src: src, Dst: dst, Payload: make([]byte, 40)}.Bytes(), 16)[1]
	if p := PacketOf(Frame{Data: later}); p.TCP(0) || !p.IsFrom(src.Addr()) {
		t.Errorf("a later fragment: %+v", p.Header)
	}
	arp := framed.ARP{SenderIP: src.Addr(), TargetIP: dst.Addr()}.Bytes()
	if p := PacketOf(Frame{Data: arp}); p.IsFrom(src.Addr()) || p.IsTo(dst.Addr()) {
		t.Error("ARP is an IP packet")
	}
}

// What is said of frames names the hosts of the lab.
func TestFramesAreSaidByTheNamesOfTheirHosts(t *testing.T) {
	lab := threeNetworks(t)
	client, d, rs1, vip := lab.Clients[0], lab.Director, lab.Servers[0], lab.Spec.VIP
	at := func(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
	segment := func(from, to *Port, src, dst netip.AddrPort, flags string) []byte {
		return framed.TCP{Src: src, Dst: dst, Flags: flags, IP: framed.IP{SrcMAC: frame.MAC(from.MAC), DstMAC: frame.MAC(to.MAC), TTL: 63}}.Bytes()
	}
	stranger := &Port{MAC: []byte{2, 0, 0, 0, 0, 9}}
	all := &Port{MAC: []byte{255, 255, 255, 255, 255, 255}}
	group := &Port{MAC: []byte{1, 0, 0x5e, 0, 0, 1}}
	none := &Port{MAC: make([]byte, 6)}
	back := d.Ports[1] // towards the real servers
	ask, reply := segment(&client.Ports[0], &d.Ports[0], at(client.Addr, 40000), at(vip, 80), "S"), segment(&rs1.Ports[0], &lab.Router.Ports[1], at(vip, 80), at(client.Addr, 40000), "SA")
	on := segment(&back, &rs1.Ports[0], at(client.Addr, 40000), at(vip, 80), "S")
	claim := framed.ARP{Op: 2, SrcMAC: frame.MAC(d.MAC), SenderMAC: frame.MAC(d.MAC), SenderIP: vip, TargetIP: client.Addr}.Bytes()

	for _, c := range []struct{ want, got string }{
		{"for the VIP: TCP SYN from client1 to 02:00:00:00:dd:01 (director)", lab.Comment(seen("client1", "eth0", true, ask).Frame)},
		{"the director passes TCP SYN on to 02:00:00:00:55:01 (rs1): new MAC addresses, one less of TTL", lab.Comment(seen("director", "eth1", true, on).Frame)},
		{"an answer as the VIP: TCP SYN ACK from rs1, not by the director", lab.Comment(seen("rs1", "eth0", true, reply).Frame)},
		{"the VIP is said to be at 02:00:00:00:dd:01 (director)", lab.Comment(seen("client1", "eth0", false, claim).Frame)},
		{"for the VIP: TCP SYN, and it stays on rs1, which has the VIP", lab.Comment(seen("rs1", Loopback, true, segment(none, none, at(vip, 1), at(vip, 80), "S")).Frame)},
		{"from the VIP to the VIP: TCP SYN from director to 02:00:00:00:55:01 (rs1), which finds its own address as the source",
			lab.Comment(seen("director", "eth1", true, segment(&back, &rs1.Ports[0], at(vip, 1), at(vip, 80), "S")).Frame)},
		{"", lab.Comment(seen("client1", "eth0", true, segment(&client.Ports[0], &d.Ports[0], at(client.Addr, 1), at(d.Addr, 80), "S")).Frame)},
		{"", lab.Comment(seen("client1", "eth0", false, segment(stranger, &client.Ports[0], at(d.Addr, 1), at(vip, 80), "S")).Frame)},
		{"client1", lab.host(frame.MAC(client.MAC))},
		{"director", lab.host(frame.MAC(back.MAC))},
		{"all", lab.host(frame.MAC(all.MAC))},
		{"-", lab.host(frame.MAC(none.MAC))},
		{"01:00:5e:00:00:01", lab.host(frame.MAC(group.MAC))},
		{"02:00:00:00:00:09 (no host)", lab.host(frame.MAC(stranger.MAC))},
		{"02:00:00:00:00:09 (no host)", lab.owner(frame.MAC(stranger.MAC))},
		{"ff:ff:ff:ff:ff:ff (all)", lab.owner(frame.MAC(all.MAC))},
		{"-", lab.owner(frame.MAC(none.MAC))},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	for want, p := range map[string]Packet{
		"leaves client1": seen("client1", "eth0", true, ask), "reaches director eth0": seen("director", "eth0", false, ask),
		"leaves director eth1": seen("director", "eth1", true, on), "on lo of rs1": seen("rs1", "lo", true, ask), "reaches rs1 eth1": seen("rs1", "eth1", false, on),
	} {
		if got := lab.Place(&p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}

	first := seen("client1", "eth0", true, ask)
	first.Time = time.Unix(100, 0)
	second := seen("director", "eth0", false, ask)
	second.Time = time.Unix(103, 4e8)
	third := seen("client1", "eth0", false, claim)
	third.Time = time.Unix(103, 6e8)
	var out strings.Builder
	if err := lab.WritePackets(&out, 0, []Packet{first, second, third}, "seen", "from", "to", "src mac", "dst mac", "src ip", "dst ip", "ports", "ttl", "what", "bytes", "time"); err != nil {
		t.Fatal(err)
	}
	const want = `   seen                   from      to        src mac                       dst mac                       src ip        dst ip         ports       ttl  what                                        bytes  time
1  leaves client1         client1   director  02:00:00:00:cc:01 (client1)   02:00:00:00:dd:01 (director)  192.168.3.50  192.168.1.100  40000 > 80  63   TCP SYN                                     54     0 s
2  reaches director eth0  client1   director  02:00:00:00:cc:01 (client1)   02:00:00:00:dd:01 (director)  192.168.3.50  192.168.1.100  40000 > 80  63   TCP SYN                                     54     3 s
3  reaches client1        director  -         02:00:00:00:dd:01 (director)  -                                                                           ARP: 192.168.1.100 is at 02:00:00:00:dd:01  42     4 s
`
	if got := out.String(); got != want {
		t.Errorf("packets:\n%s\nwant\n%s", got, want)
	}
	defer func() {
		if recover() == nil {
			t.Error("a column that is none was written")
		}
	}()
	_ = lab.WritePackets(&out, 0, nil, "colour")
}

// threeNetworks is a lab of three networks.
func threeNetworks(t *testing.T) *Lab { return build(t, Spec{TwoArmed: true, Routed: true}) }

func TestRolesAreReadInTheirMACAddresses(t *testing.T) {
	for r, want := range map[Role]struct{ text, mac string }{
		RoleClient: {"client", "02:00:00:00:cc:03"}, RoleDirector: {"director", "02:00:00:00:dd:03"}, RoleServer: {"real server", "02:00:00:00:55:03"},
		RoleRouter: {"router", "02:00:00:00:ee:03"}, RoleSwitch: {"switch", "02:00:00:00:bb:03"}, RoleOther: {"host", "02:00:00:00:0e:03"}, 7: {"role?", "02:00:00:00:07:03"},
	} {
		if r.String() != want.text || MAC(r, 3).String() != want.mac {
			t.Errorf("%s %s, want %s %s", r, MAC(r, 3), want.text, want.mac)
		}
	}
	if got := portMAC(RoleDirector, 1, 2).String(); got != "02:00:02:00:dd:01" {
		t.Errorf("the director's third interface: %s", got)
	}
	if got := MAC(RoleClient, 0x1234).String(); got != "02:00:00:12:cc:34" {
		t.Errorf("a client with a great number: %s", got)
	}
}

// nthSlow counts addresses one by one.
func nthSlow(p netip.Prefix, place int) netip.Addr {
	a := p.Addr()
	for range place {
		if a = a.Next(); !a.IsValid() {
			break // behind the last address there is
		}
	}
	return a
}

func TestPlacesAreCountedFromTheNetworksAddress(t *testing.T) {
	for _, s := range []string{"192.168.1.0/24", "10.0.0.0/8", "10.0.255.0/22", "255.255.255.0/24"} {
		p := netip.MustParsePrefix(s)
		for place := range 1200 {
			if got, want := nth(p, place), nthSlow(p, place); got != want {
				t.Fatalf("place %d of %s: %v, want %v", place, p, got, want)
			}
		}
	}
}

func TestKeepWritesAFileForEachCaptureAndOneOfAll(t *testing.T) {
	if err := (Captures{}).Keep("/proc/none", nil); err == nil || !strings.HasPrefix(err.Error(), "keep captures: ") {
		t.Errorf("in a folder that cannot be: %v", err)
	}
	if n := len(Captures{}.Frames()); n != 0 || (Captures{}).Lost() != 0 || (Captures{}).Stop() != nil {
		t.Errorf("no captures have %d frames", n)
	}
	if err := keep(t.TempDir()+"/none/x", nil, []tap.Frame{}); err == nil {
		t.Error("a file was made in no folder")
	}
}
