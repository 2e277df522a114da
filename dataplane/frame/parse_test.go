package frame_test

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// The hosts of all tests: documentation addresses (RFC 5737, RFC 3849).
var (
	client    = netip.MustParseAddrPort("192.0.2.10:40000")
	vip       = netip.MustParseAddrPort("198.51.100.1:80")
	client6   = netip.MustParseAddrPort("[2001:db8:1::10]:40000")
	vip6      = netip.MustParseAddrPort("[2001:db8:2::1]:80")
	clientMAC = frame.MAC{2, 0, 0, 0, 0, 0x0c}
	vipMAC    = frame.MAC{2, 0, 0, 0, 0, 0x01}
)

// with is a copy of f after edit, its IPv4 header checksum put right.
func with(f []byte, edit func(f []byte)) []byte {
	f = bytes.Clone(f)
	edit(f)
	build.FixHeaderSum(f)
	return f
}

// set is an edit: the byte at i becomes v.
func set(i int, v byte) func([]byte) { return func(f []byte) { f[i] = v } }

// parse is frame.Parse into a header full of rubbish.
func parse(f []byte) frame.Header {
	h := frame.Header{
		Kind: 99, Fault: 99, L3: 99, L4: 99, End: 99, Proto: 99, TTL: 99, FragID: 99, DF: true, More: true, FragOff: 99,
		Src: frame.Addr{99, 15: 99}, Dst: frame.Addr{99, 15: 99}, SrcPort: 99, DstPort: 99, Flags: 99, ICMPType: 99, ICMPCode: 99,
	}
	frame.Parse(f, &h)
	return h
}

func TestParseReadsEveryField(t *testing.T) {
	src, dst := frame.AddrFrom(client.Addr()), frame.AddrFrom(vip.Addr())
	tcp := build.TCP{Src: client, Dst: vip, Flags: "SA", IP: build.IP{DF: true, TTL: 61}, Payload: []byte("abc")}
	tagged := tcp
	tagged.VLAN = 7
	options := tcp
	options.Options = []byte{0x94, 4, 0, 0, 1}
	padded := build.UDP{Src: client, Dst: vip, Payload: []byte("abc"), IP: build.IP{Pad: true}}
	whole := build.UDP{Src: client, Dst: vip, IP: build.IP{ID: 0x4321}, Payload: make([]byte, 40)}.Bytes()
	pieces := build.Fragment(whole, 24)

	for _, c := range []struct {
		name string
		f    []byte
		want frame.Header
	}{
		{"a TCP segment", tcp.Bytes(), frame.Header{
			Kind: frame.IPv4, L3: 14, L4: 34, End: 57, Proto: 6, TTL: 61, DF: true,
			Src: src, Dst: dst, SrcPort: 40000, DstPort: 80, Flags: frame.SYN | frame.ACK}},
		{"a tagged TCP segment starts four bytes later", tagged.Bytes(), frame.Header{
			Kind: frame.IPv4, L3: 18, L4: 38, End: 61, Proto: 6, TTL: 61, DF: true,
			Src: src, Dst: dst, SrcPort: 40000, DstPort: 80, Flags: frame.SYN | frame.ACK}},
		{"an 802.1ad tag is stepped over like an 802.1Q one",
			with(tagged.Bytes(), func(f []byte) { f[12], f[13] = 0x88, 0xa8 }), frame.Header{
				Kind: frame.IPv4, L3: 18, L4: 38, End: 61, Proto: 6, TTL: 61, DF: true,
				Src: src, Dst: dst, SrcPort: 40000, DstPort: 80, Flags: frame.SYN | frame.ACK}},
		{"IP options move the transport header", options.Bytes(), frame.Header{
			Kind: frame.IPv4, L3: 14, L4: 42, End: 65, Proto: 6, TTL: 61, DF: true,
			Src: src, Dst: dst, SrcPort: 40000, DstPort: 80, Flags: frame.SYN | frame.ACK}},
		{"the flags of ECN are left out", build.TCP{Src: client, Dst: vip, Flags: "SEC"}.Bytes(), frame.Header{
			Kind: frame.IPv4, L3: 14, L4: 34, End: 54, Proto: 6, TTL: 64,
			Src: src, Dst: dst, SrcPort: 40000, DstPort: 80, Flags: frame.SYN}},
		{"End cuts Ethernet padding", padded.Bytes(), frame.Header{
			Kind: frame.IPv4, L3: 14, L4: 34, End: 45, Proto: 17, TTL: 64,
			Src: src, Dst: dst, SrcPort: 40000, DstPort: 80}},
		{"an SCTP packet", build.SCTP{Src: client, Dst: vip}.Bytes(), frame.Header{
			Kind: frame.IPv4, L3: 14, L4: 34, End: 46, Proto: 132, TTL: 64,
			Src: src, Dst: dst, SrcPort: 40000, DstPort: 80}},
		{"an ICMP message has type and code and no ports",
			build.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 3, Code: 4}.Bytes(), frame.Header{
				Kind: frame.IPv4, L3: 14, L4: 34, End: 42, Proto: 1, TTL: 64,
				Src: src, Dst: dst, ICMPType: 3, ICMPCode: 4}},
		{"another protocol has addresses only",
			build.Raw{Src: client.Addr(), Dst: vip.Addr(), Proto: 47, Payload: []byte{1, 2, 3, 4}}.Bytes(), frame.Header{
				Kind: frame.IPv4, L3: 14, L4: 34, End: 38, Proto: 47, TTL: 64, Src: src, Dst: dst}},
		{"another protocol may have no payload at all",
			build.Raw{Src: client.Addr(), Dst: vip.Addr(), Proto: 47}.Bytes(), frame.Header{
				Kind: frame.IPv4, L3: 14, L4: 34, End: 34, Proto: 47, TTL: 64, Src: src, Dst: dst}},
		{"a first fragment has ports, and a UDP length beyond its end", pieces[0], frame.Header{
			Kind: frame.IPv4, L3: 14, L4: 34, End: 58, Proto: 17, TTL: 64, FragID: 0x4321, More: true,
			Src: src, Dst: dst, SrcPort: 40000, DstPort: 80}},
		{"a later fragment has none", pieces[1], frame.Header{
			Kind: frame.IPv4, L3: 14, L4: 34, End: 58, Proto: 17, TTL: 64, FragID: 0x4321, FragOff: 24, Src: src, Dst: dst}},
		{"an ARP packet", build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes(),
			frame.Header{Kind: frame.ARP, L3: 14}},
		{"a tagged ARP packet", build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr(), VLAN: 7}.Bytes(),
			frame.Header{Kind: frame.ARP, L3: 18}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := parse(c.f); got != c.want {
				t.Errorf("\n got %+v\nwant %+v\nof %s", got, c.want, frametest.Describe(c.f))
			}
			check(t, c.f)
		})
	}
}

