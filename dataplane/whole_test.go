package dataplane_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// sendAll sends fragments in a random order and wants all but the last to be
// kept, and that for reason, to server.
func (l *lab) sendAll(r *rand.Rand, pieces [][]byte, reason dataplane.Reason, server byte) result {
	l.t.Helper()
	order := r.Perm(len(pieces))
	for _, k := range order[:len(order)-1] {
		l.expect(bytes.Clone(pieces[k]), dataplane.FragmentHeld, 0)
	}
	return l.expect(bytes.Clone(pieces[order[len(order)-1]]), reason, server)
}

// What no service takes, or no server, is answered as if it had come in one
// piece, once, when all of it is there; that the answer is about the whole
// datagram lab.send wants.
func TestFragmentsAreAnsweredAsAWhole(t *testing.T) {
	seg := func(src netip.Addr, flags string, port uint16, n int) []byte {
		ip := build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, ID: 77}
		if src.Is6() {
			ip.Ext = []build.Ext{build.FragmentHeader(0, false, 77)}
		}
		return build.TCP{Src: netip.AddrPortFrom(src, 4000), Dst: netip.AddrPortFrom(vipFor(src), port), IP: ip, Flags: flags,
			Seq: 1000, Ack: 2000, Payload: make([]byte, n)}.Bytes()
	}
	query := func(src netip.Addr, port uint16, n int) []byte {
		return gram{src: src, sport: 4000, proto: frame.ProtoUDP, port: port, id: 77, n: n}.frame()
	}
	r := rand.New(rand.NewSource(1))
	for _, src := range []netip.Addr{clientIP, client6IP} {
		for _, c := range []struct {
			name string
			f    []byte
			want dataplane.Reason
		}{
			{"a SYN to a port nobody serves", seg(src, "S", 81, 1200), dataplane.ResetNoService},
			{"a segment of no connection to a port that is served", seg(src, "A", 80, 900), dataplane.ResetNoConnection},
			{"one with a FIN, which has a number of its own", seg(src, "FA", 81, 901), dataplane.ResetNoService},
			{"a reset", seg(src, "R", 81, 500), dataplane.ResetIgnored},
			{"a query without a service", query(src, 99, 1400), dataplane.UnreachableNoService},
			{"a service without servers", query(src, 60, 700), dataplane.UnreachableNoServer},
		} {
			t.Run(fmt.Sprintf("%s from %v", c.name, src), func(t *testing.T) {
				for range 5 {
					l := dualLab(t)
					l.service(on(frame.AddrFrom(vipFor(src)), frame.ProtoUDP, 60), 0)
					pieces := cut(c.f, randomCuts(r, c.f, 2+r.Intn(5))...)
					if c.want.Verdict() == dataplane.Drop { // decided by the first, whenever it comes
						l.expect(bytes.Clone(pieces[0]), c.want, 0)
						l.expect(bytes.Clone(pieces[1]), dataplane.FragmentRefused, 0)
						continue
					}
					l.sendAll(r, pieces, c.want, 0)
					// Nothing is left of it: the same again is answered again.
					l.sendAll(r, pieces, c.want, 0)
				}
			})
		}
	}
}

// The greatest datagram is answered as a whole, too.
func TestTheGreatestDatagramIsAnswered(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		f := gram{src: src, sport: 4000, proto: frame.ProtoUDP, port: 99, id: 7, n: 65_000}.frame()
		var at []int
		for k := 1400; k < payloadLen(f); k += 1400 {
			at = append(at, k)
		}
		l := dualLab(t)
		pieces := cut(f, at...)
		for _, p := range pieces[:len(pieces)-1] {
			l.expect(p, dataplane.FragmentHeld, 0)
		}
		l.expect(pieces[len(pieces)-1], dataplane.UnreachableNoService, 0)
	}
}

// A datagram with a wrong checksum is owed nothing, and one of which a part is
// missing neither.
func TestFragmentsThatAreNotAnswered(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	f := gram{src: clientIP, sport: 4000, proto: frame.ProtoUDP, port: 99, id: 7, n: 300}.frame()
	f[len(f)-1]++
	l := dualLab(t)
	l.sendAll(r, cut(f, 64, 128), dataplane.BadChecksum, 0)
	f[len(f)-1]--
	pieces := cut(f, 64, 128)
	l.expect(bytes.Clone(pieces[0]), dataplane.FragmentHeld, 0)
	l.expect(bytes.Clone(pieces[2]), dataplane.FragmentHeld, 0)
	l.now += 30e9
	l.expect(bytes.Clone(pieces[1]), dataplane.FragmentHeld, 0)
}

