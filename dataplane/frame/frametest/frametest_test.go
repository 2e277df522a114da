package frametest_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"net/netip"
	"strings"
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

func TestDescribe(t *testing.T) {
	tcp := build.TCP{Src: client, Dst: vip, IP: build.IP{SrcMAC: clientMAC, DstMAC: vipMAC, VLAN: 7}, Flags: "SA", Seq: 1, Ack: 2, Payload: []byte("abc")}
	udp := build.UDP{Src: client, Dst: vip, Payload: make([]byte, 40), IP: build.IP{TTL: 3}}.Bytes()
	const zero = "00:00:00:00:00:00 > 00:00:00:00:00:00, "
	for _, c := range []struct {
		name string
		f    []byte
		want string
	}{
		{"TCP in a tag", tcp.Bytes(),
			"02:00:00:00:00:0c > 02:00:00:00:00:01, vlan 7, 192.0.2.10:40000 > 198.51.100.1:80 ttl 64, TCP SA seq 1 ack 2, 3 bytes"},
		{"UDP", udp, zero + "192.0.2.10:40000 > 198.51.100.1:80 ttl 3, UDP, 40 bytes"},
		{"a fragment", build.Fragment(udp, 8)[1], zero + "192.0.2.10 > 198.51.100.1 ttl 3 fragment at 8, UDP, 40 bytes"},
		{"SCTP", build.SCTP{Src: client, Dst: vip}.Bytes(), zero + "192.0.2.10:40000 > 198.51.100.1:80 ttl 64, SCTP, 0 bytes"},
		{"ICMP", build.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 8}.Bytes(),
			zero + "192.0.2.10 > 198.51.100.1 ttl 64, ICMP EchoRequest, 0 bytes"},
		{"ARP", build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes(),
			zero + "ARP op 1 from 192.0.2.10 to 198.51.100.1, 0 bytes"},
		{"TCP in IPv6", build.TCP{Src: client6, Dst: vip6, Flags: "S", IP: build.IP{TTL: 3}}.Bytes(),
			zero + "[2001:db8:1::10]:40000 > [2001:db8:2::1]:80 ttl 3, TCP S seq 0 ack 0, 0 bytes"},
		{"extension headers", build.UDP{Src: client6, Dst: vip6, IP: build.IP{Ext: []build.Ext{build.DestOpts(), build.Routing(0, 0)}}}.Bytes(),
			zero + "[2001:db8:1::10]:40000 > [2001:db8:2::1]:80 ttl 64, UDP, 0 bytes"},
		{"ICMPv6", build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Type: 128}.Bytes(),
			zero + "2001:db8:1::10 > 2001:db8:2::1 ttl 64, ICMPv6 EchoRequest, 4 bytes"},
		{"a fragment of IPv6", build.Fragment(build.UDP{Src: client6, Dst: vip6, Payload: make([]byte, 40)}.Bytes(), 8)[1],
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

// The reference stands anything, and agrees with what it is the reference of.
func TestTheReferenceReadsDamagedFrames(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	faults := map[frame.Fault]int{}
	quoted := 0
	for i := range 20_000 {
		f := frametest.Random(r)
		if i%2 == 0 {
			f = frametest.RandomError(r)
		}
		for range r.Intn(4) {
			f[12+r.Intn(min(len(f)-12, 100))] = byte(r.Intn(256))
		}
		f = f[:len(f)-r.Intn(2)*r.Intn(len(f)+1)]
		build.FixHeaderSum(f)
		var h, in frame.Header
		frame.Parse(f, &h)
		if want := frametest.Parse(f); h != want {
			t.Fatalf("\n got %+v\nwant %+v\nof %s", h, want, frametest.Describe(f))
		}
		ok := frame.Inner(f, &h, &in)
		if want, wantOK := frametest.Inner(f); in != want || ok != wantOK {
			t.Fatalf("quoted:\n got %+v, %v\nwant %+v, %v\nin %s", in, ok, want, wantOK, frametest.Describe(f))
		}
		faults[h.Fault]++
		if ok {
			quoted++
		}
	}
	for _, fault := range []frame.Fault{frame.NoFault, frame.TooShort, frame.BadHeader, frame.BadL4} {
		if faults[fault] < 20 {
			t.Errorf("%v: %d of 20000", fault, faults[fault])
		}
	}
	if quoted < 1000 {
		t.Errorf("%d quotations were read", quoted)
	}
}
