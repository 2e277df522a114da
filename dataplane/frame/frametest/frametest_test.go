package frametest_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/dataplane/frame"
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

func TestDescribe(t *testing.T) {
	tcp := frametest.TCP{Src: client, Dst: vip, SrcMAC: clientMAC, DstMAC: vipMAC, VLAN: 7, Flags: "SA", Seq: 1, Ack: 2, Payload: []byte("abc")}
	udp := frametest.UDP{Src: client, Dst: vip, Payload: make([]byte, 40), TTL: 3}.Bytes()
	const zero = "00:00:00:00:00:00 > 00:00:00:00:00:00, "
	for _, c := range []struct {
		name string
		f    []byte
		want string
	}{
		{"TCP in a tag", tcp.Bytes(),
			"02:00:00:00:00:0c > 02:00:00:00:00:01, vlan 7, 192.0.2.10:40000 > 198.51.100.1:80 ttl 64, TCP SA seq 1 ack 2, 3 bytes"},
		{"UDP", udp, zero + "192.0.2.10:40000 > 198.51.100.1:80 ttl 3, UDP, 40 bytes"},
		{"a fragment", frametest.Fragment(udp, 8)[1], zero + "192.0.2.10 > 198.51.100.1 ttl 3 fragment at 8, UDP, 40 bytes"},
		{"SCTP", frametest.SCTP{Src: client, Dst: vip}.Bytes(), zero + "192.0.2.10:40000 > 198.51.100.1:80 ttl 64, SCTP, 0 bytes"},
		{"ICMP", frametest.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 8}.Bytes(),
			zero + "192.0.2.10 > 198.51.100.1 ttl 64, ICMP EchoRequest, 0 bytes"},
		{"ARP", frametest.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes(),
			zero + "ARP op 1 from 192.0.2.10 to 198.51.100.1, 0 bytes"},
		{"TCP in IPv6", frametest.TCP{Src: client6, Dst: vip6, Flags: "S", TTL: 3}.Bytes(),
			zero + "[2001:db8:1::10]:40000 > [2001:db8:2::1]:80 ttl 3, TCP S seq 0 ack 0, 0 bytes"},
		{"extension headers", frametest.UDP{Src: client6, Dst: vip6, Ext: []frametest.Ext{frametest.DestOpts(), frametest.Routing(0, 0)}}.Bytes(),
			zero + "[2001:db8:1::10]:40000 > [2001:db8:2::1]:80 ttl 64, UDP, 0 bytes"},
		{"ICMPv6", frametest.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Type: 128}.Bytes(),
			zero + "2001:db8:1::10 > 2001:db8:2::1 ttl 64, ICMPv6 EchoRequest, 4 bytes"},
		{"a fragment of IPv6", frametest.Fragment(frametest.UDP{Src: client6, Dst: vip6, Payload: make([]byte, 40)}.Bytes(), 8)[1],
			zero + "2001:db8:1::10 > 2001:db8:2::1 ttl 64 fragment at 8, UDP, 40 bytes"},
		{"a stump", tcp.Bytes()[:10], "damaged: Ethernet packet too small"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := frametest.Describe(c.f); !strings.HasPrefix(got, c.want) {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// Describe is called on frames that made a test fail, so it must stand
// anything.
func TestDescribeStandsDamagedFrames(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 3000 {
		f := frametest.Random(r)
		f[12+r.Intn(len(f)-12)] = byte(r.Intn(256))
		f = f[:r.Intn(len(f)+1)]
		if s := frametest.Describe(f); strings.Contains(s, "\n") {
			t.Fatalf("more than a line: %q", s)
		}
	}
}

func TestPadFillsUpToSixtyBytes(t *testing.T) {
	u := frametest.UDP{Src: client, Dst: vip, Payload: []byte("abc"), Options: []byte{1}}
	short := u.Bytes()
	u.Pad = true
	padded := u.Bytes()
	if len(short) != 14+24+8+3 || len(padded) != 60 || !bytes.HasPrefix(padded, short) {
		t.Errorf("%d bytes, padded %d", len(short), len(padded))
	}
	u.Payload = make([]byte, 50)
	if n := len(u.Bytes()); n != 14+24+8+50 {
		t.Errorf("a long frame was padded to %d bytes", n)
	}
	arp := frametest.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}
	if n := len(arp.Bytes()); n != 42 {
		t.Errorf("an ARP frame of %d bytes, want 42", n)
	}
	arp.Pad = true
	if n := len(arp.Bytes()); n != 60 {
		t.Errorf("a padded ARP frame of %d bytes, want 60", n)
	}
}

func TestBadSumsAreBadWhereAsked(t *testing.T) {
	for _, bad := range []bool{false, true} {
		tcp := frametest.TCP{Src: client, Dst: vip, Options: []byte{1}, BadSum: bad}.Bytes()
		udp := frametest.UDP{Src: client, Dst: vip, Options: []byte{1}, BadSum: bad}.Bytes()
		icmp := frametest.ICMP{Src: client.Addr(), Dst: vip.Addr(), Options: []byte{1}, BadSum: bad, Payload: []byte{1}}.Bytes()
		ext := []frametest.Ext{frametest.HopByHop()}
		tcp6 := frametest.TCP{Src: client6, Dst: vip6, Ext: ext, BadSum: bad}.Bytes()
		udp6 := frametest.UDP{Src: client6, Dst: vip6, Ext: ext, BadSum: bad}.Bytes()
		icmp6 := frametest.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Ext: ext, BadSum: bad, Payload: []byte{1}}.Bytes()
		for _, f := range [][]byte{tcp, udp, icmp, tcp6, udp6, icmp6} {
			h := frametest.Parse(f)
			if h.Fault != frame.NoFault || frame.L4ChecksumOK(f, &h) == bad {
				t.Errorf("BadSum %v: fault %v, checksum right %v: %s", bad, h.Fault, frame.L4ChecksumOK(f, &h), frametest.Describe(f))
			}
		}
		sctp := frametest.SCTP{Src: client, Dst: vip, Options: []byte{1}, BadSum: bad, Tag: 5, Payload: []byte("abcd")}.Bytes()
		p := bytes.Clone(sctp[14+24:])
		sum := binary.LittleEndian.Uint32(p[8:])
		clear(p[8:12])
		if (crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)) != sum) != bad {
			t.Errorf("BadSum %v of SCTP is not", bad)
		}
		f := frametest.UDP{Src: client, Dst: vip, BadIPSum: bad}.Bytes()
		if (frametest.Parse(f).Fault == frame.BadChecksum) != bad {
			t.Errorf("BadIPSum %v: %v", bad, frametest.Parse(f).Fault)
		}
	}
}

