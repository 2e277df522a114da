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

// to4 and to6 are servers.
var (
	to4 = frame.AddrFrom4([4]byte{10, 9, 8, 7})
	to6 = frame.Addr{0: 0xfd, 7: 3, 15: 9}
)

// serverOf is a server of the family of f.
func serverOf(f []byte) frame.Addr {
	if parse(f).Kind == frame.IPv6 {
		return to6
	}
	return to4
}

// sameSums makes the two zeroes of ones' complement one, in the checksums of f: an
// incremental change and a new computation may differ in them, and both are right.
func sameSums(f []byte) []byte {
	h := parse(f)
	f = bytes.Clone(f)
	at := []int{}
	if h.Kind == frame.IPv4 {
		at = append(at, int(h.L3)+10)
	}
	if h.FragOff == 0 && h.Fault == frame.NoFault {
		switch h.Proto {
		case frame.ProtoTCP:
			at = append(at, int(h.L4)+16)
		case frame.ProtoUDP:
			at = append(at, int(h.L4)+6)
		case frame.ProtoICMP, frame.ProtoICMPv6:
			at = append(at, int(h.L4)+2)
		}
	}
	for _, i := range at {
		if i+2 <= len(f) && binary.BigEndian.Uint16(f[i:]) == 0xffff {
			f[i], f[i+1] = 0, 0
		}
	}
	return f
}

// checkTranslate states the laws of Translate for one frame.
func checkTranslate(t *testing.T, f []byte, e frame.End, to frame.Addr, port uint16, partial bool) {
	t.Helper()
	g := bytes.Clone(f)
	h := parse(g)
	right := frame.L4ChecksumOK(f, &h)
	before := h
	frame.Translate(g, &h, e, to, port, partial)
	if want := frametest.Translate(f, e, to, port, partial); !bytes.Equal(sameSums(g), sameSums(want)) {
		t.Fatalf("%s, end %d to %s:%d, partial %v:\n got % x\nwant % x", frametest.Describe(f), e, to, port, partial, g, want)
	}
	if now := parse(g); h != now {
		t.Fatalf("%s: the header says %+v, the frame %+v", frametest.Describe(f), h, now)
	}
	if !partial && frame.L4ChecksumOK(g, &h) != right {
		t.Fatalf("%s: the checksum was right %v, and now it is not so", frametest.Describe(f), right)
	}
	back, backPort := before.Src, before.SrcPort
	if e == frame.Destination {
		back, backPort = before.Dst, before.DstPort
	}
	frame.Translate(g, &h, e, back, backPort, partial)
	noSum := h.Proto == frame.ProtoUDP && h.FragOff == 0 && f[h.L4+6]|f[h.L4+7] == 0
	madeAnew := h.Proto == frame.ProtoSCTP // a wrong one is right now
	if !noSum && !madeAnew && !bytes.Equal(sameSums(g), sameSums(f)) {
		t.Fatalf("%s, there and back:\n got % x\nwant % x", frametest.Describe(f), g, f)
	}
}

func TestTranslateIsAsItsDefinition(t *testing.T) {
	r := rand.New(rand.NewSource(14))
	for range 4000 {
		f := randomIP(r)
		if h := parse(f); h.Fault != frame.NoFault {
			continue
		}
		e, port, partial := frame.End(r.Intn(2)), uint16(r.Intn(1<<16)), r.Intn(4) == 0
		checkTranslate(t, f, e, serverOf(f), port, partial)
		checkRedirect(t, f, e, serverOf(f), port, partial)
	}
}

// checkRedirect: Redirect is DecrementTTL and Translate.
func checkRedirect(t *testing.T, f []byte, e frame.End, to frame.Addr, port uint16, partial bool) {
	t.Helper()
	got, want := bytes.Clone(f), bytes.Clone(f)
	h, wantHeader := parse(got), parse(want)
	if h.TTL == 0 {
		return
	}
	frame.Redirect(got, &h, e, &to, port, partial)
	frame.DecrementTTL(want, &wantHeader)
	frame.Translate(want, &wantHeader, e, to, port, partial)
	if !bytes.Equal(got, want) || h != wantHeader {
		t.Fatalf("%s, end %d to %s:%d, partial %v:\n got % x, %+v\nwant % x, %+v", frametest.Describe(f), e, to, port, partial, got, h, want, wantHeader)
	}
}

func FuzzTranslate(f *testing.F) {
	r := rand.New(rand.NewSource(15))
	for range 20 {
		f.Add(randomIP(r), uint16(r.Intn(1<<16)), r.Intn(2) == 0, r.Intn(2) == 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, port uint16, destination, partial bool) {
		h := parse(b)
		if h.Fault != frame.NoFault || h.Kind != frame.IPv4 && h.Kind != frame.IPv6 {
			return
		}
		e := frame.Source
		if destination {
			e = frame.Destination
		}
		checkTranslate(t, b, e, serverOf(b), port, partial)
		checkRedirect(t, b, e, serverOf(b), port, partial)
	})
}

