package frame_test

import (
	"bytes"
	"math/rand"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// inner is frame.Inner into a header full of rubbish.
func inner(f []byte) (frame.Header, bool) {
	h := parse(f)
	in := parse(tcp6(build.FragmentHeader(0, true, 99)))
	ok := frame.Inner(f, &h, &in)
	return in, ok
}

// quoting is an ICMP error of a router to the VIP about the packet in f, n
// bytes of whose payload it quotes.
func quoting(f []byte, n int) []byte { return errorWith(f, build.Quote(f, n)) }

// errorWith is an ICMP error of f's family with the given quotation.
func errorWith(f, quotation []byte) []byte {
	if parse(f).Kind == frame.IPv6 {
		return build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Type: 2, Rest: [4]byte{2: 5, 3: 0x14}, Payload: quotation}.Bytes()
	}
	return build.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 3, Code: 4, Rest: [4]byte{2: 5, 3: 0x14}, Payload: quotation}.Bytes()
}

// edited is q with other bytes from at on.
func edited(q []byte, at int, by ...byte) []byte {
	q = bytes.Clone(q)
	copy(q[at:], by)
	return q
}

func TestInnerReadsWhatIsQuoted(t *testing.T) {
	tcp := build.TCP{Src: vip, Dst: client, Flags: "SA", IP: build.IP{ID: 0x4321, DF: true, TTL: 1}, Payload: make([]byte, 100)}
	options := tcp
	options.Options = []byte{7, 7, 4, 0, 0, 0, 0}
	big6 := build.TCP{Src: vip6, Dst: client6, Flags: "SA", IP: build.IP{TTL: 1}, Payload: make([]byte, 100)}
	ext6 := big6
	ext6.Ext = []build.Ext{build.HopByHop(), build.DestOpts(make([]byte, 10)...)}
	pieces := build.Fragment(tcp.Bytes(), 24)
	pieces6 := build.Fragment(big6.Bytes(), 24)
	id6 := frametest.Parse(pieces6[0]).FragID
	udp := build.UDP{Src: vip, Dst: client, Payload: make([]byte, 100)}.Bytes()
	sctp := build.SCTP{Src: vip6, Dst: client6}.Bytes()
	ping := build.ICMP{Src: vip.Addr(), Dst: client.Addr(), Type: 8, Code: 1}.Bytes()
	ping6 := build.ICMP{Src: vip6.Addr(), Dst: client6.Addr(), Type: 128, Code: 1}.Bytes()

	// four and six are the expected Headers of a quoted TCP segment, which starts 14+20+8
	// or 14+40+8 bytes into the frame.
	four := func(edit func(h *frame.Header)) frame.Header {
		h := frame.Header{Kind: frame.IPv4, L3: 42, L4: 62, End: 70, Proto: 6, TTL: 1, FragID: 0x4321, DF: true,
			Src: frame.AddrFrom(vip.Addr()), Dst: frame.AddrFrom(client.Addr()), SrcPort: 80, DstPort: 40000}
		edit(&h)
		return h
	}
	six := func(edit func(h *frame.Header)) frame.Header {
		h := frame.Header{Kind: frame.IPv6, L3: 62, L4: 102, End: 110, Proto: 6, TTL: 1, DF: true,
			Src: frame.AddrFrom(vip6.Addr()), Dst: frame.AddrFrom(client6.Addr()), SrcPort: 80, DstPort: 40000}
		edit(&h)
		return h
	}
	const synAck = frame.SYN | frame.ACK

	for _, c := range []struct {
		name string
		f    []byte
		want frame.Header
	}{
		{"eight bytes of TCP have ports and no flags", quoting(tcp.Bytes(), 8), four(func(h *frame.Header) {})},
		{"thirteen have none either", quoting(tcp.Bytes(), 13), four(func(h *frame.Header) { h.End += 5 })},
		{"fourteen have", quoting(tcp.Bytes(), 14), four(func(h *frame.Header) { h.End, h.Flags = 76, synAck })},
		{"all of the segment", quoting(tcp.Bytes(), 1000), four(func(h *frame.Header) { h.End, h.Flags = 62+120, synAck })},
		{"zeroes after a short packet are quoted like it", errorWith(ping, append(build.Quote(ping, 8), make([]byte, 100)...)),
			four(func(h *frame.Header) {
				h.Proto, h.FragID, h.DF, h.TTL, h.ICMPType, h.ICMPCode, h.SrcPort, h.DstPort, h.End = 1, 0, false, 64, 8, 1, 0, 0, 170
			})},
		{"IP options", quoting(options.Bytes(), 8), four(func(h *frame.Header) { h.L4, h.End = 70, 78 })},
		{"a TTL of 0, as some routers quote", errorWith(udp, build.Quote(with(tcp.Bytes(), set(14+8, 0)), 8)),
			four(func(h *frame.Header) { h.TTL = 0 })},
		{"UDP", quoting(udp, 8), four(func(h *frame.Header) { h.Proto, h.FragID, h.DF, h.TTL = 17, 0, false, 64 })},
		{"a first fragment", quoting(pieces[0], 8), four(func(h *frame.Header) { h.More = true })},
		{"four bytes of TCP have ports, too", quoting(tcp.Bytes(), 4), four(func(h *frame.Header) { h.End = 66 })},
		{"a later fragment, whose bytes are taken for ports", quoting(pieces[1], 8), four(func(h *frame.Header) { h.FragOff, h.SrcPort, h.DstPort = 24, 0, 0 })},
		{"a header checksum that was not renewed", errorWith(udp, edited(build.Quote(tcp.Bytes(), 8), 10, 0)), four(func(h *frame.Header) {})},
		{"a length of nothing", errorWith(udp, edited(build.Quote(tcp.Bytes(), 8), 2, 0, 0)), four(func(h *frame.Header) {})},
		{"length and fragment word in host order", errorWith(udp, edited(build.Quote(tcp.Bytes(), 8), 2, 140, 0, 0x43, 0x21, 0, 0x40)),
			four(func(h *frame.Header) { h.DF, h.FragOff = false, 0x40*8 })},
		{"a payload length of nothing in IPv6", errorWith(big6.Bytes(), edited(build.Quote(big6.Bytes(), 8), 4, 0, 0)), six(func(h *frame.Header) {})},
		{"eight bytes of TCP in IPv6", quoting(big6.Bytes(), 8), six(func(h *frame.Header) {})},
		{"more of it", quoting(big6.Bytes(), 20), six(func(h *frame.Header) { h.End, h.Flags = 122, synAck })},
		{"extension headers", quoting(ext6.Bytes(), 8), six(func(h *frame.Header) { h.L4, h.End = 102+24, 102+32 })},
		{"SCTP", quoting(sctp, 8), six(func(h *frame.Header) { h.Proto, h.TTL = 132, 64 })},
		{"an echo request", quoting(ping6, 8), six(func(h *frame.Header) {
			h.Proto, h.TTL, h.ICMPType, h.ICMPCode, h.SrcPort, h.DstPort = 58, 64, 128, 1, 0, 0
		})},
		{"a first fragment of IPv6", quoting(pieces6[0], 8), six(func(h *frame.Header) { h.L4, h.End, h.FragID, h.More = 110, 118, id6, true })},
		{"a later fragment of IPv6", quoting(pieces6[1], 8), six(func(h *frame.Header) {
			h.L4, h.End, h.FragID, h.FragOff, h.SrcPort, h.DstPort = 110, 118, id6, 24, 0, 0
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := inner(c.f); !ok || got != c.want {
				t.Errorf("%v\n got %+v\nwant %+v", ok, got, c.want)
			}
			checkInner(t, c.f)
		})
	}
}

func TestInnerRefuses(t *testing.T) {
	tcp := build.TCP{Src: vip, Dst: client, Flags: "SA", Payload: make([]byte, 100)}.Bytes()
	six := build.TCP{Src: vip6, Dst: client6, Flags: "SA", Payload: make([]byte, 100), IP: build.IP{Ext: []build.Ext{build.DestOpts(make([]byte, 14)...)}}}
	routed, mapped := six, six
	routed.Ext = []build.Ext{build.Routing(0, 1, client6.Addr())}
	q4, q6 := build.Quote(tcp, 8), build.Quote(six.Bytes(), 8)
	mapped.Src = netip.MustParseAddrPort("[::ffff:198.51.100.1]:80")
	icmp := func(typ uint8) []byte {
		return build.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: typ, Payload: q4}.Bytes()
	}
	icmp6 := func(typ uint8) []byte {
		return build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Type: typ, Payload: q6}.Bytes()
	}
	edited := func(q []byte, edit func([]byte)) []byte {
		q = bytes.Clone(q)
		edit(q)
		return q
	}
	// checked is q with its header checksum put right.
	checked := func(q []byte) []byte {
		f := append(bytes.Clone(tcp[:14]), q...)
		build.FixHeaderSum(f)
		return f[14:]
	}
	short := checked(edited(q4, func(q []byte) { q[2], q[3] = 0, 27 }))
	quoted4 := func(q []byte) []byte { return errorWith(tcp, q) }
	quoted6 := func(q []byte) []byte { return errorWith(six.Bytes(), q) }

	for _, c := range []struct {
		name string
		f    []byte
		want bool
	}{
		{"destination unreachable", icmp(3), true},
		{"source quench", icmp(4), true},
		{"a redirect", icmp(5), false},
		{"time exceeded", icmp(11), true},
		{"parameter problem", icmp(12), true},
		{"an echo request with the bytes of an error", icmp(8), false},
		{"destination unreachable of ICMPv6", icmp6(1), true},
		{"packet too big", icmp6(2), true},
		{"time exceeded of ICMPv6", icmp6(3), true},
		{"parameter problem of ICMPv6", icmp6(4), true},
		{"an error nobody knows", icmp6(5), false},
		{"a type of 0 of ICMPv6", icmp6(0), false},
		{"an ICMPv6 redirect", icmp6(137), false},
		{"ICMP in IPv6", build.Raw{Src: client6.Addr(), Dst: vip6.Addr(), Proto: 1, Payload: append([]byte{3, 1, 0, 0, 0, 0, 0, 0}, q6...)}.Bytes(), false},
		{"a TCP segment", tcp, false},
		{"a frame with a fault", quoted4(q4)[:40], false},
		{"a later fragment of an error", build.Fragment(quoted4(q4), 16)[1], false},
		{"a first fragment of an error", build.Fragment(quoted4(build.Quote(tcp, 60)), 56)[0], true},

		{"nothing quoted", quoted4(nil), false},
		{"19 bytes", quoted4(q4[:19]), false},
		{"three bytes of TCP", quoted4(q4[:23]), false},
		{"four", quoted4(q4[:24]), true},
		{"a packet that ends within TCP", quoted4(short), true},
		{"a wrong header checksum", quoted4(edited(q4, func(q []byte) { q[8]++ })), true},
		{"version 6 in ICMP", quoted4(q6), false},
		{"a header of 16 bytes", quoted4(checked(edited(q4, func(q []byte) { q[0] = 0x44 }))), false},
		{"a header longer than the quotation", quoted4(checked(edited(q4, func(q []byte) { q[0] = 0x4f }))), false},
		{"a header longer than the packet", quoted4(checked(edited(q4, func(q []byte) { q[0], q[2], q[3] = 0x46, 0, 23 }))), true},

		{"39 bytes of IPv6", quoted6(q6[:39]), false},
		{"version 4 in ICMPv6", quoted6(append(bytes.Clone(q4), make([]byte, 40)...)), false},
		{"a chain that is cut", quoted6(q6[:40+15]), false},
		{"a chain that is not", quoted6(q6[:40+16+8]), true},
		{"three bytes of TCP behind it", quoted6(q6[:40+16+3]), false},
		{"a packet that ends within its chain", quoted6(edited(q6, func(q []byte) { q[4], q[5] = 0, 15 })), true},
		{"segments left", quoted6(build.Quote(routed.Bytes(), 8)), false},
		{"an IPv4-mapped address", quoted6(build.Quote(mapped.Bytes(), 8)), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := inner(c.f); ok != c.want || !ok && got != (frame.Header{}) {
				t.Errorf("%v, want %v: %+v", ok, c.want, got)
			}
			checkInner(t, c.f)
		})
	}
}

