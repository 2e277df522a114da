package afpacket

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
)

// comesFrom states what the filter of sources lets in.
func comesFrom(b backward, frame []byte) bool {
	isSource := func(a netip.Addr) bool {
		return slices.ContainsFunc(b.sources, func(s netip.Addr) bool { return s.Unmap() == a })
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		if frame[23] == 1 && b.errors {
			if t := frame[14+int(frame[14]&15)*4]; t == 3 || t == 4 || t == 11 {
				return true
			}
		}
		return isSource(netip.AddrFrom4([4]byte(frame[26:30])))
	case 0x86dd:
		return b.errors && frame[20] == 58 && 1 <= frame[54] && frame[54] <= 4 || isSource(netip.AddrFrom16([16]byte(frame[22:38])))
	}
	return false
}

// sourcesVM is the filter of sources, with a return of 7 for what runs past it.
func sourcesVM(t *testing.T, b backward) *bpf.VM {
	t.Helper()
	prog, err := sourceFilter(b)
	if err != nil {
		t.Fatal(err)
	}
	prog = append(slices.Clone(prog), bpf.RetConstant{Val: past})
	if _, err := bpf.Assemble(prog); err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

const past = 7 // less than any frame

// drawnFrame is a frame between two of the addresses.
func drawnFrame(r *rand.Rand, addrs []netip.Addr) []byte {
	f := make([]byte, 100)
	for i := range f {
		f[i] = byte(r.Uint32())
	}
	src, dst := addrs[r.IntN(len(addrs))], addrs[r.IntN(len(addrs))]
	protos := []byte{1, 6, 17, 58}
	switch r.IntN(5) {
	case 0:
		binary.BigEndian.PutUint16(f[12:], []uint16{0x0806, 0x8100, 0x88cc}[r.IntN(3)])
	case 1, 2:
		binary.BigEndian.PutUint16(f[12:], 0x0800)
		f[14], f[23] = 0x45+byte(r.IntN(3)), protos[r.IntN(len(protos))]
		a, b := netip.AddrFrom4([4]byte{1, 2, 3, 4}), dst
		if src.Is4() {
			a = src
		}
		copy(f[26:], a.AsSlice())
		copy(f[30:], b.AsSlice()[:4])
		f[14+int(f[14]&15)*4] = byte(r.IntN(13))
	default:
		binary.BigEndian.PutUint16(f[12:], 0x86dd)
		f[20] = protos[r.IntN(len(protos))]
		a, b := src.As16(), dst.As16()
		copy(f[22:], a[:])
		copy(f[38:], b[:])
		f[54] = byte(r.IntN(7))
	}
	return f
}

// The filter lets in what comes from the sources, and ICMP errors; the rest goes on to
// the filter of destinations. The reference above says it frame by frame.
func TestAnswersOfServersAreLetInAndAllElseGoesOn(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 4))
	for _, n := range []int{0, 1, 2, 16, 17, 40, 300} {
		for _, kind := range []string{"4", "6", "both"} {
			var sources, others []netip.Addr
			for i := range 2 * max(n, 1) {
				a := netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), byte(i >> 8), byte(i)})
				if kind == "6" || kind == "both" && i%2 == 0 {
					b := [16]byte{0: 0x20, 1: byte(r.IntN(2)), 14: byte(i >> 8), 15: byte(i)}
					a = netip.AddrFrom16(b)
				}
				if others = append(others, a); i < n {
					sources = append(sources, a)
				}
			}
			b := backward{sources, r.IntN(2) == 0}
			vm := sourcesVM(t, b)
			for range 400 {
				f := drawnFrame(r, others)
				got, err := vm.Run(f)
				if err != nil {
					t.Fatal(err)
				}
				if in := comesFrom(b, f); in != (got != past) {
					t.Fatalf("%d sources (%s): let in: %v, want %v: % x", n, kind, got != past, in, f[:56])
				}
			}
		}
	}
}

// The programs of the sockets with sources: what is let in is what comes from a source,
// what is an ICMP error, and what goes to a VIP; each SYN by one socket alone.
func TestSourcesAndDestinationsAreInOneProgram(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 5))
	vips := []netip.Addr{netip.MustParseAddr("10.1.0.9"), netip.MustParseAddr("2001::9")}
	sources := []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("2001::1")}
	addrs, err := addressFilter(vips, true)
	if err != nil {
		t.Fatal(err)
	}
	b := backward{sources, true}
	from, err := sourceFilter(b)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(slices.Concat(from, addrs))
	if err != nil {
		t.Fatal(err)
	}
	all := append(slices.Clone(vips), sources...)
	for range 4000 {
		f := drawnFrame(r, all)
		got, err := vm.Run(f)
		if err != nil {
			t.Fatal(err)
		}
		if want := comesFrom(b, f) || passes(vips, true, f); want != (got != 0) {
			t.Fatalf("let in: %v, want %v: % x", got != 0, want, f[:56])
		}
	}
}

// A thousand servers fit beside a thousand VIPs, and each costs one comparison.
func TestTheFilterTakesAThousandServers(t *testing.T) {
	var vips, sources []netip.Addr
	for i := range 1000 {
		vips = append(vips, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		sources = append(sources, netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}))
	}
	if _, err := newFilters(vips, backward{sources, true}, true, arrival{}); err != nil {
		t.Error(err)
	}
	prog, err := sourceFilter(backward{sources, true})
	if err != nil || len(prog) > 1300 {
		t.Errorf("%d instructions, %v", len(prog), err)
	}
	for _, bad := range []netip.Addr{{}, netip.MustParseAddr("fe80::1%eth0")} {
		if _, err := newFilters(nil, backward{sources: []netip.Addr{bad}}, false, arrival{}); err == nil {
			t.Error(fmt.Sprint(bad, " is taken as a source"))
		}
	}
	if none, err := sourceFilter(backward{}); len(none) != 0 || err != nil {
		t.Errorf("without sources the filter has %v, %v", none, err)
	}
}
