package arp

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// The same network by IPv6.
var (
	vip6     = netip.MustParseAddr("2001:db8::100")
	eth1VIP6 = netip.MustParseAddr("2001:db8:1::200")
	our6     = netip.MustParseAddr("2001:db8::2")
	client6  = netip.MustParseAddr("2001:db8::50")
	server6  = netip.MustParseAddr("2001:db8::11")
	zero6    = netip.MustParseAddr("::")
	all6     = netip.MustParseAddr("ff02::1")
	vipGroup = netip.MustParseAddr("ff02::1:ff00:100")

	allMAC   = frame.MAC{0x33, 0x33, 0, 0, 0, 1}
	groupMAC = frame.MAC{0x33, 0x33, 0xff, 0, 0x01, 0x00} // of the VIP
)

// bothVIPs are the VIPs of both families.
func bothVIPs() []VIP {
	return append(testVIPs(),
		VIP{Addr: vip6, Ifindex: eth0, MAC: ourMAC, Active: true},
		VIP{Addr: eth1VIP6, Ifindex: eth1, MAC: eth1MAC, Active: true})
}

func testTarget6() Target {
	return Target{IP: server6, Ifindex: eth0, SourceIP: our6, SourceMAC: ourMAC}
}

// testView is a view in which the real server is known by both addresses.
func testView(active bool) *view {
	return viewOf(active, known{place{eth0, serverIP}, serverMAC, testTarget().name()},
		known{place{eth0, server6}, serverMAC, testTarget6().name()})
}

// viewOf is a view in which servers are known.
func viewOf(active bool, servers ...known) *view {
	v := newView(with(active, bothVIPs()), nil)
	for _, k := range servers {
		v.learn(k)
	}
	return v
}

// wire6 is a solicitation or an advertisement (adv) as the tests write it;
// build, by gopacket, is the slow reference.
type wire6 struct {
	dst, src frame.MAC
	sip, dip netip.Addr
	adv      bool
	s, o     bool // solicited, override
	target   netip.Addr
	lla      frame.MAC // source or target link-layer address; zero: no option
}

func (w wire6) build() []byte {
	eth := &layers.Ethernet{DstMAC: w.dst[:], SrcMAC: w.src[:], EthernetType: layers.EthernetTypeIPv6}
	ip := &layers.IPv6{
		Version: 6, NextHeader: layers.IPProtocolICMPv6, HopLimit: 255,
		SrcIP: w.sip.AsSlice(), DstIP: w.dip.AsSlice(),
	}
	typ, opt, flags := uint8(layers.ICMPv6TypeNeighborSolicitation), layers.ICMPv6OptSourceAddress, uint8(0)
	if w.adv {
		typ, opt = layers.ICMPv6TypeNeighborAdvertisement, layers.ICMPv6OptTargetAddress
	}
	if w.s {
		flags |= 0x40
	}
	if w.o {
		flags |= 0x20
	}
	var options layers.ICMPv6Options
	if w.lla != zeroMAC {
		options = layers.ICMPv6Options{{Type: opt, Data: w.lla[:]}}
	}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(typ, 0)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		panic(err)
	}
	// The two messages differ in the name of one byte that solicitations keep 0.
	body := &layers.ICMPv6NeighborAdvertisement{Flags: flags, TargetAddress: w.target.AsSlice(), Options: options}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, eth, ip, icmp, body); err != nil {
		panic(err)
	}
	return slices.Clone(buf.Bytes())
}

// readWire6 is the inverse of build, by gopacket; it compares the frame with what
// build makes of the result, so that no byte of it is left unchecked.
func readWire6(t *testing.T, b []byte) wire6 {
	t.Helper()
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	eth, ok1 := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	ip, ok2 := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	if !ok1 || !ok2 {
		t.Fatalf("not IPv6 over Ethernet: % x", b)
	}
	w := wire6{dst: frame.MAC(eth.DstMAC), src: frame.MAC(eth.SrcMAC)}
	w.sip, _ = netip.AddrFromSlice(ip.SrcIP)
	w.dip, _ = netip.AddrFromSlice(ip.DstIP)
	var options layers.ICMPv6Options
	if ns, ok := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation); ok {
		w.target, _ = netip.AddrFromSlice(ns.TargetAddress)
		options = ns.Options
	}
	if na, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement); ok {
		w.target, _ = netip.AddrFromSlice(na.TargetAddress)
		w.adv, w.s, w.o, options = true, na.Solicited(), na.Override(), na.Options
	}
	for _, o := range options {
		w.lla = frame.MAC(o.Data)
	}
	if !bytes.Equal(w.build(), b) {
		t.Fatalf("% x\nis not\n% x\nas it should be", b, w.build())
	}
	return w
}

