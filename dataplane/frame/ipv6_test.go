package frame_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// tcp6 is a SYN under the extension headers ext.
func tcp6(ext ...build.Ext) []byte {
	return build.TCP{Src: client6, Dst: vip6, Flags: "S", Payload: make([]byte, 40), IP: build.IP{Ext: ext}}.Bytes()
}

func TestParseReadsEveryFieldOfIPv6(t *testing.T) {
	src, dst := frame.AddrFrom(client6.Addr()), frame.AddrFrom(vip6.Addr())
	// want is the expected Header of the segment of tcp6, L4 bytes into the frame.
	want := func(l4 int, edit func(h *frame.Header)) frame.Header {
		h := frame.Header{Kind: frame.IPv6, L3: 14, L4: uint16(l4), End: uint32(l4 + 60), Proto: 6, TTL: 64, DF: true,
			Src: src, Dst: dst, SrcPort: 40000, DstPort: 80, Flags: frame.SYN}
		if edit != nil {
			edit(&h)
		}
		return h
	}
	bare := func(h *frame.Header) { h.SrcPort, h.DstPort, h.Flags = 0, 0, 0 }
	hosts := build.UDP{Src: client6, Dst: vip6, IP: build.IP{TTL: 3, Pad: true, VLAN: 7}}
	pieces := build.Fragment(tcp6(build.HopByHop(), build.DestOpts()), 32)
	id := binary.BigEndian.Uint32(pieces[0][14+40+8+4:])

	for _, c := range []struct {
		name string
		f    []byte
		want frame.Header
	}{
		{"a TCP segment", tcp6(), want(54, nil)},
		{"a tagged UDP datagram before padding", hosts.Bytes(), frame.Header{
			Kind: frame.IPv6, L3: 18, L4: 58, End: 66, Proto: 17, TTL: 3, DF: true, Src: src, Dst: dst, SrcPort: 40000, DstPort: 80}},
		{"End cuts Ethernet padding", append(tcp6(), 1, 2, 3), want(54, nil)},
		{"an SCTP packet", build.SCTP{Src: client6, Dst: vip6}.Bytes(), frame.Header{
			Kind: frame.IPv6, L3: 14, L4: 54, End: 66, Proto: 132, TTL: 64, DF: true, Src: src, Dst: dst, SrcPort: 40000, DstPort: 80}},
		{"an ICMPv6 message has type and code and no ports",
			build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Type: 1, Code: 4}.Bytes(), frame.Header{
				Kind: frame.IPv6, L3: 14, L4: 54, End: 62, Proto: 58, TTL: 64, DF: true, Src: src, Dst: dst, ICMPType: 1, ICMPCode: 4}},
		{"ICMP of IPv4 is a protocol like any other",
			build.Raw{Src: client6.Addr(), Dst: vip6.Addr(), Proto: 1, Payload: []byte{3, 4}}.Bytes(), frame.Header{
				Kind: frame.IPv6, L3: 14, L4: 54, End: 56, Proto: 1, TTL: 64, DF: true, Src: src, Dst: dst}},
		{"no next header, no payload",
			build.Raw{Src: client6.Addr(), Dst: vip6.Addr(), Proto: 59}.Bytes(), frame.Header{
				Kind: frame.IPv6, L3: 14, L4: 54, End: 54, Proto: 59, TTL: 64, DF: true, Src: src, Dst: dst}},
		{"what follows no next header is left alone",
			build.Raw{Src: client6.Addr(), Dst: vip6.Addr(), Proto: 59, Payload: []byte{44, 1, 2},
				IP: build.IP{Ext: []build.Ext{build.DestOpts()}}}.Bytes(), frame.Header{
				Kind: frame.IPv6, L3: 14, L4: 62, End: 65, Proto: 59, TTL: 64, DF: true, Src: src, Dst: dst}},

		{"hop-by-hop options", tcp6(build.HopByHop()), want(62, nil)},
		{"long destination options", tcp6(build.DestOpts(make([]byte, 22)...)), want(78, nil)},
		{"a routing header that has been followed", tcp6(build.Routing(0, 0, vip6.Addr())), want(78, nil)},
		{"an Authentication Header counts in words of four bytes", tcp6(build.Auth(12)), want(78, nil)},
		{"an Authentication Header without a check value", tcp6(build.Auth(0)), want(66, nil)},
		{"all of them, in an order of their own", tcp6(build.HopByHop(), build.Auth(4), build.DestOpts(), build.DestOpts(),
			build.Routing(0, 0), build.DestOpts()), want(54+8+16+8+8+8+8, nil)},
		{"an atomic fragment is whole", tcp6(build.FragmentHeader(0, false, 0xdeadbeef)),
			want(62, func(h *frame.Header) { h.FragID = 0xdeadbeef })},
		{"reserved bits of a fragment header mean nothing", func() []byte {
			f := tcp6(build.FragmentHeader(0, false, 5))
			f[55], f[57] = 0xff, 0x06
			return f
		}(), want(62, func(h *frame.Header) { h.FragID = 5 })},
		{"a first fragment has ports and flags", pieces[0],
			want(78, func(h *frame.Header) { h.FragID, h.More, h.End = id, true, 14+40+8+8+32 })},
		{"a later fragment has none, and the number of what the first began with", pieces[1],
			want(70, func(h *frame.Header) { bare(h); h.FragID, h.FragOff, h.Proto, h.End = id, 32, 60, 14+40+8+8+36 })},
		{"extension headers are not looked for in a later fragment",
			tcp6(build.FragmentHeader(800, true, 5), build.Ext{Type: 60, Body: []byte{255, 0, 0}}),
			want(62, func(h *frame.Header) { bare(h); h.FragID, h.FragOff, h.More, h.Proto, h.End = 5, 800, true, 60, 62+64 })},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := parse(c.f); got != c.want {
				t.Errorf("\n got %+v\nwant %+v\nof %s", got, c.want, frametest.Describe(c.f))
			}
			check(t, c.f)
		})
	}
}

