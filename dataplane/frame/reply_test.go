package frame_test

import (
	"bytes"
	"math/rand"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// hostUnreachable is AppendICMPError with an error of no special meaning, in
// the shape of the other builders.
func hostUnreachable(dst, f []byte, h *frame.Header) []byte {
	return frame.AppendICMPError(dst, f, h, 3, 1, 0)
}

// An answerable is a frame that may be answered, or must not be.
type answerable struct {
	name string
	f    []byte
	want bool
}

func testMayAnswer(t *testing.T, cases []answerable) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := parse(c.f)
			if got := frame.MayAnswer(c.f, &h); got != c.want {
				t.Errorf("got %v, want %v: %s", got, c.want, frametest.Describe(c.f))
			}
			checkReplies(t, c.f)
		})
	}
}

// A replyCase is a frame and what it is answered with.
type replyCase struct {
	name string
	f    []byte
	want []byte // nil: nothing
}

func testReplies(t *testing.T, appendReply func(dst, f []byte, h *frame.Header) []byte, cases []replyCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := parse(c.f)
			wantReply(t, appendReply(nil, c.f, &h), c.want)
			checkReplies(t, c.f)
		})
	}
}

// An errorCase is a frame, an ICMP error about it, and its bytes.
type errorCase struct {
	name      string
	f         []byte
	typ, code uint8
	mtu       uint16
	want      []byte // nil: none
}

// testErrors tests errors that have at most that many bytes of IP.
func testErrors(t *testing.T, most int, cases []errorCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := parse(c.f)
			got := frame.AppendICMPError(nil, c.f, &h, c.typ, c.code, c.mtu)
			wantReply(t, got, c.want)
			if n := len(got) - int(h.L3); n > most {
				t.Errorf("an error of %d bytes", n)
			}
			checkReplies(t, c.f)
		})
	}
}

func TestMayAnswer(t *testing.T) {
	tcp := build.TCP{Src: client, Dst: vip, IP: build.IP{SrcMAC: clientMAC, DstMAC: vipMAC}, Flags: "S", Payload: make([]byte, 40)}
	from := func(a string) []byte {
		s := tcp
		s.Src = netip.AddrPortFrom(netip.MustParseAddr(a), 1)
		return s.Bytes()
	}
	to := func(a string) []byte {
		s := tcp
		s.Dst = netip.AddrPortFrom(netip.MustParseAddr(a), 1)
		return s.Bytes()
	}
	icmp := func(typ uint8) []byte {
		return build.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: typ, Payload: build.Quote(tcp.Bytes(), 8)}.Bytes()
	}
	testMayAnswer(t, []answerable{
		{"a packet between two hosts", tcp.Bytes(), true},
		{"a first fragment", build.Fragment(tcp.Bytes(), 24)[0], true},
		{"a later fragment", build.Fragment(tcp.Bytes(), 24)[1], false},
		{"a frame to the broadcast MAC address", with(tcp.Bytes(), func(f []byte) { copy(f, "\xff\xff\xff\xff\xff\xff") }), false},
		{"a frame to a multicast MAC address", with(tcp.Bytes(), set(0, 0x01)), false},
		{"a frame from a multicast MAC address", with(tcp.Bytes(), set(6, 0x33)), false},
		{"from 0.0.0.0, a host without an address", from("0.0.0.0"), false},
		{"from this network", from("0.1.2.3"), false},
		{"from 1.0.0.0, a host like any other", from("1.0.0.0"), true},
		{"from the loopback network", from("127.1.2.3"), false},
		{"from 223.255.255.255, the last single host", from("223.255.255.255"), true},
		{"from a multicast address", from("224.0.0.1"), false},
		{"from class E, where there are hosts", from("240.0.0.1"), true},
		{"from the broadcast address", from("255.255.255.255"), false},
		{"to 0.0.0.0, the old broadcast address", to("0.0.0.0"), false},
		{"to the loopback network", to("127.0.0.1"), false},
		{"to a multicast address", to("239.255.255.255"), false},
		{"to class E", to("254.0.0.1"), true},
		{"to the broadcast address", to("255.255.255.255"), false},
		{"an echo reply", icmp(0), true},
		{"destination unreachable", icmp(3), false},
		{"source quench", icmp(4), false},
		{"a redirect", icmp(5), false},
		{"an echo request", icmp(8), true},
		{"time exceeded", icmp(11), false},
		{"parameter problem", icmp(12), false},
		{"a timestamp request", icmp(13), true},
		{"a packet of another protocol with the bytes of an ICMP error", // as ICMPv6 is one in IPv4
			build.Raw{Src: client.Addr(), Dst: vip.Addr(), Proto: 58, Payload: []byte{3, 1, 0, 0, 0, 0, 0, 0}}.Bytes(), true},
		{"a packet of a protocol nobody knows likewise",
			build.Raw{Src: client.Addr(), Dst: vip.Addr(), Proto: 47, Payload: []byte{3, 1, 0, 0, 0, 0, 0, 0}}.Bytes(), true},
		{"a packet with a wrong header checksum", build.TCP{Src: client, Dst: vip, IP: build.IP{BadIPSum: true}}.Bytes(), false},
		{"an ARP frame", build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes(), false},
		{"an empty frame", nil, false},
	})
}

