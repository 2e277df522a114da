package build_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// someIP is any header, of IPv6 if six.
func someIP(r *rand.Rand, six bool) build.IP {
	ip := build.IP{SrcMAC: frame.MAC{2, byte(r.Intn(256))}, DstMAC: frame.MAC{2, 1, byte(r.Intn(256))}, VLAN: uint16(r.Intn(2) * r.Intn(4096)),
		Pad: r.Intn(2) == 0, TTL: uint8(r.Intn(256)), TOS: uint8(r.Intn(256)), ID: uint16(r.Intn(1 << 16)), DF: r.Intn(2) == 0}
	if six {
		if r.Intn(2) == 0 {
			ip.Ext = []build.Ext{build.HopByHop(), build.Auth(8), build.DestOpts(1, 2, 3)}
		}
		return ip
	}
	ip.Options = make([]byte, r.Intn(2)*r.Intn(41))
	ip.BadIPSum = r.Intn(8) == 0
	return ip
}

// someAddrs are two endpoints of one family.
func someAddrs(r *rand.Rand) (src, dst netip.AddrPort) {
	port := func() uint16 { return uint16(r.Intn(1 << 16)) }
	if r.Intn(2) == 0 {
		return netip.AddrPortFrom(client6.Addr(), port()), netip.AddrPortFrom(vip6.Addr(), port())
	}
	return netip.AddrPortFrom(client.Addr(), port()), netip.AddrPortFrom(vip.Addr(), port())
}

// headerSays checks that f has what ip and the addresses say.
func headerSays(t *testing.T, f []byte, ip build.IP, src, dst netip.Addr) frame.Header {
	t.Helper()
	h := frametest.Parse(f)
	p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.NoCopy)
	ttl, tos := ip.TTL, ip.TOS
	if ttl == 0 {
		ttl = 64
	}
	vlan := uint16(0)
	if tag, ok := p.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q); ok {
		vlan = tag.VLANIdentifier
	}
	var gotTOS uint8
	headers := frame.IPv6Len
	if l, ok := p.NetworkLayer().(*layers.IPv4); ok {
		gotTOS = l.TOS
		headers = frame.IPv4Len + (len(ip.Options)+3)/4*4
		if l.Id != ip.ID || h.DF != ip.DF || !bytes.HasPrefix(f[h.L3+frame.IPv4Len:], ip.Options) {
			t.Errorf("identification %d, DF %v, options % x: %s", l.Id, h.DF, f[h.L3+frame.IPv4Len:h.L4], frametest.Describe(f))
		}
	} else {
		gotTOS = p.NetworkLayer().(*layers.IPv6).TrafficClass
	}
	for _, e := range ip.Ext {
		headers += e.Len()
	}
	if frame.SrcMAC(f) != ip.SrcMAC || frame.DstMAC(f) != ip.DstMAC || vlan != ip.VLAN || h.TTL != ttl || gotTOS != tos ||
		h.Src.IP() != src || h.Dst.IP() != dst || int(h.L4-h.L3) != headers {
		t.Errorf("%+v is not what %+v asks for: %s", h, ip, frametest.Describe(f))
	}
	if want := frame.NoFault; ip.BadIPSum != (h.Fault == frame.BadChecksum) || !ip.BadIPSum && h.Fault != want {
		t.Errorf("fault %v: %s", h.Fault, frametest.Describe(f))
	}
	if padded := max(int(h.End), 60); ip.Pad && len(f) != padded || !ip.Pad && len(f) != int(h.End) {
		t.Errorf("%d bytes of %d, padding %v", h.End, len(f), ip.Pad)
	}
	return h
}