// Where a fragment could not be kept the datagram is lost, and none of it is
// answered or forwarded.
func TestAWholeDatagramWithoutRoom(t *testing.T) {
	l := dualLab(t)
	f := gram{src: clientIP, sport: 4000, proto: frame.ProtoTCP, port: 80, id: 7, n: 6000}.frame()
	pieces := cut(f, 16, 3000) // the second is longer than what is kept
	l.expect(bytes.Clone(pieces[0]), dataplane.FragmentHeld, 0)
	l.expect(bytes.Clone(pieces[1]), dataplane.FragmentLost, 0)
	l.expect(bytes.Clone(pieces[2]), dataplane.FragmentRefused, 0)

	l = dualLab(t)
	l.expect(bytes.Clone(pieces[1]), dataplane.FragmentLost, 0)
	l.expect(bytes.Clone(pieces[0]), dataplane.FragmentLost, 0)
	l.expect(bytes.Clone(pieces[2]), dataplane.FragmentRefused, 0)
	if n := len(l.d.Conns(l.now)); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// A TTL that is used up is answered once, about the whole; the connection is made,
// or goes on, and counts all of it.
func TestFragmentsWhoseTTLIsUsedUp(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		l := dualLab(t)
		f := gram{src: src, sport: 4000, proto: frame.ProtoUDP, port: 53, id: 9, n: 600}.frame()
		pieces := cut(f, 104, 304)
		for _, p := range pieces {
			if src.Is6() {
				p[14+7] = 1
			} else {
				p[14+8] = 1
				build.FixHeaderSum(p)
			}
		}
		l.expect(bytes.Clone(pieces[0]), dataplane.FragmentHeld, 0)
		l.expect(bytes.Clone(pieces[2]), dataplane.FragmentHeld, 0)
		l.expect(bytes.Clone(pieces[1]), dataplane.TimeExceeded, 0)
		if n := len(l.d.Conns(l.now)); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		k := on(frame.AddrFrom(vipFor(src)), frame.ProtoUDP, 53)
		want := dataplane.Traffic{Conns: 1, Packets: 1, Bytes: uint64(len(f) - 14)}
		if got := l.server(k, 2).Traffic; got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	}
}

// A header that is cut by an IPv4 fragment is put together: the datagram is
// scheduled as in one piece, its fragments leave as they came.
func TestACutHeaderIsPutTogether(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, c := range []struct {
		proto frame.Proto
		port  uint16
		cuts  [][]int
	}{
		{frame.ProtoTCP, 80, [][]int{{8}, {16}, {8, 16}, {8, 64}, {16, 24, 80}}},
		{frame.ProtoSCTP, 9000, [][]int{{8}, {8, 64}}},
	} {
		for _, at := range c.cuts {
			l := dualLab(t)
			f := gram{src: clientIP, sport: 4000, proto: c.proto, port: c.port, id: 9, n: 200}.frame()
			for _, server := range []byte{2, 2} { // the second time it is of the connection
				pieces := cut(f, at...)
				reason := dataplane.Scheduled
				if len(l.d.Conns(l.now)) > 0 {
					reason = dataplane.Hit
				}
				got := l.sendAll(r, pieces, reason, server)
				left := append([][]byte{got.data}, got.sent...)
				if len(left) != len(pieces) {
					t.Fatalf("cut at %v: %d fragments left, want %d", at, len(left), len(pieces))
				}
				for _, out := range left {
					ok := false
					for _, in := range pieces {
						ok = ok || lawOfForwarding(in, out) == nil && frame.DstMAC(out) == serverMAC(server)
					}
					if !ok {
						t.Errorf("cut at %v: %s left, which did not come", at, frametest.Describe(out))
					}
				}
			}
			k := tcpService(80)
			k.Proto, k.Port = c.proto, c.port
			want := dataplane.Traffic{Conns: 1, Packets: 2, Bytes: 2 * uint64(len(f)-14)}
			if got := l.server(k, 2).Traffic; got != want {
				t.Errorf("cut at %v: counted %+v, want %+v", at, got, want)
			}
		}
	}
}

