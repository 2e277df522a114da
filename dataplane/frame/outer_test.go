package frame_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// tunnels are tunnels of every kind over both families.
func tunnels() []frame.OuterConfig {
	var all []frame.OuterConfig
	for _, ends := range [][2]string{{"100.65.0.1", "10.2.0.11"}, {"fd00:65::1", "2001:db8:2::11"}} {
		c := frame.OuterConfig{Src: frame.AddrFrom(netip.MustParseAddr(ends[0])), Dst: frame.AddrFrom(netip.MustParseAddr(ends[1])), Port: 6080}
		for _, c.Encapsulation = range []frame.Encapsulation{frame.IPinIP, frame.GRE, frame.GUE} {
			for _, c.Sum = range []bool{false, true} {
				all = append(all, c)
			}
		}
	}
	return all
}

// wrap is the frame of a tunnel with p in it.
func wrap(o *frame.Outer, p *frame.Enclosed) []byte {
	f := make([]byte, frame.EtherLen+o.Len(), frame.EtherLen+o.Len()+len(p.Packet))
	binary.BigEndian.PutUint16(f[12:], o.EtherType())
	for i := frame.EtherLen; i < len(f); i++ {
		f[i] = 0xee // the headroom of a frame holds anything
	}
	o.Put(f[frame.EtherLen:], p)
	return append(f, p.Packet...)
}

// enclose makes frame f ready for a tunnel; false: f is no IP packet.
func enclose(f []byte, df bool, id, port uint16) (frame.Enclosed, bool) {
	h := frametest.Parse(f)
	if h.Kind != frame.IPv4 && h.Kind != frame.IPv6 || h.Fault != frame.NoFault || int(h.End-uint32(h.L3))+frame.MaxOuter > 65535 {
		return frame.Enclosed{}, false
	}
	return frame.Enclosed{Packet: f[h.L3:h.End], Kind: h.Kind, DF: df, ID: id, Port: port}, true
}

// checkOuter: what the reference takes out of the tunnel is the packet that went in, and
// the outer headers are as the recordings have them.
func checkOuter(t *testing.T, c frame.OuterConfig, p frame.Enclosed) {
	t.Helper()
	o := frame.NewOuter(c)
	before := bytes.Clone(p.Packet)
	got, err := frametest.Unwrap(wrap(&o, &p))
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	if !bytes.Equal(got.Inner, before) {
		t.Fatalf("%+v: the packet changed in the tunnel", c)
	}
	tos, ttl := before[1], before[8]
	if p.Kind == frame.IPv6 {
		tos, ttl = before[0]<<4|before[1]>>4, before[7]
	}
	if tos&3 == 3 {
		tos--
	}
	want := frametest.Tunnelled{Src: c.Src, Dst: c.Dst, Encap: c.Encapsulation, TTL: ttl, TOS: tos, Inner: got.Inner, Kind: p.Kind,
		HasSum: c.Sum && c.Encapsulation != frame.IPinIP}
	if c.Dst.Is4() {
		if want.DF = p.DF; !p.DF {
			want.ID = p.ID
		}
	}
	if c.Encapsulation == frame.GUE {
		want.SrcPort, want.DstPort = p.Port, c.Port
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Fatalf("%+v:\ngot  %+v\nwant %+v", c, got, want)
	}
}

// TestATunnelCarriesAnyPacketUnchanged: of both families, over both, in every kind of
// tunnel.
func TestATunnelCarriesAnyPacketUnchanged(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 2000 {
		p, ok := enclose(frametest.Random(r), r.Intn(2) == 0, uint16(r.Intn(1<<16)), uint16(r.Intn(1<<16)))
		if !ok {
			continue
		}
		for _, c := range tunnels() {
			checkOuter(t, c, p)
		}
	}
}

// FuzzOuter: whatever packet Parse accepts comes out of a tunnel as it went in.
func FuzzOuter(f *testing.F) {
	r := rand.New(rand.NewSource(2))
	for range 20 {
		f.Add(frametest.Random(r), r.Intn(2) == 0, uint16(r.Intn(1<<16)), uint8(r.Intn(12)))
	}
	f.Fuzz(func(t *testing.T, b []byte, df bool, n uint16, which uint8) {
		if p, ok := enclose(b, df, n, ^n); ok {
			all := tunnels()
			checkOuter(t, all[int(which)%len(all)], p)
		}
	})
}

