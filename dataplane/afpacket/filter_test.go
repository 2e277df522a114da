package afpacket

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// passes states what the part of the filter that looks into the frame does.
func passes(vips []netip.Addr, neighbours bool, frame []byte) bool {
	isVIP := func(a netip.Addr) bool {
		return slices.ContainsFunc(vips, func(v netip.Addr) bool { return v.Unmap() == a })
	}
	if len(frame) < 14 {
		return false
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0806:
		return true
	case 0x0800:
		return len(frame) >= 34 && isVIP(netip.AddrFrom4([4]byte(frame[30:34])))
	case 0x86dd:
		if !neighbours && !slices.ContainsFunc(vips, func(v netip.Addr) bool { return v.Unmap().Is6() }) {
			return false
		}
		if len(frame) >= 22 && frame[20] == 58 && frame[21] == 255 {
			if len(frame) < 55 {
				return false // ICMPv6 without a type
			}
			if 133 <= frame[54] && frame[54] <= 137 {
				return true
			}
		}
		return len(frame) >= 54 && isVIP(netip.AddrFrom16([16]byte(frame[38:54])))
	}
	return false
}

// mainFilter is the program of the socket for all but SYNs.
func mainFilter(vips []netip.Addr, neighbours bool) ([]bpf.RawInstruction, error) {
	f, err := newFilters(vips, backward{}, neighbours, arrival{})
	return f.others, err
}

func addressVM(t testing.TB, vips []netip.Addr, neighbours bool) *bpf.VM {
	t.Helper()
	prog, err := addressFilter(vips, neighbours)
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

func checkFrame(t testing.TB, vm *bpf.VM, vips []netip.Addr, neighbours bool, frame []byte) {
	t.Helper()
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	if passes(vips, neighbours, frame) {
		want = min(len(frame), acceptBytes)
	}
	// The VM gives the program's return value or the length of the frame.
	if min(n, len(frame)) != want {
		t.Fatalf("%d of %d bytes accepted, want %d: % x", n, len(frame), want, frame[:min(len(frame), 55)])
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
		vm := addressVM(t, vips, false)
		for _, v := range vips {
			for _, dst := range []netip.Addr{v, v.Prev(), v.Next(), randomAddr(rng)} {
				if dst.IsValid() && dst.Is4() {
					checkFrame(t, vm, vips, false, ipv4To(dst))
				}
			}
		}
		arp := make([]byte, 42)
		arp[12], arp[13] = 8, 6
		ipv6 := ipv4To(netip.AddrFrom4([4]byte{1, 2, 3, 4}))
		ipv6[12], ipv6[13] = 0x86, 0xdd
		for _, f := range [][]byte{arp, ipv6, arp[:14], arp[:13], ipv6[:33], {}} {
			checkFrame(t, vm, vips, false, f)
		}
		if raw, err := mainFilter(vips, false); err != nil || len(raw) > maxInstructions {
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
	raw, err := mainFilter(vips, false)
	if err != nil {
		t.Fatal(err)
	}
	if n := longestWay(addressPart(raw)); n > 43 {
		t.Fatalf("a frame takes up to %d instructions with 1000 addresses", n)
	}
}

// addressPart is the part of a program of newFilter that looks for the address.
func addressPart(raw []bpf.RawInstruction) []bpf.RawInstruction {
	return raw[len(hostFilter(false))+len(selectSYN([]bpf.Instruction{bpf.RetConstant{}})):]
}

// longestWay is the greatest number of instructions one frame can take.
func longestWay(raw []bpf.RawInstruction) int {
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
	return steps[0]
}

func TestFilterNamesWhatItCannotDo(t *testing.T) {
	for name, a := range map[string]netip.Addr{"fe80::1%eth0": netip.MustParseAddr("fe80::1%eth0"), "invalid IP": {}} {
		if _, err := mainFilter([]netip.Addr{a}, false); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, first := range []string{"10.0.0.0", "2001:db8::1"} {
		many := make([]netip.Addr, 4096)
		a := netip.MustParseAddr(first)
		for i := range many {
			many[i], a = a, a.Next()
		}
		if _, err := mainFilter(many, false); err == nil || !strings.Contains(err.Error(), "4096 addresses") ||
			!strings.Contains(err.Error(), "kernel takes 4096") {
			t.Errorf("4096 addresses from %s on: %v", first, err)
		}
	}
	if _, err := mainFilter([]netip.Addr{netip.MustParseAddr("::ffff:10.0.0.1")}, false); err != nil {
		t.Errorf("a mapped IPv4 address: %v", err)
	}
}

func TestFilterLooksAtThePacketTypeFirst(t *testing.T) {
	raw, err := mainFilter(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	// SKF_AD_OFF + SKF_AD_PKTTYPE, <linux/filter.h>: ld [0xfffff004].
	if raw[0].K != 0xfffff004 {
		t.Fatalf("first instruction %+v", raw[0])
	}
}

func FuzzFilter(f *testing.F) {
	v4 := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.255")}
	v6 := []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2:1"), netip.MustParseAddr("fd00::ffff:ffff")}
	f.Add(ipv4To(v4[0]), false)
	f.Add(ipv4To(v4[1])[:33], true)
	for _, a := range v6 {
		f.Add(tcpTo(a), false)
		f.Add(tcpTo(a.Next()), true)
		f.Add(neighbour(a, 135, 255), true)
		f.Add(neighbour(a, 128, 255)[:54], false)
	}
	f.Fuzz(func(t *testing.T, frame []byte, neighbours bool) {
		for _, vips := range [][]netip.Addr{v4, append(slices.Clone(v4), v6...)} {
			checkFrame(t, addressVM(t, vips, neighbours), vips, neighbours, frame)
		}
	})
}