// A UDP checksum that comes out as zero is sent as all ones, because zero says
// that there is none (RFC 768).
func TestUDPNeverComputesNoChecksum(t *testing.T) {
	field := func(f []byte) uint16 { return binary.BigEndian.Uint16(f[14+20+6:]) }
	u := frametest.UDP{Src: client, Dst: vip, Payload: []byte{0, 0}}
	binary.BigEndian.PutUint16(u.Payload, field(u.Bytes())) // now the sum is all ones
	if got := field(u.Bytes()); got != 0xffff {
		t.Errorf("checksum %#04x, want 0xffff", got)
	}
	u.NoSum = true
	if got := field(u.Bytes()); got != 0 {
		t.Errorf("checksum %#04x, want none", got)
	}
	six := frametest.UDP{Src: client6, Dst: vip6, Ext: []frametest.Ext{frametest.DestOpts()}, NoSum: true}
	if f := six.Bytes(); binary.BigEndian.Uint16(f[14+40+8+6:]) != 0 {
		t.Errorf("a checksum: % x", f)
	}
}

func TestFragmentsMakeTheDatagramAgain(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	payload := make([]byte, 200)
	r.Read(payload)
	ext := []frametest.Ext{frametest.HopByHop(), frametest.DestOpts(), frametest.Routing(0, 0), frametest.DestOpts()}
	for _, f := range [][]byte{
		frametest.UDP{Src: client, Dst: vip, VLAN: 7, Payload: payload, Options: []byte{0x94, 4, 0, 0}}.Bytes(),
		frametest.UDP{Src: client6, Dst: vip6, VLAN: 7, Pad: true, Payload: payload}.Bytes(),
		frametest.UDP{Src: client6, Dst: vip6, VLAN: 7, Payload: payload, Ext: ext[:1]}.Bytes(),
		frametest.UDP{Src: client6, Dst: vip6, VLAN: 7, Payload: payload, Ext: ext[:3]}.Bytes(),
	} {
		testPieces(t, f)
	}
}

// testPieces cuts f in three and puts the payload together again.
func testPieces(t *testing.T, f []byte) {
	t.Helper()
	whole := frametest.Parse(f)
	first := frametest.Fragment(f, 160)
	again := frametest.Fragment(first[0], 64) // a fragment of a fragment
	var got []byte
	for i, piece := range [][]byte{again[0], again[1], first[1]} {
		h := frametest.Parse(piece)
		if h.Fault != frame.NoFault || int(h.FragOff) != len(got) || h.More != (i < 2) {
			t.Fatalf("piece %d: fault %v, at %d, more %v", i, h.Fault, h.FragOff, h.More)
		}
		got = append(got, piece[h.L4:h.End]...)
	}
	if !bytes.Equal(got, f[whole.L4:whole.End]) {
		t.Error("the pieces do not make the datagram")
	}
}

