package frame_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

func TestMayAnswerIPv6(t *testing.T) {
	tcp := build.TCP{Src: client6, Dst: vip6, IP: build.IP{SrcMAC: clientMAC, DstMAC: vipMAC}, Flags: "S", Payload: make([]byte, 40)}
	between := func(src, dst string) []byte {
		s := tcp
		s.Src = netip.AddrPortFrom(netip.MustParseAddr(src), 1)
		s.Dst = netip.AddrPortFrom(netip.MustParseAddr(dst), 1)
		return s.Bytes()
	}
	const host = "2001:db8::1"
	icmp := func(typ uint8) []byte {
		return build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Type: typ, Payload: build.Quote(tcp.Bytes(), 8)}.Bytes()
	}
	ext := tcp
	ext.Ext = []build.Ext{build.HopByHop(), build.DestOpts()}
	testMayAnswer(t, []answerable{
		{"a packet between two hosts", tcp.Bytes(), true},
		{"a packet with extension headers", ext.Bytes(), true},
		{"a first fragment", build.Fragment(tcp.Bytes(), 24)[0], true},
		{"a later fragment", build.Fragment(tcp.Bytes(), 24)[1], false},
		{"a frame to a multicast MAC address", with(tcp.Bytes(), set(0, 0x33)), false},
		{"a frame from a multicast MAC address", with(tcp.Bytes(), set(6, 0x33)), false},
		{"from the unspecified address", between("::", host), false},
		{"to the unspecified address", between(host, "::"), false},
		{"from the loopback address", between("::1", host), false},
		{"to the loopback address", between(host, "::1"), false},
		{"from ::2, a host like any other", between("::2", host), true},
		{"from a multicast address", between("ff02::1", host), false},
		{"to a multicast address", between(host, "ff0e::1"), false},
		{"from a link-local address", between("fe80::1", host), true},
		{"from an IPv4-mapped address", between("::ffff:192.0.2.1", host), false},
		{"destination unreachable", icmp(1), false},
		{"packet too big", icmp(2), false},
		{"time exceeded", icmp(3), false},
		{"parameter problem", icmp(4), false},
		{"an error nobody knows", icmp(127), false},
		{"an echo request", icmp(128), true},
		{"an echo reply", icmp(129), true},
		{"a neighbour solicitation", icmp(135), true},
		{"a redirect", icmp(137), false},
		{"an error of ICMP, which means nothing here",
			build.Raw{Src: client6.Addr(), Dst: vip6.Addr(), Proto: 1, Payload: []byte{3, 1, 0, 0, 0, 0, 0, 0}}.Bytes(), true},
		{"a packet with segments left", func() []byte {
			s := tcp
			s.Ext = []build.Ext{build.Routing(0, 1, client6.Addr())}
			return s.Bytes()
		}(), false},
	})
}