// checkInner asserts what Inner promises of any bytes at all, and that it agrees
// with the slow reference in every field.
func checkInner(t *testing.T, f []byte) bool {
	t.Helper()
	before := bytes.Clone(f)
	h := parse(f)
	in, ok := inner(f)
	if !bytes.Equal(f, before) {
		t.Fatal("Inner changed the frame")
	}
	want, wantOK := frametest.Inner(f)
	if ok != wantOK || in != want {
		t.Fatalf("\n     got %v %+v\nreference %v %+v\nof % x", ok, in, wantOK, want, f)
	}
	if !ok {
		return false
	}
	if in.Kind != h.Kind || in.Fault != frame.NoFault || in.L3 != h.L4+8 || in.L3 >= in.L4 || uint32(in.L4) > in.End || in.End > h.End {
		t.Fatalf("%+v within %+v", in, h)
	}
	if four := in.Kind == frame.IPv4; in.Src.Is4() != four || in.Dst.Is4() != four {
		t.Fatalf("%v > %v in %v", in.Src, in.Dst, in.Kind)
	}
	return true
}

// What an error quotes of a packet reads as the packet itself, as far as it is
// quoted.
func TestInnerFindsThePacketThatWasQuoted(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 3000 {
		f := randomIP(r)
		h := parse(f)
		e := quoting(f, 20)
		in, ok := inner(e)
		if !ok {
			t.Fatalf("not read: %s", frametest.Describe(f))
		}
		if h.FragOff != 0 && h.Kind == frame.IPv4 {
			in.SrcPort, in.DstPort, in.Flags, in.ICMPType, in.ICMPCode = 0, 0, 0, 0, 0 // whatever stands there
		}
		want := h
		want.L3, want.L4 = in.L3, in.L3+h.L4-h.L3
		want.End = min(uint32(want.L4)+20, uint32(want.L3)+h.End-uint32(h.L3))
		if in != want {
			t.Fatalf("\n got %+v\nwant %+v\nof %s", in, want, frametest.Describe(f))
		}
	}
}

