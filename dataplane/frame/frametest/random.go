package frametest

import (
	"math/rand"
	"net/netip"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// Random is a valid frame of any kind that package build makes: IPv4 or IPv6, any
// protocol, addresses and fields, with and without VLAN tag, IP options or
// extension headers and padding, and now and then a fragment. The same r gives
// the same frames.
func Random(r *rand.Rand) []byte {
	var (
		src, dst     = randomAddrPorts(r)
		options, ext = randomOptions(r, src.Addr())
		ip           = build.IP{Options: options, Ext: ext, SrcMAC: randomMAC(r), DstMAC: randomMAC(r), VLAN: randomVLAN(r), Pad: r.Intn(2) == 0,
			TTL: uint8(1 + r.Intn(255)), TOS: uint8(r.Intn(256)), ID: uint16(r.Intn(1 << 16)), DF: r.Intn(2) == 0}
		payload = randomBytes(r, r.Intn(1+sometimes(r, 2)*1400))
		f       []byte
	)
	switch r.Intn(8) {
	case 0:
		if src.Addr().Is6() {
			src, dst = randomAddrPort(r), randomAddrPort(r)
		}
		return build.ARP{SrcMAC: ip.SrcMAC, DstMAC: ip.DstMAC, VLAN: ip.VLAN, Pad: ip.Pad, Op: uint16(1 + r.Intn(2)),
			SenderMAC: ip.SrcMAC, SenderIP: src.Addr(), TargetMAC: ip.DstMAC, TargetIP: dst.Addr()}.Bytes()
	case 1:
		f = build.UDP{Src: src, Dst: dst, IP: ip, Payload: payload, NoSum: src.Addr().Is4() && r.Intn(4) == 0}.Bytes()
	case 2:
		f = build.SCTP{Src: src, Dst: dst, IP: ip, Payload: payload, Tag: r.Uint32()}.Bytes()
	case 3:
		f = build.ICMP{Src: src.Addr(), Dst: dst.Addr(), IP: ip, Payload: payload,
			Type: randomICMP(r, src.Addr()), Code: uint8(r.Intn(4)), Rest: [4]byte(randomBytes(r, 4))}.Bytes()
	case 4:
		f = build.Raw{Src: src.Addr(), Dst: dst.Addr(), IP: ip, Payload: payload, Proto: randomProto(r)}.Bytes()
	default:
		f = build.TCP{Src: src, Dst: dst, IP: ip, Payload: payload, Flags: randomFlags(r), Seq: r.Uint32(), Ack: r.Uint32(),
			TCPOptions: randomBytes(r, sometimes(r, 2)*r.Intn(41))}.Bytes()
	}
	if len(payload) > 48 && r.Intn(4) == 0 {
		return build.Fragment(f, fragmentCut(ext)+8*r.Intn(3))[r.Intn(2)]
	}
	return f
}

// RandomError is a valid frame with an ICMP or ICMPv6 error that quotes more or
// less of a Random packet from the address the error is sent to.
func RandomError(r *rand.Rand) []byte {
	for {
		f := Random(r)
		in := Parse(f)
		if in.Kind != frame.IPv4 && in.Kind != frame.IPv6 {
			continue
		}
		router, _ := randomAddrPorts(r)
		for (router.Addr().Is6()) != (in.Kind == frame.IPv6) {
			router, _ = randomAddrPorts(r)
		}
		typ := []uint8{3, 4, 11, 12}[r.Intn(4)]
		if in.Kind == frame.IPv6 {
			typ = uint8(1 + r.Intn(4))
		}
		options, ext := randomOptions(r, router.Addr())
		ip := build.IP{Options: options, Ext: ext, SrcMAC: randomMAC(r), DstMAC: randomMAC(r), VLAN: randomVLAN(r), Pad: r.Intn(2) == 0}
		return build.ICMP{Src: router.Addr(), Dst: in.Src.IP(), IP: ip, Type: typ, Code: uint8(r.Intn(4)), Rest: [4]byte(randomBytes(r, 4)),
			Payload: build.Quote(f, 8+sometimes(r, 2)*r.Intn(500))}.Bytes()
	}
}

// randomAddrPorts are of one family, a third of the time IPv6.
func randomAddrPorts(r *rand.Rand) (src, dst netip.AddrPort) {
	if r.Intn(3) == 0 {
		return randomAddrPort6(r), randomAddrPort6(r)
	}
	return randomAddrPort(r), randomAddrPort(r)
}

// randomOptions are IP options or extension headers for the family of a, and
// neither most of the time.
func randomOptions(r *rand.Rand, a netip.Addr) ([]byte, []build.Ext) {
	if a.Is6() {
		return nil, randomExt(r)
	}
	return randomBytes(r, sometimes(r, 3)*r.Intn(41)), nil
}

// randomICMP is a type of the ICMP of a's family.
func randomICMP(r *rand.Rand, a netip.Addr) uint8 {
	if a.Is6() {
		return []uint8{1, 2, 3, 4, 128, 129, 133, 135, 136, 137}[r.Intn(10)]
	}
	return uint8(r.Intn(16))
}

// fragmentCut is the least cut of a packet with ext that leaves 24 bytes of
// transport header in the first fragment.
func fragmentCut(ext []build.Ext) int {
	n := 24
	for _, e := range ext {
		if e.Type != 0 && e.Type != 43 && e.Type != 44 {
			n += e.Len()
		}
	}
	return (n + 7) &^ 7
}

// randomExt is up to four extension headers in the order of RFC 8200 section
// 4.1, all of which a host accepts.
func randomExt(r *rand.Rand) []build.Ext {
	if r.Intn(3) != 0 {
		return nil
	}
	var ext []build.Ext
	for _, e := range []build.Ext{
		build.HopByHop(randomBytes(r, r.Intn(20))...),
		build.Routing(uint8(r.Intn(5)), 0, randomAddrPort6(r).Addr()),
		build.FragmentHeader(0, false, r.Uint32()),
		build.Auth(4 * r.Intn(4)),
		build.DestOpts(randomBytes(r, r.Intn(20))...),
	} {
		if r.Intn(3) == 0 {
			ext = append(ext, e)
		}
	}
	return ext
}

// randomProto is a protocol that package build has no other builder for, and
// no next header at all now and then.
func randomProto(r *rand.Rand) frame.Proto {
	if r.Intn(8) == 0 {
		return 59
	}
	return frame.Proto(133 + r.Intn(100))
}

// sometimes is 1 once in n times, else 0.
func sometimes(r *rand.Rand, n int) int {
	if r.Intn(n) == 0 {
		return 1
	}
	return 0
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	r.Read(b)
	return b
}

// randomMAC is a locally administered address of one host.
func randomMAC(r *rand.Rand) frame.MAC {
	m := frame.MAC(randomBytes(r, 6))
	m[0] = 2
	return m
}

// randomVLAN is a VLAN number, most of the time 0: none.
func randomVLAN(r *rand.Rand) uint16 { return uint16(sometimes(r, 3) * r.Intn(4096)) }

// randomAddrPort has the address of one host, 1.0.0.0 to 126.255.255.255.
func randomAddrPort(r *rand.Rand) netip.AddrPort {
	a := [4]byte(randomBytes(r, 4))
	a[0] = uint8(1 + r.Intn(126))
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(r.Intn(1<<16)))
}

// randomAddrPort6 has the address of one host, in 2000::/3.
func randomAddrPort6(r *rand.Rand) netip.AddrPort {
	a := [16]byte(randomBytes(r, 16))
	a[0] = uint8(0x20 + r.Intn(0x20))
	return netip.AddrPortFrom(netip.AddrFrom16(a), uint16(r.Intn(1<<16)))
}

func randomFlags(r *rand.Rand) string {
	var s []byte
	for _, c := range []byte("SAFRPUEC") {
		if r.Intn(3) == 0 {
			s = append(s, c)
		}
	}
	return string(s)
}