func TestParseNamesTheFault(t *testing.T) {
	tcp := build.TCP{Src: client, Dst: vip, Flags: "S", Payload: make([]byte, 40)}.Bytes()
	udp := build.UDP{Src: client, Dst: vip, Payload: make([]byte, 40)}.Bytes()
	options := build.TCP{Src: client, Dst: vip, Flags: "S", IP: build.IP{Options: []byte{1, 1, 1, 0}}}.Bytes()
	tagged := build.TCP{Src: client, Dst: vip, IP: build.IP{VLAN: 7}}.Bytes()
	arp := build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes()
	raw := func(proto frame.Proto, n int) []byte {
		return build.Raw{Src: client.Addr(), Dst: vip.Addr(), Proto: proto, Payload: make([]byte, n)}.Bytes()
	}
	longOptions := build.TCP{Src: client, Dst: vip, Flags: "S", TCPOptions: make([]byte, 40)}.Bytes()
	tcpAt := func(off int) []byte {
		return with(tcp, func(f []byte) { binary.BigEndian.PutUint16(f[20:], uint16(off/8)) })
	}

	for _, c := range []struct {
		name  string
		f     []byte
		kind  frame.Kind
		fault frame.Fault
	}{
		{"no frame at all", nil, frame.Other, frame.TooShort},
		{"a frame that ends inside the Ethernet header", tcp[:13], frame.Other, frame.TooShort},
		{"a frame that ends inside the VLAN tag", tagged[:17], frame.Other, frame.TooShort},
		{"an ARP packet that lacks a byte", arp[:14+27], frame.Other, frame.TooShort},
		{"an IPv4 header that lacks a byte", tcp[:14+19], frame.IPv4, frame.TooShort},
		{"no IPv4 header behind the type", tcp[:14], frame.IPv4, frame.TooShort},

		{"version 4 under the type of IPv6", with(tcp, func(f []byte) { f[12], f[13] = 0x86, 0xdd }), frame.IPv6, frame.BadHeader},
		{"an 802.3 length is Other", with(tcp, func(f []byte) { f[12], f[13] = 0, 40 }), frame.Other, frame.NoFault},
		{"what is under two tags is Other", with(tagged, func(f []byte) { f[16], f[17] = 0x81, 0x00 }), frame.Other, frame.NoFault},

		{"version 5", with(tcp, set(14, 0x55)), frame.IPv4, frame.BadHeader},
		{"version 6 under the type of IPv4", with(tcp, set(14, 0x65)), frame.IPv4, frame.BadHeader},
		{"a header of 16 bytes", with(tcp, set(14, 0x44)), frame.IPv4, frame.BadHeader},
		{"a header longer than the packet", with(options, set(17, 23)), frame.IPv4, frame.BadHeader},
		{"a header longer than the frame", with(tcp[:14+20], set(14, 0x46)), frame.IPv4, frame.BadHeader},
		{"a packet longer than the frame by a byte", tcp[:len(tcp)-1], frame.IPv4, frame.BadHeader},
		{"a total length of zero, as IPv4 BIG TCP has", with(tcp, func(f []byte) { f[16], f[17] = 0, 0 }), frame.IPv4, frame.BadHeader},

		{"a wrong header checksum", build.TCP{Src: client, Dst: vip, IP: build.IP{BadIPSum: true}}.Bytes(), frame.IPv4, frame.BadChecksum},
		{"a header checksum of zero that is not computed", func() []byte {
			f := bytes.Clone(tcp)
			f[24], f[25] = 0, 0
			return f
		}(), frame.IPv4, frame.BadChecksum},
		{"a bit wrong in the last IP option", func() []byte {
			f := bytes.Clone(options)
			f[37] ^= 1
			return f
		}(), frame.IPv4, frame.BadChecksum},

		{"19 bytes of TCP", raw(frame.ProtoTCP, 19), frame.IPv4, frame.BadL4},
		{"a data offset of 4", with(tcp, set(46, 0x40)), frame.IPv4, frame.BadL4},
		{"a data offset to the end", with(tcp, set(46, 0xf0)), frame.IPv4, frame.NoFault},
		{"a data offset beyond the end", with(tcp, func(f []byte) { f[46], f[17] = 0xf0, 20+59 }), frame.IPv4, frame.BadL4},
		{"a first fragment with the TCP options in the second", build.Fragment(longOptions, 24)[0], frame.IPv4, frame.NoFault},
		{"a tiny first fragment (RFC 1858)", build.Fragment(tcp, 16)[0], frame.IPv4, frame.BadL4},
		{"a TCP fragment at 8 (RFC 3128)", tcpAt(8), frame.IPv4, frame.BadL4},
		{"a TCP fragment at 16", tcpAt(16), frame.IPv4, frame.NoFault},
		{"a UDP fragment at 8", build.Fragment(udp, 8)[1], frame.IPv4, frame.NoFault},

		{"7 bytes of UDP", raw(frame.ProtoUDP, 7), frame.IPv4, frame.BadL4},
		{"a UDP length of 0", with(udp, set(39, 0)), frame.IPv4, frame.BadL4},
		{"a UDP length of 7", with(udp, set(39, 7)), frame.IPv4, frame.BadL4},
		{"a UDP length of 8 before more bytes", with(udp, set(39, 8)), frame.IPv4, frame.NoFault},
		{"a UDP length beyond the end", with(udp, set(39, 49)), frame.IPv4, frame.BadL4},
		{"a UDP datagram without data", build.UDP{Src: client, Dst: vip}.Bytes(), frame.IPv4, frame.NoFault},

		{"11 bytes of SCTP", raw(frame.ProtoSCTP, 11), frame.IPv4, frame.BadL4},
		{"7 bytes of ICMP", raw(frame.ProtoICMP, 7), frame.IPv4, frame.BadL4},
		{"no byte of ICMP", raw(frame.ProtoICMP, 0), frame.IPv4, frame.BadL4},
		{"no byte of ICMPv6, which is nothing in IPv4", raw(frame.ProtoICMPv6, 0), frame.IPv4, frame.NoFault},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := parse(c.f)
			if got.Kind != c.kind || got.Fault != c.fault {
				t.Errorf("got %v, %v; want %v, %v; of %s", got.Kind, got.Fault, c.kind, c.fault, frametest.Describe(c.f))
			}
			check(t, c.f)
		})
	}
}

