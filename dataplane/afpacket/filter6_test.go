package afpacket

import (
	"encoding/binary"
	oldrand "math/rand"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

var client6 = netip.MustParseAddr("2001:db8:ffff::1")

// tcpTo is a segment to dst.
func tcpTo(dst netip.Addr) []byte {
	return build.TCP{Src: netip.AddrPortFrom(client6, 4000), Dst: netip.AddrPortFrom(dst, 80), Flags: "S"}.Bytes()
}

// neighbour is an ICMPv6 message of any type to dst.
func neighbour(dst netip.Addr, typ, hops uint8) []byte {
	return build.ICMP{Src: client6, Dst: dst, IP: build.IP{TTL: hops}, Type: typ, Payload: make([]byte, 16)}.Bytes()
}

// addrOf is the address made of four words.
func addrOf(w [4]uint32) netip.Addr {
	var b [16]byte
	for i := range w {
		binary.BigEndian.PutUint32(b[4*i:], w[i])
	}
	return netip.AddrFrom16(b)
}

// A shape is a way in which addresses are alike. Its words are not those of
// mapped addresses.
type shape struct {
	name string
	most int // how many fit
	make func(r *rand.Rand, i int) [4]uint32
}

// fewValues are random words of n values each, so that addresses part at every
// word.
func fewValues(n uint32) func(*rand.Rand, int) [4]uint32 {
	return func(r *rand.Rand, _ int) [4]uint32 {
		w := [4]uint32{1 << 29}
		for i := range w {
			w[i] += r.Uint32N(n) * 0x9e3779b9
		}
		return w
	}
}

var shapes = []shape{
	{"of one /64, in a row", 3000, func(_ *rand.Rand, i int) [4]uint32 { return [4]uint32{0x20010db8, 0, 0, uint32(i)} }},
	{"of one /64, at random", 3000, func(r *rand.Rand, _ int) [4]uint32 { return [4]uint32{0x20010db8, 0, r.Uint32N(2), r.Uint32()} }},
	{"of a /64 each, with one end", 3000, func(_ *rand.Rand, i int) [4]uint32 { return [4]uint32{0x20010db8, uint32(i), 0, 1} }},
	{"of a /64 for two", 300, func(_ *rand.Rand, i int) [4]uint32 { return [4]uint32{0x20010db8, uint32(i / 2), 7, uint32(i)} }},
	{"of a /32 for two", 300, func(r *rand.Rand, i int) [4]uint32 {
		return [4]uint32{1<<29 + uint32(i/2), r.Uint32(), r.Uint32(), r.Uint32()}
	}},
	{"with nothing in common", 400, func(r *rand.Rand, _ int) [4]uint32 {
		return [4]uint32{1<<29 + r.Uint32N(1<<29), r.Uint32(), r.Uint32(), r.Uint32()}
	}},
	{"of 3 values a word", 300, fewValues(3)},
	{"of 5 values a word", 300, fewValues(5)},
	{"of 12 values a word", 300, fewValues(12)},
	{"of 80 values a word", 300, fewValues(80)},
}

func (s shape) addrs(r *rand.Rand, n int) []netip.Addr {
	vips := make([]netip.Addr, n)
	for i := range vips {
		vips[i] = addrOf(s.make(r, i))
	}
	return vips
}

func TestFilterOfIPv6AgreesWithItsDefinition(t *testing.T) {
	for _, s := range shapes {
		t.Run("addresses "+s.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			for _, n := range []int{0, 1, 2, leafAddrs, leafAddrs + 1, 100, s.most} {
				vips := s.addrs(r, n)
				if n > 2 {
					vips[n/2], vips[n-1] = randomAddr(r), vips[0] // both families; one of them twice
				}
				for _, neighbours := range []bool{false, true} {
					checkNear(t, r, vips, neighbours)
				}
				if raw, err := mainFilter(vips, false); err != nil || len(raw) > maxInstructions {
					t.Fatalf("%d addresses: %d instructions, %v", n, len(raw), err)
				} else if most := longestWay(addressPart(raw)); most > 58 {
					t.Fatalf("a frame takes up to %d instructions with %d addresses", most, n)
				}
			}
		})
	}
}