func TestAppendEchoReply(t *testing.T) {
	ping := build.ICMP{Src: client.Addr(), Dst: vip.Addr(), IP: build.IP{SrcMAC: clientMAC, DstMAC: vipMAC, TTL: 3, TOS: 0xb9, ID: 0x4321, DF: true, Pad: true},
		Type: 8, Rest: [4]byte{0x12, 0x34, 0, 1}, Payload: []byte("odd")}
	pong := build.ICMP{Src: vip.Addr(), Dst: client.Addr(), IP: build.IP{SrcMAC: vipMAC, DstMAC: clientMAC, TOS: 0xb9, ID: 0x4321, DF: true},
		Type: 0, Rest: [4]byte{0x12, 0x34, 0, 1}, Payload: []byte("odd")}
	tagged, taggedPong := ping, pong
	tagged.VLAN, taggedPong.VLAN = 7, 7
	options := ping
	options.Options = []byte{7, 7, 4, 0, 0, 0, 0}
	empty, emptyPong := ping, pong
	empty.Payload, emptyPong.Payload = nil, nil
	long, longPong := ping, pong
	long.Payload = make([]byte, frame.MaxReply-14-20-8)
	longPong.Payload = long.Payload
	tooLong, taggedLong := long, long
	tooLong.Payload = make([]byte, len(long.Payload)+1)
	taggedLong.VLAN = 7
	code, reply := ping, ping
	code.Code = 1
	reply.Type = 0
	big := ping
	big.Payload = make([]byte, 100)

	testReplies(t, frame.AppendEchoReply, []replyCase{
		{"the whole message comes back", ping.Bytes(), pong.Bytes()},
		{"a VLAN tag is kept", tagged.Bytes(), taggedPong.Bytes()},
		{"IP options are not returned", options.Bytes(), pong.Bytes()},
		{"the reserved bit is not returned", with(ping.Bytes(), func(f []byte) { f[20] |= 0x80 }), pong.Bytes()},
		{"a ping without data", empty.Bytes(), emptyPong.Bytes()},
		{"the longest ping", long.Bytes(), longPong.Bytes()},
		{"a ping longer by a byte", tooLong.Bytes(), nil},
		{"the longest ping with a tag on top", taggedLong.Bytes(), nil},
		{"a code that means nothing", code.Bytes(), nil},
		{"an echo reply", reply.Bytes(), nil},
		{"a first fragment of a ping", build.Fragment(big.Bytes(), 48)[0], nil},
		{"a later fragment of a ping", build.Fragment(big.Bytes(), 48)[1], nil},
		{"a ping to everybody", with(ping.Bytes(), func(f []byte) { copy(f[30:], "\xff\xff\xff\xff") }), nil},
		{"a TCP segment", build.TCP{Src: client, Dst: vip, Flags: "S"}.Bytes(), nil},
	})
}