func TestInnerAgreesWithTheReference(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	read, refused := 0, 0
	for range 4000 {
		f := frametest.RandomError(r)
		if !checkInner(t, f) {
			t.Fatalf("a valid error is refused: %s", frametest.Describe(f))
		}
		for range 4 {
			g := bytes.Clone(f)
			h := parse(f)
			switch at := int(h.L4) + r.Intn(min(int(h.End)-int(h.L4), 8+60)); r.Intn(3) {
			case 0:
				g[at] ^= 1 << r.Intn(8)
			case 1:
				g[at] = []byte{0, 1, 6, 8, 43, 44, 51, 58, 59, 60, 0x45, 0x60, 0xff}[r.Intn(13)]
			default:
				// Cut, and let the outer length agree.
				q := g[h.L4+8 : at+max(0, int(h.L4)+8-at)]
				g = errorWith(f, q)
			}
			if checkInner(t, g) {
				read++
			} else {
				refused++
			}
		}
	}
	if read < 1000 || refused < 1000 {
		t.Errorf("%d damaged errors were read and %d refused; the test shows little", read, refused)
	}
}

func FuzzInner(f *testing.F) {
	r := rand.New(rand.NewSource(2))
	for range 64 {
		e := frametest.RandomError(r)
		h := parse(e)
		f.Add(h.Kind == frame.IPv6, e[h.L4+8:h.End])
	}
	f.Fuzz(func(t *testing.T, six bool, quotation []byte) {
		family := build.TCP{Src: vip, Dst: client}.Bytes()
		if six {
			family = tcp6()
		}
		if len(quotation) > 60000 {
			return
		}
		checkInner(t, errorWith(family, quotation))
		q := append(bytes.Clone(family[:14]), quotation...)
		if build.FixHeaderSum(q) { // else nearly every input ends at the checksum
			checkInner(t, errorWith(family, q[14:]))
		}
	})
}

func TestInnerAllocatesNothing(t *testing.T) {
	for _, f := range [][]byte{
		quoting(build.TCP{Src: vip, Dst: client}.Bytes(), 8),
		quoting(tcp6(build.DestOpts()), 8),
	} {
		h := parse(f)
		var in frame.Header
		if !frame.Inner(f, &h, &in) {
			t.Error("not read; the test shows nothing")
		}
		if n := testing.AllocsPerRun(100, func() { frame.Inner(f, &h, &in) }); n != 0 {
			t.Errorf("%v allocations, want 0", n)
		}
	}
}

func BenchmarkInner(b *testing.B) {
	f := quoting(build.TCP{Src: vip, Dst: client}.Bytes(), 8)
	h := parse(f)
	var in frame.Header
	b.ReportAllocs()
	for b.Loop() {
		frame.Inner(f, &h, &in)
	}
}
