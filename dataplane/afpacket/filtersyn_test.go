package afpacket

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// begins states what selectSYN tells, as its comment reads.
func begins(f []byte) bool {
	if len(f) < 14 || len(f) > 114 {
		return false
	}
	var flags byte
	switch ip := f[14:]; {
	case binary.BigEndian.Uint16(f[12:]) == 0x0800 && len(ip) >= 40:
		if ip[0] != 0x45 || ip[9] != 6 || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return false
		}
		flags = ip[33]
	case binary.BigEndian.Uint16(f[12:]) == 0x86dd && len(ip) >= 60:
		if ip[6] != 6 {
			return false
		}
		flags = ip[53]
	}
	const fin, syn, rst, ack = 1, 2, 4, 16
	return flags&syn != 0 && flags&(fin|rst|ack) == 0
}

// run is how many bytes of f a program of these parts lets in.
func run(t testing.TB, f []byte, parts ...[]bpf.Instruction) int {
	t.Helper()
	var prog []bpf.Instruction
	for _, p := range parts {
		prog = append(prog, p...)
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(f)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// told is whether selectSYN takes f for a SYN.
func told(t testing.TB, f []byte) bool {
	t.Helper()
	return run(t, f, selectSYN([]bpf.Instruction{bpf.RetConstant{Val: acceptBytes}, bpf.RetConstant{Val: 0}})) > 0
}

// segmentVIPs are the addresses that segments are to.
var segmentVIPs = []netip.Addr{netip.MustParseAddr("10.9.0.100"), netip.MustParseAddr("fd00:9::1:100")}

// segment is a TCP segment to one of segmentVIPs, with that many bytes of data.
func segment(flags string, over6 bool, data int) []byte {
	src, dst := netip.MustParseAddr("10.9.0.1"), segmentVIPs[0]
	if over6 {
		src, dst = client6, segmentVIPs[1]
	}
	return build.TCP{Src: netip.AddrPortFrom(src, 4000), Dst: netip.AddrPortFrom(dst, 80), Flags: flags, Payload: make([]byte, data)}.Bytes()
}

func TestASYNIsToldFromOtherFrames(t *testing.T) {
	edit := func(f []byte, at int, b ...byte) []byte {
		f = bytes.Clone(f)
		copy(f[at:], b)
		return f
	}
	v4, v6 := segment("S", false, 0), segment("S", true, 0)
	for _, c := range []struct {
		law  string
		f    []byte
		want bool
	}{
		{"a SYN", v4, true},
		{"a SYN over IPv6", v6, true},
		{"a SYN with ECE and CWR, which asks for ECN", edit(v4, 47, 0xc2), true},
		{"one over IPv6", edit(v6, 67, 0xc2), true},
		{"a SYN that says it must not be fragmented", edit(v4, 20, 0x40), true},
		{"a SYN of the length of a slot", append(bytes.Clone(v4), make([]byte, synMax-len(v4))...), true},
		{"a SYN one byte longer", append(bytes.Clone(v4), make([]byte, synMax-len(v4)+1)...), false},
		{"a SYN with the data of TCP Fast Open", segment("S", false, 100), false},
		{"an answer to a SYN", segment("SA", false, 0), false},
		{"an ACK", segment("A", false, 0), false},
		{"a reset", segment("R", true, 0), false},
		{"a FIN", segment("FA", true, 0), false},
		{"a SYN with FIN", segment("SF", false, 0), false},
		{"a SYN with RST", segment("SR", true, 0), false},
		{"no flag", edit(v4, 47, 0), false},
		{"the first fragment of a SYN", edit(v4, 20, 0x20), false},
		{"a later fragment", edit(v4, 20, 0, 1), false},
		{"a SYN behind IPv4 options", edit(v4, 14, 0x46), false},
		{"UDP", edit(v4, 23, 17), false},
		{"UDP over IPv6", edit(v6, 20, 17), false},
		{"a SYN behind an extension header", edit(v6, 20, 0), false},
		{"ARP that looks like one", edit(v4, 12, 8, 6), false},
		{"a SYN that is cut short", v4[:53], false},
		{"a SYN over IPv6 that is cut short", v6[:73], false},
		{"IPv6 of the length of a SYN over IPv4", v6[:54], false},
		{"an Ethernet header alone", v4[:14], false},
		{"nothing", nil, false},
	} {
		if got := told(t, c.f); got != c.want || begins(c.f) != c.want {
			t.Errorf("%s: %v, by definition %v, want %v", c.law, got, begins(c.f), c.want)
		}
	}
}

func TestASlotForSYNsHasRoomForTheLongest(t *testing.T) {
	if n := slotSize(synMax); n != 256 {
		t.Errorf("slots of %d bytes", n)
	}
	if longest := frame.EtherLen + frame.IPv6Len + 15*4; synMax < longest {
		t.Errorf("frames of %d bytes, the longest SYN without data has %d", synMax, longest)
	}
	if n := newLayout(DefaultSYNSlots, synMax).bytes(); n != SYNRingBytes {
		t.Errorf("the ring has %d bytes", n)
	}
}

// Whatever a frame is, one of the two sockets gets what addressFilter lets in, and
// never both.
func TestEachFrameIsForOneSocket(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	addrs, err := addressFilter(segmentVIPs, true)
	if err != nil {
		t.Fatal(err)
	}
	reject := bpf.RetConstant{Val: 0}
	seen := map[bool]int{}
	for n := range 20_000 {
		f := segment([]string{"S", "A", "SA", "PA", "R"}[n%5], rng.IntN(2) == 0, rng.IntN(60))
		for range rng.IntN(4) {
			f[rng.IntN(min(len(f), 80))] = byte(rng.Uint32())
		}
		if rng.IntN(3) == 0 {
			f = f[:rng.IntN(len(f))]
		}
		all := run(t, f, addrs)
		syn := run(t, f, selectSYN([]bpf.Instruction{bpf.Jump{Skip: 1}, reject}), addrs)
		other := run(t, f, selectSYN([]bpf.Instruction{reject}), addrs)
		if want := begins(f); want && (syn != all || other != 0) || !want && (other != all || syn != 0) {
			t.Fatalf("%d bytes of a frame are let in; %d for SYNs, %d for others: % x", all, syn, other, f)
		}
		seen[syn > 0]++
	}
	if seen[true] < 1000 || seen[false] < 1000 {
		t.Errorf("cases: %v", seen)
	}
}

func TestTellingASYNTakesFewInstructions(t *testing.T) {
	raw, err := bpf.Assemble(selectSYN([]bpf.Instruction{bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: 0}}))
	if err != nil {
		t.Fatal(err)
	}
	if n := longestWay(raw); n > 17 {
		t.Errorf("up to %d instructions", n)
	}
}

func FuzzSelectSYN(f *testing.F) {
	for _, b := range [][]byte{segment("S", false, 0), segment("S", true, 0), segment("SA", false, 0), segment("S", true, 60)} {
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := told(t, b); got != begins(b) {
			t.Fatalf("taken for a SYN: %v, it is one: %v", got, begins(b))
		}
	})
}
