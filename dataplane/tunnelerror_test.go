package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

var (
	router4 = netip.MustParseAddr("10.0.0.253")
	router6 = netip.MustParseAddr("fd00::253")
)

// fromPath is the error of a router between the director and server 2 about the outer packet
// that left as out.
func fromPath(out []byte, typ, code uint8, mtu uint16) []byte {
	h := frametest.Parse(out)
	e := build.ICMP{Src: router4, Dst: h.Src.IP(), Type: typ, Code: code, Rest: [4]byte{2: byte(mtu >> 8), 3: byte(mtu)},
		IP: build.IP{SrcMAC: serverMAC(2), DstMAC: link.MAC}, Payload: out[h.L3:min(int(h.End), int(h.L3)+200)]}
	if h.Kind == frame.IPv6 {
		e.Src = router6
	}
	return e.Bytes()
}

// errorTypes are the type and code of an error of either family: too big, and unreachable.
func errorTypes(v6 bool) (tooBig, unreachable [2]uint8) {
	if v6 {
		return [2]uint8{2, 0}, [2]uint8{1, 0}
	}
	return [2]uint8{3, 4}, [2]uint8{3, 1}
}

// TestAnErrorFromThePathReachesTheClient: the same error, from the VIP, about the packet
// that the tunnel carried; with the MTU that was known before, after which the smaller one
// is. What another family has no word for is not told.
func TestAnErrorFromThePathReachesTheClient(t *testing.T) {
	eachTunnel(t, func(t *testing.T, k tunnelKind, v6 bool, client netip.Addr) {
		l := tunnelLab(t, k, v6, 1500)
		syn := build.TCP{Src: netip.AddrPortFrom(client, 4000), Dst: netip.AddrPortFrom(vipFor(client), 80), Flags: "S",
			IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}}.Bytes()
		out := l.tunnel(syn, true).out[0]
		overhead := k.overhead
		if v6 {
			overhead += 20
		}
		tooBig, unreachable := errorTypes(v6)
		told := func(o tunnelledFrame) int {
			h := frametest.Parse(o.reply)
			if h.Src.IP() != vipFor(client) || h.Dst.IP() != client || frame.DstMAC(o.reply) != clientMAC || frame.SrcMAC(o.reply) != directorMAC {
				t.Errorf("the client is told from %v to %v, by %v to %v", h.Src, h.Dst, frame.SrcMAC(o.reply), frame.DstMAC(o.reply))
			}
			if !frame.L4ChecksumOK(o.reply, &h) || !bytes.Equal(o.reply[h.L4+8:h.End], lessTTL(syn)) {
				t.Errorf("the error quotes % x, want % x", o.reply[h.L4+8:h.End], lessTTL(syn))
			}
			want, _ := errorTypes(client.Is6())
			if h.ICMPType != want[0] || h.ICMPCode != want[1] {
				t.Errorf("type %d, code %d", h.ICMPType, h.ICMPCode)
			}
			return int(binary.BigEndian.Uint16(o.reply[h.L4+6:]))
		}
		for _, mtu := range []uint16{1400, 1300} { // the second comes before another packet
			o := l.tunnel(fromPath(out, tooBig[0], tooBig[1], mtu), true)
			if o.reason != dataplane.TunnelError {
				t.Fatalf("too big: %s", o.reason)
			}
			if got := told(o); got != 1500-overhead {
				t.Errorf("the client is told an MTU of %d, want %d", got, 1500-overhead)
			}
		}
		o := l.tunnel(fromPath(out, unreachable[0], unreachable[1], 0), true)
		if same := client.Is6() == v6; same != (o.reason == dataplane.TunnelError) || !same && o.reason != dataplane.TunnelErrorUntold {
			t.Errorf("unreachable: %s", o.reason)
		}
		room := 1300 - overhead
		if client.Is6() {
			room = max(room, 1280)
		}
		long := l.tunnel(big(client, frame.ProtoTCP, room+1, true), true)
		h := frametest.Parse(long.reply)
		if long.reason != dataplane.FragmentationNeeded || int(binary.BigEndian.Uint16(long.reply[h.L4+6:])) != room {
			t.Errorf("the next long packet: %s, told % x, want %d", long.reason, long.reply[h.L4:h.L4+8], room)
		}
		l.now += int64(601 * time.Second)
		l.d.Sweep(l.now, l.d.Chunks())
		if o := l.tunnel(big(client, frame.ProtoTCP, 1500-overhead, true), true); o.reason != dataplane.Scheduled || len(o.out) != 1 {
			t.Errorf("after ten minutes: %s", o.reason)
		}
	})
}

// TestAnErrorAboutNoTunnelledPacketIsNobodys: of another source, to another server, of
// another tunnel, of no connection, with a wrong checksum, cut anywhere.
func TestAnErrorAboutNoTunnelledPacketIsNobodys(t *testing.T) {
	for _, k := range tunnelKinds {
		l := tunnelLab(t, k, false, 1500)
		out := l.tunnel(tcpFrame(build.TCP{Flags: "S"}).Data, true).out[0]
		edit := func(at int, b byte) []byte {
			f := bytes.Clone(out)
			f[at] ^= b
			return f
		}
		for name, f := range map[string][]byte{
			"from another source": edit(14+15, 1), "to another server": edit(14+19, 1),
			"in another tunnel": edit(14+9, 0x40), "of another client": edit(14+k.overhead+15, 1), "to no VIP": edit(14+k.overhead+19, 0x55),
		} {
			if o := l.tunnel(fromPath(f, 3, 4, 1300), true); o.reason != dataplane.NotOurs || o.reply != nil {
				t.Errorf("%v, %s: %s", k.method, name, o.reason)
			}
		}
		e := fromPath(out, 3, 4, 1300)
		e[len(e)-1] ^= 1
		if o := l.tunnel(e, true); o.reason != dataplane.BadChecksum {
			t.Errorf("%v, damaged: %s", k.method, o.reason)
		}
		for n := range out[14:] {
			e := build.ICMP{Src: router4, Dst: source4.IP(), Type: 3, Code: 4, IP: build.IP{SrcMAC: serverMAC(2), DstMAC: link.MAC}, Payload: out[14 : 14+n]}.Bytes()
			o := l.tunnel(e, true)
			if readable := n >= k.overhead+24; readable != (o.reason == dataplane.TunnelError) {
				t.Errorf("%v, %d bytes quoted: %s", k.method, n, o.reason)
			}
		}
	}
}

// TestAnErrorFromThePathAllocatesNothing, and is subject to the limit of ICMP errors.
func TestAnErrorFromThePathAllocatesNothing(t *testing.T) {
	l := tunnelLab(t, tunnelKinds[4], false, 1500)
	out := l.tunnel(tcpFrame(build.TCP{Flags: "S"}).Data, true).out[0]
	e := fromPath(out, 3, 4, 1300)
	l.tunnel(e, true)
	l.batch.Packets = append(l.batch.Packets[:0], dataplane.Packet{Data: e})
	if n := testing.AllocsPerRun(100, func() { l.d.Process(l.scratch, l.batch, l.now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