// A super-frame of segmentation offload is longer than any MTU but not than
// what total length can say.
func TestParseTakesTheLongestSuperFrame(t *testing.T) {
	f := build.TCP{Src: client, Dst: vip, Flags: "A", Payload: make([]byte, 65535-40)}.Bytes()
	h := parse(f)
	if h.Fault != frame.NoFault || h.End != 14+65535 {
		t.Errorf("fault %v, end %d; want none, %d", h.Fault, h.End, 14+65535)
	}
	check(t, f)
}

// check asserts what Parse promises of any bytes at all, and that it agrees
// with the slow reference in every field.
func check(t *testing.T, f []byte) {
	t.Helper()
	in := bytes.Clone(f)
	h := parse(f)
	if !bytes.Equal(in, f) {
		t.Fatal("Parse changed the frame")
	}
	if want := frametest.Parse(f); h != want {
		t.Fatalf("\n     got %+v\nreference %+v\nof % x", h, want, f)
	}
	if h.Kind != frame.Other && (int(h.L3) > len(f) || h.L3 != 14 && h.L3 != 18) {
		t.Fatalf("L3 is %d of %d", h.L3, len(f))
	}
	if h.Kind != frame.IPv4 && h.Kind != frame.IPv6 || h.Fault == frame.TooShort || h.Fault == frame.BadHeader {
		return
	}
	if h.L3 >= h.L4 || uint32(h.L4) > h.End || h.End > uint32(len(f)) {
		t.Fatalf("L3 %d, L4 %d, end %d of %d", h.L3, h.L4, h.End, len(f))
	}
	if four := h.Kind == frame.IPv4; h.Src.Is4() != four || h.Dst.Is4() != four {
		t.Fatalf("%v > %v is not %v", h.Src, h.Dst, h.Kind)
	}
	if h.FragOff != 0 && (h.SrcPort|h.DstPort != 0 || h.Flags|h.ICMPType|h.ICMPCode != 0) {
		t.Fatalf("a later fragment has transport fields: %+v", h)
	}
	// What follows the packet does not matter.
	if longer := parse(append(in, 1, 2, 3)); longer != h {
		t.Fatalf("three bytes of padding changed\n%+v to\n%+v", h, longer)
	}
}