// asks6 is a solicitation of (mac, ip) for the VIP to its group.
func asks6(mac frame.MAC, ip netip.Addr) wire6 {
	w := wire6{dst: groupMAC, src: mac, sip: ip, dip: vipGroup, target: vip6, lla: mac}
	if ip == zero6 {
		w.lla = zeroMAC // it is a probe
	}
	return w
}

// isAt6 is a solicited advertisement: (mac, ip) to (toMAC, to).
func isAt6(mac frame.MAC, ip netip.Addr, toMAC frame.MAC, to netip.Addr) wire6 {
	return wire6{dst: toMAC, src: mac, sip: ip, dip: to, adv: true, s: true, o: true, target: ip, lla: mac}
}

// announces6 is an advertisement of (mac, ip) to all nodes.
func announces6(mac frame.MAC, ip netip.Addr) wire6 {
	return wire6{dst: allMAC, src: mac, sip: ip, dip: all6, adv: true, o: true, target: ip, lla: mac}
}

// edit is w after f.
func (w wire6) edit(f func(*wire6)) wire6 {
	f(&w)
	return w
}

// A family is the network of the tests as one of the two protocols sees it.
type family struct {
	name   string
	vip    VIP
	target Target
	// wants is our request for the target from an address, to all or to one MAC.
	wants func(from netip.Addr, to frame.MAC) said
	// sourceless is the source address of a host that has none.
	sourceless netip.Addr
	found      said // the answer of the real server
	claim      said // a stranger's announcement of the VIP
	question   said // a client's question for the VIP, to all
	lost       string
}

var families = []family{
	{
		name: "IPv4", vip: bothVIPs()[0], target: testTarget(), sourceless: zeroIP,
		wants: func(from netip.Addr, to frame.MAC) said {
			if to == zeroMAC {
				return request(ourMAC, from, serverIP)
			}
			return unicast(request(ourMAC, from, serverIP), to)
		},
		found:    reply(serverMAC, serverIP, ourMAC, ourIP),
		claim:    request(strayMAC, vip, vip),
		question: request(clientMAC, clientIP, vip),
		lost:     "real server 192.168.1.11 has no MAC: no ARP answer",
	},
	{
		name: "IPv6", vip: bothVIPs()[2], target: testTarget6(), sourceless: netip.MustParseAddr("fe80::ff:fe00:1"),
		wants: func(from netip.Addr, to frame.MAC) said {
			if to == zeroMAC {
				return wants6(from)
			}
			return wants6(from).edit(func(w *wire6) { w.dst, w.dip = to, server6 })
		},
		found:    isAt6(serverMAC, server6, ourMAC, our6),
		claim:    announces6(strayMAC, vip6),
		question: asks6(clientMAC, client6),
		lost:     "real server 2001:db8::11 has no MAC: no neighbour advertisement",
	},
}

// each runs f for both families.
func each(t *testing.T, f func(t *testing.T, f family)) {
	for _, fam := range families {
		t.Run(fam.name, func(t *testing.T) { f(t, fam) })
	}
}

// The group of the real server.
var (
	serverGroup    = netip.MustParseAddr("ff02::1:ff00:11")
	serverGroupMAC = frame.MAC{0x33, 0x33, 0xff, 0, 0, 0x11}
)

// wants6 is our solicitation for the real server.
func wants6(from netip.Addr) wire6 {
	return wire6{dst: serverGroupMAC, src: ourMAC, sip: from, dip: serverGroup, target: server6, lla: ourMAC}
}