func TestAppendEchoReplyIPv6(t *testing.T) {
	ping := build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), IP: build.IP{SrcMAC: clientMAC, DstMAC: vipMAC, TTL: 3, TOS: 0xb9, Pad: true},
		Type: 128, Rest: [4]byte{0x12, 0x34, 0, 1}, Payload: []byte("odd")}
	pong := build.ICMP{Src: vip6.Addr(), Dst: client6.Addr(), IP: build.IP{SrcMAC: vipMAC, DstMAC: clientMAC, TOS: 0xb9},
		Type: 129, Rest: [4]byte{0x12, 0x34, 0, 1}, Payload: []byte("odd")}
	tagged, taggedPong := ping, pong
	tagged.VLAN, taggedPong.VLAN = 7, 7
	ext, atomic, followed := ping, ping, ping
	ext.Ext = []build.Ext{build.HopByHop(5, 2, 0, 0), build.DestOpts()}
	atomic.Ext = []build.Ext{build.FragmentHeader(0, false, 77)}
	followed.Ext = []build.Ext{build.Routing(0, 0, client6.Addr())}
	long, longPong := ping, pong
	long.Payload = make([]byte, frame.MaxReply-14-40-8)
	longPong.Payload = long.Payload
	tooLong, taggedLong := long, long
	tooLong.Payload = make([]byte, len(long.Payload)+1)
	taggedLong.VLAN = 7
	code, reply, v4 := ping, ping, ping
	code.Code, reply.Type, v4.Type = 1, 129, 8
	big, group := ping, ping
	big.Payload = make([]byte, 100)
	group.Dst = netip.MustParseAddr("ff02::1")

	testReplies(t, frame.AppendEchoReply, []replyCase{
		{"the whole message comes back", ping.Bytes(), pong.Bytes()},
		{"a VLAN tag is kept", tagged.Bytes(), taggedPong.Bytes()},
		{"a flow label is not returned", with(ping.Bytes(), func(f []byte) { f[15] |= 0x0a; f[16], f[17] = 1, 2 }), pong.Bytes()},
		{"extension headers are not returned", ext.Bytes(), pong.Bytes()},
		{"a routing header is not reversed (RFC 8200 section 8.4)", followed.Bytes(), pong.Bytes()},
		{"an atomic fragment is a whole ping", atomic.Bytes(), pong.Bytes()},
		{"the longest ping", long.Bytes(), longPong.Bytes()},
		{"a ping longer by a byte", tooLong.Bytes(), nil},
		{"the longest ping with a tag on top", taggedLong.Bytes(), nil},
		{"a code that means nothing", code.Bytes(), nil},
		{"an echo reply", reply.Bytes(), nil},
		{"an echo request of ICMP's number", v4.Bytes(), nil},
		{"a first fragment of a ping", build.Fragment(big.Bytes(), 48)[0], nil},
		{"a later fragment of a ping", build.Fragment(big.Bytes(), 48)[1], nil},
		{"a ping to a group", group.Bytes(), nil},
		{"a TCP segment", tcp6(), nil},
		{"an echo request of ICMPv6's number in IPv4",
			build.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 128}.Bytes(), nil},
	})
}

func TestAppendResetIPv6(t *testing.T) {
	in := func(flags string, payload int) build.TCP {
		return build.TCP{Src: client6, Dst: vip6, IP: build.IP{SrcMAC: clientMAC, DstMAC: vipMAC, TTL: 3, TOS: 0xb3},
			Flags: flags, Seq: 0xfffffffe, Ack: 0x01020304, Payload: make([]byte, payload)}
	}
	out := func(flags string, seq, ack uint32) []byte {
		return withoutWindow(t, build.TCP{Src: vip6, Dst: client6, IP: build.IP{SrcMAC: vipMAC, DstMAC: clientMAC, TOS: 0xb0},
			Flags: flags, Seq: seq, Ack: ack})
	}
	ext := in("S", 5)
	ext.Ext = []build.Ext{build.HopByHop(), build.DestOpts(make([]byte, 30)...)}

	testReplies(t, frame.AppendReset, []replyCase{
		{"a SYN counts one", in("S", 0).Bytes(), out("RA", 0, 0xffffffff)},
		{"extension headers do not count, data does", ext.Bytes(), out("RA", 0, 4)},
		{"an ACK tells the sequence number itself", in("A", 9).Bytes(), out("R", 0x01020304, 0)},
		{"a reset is not answered", in("R", 0).Bytes(), nil},
		{"nor a first fragment", build.Fragment(in("A", 40).Bytes(), 24)[0], nil},
		{"nor a UDP datagram", build.UDP{Src: client6, Dst: vip6}.Bytes(), nil},
	})
}