// checkNear looks at frames to some of vips and to addresses that differ from
// them in one or two words, and at neighbour discovery and what resembles it.
func checkNear(t *testing.T, r *rand.Rand, vips []netip.Addr, neighbours bool) {
	t.Helper()
	vm := addressVM(t, vips, neighbours)
	check := func(f []byte) { t.Helper(); checkFrame(t, vm, vips, neighbours, f) }
	six := slices.DeleteFunc(slices.Clone(vips), netip.Addr.Is4)
	for range 200 {
		dst, other := client6, client6
		if len(six) > 0 {
			dst, other = six[r.IntN(len(six))], six[r.IntN(len(six))]
		}
		f := tcpTo(dst)
		check(f)
		check(f[:r.IntN(len(f))])
		near := f[38+4*r.IntN(4):]
		near[r.IntN(4)] ^= 1 << r.IntN(8)
		check(f)
		mixed, b := wordsOf(dst), wordsOf(other)
		mixed[r.IntN(4)] = b[r.IntN(4)]
		mixed[r.IntN(4)] = b[r.IntN(4)]
		if a := addrOf(mixed); !a.Is4In6() {
			check(tcpTo(a))
		}
		for _, to := range []netip.Addr{dst, dst.Next(), client6} {
			if !to.IsValid() {
				continue
			}
			n := neighbour(to, uint8(131+r.IntN(9)), uint8(254+r.IntN(2)))
			check(n)
			check(n[:54+r.IntN(2)])
		}
	}
	old := oldrand.New(oldrand.NewSource(r.Int64())) // what frametest takes
	for range 200 {
		check(frametest.Random(old))
	}
	for i, v := range vips {
		if i%(1+len(vips)/500) != 0 {
			continue // the definition is slow
		}
		if v.Is4() {
			check(ipv4To(v))
			check(ipv4To(v.Next()))
		} else {
			check(tcpTo(v))
		}
	}
}

func TestAnAddressGivenTwiceCostsNothing(t *testing.T) {
	for _, a := range []netip.Addr{client6, netip.MustParseAddr("10.0.0.1")} {
		once, err := mainFilter([]netip.Addr{a}, false)
		if err != nil {
			t.Fatal(err)
		}
		if often, err := mainFilter(slices.Repeat([]netip.Addr{a}, 5000), false); err != nil || !slices.Equal(often, once) {
			t.Errorf("%s 5000 times: %d instructions, once %d; %v", a, len(often), len(once), err)
		}
	}
}

func TestNeighbourDiscoveryPassesExactlyWhereIPv6IsWanted(t *testing.T) {
	vip4, vip6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")
	group := netip.MustParseAddr("ff02::1:ff00:1")
	for _, c := range []struct {
		name       string
		vips       []netip.Addr
		neighbours bool
		want       bool
	}{
		{"no address", nil, false, false},
		{"an IPv4 address", []netip.Addr{vip4}, false, false},
		{"a mapped IPv4 address", []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.1")}, false, false},
		{"IPv6 real servers only", nil, true, true},
		{"an IPv4 address and IPv6 real servers", []netip.Addr{vip4}, true, true},
		{"an IPv6 address", []netip.Addr{vip6}, false, true},
		{"both families", []netip.Addr{vip6, vip4}, true, true},
	} {
		vm := addressVM(t, c.vips, c.neighbours)
		for typ := range 256 {
			for _, hops := range []uint8{1, 64, 254, 255} {
				n, err := vm.Run(neighbour(group, uint8(typ), hops))
				want := c.want && hops == 255 && 133 <= typ && typ <= 137
				if err != nil || n > 0 != want {
					t.Errorf("%s: ICMPv6 type %d, hop limit %d: %d bytes, %v", c.name, typ, hops, n, err)
				}
			}
		}
		behind := build.ICMP{Src: client6, Dst: group, IP: build.IP{TTL: 255, Ext: []build.Ext{build.HopByHop()}}, Type: 135, Payload: make([]byte, 16)}.Bytes()
		if n, err := vm.Run(behind); err != nil || n > 0 {
			t.Errorf("%s: solicitation behind an extension header: %d bytes, %v", c.name, n, err)
		}
	}
}