func TestParseNamesTheFaultOfIPv6(t *testing.T) {
	edited := func(f []byte, edit func([]byte)) []byte { edit(f); return f }
	raw := func(proto frame.Proto, n int, ext ...build.Ext) []byte {
		return build.Raw{Src: client6.Addr(), Dst: vip6.Addr(), Proto: proto, Payload: make([]byte, n), IP: build.IP{Ext: ext}}.Bytes()
	}
	between := func(src, dst string) []byte {
		return build.UDP{Src: netip.AddrPortFrom(netip.MustParseAddr(src), 1), Dst: netip.AddrPortFrom(netip.MustParseAddr(dst), 2)}.Bytes()
	}
	opts := func(n int) (ext []build.Ext) {
		for range n {
			ext = append(ext, build.DestOpts())
		}
		return ext
	}
	frag := build.FragmentHeader
	routed := func(typ, left uint8) []byte { return tcp6(build.Routing(typ, left, client6.Addr())) }
	stump := func(body ...byte) build.Ext { return build.Ext{Type: 60, Body: body} }
	udp := func(length byte) []byte {
		return edited(build.UDP{Src: client6, Dst: vip6, Payload: make([]byte, 4)}.Bytes(), set(59, length))
	}

	for _, c := range []struct {
		name  string
		f     []byte
		fault frame.Fault
	}{
		{"no header behind the type", tcp6()[:14], frame.TooShort},
		{"a header that lacks a byte", tcp6()[:14+39], frame.TooShort},
		{"version 4", edited(tcp6(), set(14, 0x45)), frame.BadHeader},
		{"version 7", edited(tcp6(), set(14, 0x70)), frame.BadHeader},
		{"a packet longer than the frame by a byte", tcp6()[:14+40+59], frame.BadHeader},

		{"from an IPv4-mapped address", between("::ffff:192.0.2.10", "2001:db8::1"), frame.BadHeader},
		{"to an IPv4-mapped address", between("2001:db8::1", "::ffff:198.51.100.1"), frame.BadHeader},
		{"between IPv4-mapped addresses", between("::ffff:192.0.2.10", "::ffff:198.51.100.1"), frame.BadHeader},
		{"from ::fffe:192.0.2.10, which is another thing", between("::fffe:192.0.2.10", "2001:db8::1"), frame.NoFault},
		{"from the unspecified address, as a host without one sends", between("::", "ff02::1"), frame.NoFault},

		{"a jumbogram (RFC 2675)", edited(tcp6(build.HopByHop(0xc2, 4, 0, 1, 0, 0)), func(f []byte) { f[18], f[19] = 0, 0 }), frame.BadHeader},
		{"a payload length of zero under TCP", edited(tcp6(), func(f []byte) { f[18], f[19] = 0, 0 }), frame.BadL4},

		{"eight extension headers", tcp6(opts(8)...), frame.NoFault},
		{"nine extension headers", tcp6(opts(9)...), frame.BadHeader},
		{"hop-by-hop options that are not first", tcp6(build.DestOpts(), build.HopByHop()), frame.BadHeader},
		{"two of them", tcp6(build.HopByHop(), build.HopByHop()), frame.BadHeader},
		{"an extension header that is not there", raw(60, 0), frame.BadHeader},
		{"an extension header that lacks a byte", raw(59, 0, stump(0, 0, 0, 0, 0, 0)), frame.BadHeader},
		{"the same, whole", raw(59, 0, stump(0, 0, 0, 0, 0, 0, 0)), frame.NoFault},
		{"an extension header longer than the packet", raw(59, 7, stump(1, 0, 0, 0, 0, 0, 0)), frame.BadHeader},
		{"one that just fits", raw(59, 8, stump(1, 0, 0, 0, 0, 0, 0)), frame.NoFault},
		{"an extension header that ends in the padding", append(raw(59, 7, stump(1, 0, 0, 0, 0, 0, 0)), 0), frame.BadHeader},
		{"an Authentication Header of 8 bytes", raw(59, 8, build.Ext{Type: 51, Body: make([]byte, 7)}), frame.BadHeader},
		{"an Authentication Header that lacks four bytes", edited(raw(59, 0, build.Auth(4)), set(55, 3)), frame.BadHeader},

		{"a type 0 routing header with segments left (RFC 5095)", routed(0, 1), frame.BadHeader},
		{"type 0 with none left", routed(0, 0), frame.NoFault},
		{"another type with segments left (RFC 8200 section 4.4)", routed(4, 1), frame.BadHeader},
		{"another type with none left", routed(4, 0), frame.NoFault},

		{"two fragment headers", tcp6(frag(0, false, 1), frag(0, false, 2)), frame.BadHeader},
		{"a fragment in a first fragment", tcp6(frag(0, true, 1), frag(8, false, 2)), frame.BadHeader},
		{"more fragments after one of 7 bytes (RFC 8200 section 4.5)", raw(17, 7, frag(8, true, 1)), frame.BadHeader},
		{"a last fragment of 7 bytes", raw(17, 7, frag(8, false, 1)), frame.NoFault},
		{"a fragment that ends at 65535", raw(17, 7, frag(65528, false, 1)), frame.NoFault},
		{"one that ends beyond (RFC 8200 section 4.5)", raw(17, 8, frag(65528, false, 1)), frame.BadHeader},
		{"headers before it count", raw(17, 7, build.HopByHop(), frag(65528, false, 1)), frame.BadHeader},
		{"a first fragment that ends within the chain (RFC 7112)", raw(60, 0, frag(0, true, 1)), frame.BadHeader},
		{"a first fragment that ends within TCP (RFC 7112)", raw(6, 16, frag(0, true, 1)), frame.BadL4},
		{"a first fragment with the TCP options in the second", edited(raw(6, 24, frag(0, true, 1)), set(62+12, 0xf0)), frame.NoFault},
		{"a TCP fragment at 8 (RFC 3128)", raw(6, 8, frag(8, true, 1)), frame.BadL4},
		{"a TCP fragment at 16", raw(6, 8, frag(16, true, 1)), frame.NoFault},

		{"19 bytes of TCP", raw(6, 19), frame.BadL4},
		{"a data offset beyond the end", edited(raw(6, 24), set(54+12, 0x70)), frame.BadL4},
		{"7 bytes of UDP", raw(17, 7), frame.BadL4},
		{"a UDP length of 0 is one of jumbograms", udp(0), frame.BadL4},
		{"a UDP length beyond the end", udp(13), frame.BadL4},
		{"a UDP length before the end", udp(11), frame.NoFault},
		{"11 bytes of SCTP", raw(132, 11), frame.BadL4},
		{"7 bytes of ICMPv6", raw(58, 7), frame.BadL4},
		{"no byte of ICMP, which is nothing in IPv6", raw(1, 0), frame.NoFault},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := parse(c.f)
			if got.Kind != frame.IPv6 || got.Fault != c.fault {
				t.Errorf("got %v, %v; want ipv6, %v; of %s", got.Kind, got.Fault, c.fault, frametest.Describe(c.f))
			}
			check(t, c.f)
		})
	}
}