func TestAppendICMPErrorIPv6(t *testing.T) {
	udp := build.UDP{Src: client6, Dst: vip6, IP: build.IP{SrcMAC: clientMAC, DstMAC: vipMAC, TTL: 1, TOS: 0xb9, Pad: true}, Payload: []byte("who is there?")}
	out := func(typ, code uint8, rest [4]byte, quoted []byte, n int) build.ICMP {
		return build.ICMP{Src: vip6.Addr(), Dst: client6.Addr(), IP: build.IP{SrcMAC: vipMAC, DstMAC: clientMAC},
			Type: typ, Code: code, Rest: rest, Payload: build.Quote(quoted, n)}
	}
	// 1280 bytes, of which 48 are ours and 40 the quoted header.
	const most = 1280 - 48 - 40
	long, just := udp, udp
	long.Payload = make([]byte, 1400)
	just.Payload = make([]byte, most-8)
	ext := long
	ext.Ext = []build.Ext{build.DestOpts(make([]byte, 14)...)}
	tagged, taggedOut := long, out(1, 4, [4]byte{}, long.Bytes(), most)
	tagged.VLAN, taggedOut.VLAN = 7, 7
	first := build.Fragment(long.Bytes(), 800)

	testErrors(t, 1280, []errorCase{
		{"port unreachable quotes all of a short packet, not its padding", udp.Bytes(), 1, 4, 0, out(1, 4, [4]byte{}, udp.Bytes(), most).Bytes()},
		{"a VLAN tag is kept, not quoted, and does not count", tagged.Bytes(), 1, 4, 0, taggedOut.Bytes()},
		{"a packet that just fits 1280 bytes", just.Bytes(), 1, 4, 0, out(1, 4, [4]byte{}, just.Bytes(), most).Bytes()},
		{"a long packet is cut", long.Bytes(), 1, 4, 0, out(1, 4, [4]byte{}, long.Bytes(), most).Bytes()},
		{"extension headers are quoted and count", ext.Bytes(), 1, 4, 0, out(1, 4, [4]byte{}, ext.Bytes(), most-16).Bytes()},
		{"packet too big tells the MTU", long.Bytes(), 2, 0, 1400, out(2, 0, [4]byte{0, 0, 0x05, 0x78}, long.Bytes(), most).Bytes()},
		{"another type does not", udp.Bytes(), 3, 0, 1400, out(3, 0, [4]byte{}, udp.Bytes(), most).Bytes()},
		{"nor does what is fragmentation needed in IPv4", udp.Bytes(), 3, 4, 1400, out(3, 4, [4]byte{}, udp.Bytes(), most).Bytes()},
		{"a first fragment", first[0], 1, 4, 0, out(1, 4, [4]byte{}, first[0], most).Bytes()},
		{"a later fragment", first[1], 1, 4, 0, nil},
		{"an ICMPv6 error", out(1, 4, [4]byte{}, udp.Bytes(), 8).Bytes(), 3, 0, 0, nil},
	})
}

// A parameter problem points at what names the protocol: the fixed header's byte, or
// that of the last extension header.
func TestParameterProblemPointsAtTheNextHeader(t *testing.T) {
	for _, c := range []struct {
		ext  []build.Ext
		want uint32
	}{
		{nil, 6},
		{[]build.Ext{build.HopByHop()}, 40},
		{[]build.Ext{build.HopByHop(), build.DestOpts(make([]byte, 14)...)}, 48},
		{[]build.Ext{build.DestOpts(make([]byte, 14)...), build.Routing(0, 0)}, 56},
	} {
		f := build.Raw{Src: client6.Addr(), Dst: vip6.Addr(), Proto: 47, IP: build.IP{Ext: c.ext}, Payload: make([]byte, 20)}.Bytes()
		h := parse(f)
		out := frame.AppendICMPError(nil, f, &h, 4, 1, 1234)
		a := parse(out)
		if got := binary.BigEndian.Uint32(out[a.L4+4:]); got != c.want || a.ICMPType != 4 || a.ICMPCode != 1 {
			t.Errorf("%d headers: it points at %d, want %d", len(c.ext), got, c.want)
		}
		if !frame.L4ChecksumOK(out, &a) {
			t.Error("its checksum is wrong")
		}
	}
}
