package frametest

import (
	"math/rand"
	"net/netip"

	"lvsdr/dataplane/frame"
)

// Random is a valid frame of any kind this package builds: any protocol,
// addresses and fields, with and without VLAN tag, IP options and padding, and
// now and then a fragment. The same r gives the same frames.
func Random(r *rand.Rand) []byte {
	var (
		src, dst = randomAddrPort(r), randomAddrPort(r)
		sm, dm   = randomMAC(r), randomMAC(r)
		vlan     = uint16(sometimes(r, 3) * r.Intn(4096))
		pad      = r.Intn(2) == 0
		ttl, tos = uint8(1 + r.Intn(255)), uint8(r.Intn(256))
		id, df   = uint16(r.Intn(1 << 16)), r.Intn(2) == 0
		options  = randomBytes(r, sometimes(r, 3)*r.Intn(41))
		payload  = randomBytes(r, r.Intn(1+sometimes(r, 2)*1400))
		f        []byte
	)
	switch r.Intn(8) {
	case 0:
		return ARP{SrcMAC: sm, DstMAC: dm, VLAN: vlan, Pad: pad, Op: uint16(1 + r.Intn(2)),
			SenderMAC: sm, SenderIP: src.Addr(), TargetMAC: dm, TargetIP: dst.Addr()}.Bytes()
	case 1:
		f = UDP{Src: src, Dst: dst, SrcMAC: sm, DstMAC: dm, VLAN: vlan, Pad: pad, TTL: ttl, TOS: tos, ID: id, DF: df,
			Options: options, Payload: payload, NoSum: r.Intn(4) == 0}.Bytes()
	case 2:
		f = SCTP{Src: src, Dst: dst, SrcMAC: sm, DstMAC: dm, VLAN: vlan, Pad: pad, TTL: ttl, TOS: tos, ID: id, DF: df,
			Options: options, Payload: payload, Tag: r.Uint32()}.Bytes()
	case 3:
		f = ICMP{Src: src.Addr(), Dst: dst.Addr(), SrcMAC: sm, DstMAC: dm, VLAN: vlan, Pad: pad, TTL: ttl, TOS: tos, ID: id, DF: df,
			Options: options, Payload: payload, Type: uint8(r.Intn(16)), Code: uint8(r.Intn(4)), Rest: [4]byte(randomBytes(r, 4))}.Bytes()
	case 4:
		f = Raw{Src: src.Addr(), Dst: dst.Addr(), SrcMAC: sm, DstMAC: dm, VLAN: vlan, Pad: pad, TTL: ttl, TOS: tos, ID: id, DF: df,
			Options: options, Payload: payload, Proto: uint8(133 + r.Intn(100))}.Bytes()
	default:
		f = TCP{Src: src, Dst: dst, SrcMAC: sm, DstMAC: dm, VLAN: vlan, Pad: pad, TTL: ttl, TOS: tos, ID: id, DF: df,
			Options: options, Payload: payload, Flags: randomFlags(r), Seq: r.Uint32(), Ack: r.Uint32(),
			TCPOptions: randomBytes(r, sometimes(r, 2)*r.Intn(41))}.Bytes()
	}
	if len(payload) > 48 && r.Intn(4) == 0 {
		return Fragment(f, 24+8*r.Intn(3))[r.Intn(2)]
	}
	return f
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

// randomAddrPort has the address of one host, 1.0.0.0 to 126.255.255.255.
func randomAddrPort(r *rand.Rand) netip.AddrPort {
	a := [4]byte(randomBytes(r, 4))
	a[0] = uint8(1 + r.Intn(126))
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(r.Intn(1<<16)))
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
