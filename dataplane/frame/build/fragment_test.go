package build_test

import (
	"bytes"
	"math/rand"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

func TestFragmentsMakeTheDatagramAgain(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	payload := make([]byte, 200)
	r.Read(payload)
	ext := []build.Ext{build.HopByHop(), build.DestOpts(), build.Routing(0, 0), build.DestOpts()}
	for _, f := range [][]byte{
		build.UDP{Src: client, Dst: vip, IP: build.IP{VLAN: 7, Options: []byte{0x94, 4, 0, 0}}, Payload: payload}.Bytes(),
		build.UDP{Src: client6, Dst: vip6, IP: build.IP{VLAN: 7, Pad: true}, Payload: payload}.Bytes(),
		build.UDP{Src: client6, Dst: vip6, IP: build.IP{VLAN: 7, Ext: ext[:1]}, Payload: payload}.Bytes(),
		build.UDP{Src: client6, Dst: vip6, IP: build.IP{VLAN: 7, Ext: ext[:3]}, Payload: payload}.Bytes(),
	} {
		testPieces(t, f)
	}
}

// testPieces cuts f in three and puts the payload together again.
func testPieces(t *testing.T, f []byte) {
	t.Helper()
	whole := frametest.Parse(f)
	first := build.Fragment(f, 160)
	again := build.Fragment(first[0], 64) // a fragment of a fragment
	var got []byte
	for i, piece := range [][]byte{again[0], again[1], first[1]} {
		h := frametest.Parse(piece)
		if h.Fault != frame.NoFault || int(h.FragOff) != len(got) || h.More != (i < 2) {
			t.Fatalf("piece %d: fault %v, at %d, more %v", i, h.Fault, h.FragOff, h.More)
		}
		got = append(got, piece[h.L4:h.End]...)
	}
	if !bytes.Equal(got, f[whole.L4:whole.End]) {
		t.Error("the pieces do not make the datagram")
	}
}

// RFC 8200 section 4.5: routers look at hop-by-hop options and routing header,
// and what stands before them, in every fragment; what comes after is payload,
// of which the fragment header names the first.
func TestFragmentsOfIPv6HaveTheHeadersRoutersLookAt(t *testing.T) {
	frag := func(ext ...build.Ext) frame.Header {
		f := build.UDP{Src: client6, Dst: vip6, Payload: make([]byte, 100), IP: build.IP{Ext: ext}}.Bytes()
		return frametest.Parse(build.Fragment(f, 64)[1])
	}
	routing, opts := build.Routing(0, 0, vip6.Addr()), build.DestOpts()
	for _, c := range []struct {
		name  string
		ext   []build.Ext
		proto frame.Proto
		len   uint16 // of what every fragment has, with the fragment header
	}{
		{"none", nil, 17, 8},
		{"hop-by-hop options", []build.Ext{build.HopByHop()}, 17, 16},
		{"destination options", []build.Ext{opts}, 60, 8},
		{"destination options before and after a routing header", []build.Ext{opts, routing, opts}, 60, 8 + 24 + 8},
		{"an atomic fragment", []build.Ext{build.FragmentHeader(0, false, 7)}, 17, 8},
	} {
		h := frag(c.ext...)
		if h.Fault != frame.NoFault || h.Proto != c.proto || h.L4 != 14+40+c.len || h.FragOff != 64 {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
	if h := frag(build.FragmentHeader(0, false, 7)); h.FragID != 7 {
		t.Errorf("the identification 7 became %d", h.FragID)
	}
}