// mutate damages f in one of the ways that matter, and half the time puts the
// header checksum right, so that the damage is not found at once.
func mutate(r *rand.Rand, f []byte) []byte {
	f = bytes.Clone(f)
	top := min(len(f), 80) // where the headers are
	if top == 0 {
		return f
	}
	switch r.Intn(6) {
	case 0:
		f[r.Intn(top)] ^= 1 << r.Intn(8)
	case 1:
		f[r.Intn(top)] = byte(r.Intn(256))
	case 2:
		f = f[:r.Intn(top)]
	case 3:
		f = append(f, make([]byte, r.Intn(8))...)
	case 4: // in the lengths, flags and offsets of IPv4
		at := []int{12, 13, 14, 16, 17, 20, 21, 23, 39, 46}[r.Intn(10)]
		if at < len(f) {
			f[at] = []byte{0, 1, 7, 8, 0x08, 0x20, 0x45, 0x4f, 0x50, 0xff}[r.Intn(10)]
		}
	case 5: // in the lengths and next headers of IPv6, and its first extension header
		at := []int{14, 18, 19, 20, 22, 23, 24, 54, 55, 56, 57, 58, 62}[r.Intn(13)]
		if at < len(f) {
			f[at] = []byte{0, 1, 6, 8, 43, 44, 51, 58, 59, 60, 0x60, 0xff}[r.Intn(12)]
		}
	}
	if r.Intn(2) == 0 {
		build.FixHeaderSum(f)
	}
	return f
}

