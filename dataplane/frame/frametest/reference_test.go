package frametest_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// at puts two bytes at an offset behind the Ethernet header.
func at(offset int, v uint16) func([]byte) []byte {
	return func(f []byte) []byte {
		binary.BigEndian.PutUint16(f[frame.EtherLen+offset:], v)
		return f
	}
}

// cut leaves n bytes behind the Ethernet header.
func cut(n int) func([]byte) []byte {
	return func(f []byte) []byte { return f[:frame.EtherLen+n] }
}

// The reference has faults of its own like all code, so each rule of the RFCs
// has a frame here that was damaged by hand.
func TestTheReferenceObeysTheRFCs(t *testing.T) {
	tcp := build.TCP{Src: client, Dst: vip, Flags: "S"}
	udp := build.UDP{Src: client, Dst: vip, Payload: []byte("abcd")}
	sctp := build.SCTP{Src: client, Dst: vip}
	tcp6 := build.TCP{Src: client6, Dst: vip6, Flags: "S"}
	more := func(f []byte, units uint16) []byte { // a first or later fragment
		f = at(6, units|0x2000)(f)
		build.FixHeaderSum(f)
		return f
	}
	sum := func(f []byte) []byte { build.FixHeaderSum(f); return f }
	for _, c := range []struct {
		law  string
		f    []byte
		want frame.Fault
	}{
		{"RFC 791: a whole segment", tcp.Bytes(), frame.NoFault},
		{"RFC 791 3.1: a header of fewer than 20 bytes", cut(19)(tcp.Bytes()), frame.TooShort},
		{"RFC 791 3.1: version 5", sum(func(f []byte) []byte { f[14] = 0x55; return f }(tcp.Bytes())), frame.BadHeader},
		{"RFC 791 3.1: an IHL of 4", sum(func(f []byte) []byte { f[14] = 0x44; return f }(tcp.Bytes())), frame.BadHeader},
		{"RFC 791 3.1: a total length of less than the header", sum(at(2, 19)(tcp.Bytes())), frame.BadHeader},
		{"RFC 791 3.1: a total length of more than there is", sum(at(2, 41)(tcp.Bytes())), frame.BadHeader},
		{"RFC 791 3.1: less than there is, because Ethernet pads", append(tcp.Bytes(), 0, 0, 0), frame.NoFault},
		{"RFC 791 3.1: a wrong checksum", build.TCP{Src: client, Dst: vip, IP: build.IP{BadIPSum: true}}.Bytes(), frame.BadChecksum},
		{"RFC 9293 3.1: a data offset of 4", sum(at(32, 0x4000)(tcp.Bytes())), frame.BadL4},
		{"RFC 9293 3.1: a data offset behind the end", sum(at(32, 0x6000)(tcp.Bytes())), frame.BadL4},
		{"RFC 9293 3.1: the same in a first fragment may go on", more(at(32, 0x6000)(tcp.Bytes()), 0), frame.NoFault},
		{"RFC 9293 3.1: 19 bytes of a header", sum(at(2, 39)(cut(39)(tcp.Bytes()))), frame.BadL4},
		{"RFC 3128: a fragment that begins with the flags", more(tcp.Bytes(), 1), frame.BadL4},
		{"a later fragment has no header", more(tcp.Bytes(), 2), frame.NoFault},
		{"RFC 768: a length of less than the header", sum(at(24, 7)(udp.Bytes())), frame.BadL4},
		{"RFC 768: a length of more than there is", sum(at(24, 13)(udp.Bytes())), frame.BadL4},
		{"RFC 768: the same in a first fragment may go on", more(at(24, 13)(udp.Bytes()), 0), frame.NoFault},
		{"RFC 768: less than there is", sum(at(24, 8)(udp.Bytes())), frame.NoFault},
		{"RFC 9260 3.1: a whole header", sctp.Bytes(), frame.NoFault},
		{"RFC 9260 3.1: 11 bytes of a header", sum(at(2, 31)(cut(31)(sctp.Bytes()))), frame.BadL4},
		{"RFC 8200 3: a whole segment", tcp6.Bytes(), frame.NoFault},
		{"RFC 8200 3: a header of fewer than 40 bytes", cut(39)(tcp6.Bytes()), frame.TooShort},
		{"RFC 8200 3: version 4", func(f []byte) []byte { f[14] = 0x40; return f }(tcp6.Bytes()), frame.BadHeader},
		{"RFC 8200 3: a payload of more than there is", at(4, 21)(tcp6.Bytes()), frame.BadHeader},
		{"RFC 8200 4.1: hop-by-hop options come first", build.TCP{Src: client6, Dst: vip6, IP: build.IP{Ext: []build.Ext{build.DestOpts(), build.HopByHop()}}}.Bytes(), frame.BadHeader},
		{"RFC 8200 4.4: no segment of a route is left", build.TCP{Src: client6, Dst: vip6, IP: build.IP{Ext: []build.Ext{build.Routing(0, 0, vip6.Addr())}}}.Bytes(), frame.NoFault},
		{"RFC 8200 4.4: a segment of a route is left", build.TCP{Src: client6, Dst: vip6, IP: build.IP{Ext: []build.Ext{build.Routing(0, 1, vip6.Addr())}}}.Bytes(), frame.BadHeader},
		{"RFC 8200 4.5: a fragment that is the whole", build.TCP{Src: client6, Dst: vip6, Flags: "S", IP: build.IP{Ext: []build.Ext{build.FragmentHeader(0, false, 1)}}}.Bytes(), frame.NoFault},
		{"RFC 8200 4.5: two fragment headers", build.TCP{Src: client6, Dst: vip6, IP: build.IP{Ext: []build.Ext{build.FragmentHeader(0, false, 1), build.FragmentHeader(0, false, 2)}}}.Bytes(), frame.BadHeader},
		{"RFC 8200 4.5: a fragment that is no multiple of 8 and not the last", build.TCP{Src: client6, Dst: vip6, IP: build.IP{Ext: []build.Ext{build.FragmentHeader(0, true, 1)}}}.Bytes(), frame.BadHeader},
		{"RFC 8200 4.5: a fragment beyond the longest packet", build.TCP{Src: client6, Dst: vip6, IP: build.IP{Ext: []build.Ext{build.FragmentHeader(65528, false, 1)}}}.Bytes(), frame.BadHeader},
		{"RFC 4302: a whole authentication header", build.TCP{Src: client6, Dst: vip6, Flags: "S", IP: build.IP{Ext: []build.Ext{build.Auth(12)}}}.Bytes(), frame.NoFault},
		{"IEEE 802.1Q: half a tag", append(make([]byte, 12), 0x81, 0, 0), frame.TooShort},
		{"RFC 826: 27 bytes of ARP", build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes()[:14+27], frame.TooShort},
		{"nothing at all", nil, frame.TooShort},
		{"13 bytes", make([]byte, 13), frame.TooShort},
		{"another EtherType has no fault, and no kind", append(make([]byte, 12), 0x88, 0xcc, 1, 2), frame.NoFault},
	} {
		got := frametest.Parse(c.f)
		if got.Fault != c.want {
			t.Errorf("%s: %v, want %v; of %s", c.law, got.Fault, c.want, frametest.Describe(c.f))
		}
		var h frame.Header
		if frame.Parse(c.f, &h); h != got {
			t.Errorf("%s: frame.Parse says\n%+v, the reference\n%+v", c.law, h, got)
		}
	}
}

