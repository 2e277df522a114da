package frame_test

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

func TestSumEqualsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	buf := make([]byte, 400)
	for range 5000 {
		r.Read(buf)
		at := r.Intn(8)
		b := buf[at : at+r.Intn(300)]
		if r.Intn(4) == 0 { // where carries and the two zeroes are
			for i := range b {
				b[i] = 0xff * byte(r.Intn(2))
			}
		}
		if got, want := ^frame.Fold(frame.Sum(b, 0)), build.Checksum(b); got != want {
			t.Fatalf("got %#04x, want %#04x of % x", got, want, b)
		}
	}
}

func TestSumsOfEvenChunksAddUp(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	b := make([]byte, 201)
	for range 1000 {
		r.Read(b)
		cut := 2 * r.Intn(100)
		if got, want := frame.Fold(frame.Sum(b[cut:], frame.Sum(b[:cut], 0))), frame.Fold(frame.Sum(b, 0)); got != want {
			t.Fatalf("cut at %d: got %#04x, want %#04x", cut, got, want)
		}
	}
}

func TestFoldKeepsWhatIsLeftModuloAllOnes(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, sum := range []uint32{0, 1, 0xfffe, 0xffff, 0x10000, 0x1ffff, 0xffff0000, 0xfffffffe, 0xffffffff, r.Uint32(), r.Uint32()} {
		got := frame.Fold(sum)
		if uint32(got)%0xffff != sum%0xffff || got == 0 && sum != 0 {
			t.Errorf("Fold(%#x) = %#x", sum, got)
		}
	}
}

// Sum takes any initial value, not only one that Sum made.
func TestSumDoesNotLoseTheCarryOfInitial(t *testing.T) {
	b := bytes.Repeat([]byte{0xff}, 64)
	b[0] = 0xfe
	if got, want := frame.Fold(frame.Sum(b, 0xffffffff)), frame.Fold(frame.Sum(b, 0xffff)); got != want {
		t.Errorf("got %#04x, want %#04x", got, want)
	}
}

// The pseudo-headers word by word, as RFC 9293 section 3.1 and RFC 8200 section
// 8.1 draw them.
func TestPseudoSumEqualsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 2000 {
		proto, n := uint8(r.Intn(256)), r.Intn(65536)
		var src, dst frame.Addr
		r.Read(src[:])
		r.Read(dst[:])
		pseudo := append(append([]byte{}, src[:]...), dst[:]...)
		pseudo = append(pseudo, 0, 0, byte(n>>8), byte(n), 0, 0, 0, proto)
		if r.Intn(2) == 0 {
			src, dst = frame.AddrFrom4(src.As4()), frame.AddrFrom4(dst.As4())
			pseudo = append(append([]byte{}, src[12:]...), dst[12:]...)
			pseudo = append(pseudo, 0, proto, byte(n>>8), byte(n))
		}
		if got, want := ^frame.Fold(frame.PseudoSum(src, dst, frame.Proto(proto), n)), build.Checksum(pseudo); got != want {
			t.Fatalf("%v > %v, protocol %d, %d bytes: got %#04x, want %#04x", src, dst, proto, n, got, want)
		}
	}
}

