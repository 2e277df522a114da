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

// randomIP is a random valid frame that is not ARP.
func randomIP(r *rand.Rand) []byte {
	for {
		f := frametest.Random(r)
		if k := parse(f).Kind; k == frame.IPv4 || k == frame.IPv6 {
			return f
		}
	}
}

func TestDecrementTTLEqualsFullRecomputation(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 200 {
		f := randomIP(r)
		at := int(parse(f).L3) + 8
		if parse(f).Kind == frame.IPv6 {
			at--
		}
		for ttl := 1; ttl <= 255; ttl++ {
			f := with(f, set(at, byte(ttl)))
			h := parse(f)
			want := with(f, set(at, byte(ttl-1)))
			frame.DecrementTTL(f, &h)
			if !bytes.Equal(f, want) {
				t.Fatalf("TTL %d:\n got % x\nwant % x", ttl, f, want)
			}
			if h != parse(want) {
				t.Fatalf("TTL %d: the header says %+v, the frame %+v", ttl, h, parse(want))
			}
		}
	}
}

// Where the sum of the header is a multiple of 0xffff, the checksum can be
// written as 0x0000 and as 0xffff, and both verify. RFC 1624 section 3 tells how
// the older equation went wrong there.
func TestDecrementTTLIsRightWhereTheChecksumHasTwoZeroes(t *testing.T) {
	f := build.TCP{Src: client, Dst: vip}.Bytes()
	// The ID takes up what is missing to all ones.
	f = with(f, func(f []byte) {
		f[18], f[19] = 0, 0
		build.FixHeaderSum(f)
		copy(f[18:20], f[24:26])
	})
	for _, sum := range []uint16{0x0000, 0xffff} {
		f := bytes.Clone(f)
		binary.BigEndian.PutUint16(f[24:], sum)
		h := parse(f)
		if h.Fault != frame.NoFault {
			t.Fatalf("checksum %#04x: %v; the test is wrong", sum, h.Fault)
		}
		frame.DecrementTTL(f, &h)
		if want := with(f, func([]byte) {}); !bytes.Equal(f, want) {
			t.Errorf("checksum %#04x: became %x, want %x", sum, f[24:26], want[24:26])
		}
	}
}

func TestDecrementTTLOfZeroPanics(t *testing.T) {
	for name, f := range map[string][]byte{
		"IPv4": with(build.TCP{Src: client, Dst: vip}.Bytes(), set(14+8, 0)),
		"IPv6": with(build.TCP{Src: client6, Dst: vip6}.Bytes(), set(14+7, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			h := parse(f)
			defer func() {
				if recover() == nil {
					t.Error("no panic; the packet lives on with a TTL of 255")
				}
			}()
			frame.DecrementTTL(f, &h)
		})
	}
}

func TestSetMACsChangesTwelveBytes(t *testing.T) {
	f := build.TCP{Src: client, Dst: vip, IP: build.IP{SrcMAC: clientMAC, DstMAC: vipMAC, VLAN: 7}}.Bytes()
	if frame.SrcMAC(f) != clientMAC || frame.DstMAC(f) != vipMAC {
		t.Fatalf("from %x to %x", frame.SrcMAC(f), frame.DstMAC(f))
	}
	in := bytes.Clone(f)
	server := frame.MAC{2, 0, 0, 0, 0, 0x55}
	frame.SetMACs(f, server, vipMAC)
	if frame.DstMAC(f) != server || frame.SrcMAC(f) != vipMAC {
		t.Errorf("from %x to %x", frame.SrcMAC(f), frame.DstMAC(f))
	}
	if !bytes.Equal(f[12:], in[12:]) {
		t.Error("more than the addresses changed")
	}
}

func TestEditsAllocateNothing(t *testing.T) {
	for _, f := range [][]byte{
		build.TCP{Src: client, Dst: vip, IP: build.IP{TTL: 255}}.Bytes(),
		build.TCP{Src: client6, Dst: vip6, IP: build.IP{TTL: 255}}.Bytes(),
	} {
		h := parse(f)
		if n := testing.AllocsPerRun(100, func() {
			frame.SetMACs(f, frame.SrcMAC(f), frame.DstMAC(f))
			frame.DecrementTTL(f, &h)
		}); n != 0 {
			t.Errorf("%v allocations, want 0", n)
		}
	}
}

func BenchmarkRewrite(b *testing.B) {
	f := build.TCP{Src: client, Dst: vip}.Bytes()
	h := parse(f)
	b.ReportAllocs()
	for b.Loop() {
		h.TTL = 64
		frame.SetMACs(f, clientMAC, vipMAC)
		frame.DecrementTTL(f, &h)
	}
}

func TestVLANIsThatOfTheOuterTag(t *testing.T) {
	tagged := func(vlan uint16) []byte {
		return build.UDP{Src: client, Dst: vip, IP: build.IP{VLAN: vlan}}.Bytes()
	}
	priority := tagged(7)
	priority[14], priority[15] = 0xe0, 0
	prioritised := tagged(7)
	prioritised[14] |= 0xe0
	qinq := tagged(9)
	qinq[12], qinq[13] = 0x88, 0xa8
	for _, c := range []struct {
		name string
		f    []byte
		want uint16
	}{
		{"no tag", tagged(0), 0},
		{"a tag", tagged(5), 5},
		{"the greatest number", tagged(4094), 4094},
		{"a priority alone", priority, 0},
		{"a priority besides", prioritised, 7},
		{"802.1ad", qinq, 9},
		{"a tag cut short", tagged(5)[:17], 0},
		{"nothing behind the tag", tagged(5)[:18], 5},
	} {
		if got := frame.VLAN(c.f); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