// TestAnUnfinishedChecksumInsideIsTakenForFinished: the tunnel's checksum is right once
// the network card has finished that of the packet.
func TestAnUnfinishedChecksumInsideIsTakenForFinished(t *testing.T) {
	at4, at6 := netip.MustParseAddrPort("198.51.100.7:4000"), netip.MustParseAddrPort("[2001:db8::7]:4000")
	to4, to6 := netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddrPort("[2001:db8::1]:80")
	for name, f := range map[string][]byte{
		"TCP over IPv4": build.TCP{Src: at4, Dst: to4, Flags: "A", Payload: []byte("odd")}.Bytes(),
		"TCP over IPv6": build.TCP{Src: at6, Dst: to6, Flags: "A", Payload: []byte("even")}.Bytes(),
		"UDP over IPv4": build.UDP{Src: at4, Dst: to4, Payload: []byte("odd")}.Bytes(),
	} {
		h := frametest.Parse(f)
		sumAt := 16
		if h.Proto == frame.ProtoUDP {
			sumAt = 6
		}
		finished := bytes.Clone(f[h.L3:h.End])
		binary.BigEndian.PutUint16(f[int(h.L4)+sumAt:], frame.Fold(frame.PseudoSum(h.Src, h.Dst, h.Proto, int(h.End)-int(h.L4))))
		for _, c := range tunnels() {
			o := frame.NewOuter(c)
			p := frame.Enclosed{Packet: f[h.L3:h.End], Kind: h.Kind, L4: int(h.L4 - h.L3), Sum: sumAt}
			out := wrap(&o, &p)
			copy(out[len(out)-len(finished):], finished) // as the network card does
			if _, err := frametest.Unwrap(out); err != nil {
				t.Errorf("%s in %+v: %v", name, c, err)
			}
		}
	}
}

// TestAChecksumOfZeroIsWrittenAsOnes: in UDP 0 stands for none (RFC 768). The source
// port is chosen for it.
func TestAChecksumOfZeroIsWrittenAsOnes(t *testing.T) {
	c := tunnels()[5]
	o := frame.NewOuter(c)
	p := frame.Enclosed{Packet: make([]byte, 20), Kind: frame.IPv4}
	p.Packet[0] = 0x45
	sum := binary.BigEndian.Uint16(wrap(&o, &p)[frame.EtherLen+frame.IPv4Len+6:])
	p.Port = sum // and so all adds up to 0xffff
	if got := binary.BigEndian.Uint16(wrap(&o, &p)[frame.EtherLen+frame.IPv4Len+6:]); got != 0xffff {
		t.Errorf("the checksum is %#04x, want 0xffff", got)
	}
}

// TestOuterFragmentsMakeTheOuterPacket: put together by their offsets they are the whole
// outer packet, each fits the MTU, and all but the last carry a multiple of 8 bytes.
func TestOuterFragmentsMakeTheOuterPacket(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for range 300 {
		inner := make([]byte, 20+r.Intn(3000))
		r.Read(inner)
		inner[0] = 0x45
		for _, c := range tunnels() {
			o := frame.NewOuter(c)
			p := frame.Enclosed{Packet: inner, Kind: frame.IPv4}
			whole := wrap(&o, &p)
			want := whole[frame.EtherLen+o.IPLen():]
			mtu := 1280 + r.Intn(300)
			size := o.OuterFragmentSize(mtu)
			if len(want)+o.IPLen() <= mtu {
				size = len(want)
			}
			var got []byte
			for off := 0; off < len(want); off += size {
				n := min(size, len(want)-off)
				f := o.AppendFragment(nil, (*[frame.EtherLen]byte)(whole), whole[frame.EtherLen:][:o.Len()], inner, off, n, 77)
				h := frametest.Parse(f)
				last := off+n == len(want)
				if h.Fault != frame.NoFault || int(h.FragOff) != off || h.More == last || len(f)-frame.EtherLen > mtu {
					t.Fatalf("%+v: fragment at %d of %d bytes: %+v", c, off, len(want), h)
				}
				if h.IsFragment() && h.FragID != 77 || h.Src != c.Src || h.Dst != c.Dst {
					t.Fatalf("%+v: fragment at %d is of %v to %v, id %d", c, off, h.Src, h.Dst, h.FragID)
				}
				got = append(got, f[frame.FragmentData(f, &h):h.End]...)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%+v: %d bytes in fragments are not the outer packet", c, len(want))
			}
		}
	}
}

// TestATTLIsPutBack: also where the checksum has two forms of zero.
func TestATTLIsPutBack(t *testing.T) {
	r := rand.New(rand.NewSource(4))
	for range 2000 {
		f := frametest.Random(r)
		h := frametest.Parse(f)
		if h.Kind != frame.IPv4 && h.Kind != frame.IPv6 || h.Fault != frame.NoFault {
			continue
		}
		before, was := bytes.Clone(f), h
		ttl := frame.TTLOf(f, &h)
		frame.DecrementTTL(f, &h)
		ttl.Restore(f, &h)
		if !bytes.Equal(f, before) || h != was {
			t.Fatalf("% x became % x", before, f)
		}
	}
}