func TestL4ChecksumOK(t *testing.T) {
	tcp := build.TCP{Src: client, Dst: vip, Flags: "S", Payload: []byte("odd")}
	badTCP, padded := tcp, tcp
	badTCP.BadSum = true
	padded.Pad = true
	udp := build.UDP{Src: client, Dst: vip, Payload: []byte("odd")}
	badUDP, noneUDP := udp, udp
	badUDP.BadSum, noneUDP.NoSum = true, true
	icmp := build.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 8, Payload: []byte("odd")}
	badICMP := icmp
	badICMP.BadSum = true
	badTCP.Payload = make([]byte, 100)
	badHeader := tcp
	badHeader.BadIPSum = true
	// The UDP datagram ends before the IP packet: RFC 768 counts by its own
	// length.
	short := with(udp.Bytes(), func(f []byte) { f[17]-- })
	trailing := with(append(udp.Bytes(), 0x77), func(f []byte) { f[17]++ })

	tcp6 := build.TCP{Src: client6, Dst: vip6, Flags: "S", Payload: []byte("odd")}
	ext6, badTCP6 := tcp6, tcp6
	ext6.Ext = []build.Ext{build.HopByHop(), build.DestOpts(1, 9)}
	badTCP6.BadSum, badTCP6.Payload = true, make([]byte, 100)
	atomic6 := badTCP6
	atomic6.Ext = []build.Ext{build.FragmentHeader(0, false, 1)}
	udp6 := build.UDP{Src: client6, Dst: vip6, Payload: []byte("odd")}
	badUDP6, noneUDP6 := udp6, udp6
	badUDP6.BadSum, noneUDP6.NoSum = true, true
	icmp6 := build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Type: 128, Payload: []byte("odd")}
	badICMP6 := icmp6
	badICMP6.BadSum = true
	// bare gives an ICMPv6 message the checksum that ICMP would have.
	bare := func(f []byte) []byte {
		f[56], f[57] = 0, 0
		binary.BigEndian.PutUint16(f[56:], build.Checksum(f[54:]))
		return f
	}

	for _, c := range []struct {
		name string
		f    []byte
		want bool
	}{
		{"TCP", tcp.Bytes(), true},
		{"TCP with padding after the packet", append(padded.Bytes(), 1, 2, 3), true},
		{"TCP with a wrong checksum", badTCP.Bytes(), false},
		{"UDP", udp.Bytes(), true},
		{"UDP with a wrong checksum", badUDP.Bytes(), false},
		{"UDP without a checksum", noneUDP.Bytes(), true},
		{"UDP with a wrong checksum whose high byte is zero", with(udp.Bytes(), func(f []byte) { f[40], f[41] = 0, 1 }), false},
		{"UDP with a wrong checksum whose low byte is zero", with(udp.Bytes(), func(f []byte) { f[40], f[41] = 1, 0 }), false},
		{"UDP before trailing bytes of the packet", trailing, true},
		{"UDP longer than the packet is a fault", short, false},
		{"ICMP", icmp.Bytes(), true},
		{"ICMP with a wrong checksum", badICMP.Bytes(), false},
		{"SCTP cannot be told here", build.SCTP{Src: client, Dst: vip, BadSum: true}.Bytes(), true},
		{"a first fragment cannot be told", build.Fragment(badTCP.Bytes(), 24)[0], true},
		{"a later fragment cannot be told", build.Fragment(badTCP.Bytes(), 24)[1], true},
		{"a frame with a fault", badHeader.Bytes(), false},
		{"TCP of IPv6", tcp6.Bytes(), true},
		{"TCP of IPv6 behind extension headers", ext6.Bytes(), true},
		{"TCP of IPv6 with a wrong checksum", badTCP6.Bytes(), false},
		{"UDP of IPv6", udp6.Bytes(), true},
		{"UDP of IPv6 with a wrong checksum", badUDP6.Bytes(), false},
		{"UDP of IPv6 without a checksum (RFC 8200 section 8.1)", noneUDP6.Bytes(), false},
		{"ICMPv6", icmp6.Bytes(), true},
		{"ICMPv6 with a wrong checksum", badICMP6.Bytes(), false},
		{"ICMPv6 without the pseudo-header", bare(icmp6.Bytes()), false},
		{"ICMP in IPv6 is nothing that is known", build.Raw{Src: client6.Addr(), Dst: vip6.Addr(), Proto: 1, Payload: []byte{1, 2, 3}}.Bytes(), true},
		{"an atomic fragment is whole", atomic6.Bytes(), false},
		{"a first fragment of IPv6 cannot be told", build.Fragment(badTCP6.Bytes(), 24)[0], true},
		{"an ARP frame", build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes(), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := parse(c.f)
			if got := frame.L4ChecksumOK(c.f, &h); got != c.want {
				t.Errorf("got %v, want %v of %s", got, c.want, frametest.Describe(c.f))
			}
		})
	}
}

func TestL4ChecksumOKOfRandomFrames(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 2000 {
		f := randomIP(r)
		h := parse(f)
		if !frame.L4ChecksumOK(f, &h) {
			t.Fatalf("not right: %s", frametest.Describe(f))
		}
	}
}

// The ones' complement sum finds every single wrong bit.
func TestL4ChecksumOKFindsEveryWrongBit(t *testing.T) {
	for _, f := range [][]byte{
		build.TCP{Src: client, Dst: vip, Flags: "SA", Payload: []byte("some bytes")}.Bytes(),
		build.UDP{Src: client, Dst: vip, Payload: []byte("some bytes")}.Bytes(),
		build.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 8, Payload: []byte("some bytes")}.Bytes(),
		build.TCP{Src: client6, Dst: vip6, Flags: "SA", Payload: []byte("some bytes")}.Bytes(),
		build.UDP{Src: client6, Dst: vip6, Payload: []byte("some bytes")}.Bytes(),
		build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Type: 128, Payload: []byte("some bytes")}.Bytes(),
	} {
		h := parse(f)
		for bit := int(h.L4) * 8; bit < int(h.End)*8; bit++ {
			g := bytes.Clone(f)
			g[bit/8] ^= 1 << (bit % 8)
			if h := parse(g); frame.L4ChecksumOK(g, &h) {
				t.Errorf("bit %d of byte %d may be wrong in %s", bit%8, bit/8, frametest.Describe(f))
			}
		}
	}
}

func TestL4ChecksumOKAllocatesNothing(t *testing.T) {
	for _, f := range [][]byte{
		build.TCP{Src: client, Dst: vip, Payload: make([]byte, 1000)}.Bytes(),
		build.TCP{Src: client6, Dst: vip6, Payload: make([]byte, 1000)}.Bytes(),
	} {
		h := parse(f)
		if n := testing.AllocsPerRun(100, func() { frame.L4ChecksumOK(f, &h) }); n != 0 {
			t.Errorf("%v allocations, want 0", n)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	buf := make([]byte, 1460)
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		frame.Sum(buf, 0)
	}
}