// Errors quote a packet; all else that ICMP carries is no quotation.
func TestTheReferenceReadsQuotationsOfErrorsOnly(t *testing.T) {
	quoted := build.TCP{Src: vip, Dst: client, Flags: "SA"}.Bytes()
	quoted6 := build.TCP{Src: vip6, Dst: client6, Flags: "SA"}.Bytes()
	router, router6 := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:9::1")
	for typ := range 256 {
		isError := typ == 3 || typ == 4 || typ == 11 || typ == 12 // RFC 792; 5 is a redirect
		in, ok := frametest.Inner(build.ICMP{Src: router, Dst: vip.Addr(), Type: uint8(typ), Payload: build.Quote(quoted, 8)}.Bytes())
		if ok != isError || ok && (in.SrcPort != vip.Port() || in.DstPort != client.Port() || in.Proto != frame.ProtoTCP) {
			t.Errorf("ICMP type %d: %v, %+v", typ, ok, in)
		}
		isError = typ >= 1 && typ <= 4 // RFC 4443 section 2.1; below 128, but only these are defined
		in, ok = frametest.Inner(build.ICMP{Src: router6, Dst: vip6.Addr(), Type: uint8(typ), Payload: build.Quote(quoted6, 8)}.Bytes())
		if ok != isError || ok && (in.SrcPort != vip6.Port() || in.DstPort != client6.Port()) {
			t.Errorf("ICMPv6 type %d: %v, %+v", typ, ok, in)
		}
	}
	for _, c := range []struct {
		law string
		f   []byte
		ok  bool
	}{
		{"8 bytes behind the header are enough", build.ICMP{Src: router, Dst: vip.Addr(), Type: 3, Payload: build.Quote(quoted, 8)}.Bytes(), true},
		{"the 4 of the ports are, too", build.ICMP{Src: router, Dst: vip.Addr(), Type: 3, Payload: build.Quote(quoted, 4)}.Bytes(), true},
		{"3 are not", build.ICMP{Src: router, Dst: vip.Addr(), Type: 3, Payload: build.Quote(quoted, 3)}.Bytes(), false},
		{"half a header is none", build.ICMP{Src: router, Dst: vip.Addr(), Type: 3, Payload: quoted[14:30]}.Bytes(), false},
		{"nothing is quoted", build.ICMP{Src: router, Dst: vip.Addr(), Type: 3}.Bytes(), false},
		{"an error in a segment is none", quoted, false},
		{"no error at all", build.Echo(router, vip.Addr(), build.IP{}, 1, 1, quoted[14:]).Bytes(), false},
		{"39 bytes of a header of IPv6", build.ICMP{Src: router6, Dst: vip6.Addr(), Type: 1, Payload: quoted6[14:53]}.Bytes(), false},
	} {
		if _, ok := frametest.Inner(c.f); ok != c.ok {
			t.Errorf("%s: read %v", c.law, ok)
		}
	}
}