func TestParseAgreesWithTheReference(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	type outcome struct {
		kind  frame.Kind
		fault frame.Fault
	}
	seen := map[outcome]int{}
	for range 8000 {
		f := frametest.Random(r)
		if h := parse(f); h.Kind == frame.Other || h.Fault != frame.NoFault {
			t.Fatalf("a valid frame is %v, %v: %s", h.Kind, h.Fault, frametest.Describe(f))
		}
		check(t, f)
		for range 4 {
			f = mutate(r, f)
			h := parse(f)
			seen[outcome{h.Kind, h.Fault}]++
			check(t, f)
		}
	}
	for kind := frame.IPv4; kind <= frame.IPv6; kind++ {
		for fault := frame.NoFault; fault <= frame.BadL4; fault++ {
			n := seen[outcome{kind, fault}]
			if sum := kind == frame.IPv6 && fault == frame.BadChecksum; n < 100 && !sum || n > 0 && sum {
				t.Errorf("%d damaged frames of %v had the fault %q", n, kind, fault)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	r := rand.New(rand.NewSource(2))
	for range 64 {
		f.Add(frametest.Random(r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		check(t, b)
		if build.FixHeaderSum(b) { // else nearly every input ends at the checksum
			check(t, b)
		}
	})
}

func TestParseAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	frames := make([][]byte, 100)
	for i := range frames {
		frames[i] = frametest.Random(r)
		if i%2 == 0 {
			frames[i] = mutate(r, frames[i])
		}
	}
	var h frame.Header
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range frames {
			frame.Parse(f, &h)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestKindsAndFaultsHaveDifferentNames(t *testing.T) {
	names := map[string]bool{}
	for k := frame.Other; k <= frame.IPv6+1; k++ {
		names[k.String()] = true
	}
	for f := frame.NoFault; f <= frame.BadL4+1; f++ {
		names[f.String()] = true
	}
	if want := 5 + 6; len(names) != want {
		t.Errorf("%d names of %d values: %v", len(names), want, names)
	}
}

func BenchmarkParse(b *testing.B) {
	pad := build.TCP{Src: client, Dst: vip, Flags: "S", IP: build.IP{Pad: true}}
	tagged, options := pad, pad
	tagged.VLAN = 7
	options.Options = []byte{1, 1, 1, 0}
	for _, c := range []struct {
		name string
		f    []byte
	}{
		{"TCP", pad.Bytes()},
		{"TCPTagged", tagged.Bytes()},
		{"TCPOptions", options.Bytes()},
		{"UDP", build.UDP{Src: client, Dst: vip, IP: build.IP{Pad: true}}.Bytes()},
		{"SCTP", build.SCTP{Src: client, Dst: vip, IP: build.IP{Pad: true}}.Bytes()},
		{"ICMP", build.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 8, IP: build.IP{Pad: true}}.Bytes()},
		{"ARP", build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr(), Pad: true}.Bytes()},
		{"TCP6", build.TCP{Src: client6, Dst: vip6, Flags: "S"}.Bytes()},
		{"TCP6Ext", build.TCP{Src: client6, Dst: vip6, Flags: "S",
			IP: build.IP{Ext: []build.Ext{build.HopByHop(), build.DestOpts()}}}.Bytes()},
	} {
		b.Run(c.name, func(b *testing.B) {
			var h frame.Header
			b.ReportAllocs()
			for b.Loop() {
				frame.Parse(c.f, &h)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

// Addresses were read wherever the header could be, from :: too, which is the
// zero Addr.
func TestHasAddrs(t *testing.T) {
	udp := build.UDP{Src: client, Dst: vip}.Bytes()
	free := build.ICMP{Src: netip.IPv6Unspecified(), Dst: vip6.Addr(), Type: 135, Payload: make([]byte, 16)}.Bytes()
	for _, c := range []struct {
		name string
		f    []byte
		want bool
	}{
		{"IPv4", udp, true},
		{"IPv6 from ::", free, true},
		{"a wrong header checksum", build.UDP{Src: client, Dst: vip, IP: build.IP{BadIPSum: true}}.Bytes(), true},
		{"a header of 16 bytes", with(udp, set(14, 0x44)), true},
		{"version 5", with(udp, set(14, 0x55)), false},
		{"a stump", udp[:20], false},
		{"ARP", build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes(), false},
	} {
		if h := parse(c.f); h.HasAddrs() != c.want {
			t.Errorf("%s: %v", c.name, h.HasAddrs())
		}
	}
}
