package frame_test

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// A super is a super-frame as a list of what its segments are built of.
type super struct {
	tcp     build.TCP
	udp     bool
	payload []byte
	size    int
}

func randomSuper(r *rand.Rand) super {
	s := super{payload: make([]byte, 1+r.Intn(20_000)), size: 1 + r.Intn(1460), udp: r.Intn(3) == 0}
	r.Read(s.payload)
	if s.size < 100 {
		s.payload = s.payload[:min(len(s.payload), 3000)]
	}
	s.tcp = build.TCP{Src: netip.MustParseAddrPort("198.51.100.7:4000"), Dst: netip.MustParseAddrPort("192.0.2.1:80"), Seq: r.Uint32(), Ack: 7,
		Flags: []string{"A", "PA", "FPA", "CA", "ECA"}[r.Intn(5)], TCPOptions: make([]byte, 4*r.Intn(11)),
		IP: build.IP{TTL: uint8(1 + r.Intn(255)), TOS: uint8(r.Intn(256)), DF: r.Intn(2) == 0, ID: uint16(r.Intn(1 << 16))}}
	if r.Intn(2) == 0 {
		s.tcp.Src, s.tcp.Dst = netip.MustParseAddrPort("[2001:db8::7]:4000"), netip.MustParseAddrPort("[2001:db8::1]:80")
	} else if r.Intn(4) == 0 {
		s.tcp.Options = []byte{148, 4, 0, 0}
	}
	return s
}

// frame is the segment with n bytes of payload from off on, or all in one, as a sender would
// make it.
func (s super) frame(off, n, index int) []byte {
	x := s.tcp
	x.Payload, x.Seq, x.ID = s.payload[off:off+n], x.Seq+uint32(off), x.ID+uint16(index)
	if off+n < len(s.payload) {
		x.Flags = strings.NewReplacer("F", "", "P", "").Replace(x.Flags)
	}
	if index > 0 {
		x.Flags = strings.ReplaceAll(x.Flags, "C", "")
	}
	if s.udp {
		return build.UDP{Src: x.Src, Dst: x.Dst, IP: x.IP, Payload: x.Payload}.Bytes()
	}
	return x.Bytes()
}

// TestSegmentsAreThoseASenderMakes: byte for byte, whatever the checksum of the super-frame
// holds.
func TestSegmentsAreThoseASenderMakes(t *testing.T) {
	r := rand.New(rand.NewSource(5))
	for range 300 {
		s := randomSuper(r)
		f := s.frame(0, len(s.payload), 0)
		h := frametest.Parse(f)
		f[int(h.L4)+h.Proto.SumOffset()] ^= 0x55
		n := frame.SegmentHeaders(f, &h)
		for i, off := 0, 0; off < len(s.payload); i, off = i+1, off+s.size {
			g := frame.Segment{Off: off, Len: min(s.size, len(s.payload)-off), Index: i}
			got := append(frame.AppendSegment(nil, f, &h, g), f[int(h.L3)+n+g.Off:][:g.Len]...)
			if want := s.frame(g.Off, g.Len, i)[frame.EtherLen:]; !bytes.Equal(got, want) {
				t.Fatalf("segment %+v of %d bytes, UDP %v:\ngot  % x\nwant % x", g, len(s.payload), s.udp, got[:n], want[:n])
			}
		}
	}
}

// TestWhatCannotBeSegmented: fragments, other protocols, damaged frames.
func TestWhatCannotBeSegmented(t *testing.T) {
	s := super{tcp: build.TCP{Src: netip.MustParseAddrPort("198.51.100.7:4000"), Dst: netip.MustParseAddrPort("192.0.2.1:80"), Flags: "A"}, payload: make([]byte, 100)}
	f := s.frame(0, 100, 0)
	for name, g := range map[string][]byte{
		"a fragment": build.Fragment(f, 64)[0], "a ping": build.Echo(s.tcp.Src.Addr(), s.tcp.Dst.Addr(), build.IP{}, 1, 1, nil).Bytes(),
		"a damaged frame": f[:30], "SCTP": build.SCTP{Src: s.tcp.Src, Dst: s.tcp.Dst, Payload: make([]byte, 100)}.Bytes(),
	} {
		h := frametest.Parse(g)
		if n := frame.SegmentHeaders(g, &h); n != 0 {
			t.Errorf("%s has headers of %d bytes", name, n)
		}
	}
}

// TestAFinishedChecksumIsRight: of TCP and UDP, over whatever was in its place; nothing else
// is touched, and of other protocols nothing at all.
func TestAFinishedChecksumIsRight(t *testing.T) {
	r := rand.New(rand.NewSource(6))
	for range 2000 {
		f := frametest.Random(r)
		h := frametest.Parse(f)
		want := slices.Clone(f)
		at := int(h.L4) + h.Proto.SumOffset()
		finished := (h.Kind == frame.IPv4 || h.Kind == frame.IPv6) && h.Fault == frame.NoFault && h.Proto.SumOffset() > 0 && !h.IsFragment()
		if finished && h.Proto == frame.ProtoUDP && binary.BigEndian.Uint16(f[int(h.L4)+4:]) != uint16(h.End-uint32(h.L4)) {
			continue // shorter than its packet
		}
		if finished {
			if binary.BigEndian.Uint16(f[at:]) == 0 {
				continue // UDP without a checksum gets one
			}
			f[at], f[at+1] = byte(r.Intn(256)), byte(r.Intn(256))
		}
		if frame.FinishSum(f, &h); !bytes.Equal(f, want) {
			t.Fatalf("%v: % x, want % x", h, f, want)
		}
	}
}