// An Addr in IPv4-mapped form is IPv4, so an IPv6 packet that could show one
// would be taken for the other family's, by a look-up that knows no Kind.
func TestNoHeaderOfIPv6ShowsAnIPv4Address(t *testing.T) {
	f := build.UDP{
		Src: netip.MustParseAddrPort("[::ffff:192.0.2.10]:1"),
		Dst: netip.MustParseAddrPort("[::ffff:198.51.100.1]:2"),
	}.Bytes()
	if h := parse(f); h.Src != (frame.Addr{}) || h.Dst != (frame.Addr{}) {
		t.Errorf("from %v to %v", h.Src, h.Dst)
	}
}

// A bad header leaves nothing of what was read before the fault was found.
func TestAFaultInTheChainLeavesAddressesOnly(t *testing.T) {
	f := tcp6(build.FragmentHeader(0, true, 7), build.Routing(0, 1, client6.Addr()))
	want := frame.Header{Kind: frame.IPv6, Fault: frame.BadHeader, L3: 14,
		Src: frame.AddrFrom(client6.Addr()), Dst: frame.AddrFrom(vip6.Addr())}
	if got := parse(f); got != want {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// The longest chain there can be puts L4 far beyond what a byte holds.
func TestParseReachesTheEndOfTheLongestChain(t *testing.T) {
	var ext []build.Ext
	for range 8 {
		ext = append(ext, build.DestOpts(make([]byte, 2046)...))
	}
	f := build.TCP{Src: client6, Dst: vip6, IP: build.IP{VLAN: 7, Ext: ext}, Flags: "S", Payload: make([]byte, 65535-8*2048-20)}.Bytes()
	h := parse(f)
	if h.Fault != frame.NoFault || h.L4 != 18+40+8*2048 || h.End != 18+40+65535 || h.DstPort != 80 {
		t.Errorf("%+v", h)
	}
	check(t, f)
}

func FuzzParseIPv6(f *testing.F) {
	for _, ext := range [][]build.Ext{
		nil, {build.HopByHop(), build.Routing(0, 0, client6.Addr())}, {build.Auth(8), build.DestOpts()},
		{build.FragmentHeader(0, true, 1)}, {build.FragmentHeader(64, false, 1)},
	} {
		f.Add(tcp6(ext...)[14:])
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		b := append(bytes.Clone(tcp6()[:14]), packet...)
		check(t, b)
		if len(packet) < 40 {
			return
		}
		// Else nearly every input ends at the version or the length.
		b[14] = 6<<4 | b[14]&0xf
		binary.BigEndian.PutUint16(b[18:], uint16(len(packet)-40-int(packet[5]&3)))
		check(t, b)
	})
}