func TestAppendReset(t *testing.T) {
	in := func(flags string, payload int) build.TCP {
		return build.TCP{Src: client, Dst: vip, IP: build.IP{SrcMAC: clientMAC, DstMAC: vipMAC, TTL: 3, TOS: 0x03},
			Flags: flags, Seq: 0xfffffffe, Ack: 0x01020304, Payload: make([]byte, payload)}
	}
	out := func(flags string, seq, ack uint32) build.TCP {
		return build.TCP{Src: vip, Dst: client, IP: build.IP{SrcMAC: vipMAC, DstMAC: clientMAC, DF: true}, Flags: flags, Seq: seq, Ack: ack}
	}
	window := func(s build.TCP) []byte { return withoutWindow(t, s) }
	tagged, taggedOut := in("S", 0), out("RA", 0, 0xffffffff)
	tagged.VLAN, taggedOut.VLAN = 7, 7
	options := in("S", 0)
	options.TCPOptions = []byte{2, 4, 5, 0xb4, 1, 1, 4, 2}
	options.Options = []byte{1, 1, 1, 0}
	padded := in("", 0)
	padded.Pad = true

	testReplies(t, frame.AppendReset, []replyCase{
		{"a SYN counts one", in("S", 0).Bytes(), window(out("RA", 0, 0xffffffff))},
		{"a VLAN tag is kept", tagged.Bytes(), window(taggedOut)},
		{"options do not count", options.Bytes(), window(out("RA", 0, 0xffffffff))},
		{"a SYN with data counts both, and sequence numbers wrap", in("S", 5).Bytes(), window(out("RA", 0, 4))},
		{"a FIN counts one", in("F", 0).Bytes(), window(out("RA", 0, 0xffffffff))},
		{"SYN, FIN and data", in("SF", 2).Bytes(), window(out("RA", 0, 2))},
		{"no flags, no data", in("", 0).Bytes(), window(out("RA", 0, 0xfffffffe))},
		{"Ethernet padding does not count", padded.Bytes(), window(out("RA", 0, 0xfffffffe))},
		{"an ACK tells the sequence number itself", in("A", 0).Bytes(), window(out("R", 0x01020304, 0))},
		{"so does an ACK with data", in("PA", 9).Bytes(), window(out("R", 0x01020304, 0))},
		{"so does a FIN with an ACK", in("FA", 0).Bytes(), window(out("R", 0x01020304, 0))},
		{"so does a SYN with an ACK", in("SA", 0).Bytes(), window(out("R", 0x01020304, 0))},
		{"a reset is not answered", in("R", 0).Bytes(), nil},
		{"nor a reset with an ACK", in("RA", 0).Bytes(), nil},
		{"nor a SYN that is a reset as well", in("SR", 0).Bytes(), nil},
		{"nor a first fragment", build.Fragment(in("A", 40).Bytes(), 24)[0], nil},
		{"nor a later fragment", build.Fragment(in("A", 40).Bytes(), 24)[1], nil},
		{"nor a SYN to a multicast MAC address", with(in("S", 0).Bytes(), set(0, 1)), nil},
		{"nor a UDP datagram", build.UDP{Src: client, Dst: vip}.Bytes(), nil},
	})
}

func TestAppendICMPError(t *testing.T) {
	udp := build.UDP{Src: client, Dst: vip, IP: build.IP{SrcMAC: clientMAC, DstMAC: vipMAC, ID: 0x4321, TTL: 1, Pad: true}, Payload: []byte("who is there?")}
	out := func(typ, code uint8, rest [4]byte, quoted []byte, n int) build.ICMP {
		return build.ICMP{Src: vip.Addr(), Dst: client.Addr(), IP: build.IP{SrcMAC: vipMAC, DstMAC: clientMAC, TOS: 0xc0, ID: 0x4321},
			Type: typ, Code: code, Rest: rest, Payload: build.Quote(quoted, n)}
	}
	long := udp
	long.Payload = make([]byte, 1400)
	// 576 bytes, of which 28 are ours and 20 the quoted header.
	const most = 576 - 28 - 20
	just := udp
	just.Payload = make([]byte, most-8)
	options := long
	options.Options = make([]byte, 40)
	tagged, taggedOut := udp, out(3, 3, [4]byte{}, udp.Bytes(), most)
	tagged.VLAN, taggedOut.VLAN = 7, 7
	first := build.Fragment(long.Bytes(), 800)[0]
	inner := build.TCP{Src: vip, Dst: client}.Bytes()

	testErrors(t, 576, []errorCase{
		{"port unreachable quotes all of a short packet, not its padding", udp.Bytes(), 3, 3, 0,
			out(3, 3, [4]byte{}, udp.Bytes(), most).Bytes()},
		{"a VLAN tag is kept and not quoted", tagged.Bytes(), 3, 3, 0, taggedOut.Bytes()},
		{"a packet that just fits 576 bytes", just.Bytes(), 3, 3, 0, out(3, 3, [4]byte{}, just.Bytes(), most).Bytes()},
		{"a long packet is cut", long.Bytes(), 3, 3, 0, out(3, 3, [4]byte{}, long.Bytes(), most).Bytes()},
		{"IP options are quoted and count", options.Bytes(), 3, 3, 0, out(3, 3, [4]byte{}, options.Bytes(), most-40).Bytes()},
		{"fragmentation needed tells the MTU", long.Bytes(), 3, 4, 1400,
			out(3, 4, [4]byte{0, 0, 0x05, 0x78}, long.Bytes(), most).Bytes()},
		{"another code does not", udp.Bytes(), 3, 3, 1400, out(3, 3, [4]byte{}, udp.Bytes(), most).Bytes()},
		{"another type does not", udp.Bytes(), 11, 4, 1400, out(11, 4, [4]byte{}, udp.Bytes(), most).Bytes()},
		{"time exceeded quotes the TTL that ran out", udp.Bytes(), 11, 0, 0, out(11, 0, [4]byte{}, udp.Bytes(), most).Bytes()},
		{"a first fragment", first, 3, 3, 0, out(3, 3, [4]byte{}, first, most).Bytes()},
		{"a later fragment", build.Fragment(long.Bytes(), 800)[1], 3, 3, 0, nil},
		{"a packet to everybody", with(udp.Bytes(), func(f []byte) { copy(f[30:], "\xff\xff\xff\xff") }), 3, 3, 0, nil},
		{"an ICMP error", build.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 3, Code: 3, Payload: build.Quote(inner, 8)}.Bytes(), 11, 0, 0, nil},
	})
}

