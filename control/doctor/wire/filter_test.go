package wire

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/bpf"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// The filter takes what it should by its definition, over random frames, some of
// which are about its addresses.
func TestTheFilterTakesWhatConcernsItsAddresses(t *testing.T) {
	addrs := []netip.Addr{vip4, rs4, vip6}
	vm, err := bpf.NewVM(concerning(addrs))
	if err != nil {
		t.Fatal(err)
	}
	concerns := func(f []byte) bool {
		var h frame.Header
		frame.Parse(f, &h)
		return slices.Contains(addrs, h.Src.IP()) || slices.Contains(addrs, h.Dst.IP()) ||
			h.Kind == frame.IPv4 && h.Proto == frame.ProtoICMP || h.Kind == frame.IPv6 && h.Proto == frame.ProtoICMPv6
	}
	r := rand.New(rand.NewPCG(1, 2))
	pool4 := append([]netip.Addr{ours}, addrs[:2]...)
	pool6 := []netip.Addr{ours6, vip6, netip.MustParseAddr("fd00:1::50")}
	taken := 0
	for range 2000 {
		pool := pool4
		if r.IntN(2) == 0 {
			pool = pool6
		}
		src, dst := netip.AddrPortFrom(pool[r.IntN(3)], 1), netip.AddrPortFrom(pool[r.IntN(3)], 2)
		f := build.TCP{Src: src, Dst: dst, Flags: "S"}.Bytes()
		switch r.IntN(3) {
		case 0:
			f = build.UDP{Src: src, Dst: dst}.Bytes()
		case 1:
			f = build.ICMP{Src: src.Addr(), Dst: dst.Addr(), Type: 8}.Bytes()
		}
		n, err := vm.Run(f)
		if err != nil {
			t.Fatal(err)
		}
		if (n > 0) != concerns(f) {
			t.Fatalf("the filter takes %d bytes of a frame from %s to %s", n, src, dst)
		}
		if n > 0 {
			taken++
		}
	}
	if taken == 0 || taken == 2000 {
		t.Errorf("%d of 2000 frames were taken: this test proves nothing", taken)
	}
	arp := build.ARP{SenderIP: ours, TargetIP: rs4}.Bytes()
	if n, err := vm.Run(arp); n == 0 || err != nil {
		t.Errorf("ARP is not taken: %d, %v", n, err)
	}
}

// The greatest program the kernel takes has 4096 instructions (BPF_MAXINSNS in
// <linux/bpf_common.h>).
func TestTheFilterFitsIntoTheKernel(t *testing.T) {
	for _, n := range []int{0, 1, filterAddrs, filterAddrs + 1, 10000} {
		addrs := make([]netip.Addr, n)
		for i := range addrs {
			addrs[i] = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		}
		raw, err := bpf.Assemble(concerning(addrs))
		if err != nil || len(raw) > 4096 {
			t.Errorf("%d addresses: %d instructions, %v", n, len(raw), err)
		}
	}
}
