package frametest_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/frametest"
)

// The hosts of all tests: documentation addresses (RFC 5737).
var (
	client    = netip.MustParseAddrPort("192.0.2.10:40000")
	vip       = netip.MustParseAddrPort("198.51.100.1:80")
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
		for _, f := range [][]byte{tcp, udp, icmp} {
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
}

func TestFragmentsMakeTheDatagramAgain(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	payload := make([]byte, 200)
	r.Read(payload)
	f := frametest.UDP{Src: client, Dst: vip, VLAN: 7, Payload: payload, Options: []byte{0x94, 4, 0, 0}}.Bytes()
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

func TestQuoteHoldsHeaderAndBytesAsked(t *testing.T) {
	f := frametest.UDP{Src: client, Dst: vip, VLAN: 7, Payload: []byte("0123456789"), Options: []byte{1, 1, 1, 1}, Pad: true}.Bytes()
	if got := frametest.Quote(f, 8); !bytes.Equal(got, f[18:18+24+8]) {
		t.Errorf("got % x", got)
	}
	if got := frametest.Quote(f, 1000); !bytes.Equal(got, f[18:18+24+8+10]) {
		t.Errorf("padding or less: % x", got)
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
		for what, is := range map[string]bool{
			"TCP": h.Proto == frame.ProtoTCP, "UDP": h.Proto == frame.ProtoUDP, "SCTP": h.Proto == frame.ProtoSCTP, "ICMP": h.Proto == frame.ProtoICMP,
			"tag": h.L3 == 18, "options": h.L4 > h.L3+20, "padding": h.End < uint32(len(f)),
			"first fragment": h.More, "later fragment": h.FragOff != 0, "long": h.End > 1000,
		} {
			if is {
				seen[what]++
			}
		}
	}
	for _, what := range []string{"ARP", "TCP", "UDP", "SCTP", "ICMP", "tag", "options", "padding", "first fragment", "later fragment", "long"} {
		if seen[what] < 20 {
			t.Errorf("%s: %d of 3000", what, seen[what])
		}
	}
}

func TestMistakesInATestPanic(t *testing.T) {
	udp := frametest.UDP{Src: client, Dst: vip, Payload: make([]byte, 40)}.Bytes()
	arp := frametest.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes()
	for name, f := range map[string]func(){
		"no addresses":               func() { frametest.TCP{}.Bytes() },
		"an IPv6 address":            func() { frametest.UDP{Src: netip.MustParseAddrPort("[2001:db8::1]:1"), Dst: vip}.Bytes() },
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