// withoutWindow is s's bytes with the window of a reset, 0, in place of the
// builder's.
func withoutWindow(t *testing.T, s build.TCP) []byte {
	p := gopacket.NewPacket(s.Bytes(), layers.LayerTypeEthernet, gopacket.Default)
	p.Layer(layers.LayerTypeTCP).(*layers.TCP).Window = 0
	return reserialize(t, p)
}

// wantReply compares a reply with a frame that gopacket made.
func wantReply(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("\n got %s\n     % x\nwant %s\n     % x", frametest.Describe(got), got, frametest.Describe(want), want)
	}
}

// reserialize is p as gopacket writes it, lengths and checksums its own,
// without its padding.
func reserialize(t *testing.T, p gopacket.Packet) []byte {
	t.Helper()
	if e := p.ErrorLayer(); e != nil {
		t.Fatalf("gopacket cannot decode it: %v", e.Error())
	}
	var ls []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		if l, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := l.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				t.Fatal(err)
			}
		}
		ls = append(ls, l.(gopacket.SerializableLayer))
		if l.LayerType() == layers.LayerTypeICMPv6 { // gopacket forgets the data of an echo
			ls = append(ls, gopacket.Payload(l.LayerPayload()))
			break
		}
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()[:min(len(p.Data()), len(buf.Bytes()))]
}

// mayAnswerSlow is the lists of RFC 1122 section 3.2.2 and RFC 4443 section
// 2.4(e) in the words of the standard library.
func mayAnswerSlow(f []byte, h *frame.Header) bool {
	if h.Kind != frame.IPv4 && h.Kind != frame.IPv6 || h.Fault != frame.NoFault {
		return false
	}
	for _, a := range []netip.Addr{h.Src.IP(), h.Dst.IP()} {
		if a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() ||
			netip.MustParsePrefix("0.0.0.0/8").Contains(a) || a == netip.MustParseAddr("255.255.255.255") {
			return false
		}
	}
	icmpError := h.Proto == 1 && map[uint8]bool{3: true, 4: true, 5: true, 11: true, 12: true}[h.ICMPType]
	if h.Kind == frame.IPv6 {
		icmpError = h.Proto == 58 && (h.ICMPType < 128 || h.ICMPType == 137)
	}
	group := f[0]%2 == 1 || f[6]%2 == 1
	return !icmpError && !group && h.FragOff == 0
}

// checkReplies asserts what all replies to any bytes at all have in common.
// It reports how many there were.
func checkReplies(t *testing.T, f []byte) int {
	t.Helper()
	h := parse(f)
	if got, want := frame.MayAnswer(f, &h), mayAnswerSlow(f, &h); got != want {
		t.Fatalf("MayAnswer is %v, want %v: %s", got, want, frametest.Describe(f))
	}
	in, before := bytes.Clone(f), h
	n := 0
	for name, appendReply := range map[string]func(dst, f []byte, h *frame.Header) []byte{
		"echo reply": frame.AppendEchoReply, "reset": frame.AppendReset, "ICMP error": hostUnreachable,
	} {
		prefix := []byte("prefix")
		// Dirty memory behind the prefix must not show through.
		dst := append(make([]byte, 0, 4096), bytes.Repeat([]byte{0xaa}, 4096)...)
		copy(dst, prefix)
		out := appendReply(dst[:len(prefix)], f, &h)
		if !bytes.Equal(f, in) || h != before {
			t.Fatalf("%s: the frame or its header changed", name)
		}
		if !bytes.HasPrefix(out, prefix) {
			t.Fatalf("%s: what was in dst changed", name)
		}
		if &out[0] != &dst[0] {
			t.Fatalf("%s: dst had room and was left", name)
		}
		g := out[len(prefix):]
		if len(g) == 0 {
			continue
		}
		if !mayAnswerSlow(f, &h) {
			t.Fatalf("%s to what must not be answered: %s", name, frametest.Describe(f))
		}
		n++
		checkReply(t, name, f, g, &h)
		gh := parse(g)
		if again := appendReply(nil, g, &gh); again != nil {
			t.Fatalf("%s answers itself: %s", name, frametest.Describe(again))
		}
	}
	return n
}

