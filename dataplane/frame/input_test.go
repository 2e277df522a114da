package frame_test

import (
	"math/rand"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// fromHostSlow is RFC 1122 section 3.2.1.3, but for class E, and RFC 4291 section
// 2.4 in the words of the standard library.
func fromHostSlow(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() &&
		!netip.MustParsePrefix("0.0.0.0/8").Contains(a) && a != netip.MustParseAddr("255.255.255.255")
}

func TestFromHost(t *testing.T) {
	var all []netip.Addr
	for first := range 256 {
		all = append(all, netip.AddrFrom4([4]byte{byte(first)}), netip.AddrFrom4([4]byte{byte(first), 255, 255, 255}),
			netip.AddrFrom16([16]byte{byte(first)}), netip.AddrFrom16([16]byte{byte(first), 15: 1}), netip.AddrFrom16([16]byte{15: byte(first)}))
	}
	for i := range 15 {
		a := [16]byte{}
		a[i] = 1
		all = append(all, netip.AddrFrom16(a))
		a[15] = 1
		all = append(all, netip.AddrFrom16(a))
	}
	for _, a := range all {
		dst := vip.Addr()
		if a.Is6() {
			dst = vip6.Addr()
		}
		h := parse(build.UDP{Src: netip.AddrPortFrom(a, 1), Dst: netip.AddrPortFrom(dst, 2)}.Bytes())
		if got, want := h.FromHost(), fromHostSlow(a); got != want || h.Fault != frame.NoFault {
			t.Errorf("from %v: %v, want %v", a, got, want)
		}
	}
}

func TestIsNeighbourDiscovery(t *testing.T) {
	for typ := range 256 {
		m := build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Type: uint8(typ), Payload: make([]byte, 40)}
		h := parse(m.Bytes())
		if got, want := h.IsNeighbourDiscovery(), typ >= 133 && typ <= 137; got != want {
			t.Errorf("ICMPv6 type %d: %v", typ, got)
		}
		m.Src, m.Dst = client.Addr(), vip.Addr()
		if h = parse(m.Bytes()); h.IsNeighbourDiscovery() {
			t.Errorf("ICMP type %d of IPv4", typ)
		}
	}
	solicitation := build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), Type: 135, Payload: make([]byte, 40)}.Bytes()
	for _, piece := range build.Fragment(solicitation, 24) { // RFC 6980: it is never fragmented
		if h := parse(piece); h.IsNeighbourDiscovery() {
			t.Error("a fragment")
		}
	}
	other := build.Raw{Src: client6.Addr(), Dst: vip6.Addr(), Proto: frame.ProtoICMP, Payload: []byte{135, 0, 0, 0, 0, 0, 0, 0}}.Bytes()
	if h := parse(other); h.IsNeighbourDiscovery() {
		t.Error("the ICMP of IPv4 in IPv6")
	}
}

// The protocol of a datagram that starts with options hides in its first
// fragment.
func TestHidesProto(t *testing.T) {
	with := func(ext ...build.Ext) [][]byte {
		return build.Fragment(build.UDP{Src: client6, Dst: vip6, IP: build.IP{Ext: ext}, Payload: make([]byte, 100)}.Bytes(), 64)
	}
	for _, c := range []struct {
		name string
		f    [][]byte
		want bool // of the later fragment
	}{
		{"no options", with(), false},
		{"options that routers look at", with(build.HopByHop()), false},
		{"destination options", with(build.DestOpts()), true},
		{"an authentication header", with(build.Auth(12)), true},
		{"IPv4", build.Fragment(build.UDP{Src: client, Dst: vip, Payload: make([]byte, 100)}.Bytes(), 64), false},
		{"a protocol of IPv4 with the number of options", build.Fragment(build.Raw{Src: client.Addr(), Dst: vip.Addr(), Proto: 60, Payload: make([]byte, 100)}.Bytes(), 64), false},
	} {
		first, later := parse(c.f[0]), parse(c.f[1])
		if first.HidesProto() || later.HidesProto() != c.want {
			t.Errorf("%s: first %v, later %v", c.name, first.HidesProto(), later.HidesProto())
		}
	}
}

// Whatever the frame, the three say what their definitions say.
func TestInputOfRandomFrames(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 3000 {
		f := mutate(r, frametest.Random(r))
		h := parse(f)
		if h.Fault == frame.NoFault && h.HasAddrs() && h.FromHost() != fromHostSlow(h.Src.IP()) {
			t.Fatalf("from a host %v: %s", h.FromHost(), frametest.Describe(f))
		}
		if h.IsNeighbourDiscovery() && (h.Kind != frame.IPv6 || h.HidesProto()) {
			t.Fatalf("%+v", h)
		}
	}
}

// Options are well-formed or not, by the lengths that they say; source routes are
// not accepted.
func TestOptionsOK(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []byte
		want bool
	}{
		{"nothing but padding", []byte{1, 1, 1, 0}, true},
		{"the end, and anything behind it", []byte{0, 131, 99, 1}, true},
		{"router alert", []byte{148, 4, 0, 0}, true},
		{"an unknown one", []byte{94, 4, 0xff, 0xff}, true},
		{"a record route with a place", []byte{7, 7, 4, 0, 0, 0, 0, 0}, true},
		{"one that is full", []byte{7, 7, 8, 10, 0, 0, 1, 0}, true},
		{"a record route without a pointer", []byte{1, 1, 7, 2}, false},
		{"one whose pointer points at itself", []byte{7, 7, 3, 0, 0, 0, 0, 0}, false},
		{"a timestamp", []byte{68, 8, 5, 0, 0, 0, 0, 0}, true},
		{"a timestamp without flags", []byte{68, 3, 5, 0}, false},
		{"one whose pointer points at its flags", []byte{68, 8, 4, 0, 0, 0, 0, 0}, false},
		{"a length of nothing", []byte{94, 0, 0, 0}, false},
		{"a length of the type alone", []byte{94, 1, 0, 0}, false},
		{"a length beyond the header", []byte{94, 5, 0, 0}, false},
		{"no length at all", []byte{1, 1, 1, 94}, false},
		{"a loose source route", []byte{131, 7, 4, 10, 0, 0, 1, 0}, false},
		{"a strict one behind others", []byte{1, 137, 7, 4, 10, 0, 0, 1}, false},
		{"one that is used up", []byte{131, 7, 8, 10, 0, 0, 1, 0}, false},
	} {
		f := build.UDP{Src: client, Dst: vip, IP: build.IP{Options: c.opts}}.Bytes()
		h := parse(f)
		if !h.HasOptions() || h.Fault != frame.NoFault {
			t.Fatalf("%s: %+v", c.name, h)
		}
		if got := frame.OptionsOK(f, &h); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for _, f := range [][]byte{build.UDP{Src: client, Dst: vip}.Bytes(), tcp6(build.HopByHop())} {
		if h := parse(f); h.HasOptions() {
			t.Errorf("options in %s", frametest.Describe(f))
		}
	}
}
