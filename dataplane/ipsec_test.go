package dataplane_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// ipsec is a packet of that protocol from src to the VIP.
func ipsec(src netip.Addr, proto frame.Proto) []byte {
	return build.Raw{Src: src, Dst: vipFor(src), IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, ID: 9}, Proto: proto,
		Payload: bytes.Repeat([]byte{7}, 60)}.Bytes()
}

// isakmp is a packet of the key exchange from src.
func isakmp(src netip.Addr) []byte {
	return gram{src: src, sport: 500, proto: frame.ProtoUDP, port: 500, n: 40}.frame()
}

// ESP and AH go where the client's key exchange goes, and keep that alive; another
// client's do not, and without one they begin nothing.
func TestIPsecFollowsTheKeyExchange(t *testing.T) {
	for _, c := range []struct {
		src   netip.Addr
		proto frame.Proto
	}{{clientIP, frame.ProtoESP}, {clientIP, frame.ProtoAH}, {client6IP, frame.ProtoESP}} {
		l := newLab(t, unlimited, 1<<12)
		k := on(frame.AddrFrom(vipFor(c.src)), frame.ProtoUDP, 500)
		l.service(k, 0, 1, 2)
		l.expect(ipsec(c.src, c.proto), dataplane.UnreachableProtocol, 0)
		if n := len(l.d.Conns(l.now)); n != 0 {
			t.Errorf("%s has made %d entries", c.proto, n)
		}
		l.expect(isakmp(c.src), dataplane.Scheduled, 2)
		for range 3 {
			l.pass(299 * time.Second)
			l.expect(ipsec(c.src, c.proto), dataplane.Hit, 2)
		}
		if got := l.server(k, 2).Traffic; got.Conns != 1 || got.Packets != 4 {
			t.Errorf("counted %+v", got)
		}
		l.expect(ipsec(c.src.Next(), c.proto), dataplane.UnreachableProtocol, 0)
		l.remove(k, 2)
		l.expect(ipsec(c.src, c.proto), dataplane.ServerRemoved, 0)
		l.tune(func(v *dataplane.Tunables) { v.ExpireNodestConn = true })
		l.expect(ipsec(c.src, c.proto), dataplane.UnreachableProtocol, 0)
		l.add(k, 2, 1)
		l.expect(ipsec(c.src, c.proto), dataplane.Hit, 2)
		l.pass(300 * time.Second)
		l.expect(ipsec(c.src, c.proto), dataplane.UnreachableProtocol, 0)
	}
}

// A long packet of ESP in fragments goes the same way, and an ICMP error about the
// server's does.
func TestIPsecInFragmentsAndInErrors(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	l.service(udpService(500), 0, 1, 2)
	l.expect(isakmp(clientIP), dataplane.Scheduled, 2)
	pieces := cut(ipsec(clientIP, frame.ProtoESP), 24, 48)
	l.expect(pieces[2], dataplane.FragmentHeld, 0)
	l.expect(pieces[0], dataplane.FragmentHeld, 0)
	if r := l.expect(pieces[1], dataplane.Hit, 2); len(r.sent) != 2 {
		t.Errorf("%d other fragments left, want 2", len(r.sent))
	}
	q := quoted{src: clientIP}
	answer := build.Quote(build.Raw{Src: vipIP, Dst: clientIP, Proto: frame.ProtoESP, Payload: make([]byte, 30)}.Bytes(), 8)
	l.expect(q.failure(3, 4, 9, answer), dataplane.Related, 2)
	other := build.Quote(build.Raw{Src: vipIP, Dst: clientIP.Next(), Proto: frame.ProtoESP, Payload: make([]byte, 30)}.Bytes(), 8)
	l.expect(q.failure(3, 4, 9, other), dataplane.ICMPIgnored, 0)
}

// Nothing serves a protocol but TCP, UDP, SCTP, ICMP and what a host has of its
// own: the sender is told, for whole packets and for those in fragments.
func TestProtocolsThatNobodyServes(t *testing.T) {
	served := map[netip.Addr][]frame.Proto{
		clientIP:  {1, 2, 6, 17, 132},
		client6IP: {6, 17, 58, 59, 132, 0, 43, 44, 60}, // and headers that lie
	}
	for src, own := range served {
		l := dualLab(t)
		for n := range 256 {
			proto := frame.Proto(n)
			f := ipsec(src, proto)
			r := l.send(f)
			isOwn := slices.Contains(own, proto)
			if got := r.reason == dataplane.UnreachableProtocol; got == isOwn {
				t.Errorf("%v: protocol %d: %s", src, n, r.reason)
			}
		}
		g := ipsec(src, 47)
		if src.Is4() {
			two := cut(g, 24)
			l.expect(two[1], dataplane.FragmentHeld, 0)
			l.expect(two[0], dataplane.UnreachableProtocol, 0)
		}
	}
}

// Bytes behind the packet are no part of it: a packet of the greatest length fits
// the server's link whatever follows it in its frame, and leaves without that.
func TestBytesBehindAPacketAreCutOff(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		l := dualLab(t)
		f := big(src, frame.ProtoTCP, 1500, true)
		n := len(f)
		l.batch.Packets = append(l.batch.Packets[:0], dataplane.Packet{Data: append(bytes.Clone(f), make([]byte, 4)...)})
		l.d.Process(l.scratch, l.batch, l.now)
		*l.frames++
		p := &l.batch.Packets[0]
		if p.Reason != dataplane.Scheduled || len(p.Data) != n {
			t.Fatalf("%s, %d bytes, want %d", p.Reason, len(p.Data), n)
		}
		if err := lawOfForwarding(f, p.Data); err != nil {
			t.Error(err)
		}
		// What is too long is so without them.
		g := big(src, frame.ProtoTCP, 1501, true)
		l.expect(append(g, 0, 0), dataplane.FragmentationNeeded, 0)
		// Padding of a short frame stays.
		short := gram{src: src, sport: 4001, proto: frame.ProtoUDP, port: 53, n: 1}.frame()
		padded := append(short, make([]byte, 20)...)
		if r := l.expect(padded, dataplane.Scheduled, 2); len(r.data) != len(padded) {
			t.Errorf("%s left with %d bytes, want %d", frametest.Describe(r.data), len(r.data), len(padded))
		}
	}
}