// checkReply asserts that g goes back where f came from and is right in every
// length and checksum.
func checkReply(t *testing.T, name string, f, g []byte, h *frame.Header) {
	t.Helper()
	if len(g) > frame.MaxReply {
		t.Fatalf("%s: %d bytes", name, len(g))
	}
	if frame.DstMAC(g) != frame.SrcMAC(f) || frame.SrcMAC(g) != frame.DstMAC(f) {
		t.Fatalf("%s: MAC addresses from %x to %x", name, frame.SrcMAC(g), frame.DstMAC(g))
	}
	if !bytes.Equal(g[12:h.L3], f[12:h.L3]) {
		t.Fatalf("%s: the type or tag is % x, was % x", name, g[12:h.L3], f[12:h.L3])
	}
	gh := frametest.Parse(g)
	want := frame.Header{
		Kind: h.Kind, L3: h.L3, L4: h.L3 + 20, End: uint32(len(g)), TTL: 64,
		Src: h.Dst, Dst: h.Src, SrcPort: gh.SrcPort, DstPort: gh.DstPort,
		Proto: gh.Proto, DF: gh.DF, FragID: gh.FragID, Flags: gh.Flags, ICMPType: gh.ICMPType, ICMPCode: gh.ICMPCode,
	}
	if h.Kind == frame.IPv6 {
		want.L4, want.DF = h.L3+40, true
	}
	if gh != want {
		t.Fatalf("%s:\n got %+v\nwant %+v", name, gh, want)
	}
	p := gopacket.NewPacket(bytes.Clone(g), layers.LayerTypeEthernet, gopacket.Default)
	if again := reserialize(t, p); !bytes.Equal(g, again) {
		t.Fatalf("%s: gopacket would write\n     % x\ngot  % x", name, again, g)
	}
}

func TestRepliesToRandomFrames(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	n := 0
	for range 3000 {
		f := frametest.Random(r)
		n += checkReplies(t, f)
		checkReplies(t, mutate(r, f))
	}
	if n < 1000 {
		t.Errorf("only %d replies; the test shows little", n)
	}
}

func FuzzReplies(f *testing.F) {
	r := rand.New(rand.NewSource(2))
	for range 64 {
		f.Add(frametest.Random(r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		build.FixHeaderSum(b)
		checkReplies(t, b)
	})
}

func TestRepliesAllocateNothing(t *testing.T) {
	buf := make([]byte, 0, frame.MaxReply)
	for _, host := range []struct {
		src, dst netip.AddrPort
		echo     uint8
	}{{client, vip, 8}, {client6, vip6, 128}} {
		tcp := build.TCP{Src: host.src, Dst: host.dst, Flags: "S", Payload: make([]byte, 1000)}.Bytes()
		ping := build.ICMP{Src: host.src.Addr(), Dst: host.dst.Addr(), Type: host.echo, Payload: make([]byte, 1000)}.Bytes()
		for _, c := range []struct {
			name string
			f    []byte
			make func(dst, f []byte, h *frame.Header) []byte
		}{
			{"AppendEchoReply", ping, frame.AppendEchoReply},
			{"AppendReset", tcp, frame.AppendReset},
			{"AppendICMPError", tcp, hostUnreachable},
		} {
			h := parse(c.f)
			if len(c.make(buf, c.f, &h)) == 0 {
				t.Errorf("%s to %v: no reply; the test shows nothing", c.name, host.src)
			}
			if n := testing.AllocsPerRun(100, func() { c.make(buf, c.f, &h) }); n != 0 {
				t.Errorf("%s to %v: %v allocations, want 0", c.name, host.src, n)
			}
		}
	}
}

func BenchmarkAppendReset(b *testing.B) {
	f := build.TCP{Src: client, Dst: vip, Flags: "S"}.Bytes()
	h := parse(f)
	buf := make([]byte, 0, frame.MaxReply)
	b.ReportAllocs()
	for b.Loop() {
		frame.AppendReset(buf, f, &h)
	}
}