func TestTranslateByProtocol(t *testing.T) {
	tcp := build.TCP{Src: client, Dst: vip, Flags: "PA", Payload: []byte("hello")}
	udp := build.UDP{Src: client, Dst: vip, Payload: []byte("hello")}
	sctp := build.SCTP{Src: client, Dst: vip, Payload: []byte{3, 0, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}
	bad := func(f []byte, at int) []byte { return with(f, func(f []byte) { f[at] ^= 0x55 }) }
	for _, c := range []struct {
		law   string
		f     []byte
		right bool // its checksum, afterwards
	}{
		{"a right TCP checksum stays right", tcp.Bytes(), true},
		{"a wrong TCP checksum stays wrong", bad(tcp.Bytes(), 14+20+16), false},
		{"a right UDP checksum stays right", udp.Bytes(), true},
		{"a wrong UDP checksum stays wrong", bad(udp.Bytes(), 14+20+6), false},
		{"a UDP packet without a checksum gets a right one", build.UDP{Src: client, Dst: vip, NoSum: true, Payload: []byte("abc")}.Bytes(), true},
	} {
		t.Run(c.law, func(t *testing.T) {
			h := parse(c.f)
			frame.Translate(c.f, &h, frame.Destination, to4, 8080, false)
			if got := parse(c.f); got.Fault != frame.NoFault || got.Dst != to4 || got.DstPort != 8080 || got.Src != h.Src {
				t.Fatalf("became %s (%v)", frametest.Describe(c.f), got.Fault)
			}
			if h.Proto == frame.ProtoUDP && c.f[h.L4+6]|c.f[h.L4+7] == 0 {
				t.Fatal("it has no checksum")
			}
			if got := frame.L4ChecksumOK(c.f, &h); got != c.right {
				t.Errorf("the checksum is right: %v", got)
			}
		})
	}
	for _, c := range []struct {
		law  string
		port uint16
		bad  bool
		want bool
	}{
		{"the CRC32c of SCTP is made anew for another port", 8080, false, true},
		{"a wrong one, too", 8080, true, true},
		{"for another address alone it stays as it was", vip.Port(), false, true},
		{"wrong as it was", vip.Port(), true, false},
	} {
		t.Run(c.law, func(t *testing.T) {
			s := sctp
			s.BadSum = c.bad
			f := s.Bytes()
			h := parse(f)
			frame.Translate(f, &h, frame.Destination, to4, c.port, false)
			want := bytes.Clone(f)
			frametest.PutSCTPSum(want[h.L4:h.End])
			if got := bytes.Equal(f, want); got != c.want {
				t.Errorf("the checksum is right: %v", got)
			}
		})
	}
}

// A partial checksum is the folded sum of the pseudo header: whoever finishes it adds the
// rest, and takes the complement.
func TestAPartialChecksumIsFinishedToARightOne(t *testing.T) {
	for _, f := range [][]byte{
		build.TCP{Src: client, Dst: vip, Payload: []byte("hello")}.Bytes(),
		build.UDP{Src: client, Dst: vip, Payload: []byte("hello")}.Bytes(),
		build.TCP{Src: client6, Dst: vip6, Payload: []byte("hello")}.Bytes(),
		build.UDP{Src: client6, Dst: vip6, Payload: []byte("hello")}.Bytes(),
	} {
		h := parse(f)
		at := int(h.L4) + 16
		if h.Proto == frame.ProtoUDP {
			at = int(h.L4) + 6
		}
		l4 := f[h.L4:h.End]
		binary.BigEndian.PutUint16(f[at:], frame.Fold(frame.PseudoSum(h.Src, h.Dst, h.Proto, len(l4))))
		frame.Translate(f, &h, frame.Source, serverOf(f), 4321, true)
		binary.BigEndian.PutUint16(f[at:], ^frame.Fold(frame.Sum(l4, 0)))
		if !frame.L4ChecksumOK(f, &h) || h.SrcPort != 4321 {
			t.Errorf("%s: finished, it is wrong", frametest.Describe(f))
		}
	}
}

func TestFragmentsAreTranslatedPieceByPiece(t *testing.T) {
	whole := build.UDP{Src: client, Dst: vip, Payload: bytes.Repeat([]byte("0123456789"), 40)}.Bytes()
	want := bytes.Clone(whole)
	h := parse(want)
	frame.Translate(want, &h, frame.Destination, to4, 5353, false)
	pieces := build.Fragment(bytes.Clone(whole), 200)
	var data []byte
	for _, p := range pieces {
		h := parse(p)
		frame.Translate(p, &h, frame.Destination, to4, 5353, false)
		if got := parse(p); got.Fault != frame.NoFault || got.Dst != to4 {
			t.Fatalf("a fragment became %s", frametest.Describe(p))
		}
		data = append(data, p[h.L4:h.End]...)
	}
	if !bytes.Equal(data, want[h.L4:h.End]) {
		t.Error("the datagram that was translated in pieces is not the one that was translated as a whole")
	}
}

// checkTranslateError states the laws of TranslateError.
func checkTranslateError(t *testing.T, f []byte, e frame.End) {
	t.Helper()
	in, ok := inner(f)
	h := parse(f)
	if !ok || h.IsFragment() || !frame.L4ChecksumOK(f, &h) {
		return
	}
	g, was := bytes.Clone(f), in
	frame.TranslateError(g, &h, &in, e, serverOf(f), 8080, false)
	now := parse(g)
	if now.Fault != frame.NoFault || !frame.L4ChecksumOK(g, &now) || now != h {
		t.Fatalf("%s became %s", frametest.Describe(f), frametest.Describe(g))
	}
	quoted, ok := inner(g)
	if !ok || quoted != in {
		t.Fatalf("%s quotes %+v, want %+v", frametest.Describe(g), quoted, in)
	}
	outer, mine, other := now.Src, quoted.Dst, quoted.Src == was.Src && quoted.SrcPort == was.SrcPort
	minePort, wasPort := quoted.DstPort, was.DstPort
	if e == frame.Destination {
		outer, mine, other = now.Dst, quoted.Src, quoted.Dst == was.Dst && quoted.DstPort == was.DstPort
		minePort, wasPort = quoted.SrcPort, was.SrcPort
	}
	if was.FragOff == 0 && was.Proto.HasPorts() {
		wasPort = 8080
	}
	if outer != serverOf(f) || mine != serverOf(f) || minePort != wasPort || !other {
		t.Fatalf("%s became %s, which quotes %+v", frametest.Describe(f), frametest.Describe(g), quoted)
	}
	if was.Kind == frame.IPv4 && build.Checksum(g[in.L3:in.L4]) != 0 {
		t.Fatalf("%s: the quoted header's checksum is wrong", frametest.Describe(g))
	}
	// Nothing else is another: with the same addresses, ports and checksums it is the same.
	if len(f) != len(g) || !bytes.Equal(f[in.L4+4:in.End], g[in.L4+4:in.End]) || !bytes.Equal(f[in.End:], g[in.End:]) {
		t.Fatalf("%s became %s: more was changed", frametest.Describe(f), frametest.Describe(g))
	}
}

func TestTranslateErrorChangesTheErrorAndWhatItQuotes(t *testing.T) {
	r := rand.New(rand.NewSource(16))
	for range 3000 {
		f := frametest.RandomError(r)
		if in, ok := inner(f); !ok || int(in.L4)+4 > int(in.End) {
			continue
		}
		checkTranslateError(t, f, frame.End(r.Intn(2)))
	}
}

// The recording of a router's "fragmentation needed" between director and client.
func TestTranslateErrorLeavesTheQuotedTransportChecksum(t *testing.T) {
	answer := build.TCP{Src: vip, Dst: client, Flags: "SA"}.Bytes()
	f := build.ICMP{Src: netip.MustParseAddr("192.0.2.99"), Dst: vip.Addr(), Type: 3, Code: 4, Payload: build.Quote(answer, 20)}.Bytes()
	in, _ := inner(f)
	h := parse(f)
	sum := binary.BigEndian.Uint16(f[in.L4+16:])
	frame.TranslateError(f, &h, &in, frame.Destination, to4, 8080, false)
	if got := binary.BigEndian.Uint16(f[in.L4+16:]); got != sum {
		t.Errorf("the quoted checksum is %#x, was %#x", got, sum)
	}
	if in.Src != to4 || in.SrcPort != 8080 || h.Dst != to4 || h.Src == to4 {
		t.Errorf("became %s, which quotes %+v", frametest.Describe(f), in)
	}
}

func TestTranslateAllocatesNothing(t *testing.T) {
	for _, f := range [][]byte{
		build.TCP{Src: client, Dst: vip}.Bytes(), build.UDP{Src: client6, Dst: vip6}.Bytes(), build.SCTP{Src: client, Dst: vip}.Bytes(),
	} {
		h := parse(f)
		to := serverOf(f)
		port := uint16(1)
		if n := testing.AllocsPerRun(100, func() { port++; frame.Translate(f, &h, frame.Destination, to, port, false) }); n != 0 {
			t.Errorf("%s: %v allocations", frametest.Describe(f), n)
		}
	}
}