// In IPv6 a first fragment that does not hold the header is dropped (RFC 7112
// section 5); what comes after it waits in vain.
func TestACutHeaderOfIPv6(t *testing.T) {
	for _, proto := range []frame.Proto{frame.ProtoTCP, frame.ProtoSCTP} {
		l := dualLab(t)
		port := map[frame.Proto]uint16{frame.ProtoTCP: 80, frame.ProtoSCTP: 9000}[proto]
		tiny := map[frame.Proto]int{frame.ProtoTCP: 16, frame.ProtoSCTP: 8}[proto]
		pieces := cut(gram{src: client6IP, sport: 4000, proto: proto, port: port, id: 77, n: 200}.frame(), tiny, 96)
		l.expect(bytes.Clone(pieces[0]), dataplane.BadTransport, 0)
		l.expect(bytes.Clone(pieces[1]), dataplane.FragmentHeld, 0)
		l.expect(bytes.Clone(pieces[2]), dataplane.FragmentHeld, 0)
	}
}

// An IPv6 datagram that is no longer than its longest fragment leaves as a whole,
// without a fragment header; one that is longer in its fragments.
func TestAnIPv6DatagramThatFitsIntoItsLongestFragment(t *testing.T) {
	f := gram{src: client6IP, sport: 4000, proto: frame.ProtoUDP, port: 53, id: 9, n: 300}.frame()
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		l := dualLab(t)
		pieces := cut(f, 8)
		l.expect(bytes.Clone(pieces[order[0]]), dataplane.FragmentHeld, 0)
		r := l.expect(bytes.Clone(pieces[order[1]]), dataplane.Reassembled, 0)
		h := frametest.Parse(r.sent[0])
		if len(r.sent) != 1 || h.IsFragment() || h.L4 != h.L3+40 || frame.DstMAC(r.sent[0]) != serverMAC(2) {
			t.Errorf("%d frames left, first %s", len(r.sent), frametest.Describe(r.sent[0]))
		}
		if got, want := l.server(on(vip6, frame.ProtoUDP, 53), 2).Traffic, (dataplane.Traffic{Conns: 1, Packets: 1, Bytes: 40 + 308}); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	}
	l := dualLab(t)
	pieces := cut(f, 8, 160)
	l.expect(bytes.Clone(pieces[0]), dataplane.FragmentHeld, 0)
	l.expect(bytes.Clone(pieces[1]), dataplane.FragmentHeld, 0)
	if r := l.expect(bytes.Clone(pieces[2]), dataplane.Scheduled, 2); len(r.sent) != 2 {
		t.Errorf("%d other fragments left, want 2", len(r.sent))
	}
}

// A ping in fragments is answered, if the answer is not too long; an ICMP error in
// fragments goes to the server that it is about.
func TestFragmentsOfICMP(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, src := range []netip.Addr{clientIP, client6IP} {
		message := func(typ uint8, payload []byte) []byte {
			var ext []build.Ext
			if src.Is6() {
				ext = []build.Ext{build.FragmentHeader(0, false, 9)}
			}
			return build.ICMP{Src: src, Dst: vipFor(src), IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, Ext: ext, ID: 9}, Type: typ,
				Payload: payload}.Bytes()
		}
		echo, failure := uint8(8), uint8(3)
		if src.Is6() {
			echo, failure = 128, 1
		}
		l := dualLab(t)
		l.sendAll(r, cut(message(echo, make([]byte, 400)), 64, 200), dataplane.EchoReplied, 0)
		l.sendAll(r, cut(message(echo, make([]byte, 4000)), 1400, 2800), dataplane.NotAnswerable, 0)
		l.sendAll(r, cut(message(echo+1, make([]byte, 400)), 64, 200), dataplane.ICMPIgnored, 0)

		q := quoted{src: src, proto: frame.ProtoUDP, port: 53}
		server := l.send(q.begin()).server
		about := message(failure, q.reply(200, vipFor(src)))
		if got := l.sendAll(r, cut(about, 24, 48), dataplane.Related, server); len(got.sent) != 2 {
			t.Errorf("%d other fragments left, want 2", len(got.sent))
		}
	}
}

// A datagram that waits for all its fragments is decided when the last one
// comes: by the services and servers that there are then.
func TestAWholeDatagramIsDecidedInTheEnd(t *testing.T) {
	l := dualLab(t)
	pieces := cut(gram{src: clientIP, sport: 4000, proto: frame.ProtoTCP, port: 80, id: 9, n: 100}.frame(), 16)
	l.expect(bytes.Clone(pieces[0]), dataplane.FragmentHeld, 0)
	l.remove(tcpService(80), 2)
	l.pass(time.Second)
	l.expect(bytes.Clone(pieces[1]), dataplane.Scheduled, 1)
}
