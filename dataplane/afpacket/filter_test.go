package afpacket

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// passes states what the part of the filter that looks into the frame does.
func passes(vips []netip.Addr, frame []byte) bool {
	if len(frame) < 14 {
		return false
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0806:
		return true
	case 0x0800:
		if len(frame) < 34 {
			return false
		}
		dst := netip.AddrFrom4([4]byte(frame[30:34]))
		for _, v := range vips {
			if v.Unmap() == dst {
				return true
			}
		}
	}
	return false
}

func addressVM(t testing.TB, vips []netip.Addr) *bpf.VM {
	t.Helper()
	prog, err := addressFilter(vips)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bpf.Assemble(prog); err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func checkFrame(t testing.TB, vm *bpf.VM, vips []netip.Addr, frame []byte) {
	t.Helper()
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	if passes(vips, frame) {
		want = min(len(frame), acceptBytes)
	}
	// The VM gives the program's return value or the length of the frame.
	if min(n, len(frame)) != want {
		t.Fatalf("%d of %d bytes accepted, want %d: % x", n, len(frame), want, frame[:min(len(frame), 34)])
	}
}

func ipv4To(dst netip.Addr) []byte {
	f := make([]byte, 60)
	f[12], f[13], f[14] = 8, 0, 0x45
	d := dst.As4()
	copy(f[30:], d[:])
	return f
}

func randomAddr(rng *rand.Rand) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], rng.Uint32())
	return netip.AddrFrom4(b)
}

func TestFilterAgreesWithItsDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 2, leafAddrs - 1, leafAddrs, leafAddrs + 1, 100, 255, 256, 257, 1000, 3000} {
		vips := make([]netip.Addr, n)
		for i := range vips {
			vips[i] = randomAddr(rng)
			if i > 0 && rng.IntN(3) == 0 {
				vips[i] = vips[i-1].Next() // neighbours, and now and then the same again
			}
		}
		if n > 2 {
			vips[0], vips[1], vips[2] = netip.AddrFrom4([4]byte{}), netip.AddrFrom4([4]byte{255, 255, 255, 255}), vips[n-1]
		}
		vm := addressVM(t, vips)
		for _, v := range vips {
			for _, dst := range []netip.Addr{v, v.Prev(), v.Next(), randomAddr(rng)} {
				if dst.IsValid() && dst.Is4() {
					checkFrame(t, vm, vips, ipv4To(dst))
				}
			}
		}
		arp := make([]byte, 42)
		arp[12], arp[13] = 8, 6
		ipv6 := ipv4To(netip.AddrFrom4([4]byte{1, 2, 3, 4}))
		ipv6[12], ipv6[13] = 0x86, 0xdd
		for _, f := range [][]byte{arp, ipv6, arp[:14], arp[:13], ipv6[:33], {}} {
			checkFrame(t, vm, vips, f)
		}
		if raw, err := newFilter(vips); err != nil || len(raw) > maxInstructions {
			t.Fatalf("%d addresses: %d instructions, %v", n, len(raw), err)
		}
	}
}

func TestFilterComparesFewAddressesOfMany(t *testing.T) {
	vips := make([]netip.Addr, 1000)
	a := netip.MustParseAddr("10.0.0.0")
	for i := range vips {
		vips[i] = a
		a = a.Next()
	}
	raw, err := newFilter(vips)
	if err != nil {
		t.Fatal(err)
	}
	// The longest way through: the depth of the tree and one leaf.
	steps := make([]int, len(raw)+1)
	for i := len(raw) - 1; i >= 0; i-- {
		switch in := raw[i].Disassemble().(type) {
		case bpf.RetConstant:
			steps[i] = 1
		case bpf.Jump:
			steps[i] = 1 + steps[i+1+int(in.Skip)]
		case bpf.JumpIf:
			steps[i] = 1 + max(steps[i+1+int(in.SkipTrue)], steps[i+1+int(in.SkipFalse)])
		default:
			steps[i] = 1 + steps[i+1]
		}
	}
	if steps[0] > 45 {
		t.Fatalf("a frame takes up to %d instructions with 1000 addresses", steps[0])
	}
}

func TestFilterNamesWhatItCannotDo(t *testing.T) {
	if _, err := newFilter([]netip.Addr{netip.MustParseAddr("2001:db8::1")}); err == nil || !strings.Contains(err.Error(), "2001:db8::1") {
		t.Errorf("an IPv6 address: %v", err)
	}
	many := make([]netip.Addr, 4096)
	a := netip.MustParseAddr("10.0.0.0")
	for i := range many {
		many[i], a = a, a.Next()
	}
	if _, err := newFilter(many); err == nil || !strings.Contains(err.Error(), "4096 addresses") {
		t.Errorf("4096 addresses: %v", err)
	}
	if _, err := newFilter([]netip.Addr{netip.MustParseAddr("::ffff:10.0.0.1")}); err != nil {
		t.Errorf("a mapped IPv4 address: %v", err)
	}
}

func TestFilterLooksAtThePacketTypeFirst(t *testing.T) {
	raw, err := newFilter(nil)
	if err != nil {
		t.Fatal(err)
	}
	// SKF_AD_OFF + SKF_AD_PKTTYPE, <linux/filter.h>: ld [0xfffff004].
	if raw[0].K != 0xfffff004 {
		t.Fatalf("first instruction %+v", raw[0])
	}
}

func FuzzFilter(f *testing.F) {
	vips := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.255")}
	f.Add(ipv4To(vips[0]))
	f.Add(ipv4To(vips[1])[:33])
	f.Fuzz(func(t *testing.T, frame []byte) {
		checkFrame(t, addressVM(t, vips), vips, frame)
	})
}