// RFC 8200 section 4.5: routers look at hop-by-hop options and routing header,
// and what stands before them, in every fragment; what comes after is payload,
// of which the fragment header names the first.
func TestFragmentsOfIPv6HaveTheHeadersRoutersLookAt(t *testing.T) {
	frag := func(ext ...frametest.Ext) frame.Header {
		f := frametest.UDP{Src: client6, Dst: vip6, Payload: make([]byte, 100), Ext: ext}.Bytes()
		return frametest.Parse(frametest.Fragment(f, 64)[1])
	}
	routing, opts := frametest.Routing(0, 0, vip6.Addr()), frametest.DestOpts()
	for _, c := range []struct {
		name  string
		ext   []frametest.Ext
		proto frame.Proto
		len   uint16 // of what every fragment has, with the fragment header
	}{
		{"none", nil, 17, 8},
		{"hop-by-hop options", []frametest.Ext{frametest.HopByHop()}, 17, 16},
		{"destination options", []frametest.Ext{opts}, 60, 8},
		{"destination options before and after a routing header", []frametest.Ext{opts, routing, opts}, 60, 8 + 24 + 8},
		{"an atomic fragment", []frametest.Ext{frametest.FragmentHeader(0, false, 7)}, 17, 8},
	} {
		h := frag(c.ext...)
		if h.Fault != frame.NoFault || h.Proto != c.proto || h.L4 != 14+40+c.len || h.FragOff != 64 {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
	if h := frag(frametest.FragmentHeader(0, false, 7)); h.FragID != 7 {
		t.Errorf("the identification 7 became %d", h.FragID)
	}
}

func TestExtensionHeadersAreChained(t *testing.T) {
	f := frametest.UDP{Src: client6, Dst: vip6, Ext: []frametest.Ext{
		frametest.HopByHop(5, 2, 0, 0), frametest.DestOpts(make([]byte, 7)...), frametest.Routing(2, 1, vip6.Addr()),
		frametest.Auth(12), frametest.FragmentHeader(8, true, 0x01020304), {Type: 200, Body: []byte{1}},
	}}.Bytes()
	want := []byte{0} // next header, of the IPv6 header
	for _, b := range [][]byte{
		{60, 0, 5, 2, 0, 0, 0, 0},
		{43, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{51, 2, 2, 1, 0, 0, 0, 0}, vip6.Addr().AsSlice(),
		{44, 4}, make([]byte, 22),
		{200, 0, 0, 9, 1, 2, 3, 4},
		{17, 1},
	} {
		want = append(want, b...)
	}
	got := append([]byte{f[20]}, f[54:54+len(want)-1]...)
	if !bytes.Equal(got, want) {
		t.Errorf("\n got % x\nwant % x", got, want)
	}
	if n := int(binary.BigEndian.Uint16(f[18:])); n != len(f)-54 || n != len(want)-1+8 {
		t.Errorf("payload length %d of %d", n, len(f)-54)
	}
}

func TestQuoteHoldsHeaderAndBytesAsked(t *testing.T) {
	f := frametest.UDP{Src: client, Dst: vip, VLAN: 7, Payload: []byte("0123456789"), Options: []byte{1, 1, 1, 1}, Pad: true}.Bytes()
	if got := frametest.Quote(f, 8); !bytes.Equal(got, f[18:18+24+8]) {
		t.Errorf("got % x", got)
	}
	if got := frametest.Quote(f, 1000); !bytes.Equal(got, f[18:18+24+8+10]) {
		t.Errorf("padding or less: % x", got)
	}
	f = frametest.UDP{Src: client6, Dst: vip6, VLAN: 7, Payload: []byte("0123456789"), Ext: []frametest.Ext{frametest.DestOpts()}}.Bytes()
	for n, want := range map[int]int{8: 40 + 8 + 8, 1000: 40 + 8 + 8 + 10} {
		if got := frametest.Quote(append(f, 1, 2, 3), n); !bytes.Equal(got, f[18:18+want]) {
			t.Errorf("IPv6, %d bytes: % x", n, got)
		}
	}
}

// The example of RFC 1071 section 3.
func TestChecksumOfTheRFC(t *testing.T) {
	if got := frametest.Checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("got %#04x", got)
	}
	if got := frametest.Checksum([]byte{0x12}); got != ^uint16(0x1200) {
		t.Errorf("got %#04x of an odd byte", got)
	}
}

func TestRandomIsReproducibleAndReachesEverything(t *testing.T) {
	a, b := rand.New(rand.NewSource(1)), rand.New(rand.NewSource(1))
	seen := map[string]int{}
	for range 3000 {
		f := frametest.Random(a)
		if !bytes.Equal(f, frametest.Random(b)) {
			t.Fatal("the same seed gave another frame")
		}
		h := frametest.Parse(f)
		if h.Kind == frame.ARP {
			seen["ARP"]++
			continue
		}
		family := h.Kind.String() + " "
		seen[family+fmt.Sprint("protocol ", uint8(h.Proto))]++
		header := map[frame.Kind]uint16{frame.IPv4: 20, frame.IPv6: 40}[h.Kind]
		for what, is := range map[string]bool{
			"tag": h.L3 == 18, "options": h.L4 > h.L3+header, "padding": h.End < uint32(len(f)),
			"first fragment": h.More, "later fragment": h.FragOff != 0, "long": h.End > 1000,
		} {
			if is {
				seen[family+what]++
			}
		}
	}
	want := []string{"ARP", "ipv4 protocol 1", "ipv6 protocol 58"}
	for _, what := range []string{"protocol 6", "protocol 17", "protocol 132", "tag", "options", "first fragment", "later fragment", "long"} {
		want = append(want, "ipv4 "+what, "ipv6 "+what)
	}
	want = append(want, "ipv4 padding") // nothing else than a bare header of IPv6 is short enough
	for _, what := range want {
		if seen[what] < 20 {
			t.Errorf("%s: %d of 3000", what, seen[what])
		}
	}
}

func TestRandomErrorQuotesWhatCanBeRead(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	seen := map[frame.Kind]int{}
	for range 1000 {
		f := frametest.RandomError(r)
		h := frametest.Parse(f)
		in, ok := frametest.Inner(f)
		if !ok || in.Src != h.Dst {
			t.Fatalf("read %v, from %v, quoted in an error to %v: %s", ok, in.Src, h.Dst, frametest.Describe(f))
		}
		seen[h.Kind]++
	}
	if seen[frame.IPv4] < 100 || seen[frame.IPv6] < 100 {
		t.Errorf("%v", seen)
	}
}

func TestMistakesInATestPanic(t *testing.T) {
	udp := frametest.UDP{Src: client, Dst: vip, Payload: make([]byte, 40)}.Bytes()
	arp := frametest.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes()
	for name, f := range map[string]func(){
		"no addresses":              func() { frametest.TCP{}.Bytes() },
		"two families":              func() { frametest.UDP{Src: client6, Dst: vip}.Bytes() },
		"one address":               func() { frametest.UDP{Src: client6}.Bytes() },
		"IP options in IPv6":        func() { frametest.UDP{Src: client6, Dst: vip6, Options: []byte{1}}.Bytes() },
		"a header checksum in IPv6": func() { frametest.UDP{Src: client6, Dst: vip6, BadIPSum: true}.Bytes() },
		"extension headers in IPv4": func() { frametest.UDP{Src: client, Dst: vip, Ext: []frametest.Ext{frametest.DestOpts()}}.Bytes() },
		"too much for IPv6":         func() { frametest.TCP{Src: client6, Dst: vip6, Payload: make([]byte, 65516)}.Bytes() },
		"too much with extensions": func() {
			frametest.TCP{Src: client6, Dst: vip6, Payload: make([]byte, 65515), Ext: []frametest.Ext{frametest.DestOpts()}}.Bytes()
		},
		"ARP of IPv6 addresses":      func() { frametest.ARP{SenderIP: client6.Addr(), TargetIP: vip6.Addr()}.Bytes() },
		"a cut of IPv6 at the end":   func() { frametest.Fragment(frametest.UDP{Src: client6, Dst: vip6}.Bytes(), 8) },
		"a flag that does not exist": func() { frametest.TCP{Src: client, Dst: vip, Flags: "SX"}.Bytes() },
		"too many IP options":        func() { frametest.UDP{Src: client, Dst: vip, Options: make([]byte, 41)}.Bytes() },
		"a VLAN that does not exist": func() { frametest.UDP{Src: client, Dst: vip, VLAN: 4096}.Bytes() },
		"ARP without addresses":      func() { frametest.ARP{}.Bytes() },
		"a cut not at eight bytes":   func() { frametest.Fragment(udp, 12) },
		"a cut at the end":           func() { frametest.Fragment(udp, 48) },
		"fragments of ARP":           func() { frametest.Fragment(arp, 8) },
		"a quote of ARP":             func() { frametest.Quote(arp, 8) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
