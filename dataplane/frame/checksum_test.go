package frame_test

import (
	"bytes"
	"math/rand"
	"testing"

	"lvsdr/dataplane/frame"
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
		if got, want := ^frame.Fold(frame.Sum(b, 0)), frametest.Checksum(b); got != want {
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

func TestL4ChecksumOK(t *testing.T) {
	tcp := frametest.TCP{Src: client, Dst: vip, Flags: "S", Payload: []byte("odd")}
	badTCP, padded := tcp, tcp
	badTCP.BadSum = true
	padded.Pad = true
	udp := frametest.UDP{Src: client, Dst: vip, Payload: []byte("odd")}
	badUDP, noneUDP := udp, udp
	badUDP.BadSum, noneUDP.NoSum = true, true
	icmp := frametest.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 8, Payload: []byte("odd")}
	badICMP := icmp
	badICMP.BadSum = true
	badTCP.Payload = make([]byte, 100)
	badHeader := tcp
	badHeader.BadIPSum = true
	// The UDP datagram ends before the IP packet: RFC 768 counts by its own
	// length.
	short := with(udp.Bytes(), func(f []byte) { f[17]-- })
	trailing := with(append(udp.Bytes(), 0x77), func(f []byte) { f[17]++ })

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
		{"SCTP cannot be told here", frametest.SCTP{Src: client, Dst: vip, BadSum: true}.Bytes(), true},
		{"a first fragment cannot be told", frametest.Fragment(badTCP.Bytes(), 24)[0], true},
		{"a later fragment cannot be told", frametest.Fragment(badTCP.Bytes(), 24)[1], true},
		{"a frame with a fault", badHeader.Bytes(), false},
		{"an ARP frame", frametest.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes(), false},
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
		f := randomIPv4(r)
		h := parse(f)
		if !frame.L4ChecksumOK(f, &h) {
			t.Fatalf("not right: %s", frametest.Describe(f))
		}
	}
}

// The ones' complement sum finds every single wrong bit.
func TestL4ChecksumOKFindsEveryWrongBit(t *testing.T) {
	for _, f := range [][]byte{
		frametest.TCP{Src: client, Dst: vip, Flags: "SA", Payload: []byte("some bytes")}.Bytes(),
		frametest.UDP{Src: client, Dst: vip, Payload: []byte("some bytes")}.Bytes(),
		frametest.ICMP{Src: client.Addr(), Dst: vip.Addr(), Type: 8, Payload: []byte("some bytes")}.Bytes(),
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
	f := frametest.TCP{Src: client, Dst: vip, Payload: make([]byte, 1000)}.Bytes()
	h := parse(f)
	if n := testing.AllocsPerRun(100, func() { frame.L4ChecksumOK(f, &h) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
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