// Whatever a literal asks for stands in the frame, and the checksums are right
// unless it asks for wrong ones.
func TestFramesSayWhatTheLiteralSays(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 500 {
		src, dst := someAddrs(r)
		ip := someIP(r, src.Addr().Is6())
		payload := make([]byte, r.Intn(100))
		r.Read(payload)

		f := build.TCP{Src: src, Dst: dst, IP: ip, Flags: "SAE", Seq: 7, Ack: 9, TCPOptions: build.MSS(1400), Payload: payload}.Bytes()
		h := headerSays(t, f, ip, src.Addr(), dst.Addr())
		seg := f[h.L4:h.End]
		if !ip.BadIPSum && (h.Proto != frame.ProtoTCP || h.SrcPort != src.Port() || h.DstPort != dst.Port() || h.Flags != frame.SYN|frame.ACK) ||
			seg[13] != 0x52 || binary.BigEndian.Uint32(seg[4:]) != 7 || binary.BigEndian.Uint32(seg[8:]) != 9 ||
			!bytes.Equal(seg[20:], append([]byte{2, 4, 1400 >> 8, 1400 & 0xff}, payload...)) {
			t.Errorf("TCP: %+v, % x", h, seg)
		}

		f = build.UDP{Src: src, Dst: dst, IP: ip, Payload: payload}.Bytes()
		h = headerSays(t, f, ip, src.Addr(), dst.Addr())
		if !ip.BadIPSum && (h.Proto != frame.ProtoUDP || h.SrcPort != src.Port() || h.DstPort != dst.Port() || !frame.L4ChecksumOK(f, &h)) ||
			!bytes.Equal(f[h.L4+8:h.End], payload) {
			t.Errorf("UDP: %+v: %s", h, frametest.Describe(f))
		}

		f = build.SCTP{Src: src, Dst: dst, IP: ip, Tag: 5, Payload: payload}.Bytes()
		h = headerSays(t, f, ip, src.Addr(), dst.Addr())
		seg = bytes.Clone(f[h.L4:h.End])
		sum := binary.LittleEndian.Uint32(seg[8:])
		clear(seg[8:12])
		if h.Proto != frame.ProtoSCTP || binary.BigEndian.Uint32(seg[4:]) != 5 || crc32.Checksum(seg, crc32.MakeTable(crc32.Castagnoli)) != sum ||
			!bytes.Equal(seg[12:], payload) {
			t.Errorf("SCTP: %+v, % x", h, seg)
		}

		m := build.Echo(src.Addr(), dst.Addr(), ip, 0x1234, 3, payload)
		f = m.Bytes()
		h = headerSays(t, f, ip, src.Addr(), dst.Addr())
		typ := map[bool]uint8{false: 8, true: 128}[src.Addr().Is6()]
		if !ip.BadIPSum && (h.ICMPType != typ || h.ICMPCode != 0 || !frame.L4ChecksumOK(f, &h)) ||
			!bytes.Equal(f[h.L4+4:h.End], append([]byte{0x12, 0x34, 0, 3}, payload...)) {
			t.Errorf("echo request: %+v, % x", h, f[h.L4:h.End])
		}

		f = build.Raw{Src: src.Addr(), Dst: dst.Addr(), IP: ip, Proto: 47, Payload: payload}.Bytes()
		h = headerSays(t, f, ip, src.Addr(), dst.Addr())
		if h.Proto != 47 || !bytes.Equal(f[h.L4:h.End], payload) {
			t.Errorf("Raw: %+v", h)
		}
	}
}

func TestARPSaysWhatTheLiteralSays(t *testing.T) {
	for _, c := range []struct{ op, want uint16 }{{0, 1}, {1, 1}, {2, 2}} {
		a := build.ARP{SrcMAC: clientMAC, DstMAC: vipMAC, VLAN: 7, Op: c.op, SenderMAC: clientMAC, SenderIP: client.Addr(), TargetMAC: vipMAC, TargetIP: vip.Addr()}
		f := a.Bytes()
		p, ok := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.NoCopy).Layer(layers.LayerTypeARP).(*layers.ARP)
		if !ok || p.Operation != c.want || !bytes.Equal(p.SourceHwAddress, clientMAC[:]) || !bytes.Equal(p.DstHwAddress, vipMAC[:]) ||
			!bytes.Equal(p.SourceProtAddress, client.Addr().AsSlice()) || !bytes.Equal(p.DstProtAddress, vip.Addr().AsSlice()) ||
			frame.SrcMAC(f) != clientMAC || frame.DstMAC(f) != vipMAC || len(f) != 18+28 {
			t.Errorf("op %d: % x", c.op, f)
		}
	}
}

// The caller owns the frame: appending to one does not reach into another, and
// what went into a literal is not kept.
func TestFramesBelongToTheCaller(t *testing.T) {
	payload := []byte("payload")
	f := build.UDP{Src: client, Dst: vip, Payload: payload}.Bytes()
	before := bytes.Clone(f)
	payload[0] = 'X'
	_ = append(f, 1)
	if !bytes.Equal(f, before) || cap(f) != len(f) {
		t.Errorf("capacity %d of %d bytes", cap(f), len(f))
	}
}
