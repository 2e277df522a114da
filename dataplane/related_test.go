package dataplane_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// A quoted flow is one of the client's that an ICMP error may be about.
type quoted struct {
	name  string
	src   netip.Addr
	proto frame.Proto
	port  uint16 // of the VIP
}

var quotedFlows = []quoted{
	{"TCP", clientIP, frame.ProtoTCP, 80}, {"persistent TCP", clientIP, frame.ProtoTCP, 443},
	{"UDP", clientIP, frame.ProtoUDP, 53}, {"SCTP", clientIP, frame.ProtoSCTP, 9000},
	{"TCP over IPv6", client6IP, frame.ProtoTCP, 80}, {"persistent TCP over IPv6", client6IP, frame.ProtoTCP, 443},
	{"UDP over IPv6", client6IP, frame.ProtoUDP, 53}, {"SCTP over IPv6", client6IP, frame.ProtoSCTP, 9000},
}

// begin is the first packet of the flow.
func (q quoted) begin() []byte {
	return gram{src: q.src, sport: 4000, proto: q.proto, port: q.port, n: 20}.frame()
}

// reply is the packet of the server that a router on its way to the client
// cannot deliver, of which it quotes n bytes behind the IP header.
func (q quoted) reply(n int, from netip.Addr) []byte {
	src, dst := netip.AddrPortFrom(from, q.port), netip.AddrPortFrom(q.src, 4000)
	switch q.proto {
	case frame.ProtoTCP:
		return build.Quote(build.TCP{Src: src, Dst: dst, Flags: "A", Payload: make([]byte, 30)}.Bytes(), n)
	case frame.ProtoUDP:
		return build.Quote(build.UDP{Src: src, Dst: dst, Payload: make([]byte, 30)}.Bytes(), n)
	}
	return build.Quote(build.SCTP{Src: src, Dst: dst, Payload: make([]byte, 30)}.Bytes(), n)
}

// router is the sender of the errors.
func (q quoted) router() netip.Addr {
	if q.src.Is6() {
		return netip.MustParseAddr("2001:db8:99::1")
	}
	return netip.MustParseAddr("203.0.113.99")
}

func (q quoted) failure(typ, code, ttl uint8, quote []byte) []byte {
	return build.ICMP{Src: q.router(), Dst: vipFor(q.src), IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, TTL: ttl},
		Type: typ, Code: code, Payload: quote}.Bytes()
}

// types are the ICMP errors that go to the server, and others that never do.
func (q quoted) types() (errors, others []uint8) {
	if q.src.Is6() {
		return []uint8{1, 2, 3, 4}, []uint8{0, 5, 100, 127, 129, 130, 138, 255}
	}
	return []uint8{3, 4, 11}, []uint8{0, 5, 9, 10, 12, 13, 17, 255}
}

// sameConns wants the table to be as it was.
func (l *lab) sameConns(before []dataplane.ConnStatus) {
	l.t.Helper()
	text := func(all []dataplane.ConnStatus) []string {
		var s []string
		for _, c := range all {
			s = append(s, fmt.Sprint(c))
		}
		slices.Sort(s)
		return s
	}
	if got, want := text(l.d.Conns(l.now)), text(before); !slices.Equal(got, want) {
		l.t.Fatalf("the table has %v, had %v", got, want)
	}
}

// An ICMP error about a flow goes to the flow's server, whatever its code and
// however much it quotes; states and timers stay.
func TestErrorsGoToTheServerOfTheirFlow(t *testing.T) {
	for _, q := range quotedFlows {
		t.Run(q.name, func(t *testing.T) {
			l := dualLab(t)
			server := l.send(q.begin()).server
			l.now += 3e9
			before := l.d.Conns(l.now)
			errors, others := q.types()
			for _, typ := range errors {
				for code := range uint8(16) {
					for _, n := range []int{8, 20, 1000} {
						l.expect(q.failure(typ, code, 9, q.reply(n, vipFor(q.src))), dataplane.Related, server)
					}
				}
			}
			for _, typ := range others {
				l.expect(q.failure(typ, 0, 9, q.reply(20, vipFor(q.src))), dataplane.ICMPIgnored, 0)
			}
			l.sameConns(before)
			k := on(frame.AddrFrom(vipFor(q.src)), q.proto, q.port)
			if got := l.server(k, server).Traffic; got.Conns != 1 || got.Packets != uint64(1+len(errors)*16*3) {
				t.Errorf("the server counts %+v", got)
			}
		})
	}
}

// An error that is not about what it says, or that cannot be read, goes nowhere.
func TestErrorsThatLie(t *testing.T) {
	for _, q := range quotedFlows {
		t.Run(q.name, func(t *testing.T) {
			l := dualLab(t)
			l.send(q.begin())
			before := l.d.Conns(l.now)
			vip, typ := vipFor(q.src), uint8(3)
			whole := q.reply(1000, vip)
			expect := func(what string, quote []byte, want dataplane.Reason) {
				t.Helper()
				if r := l.send(q.failure(typ, 0, 9, quote)); r.reason != want {
					t.Errorf("%s: %s, want %s", what, r.reason, want)
				}
			}
			change := func(at int, by byte) []byte {
				b := bytes.Clone(whole)
				b[at] += by
				if q.src.Is4() && at < 20 && at != 10 {
					b[10], b[11] = 0, 0
					sum := build.Checksum(b[:20])
					b[10], b[11] = byte(sum>>8), byte(sum)
				}
				return b
			}
			expect("the truth", whole, dataplane.Related)
			for _, other := range []netip.Addr{vip.Next(), q.router(), q.src} {
				expect("from another than the VIP", q.reply(20, other), dataplane.ICMPIgnored)
			}
			l4 := 20
			if q.src.Is6() {
				l4 = 40
			}
			expect("to another port", change(l4+3, 1), dataplane.ICMPIgnored)
			expect("from another port", change(l4+1, 1), dataplane.ICMPIgnored)
			expect("another version", change(0, 0x10), dataplane.ICMPIgnored)
			expect("no more than an IP header", q.reply(0, vip), dataplane.ICMPIgnored)
			expect("3 bytes behind it", q.reply(3, vip), dataplane.ICMPIgnored)
			expect("half an IP header", whole[:l4/2], dataplane.ICMPIgnored)
			expect("nothing", nil, dataplane.ICMPIgnored)
			expect("another protocol", build.Quote(build.Raw{Src: vip, Dst: q.src, Proto: 47, Payload: whole[l4:]}.Bytes(), 20), dataplane.ICMPIgnored)
			ping := build.ICMP{Src: vip, Dst: q.src, Type: 0}.Bytes()
			if q.src.Is6() {
				ping = build.ICMP{Src: vip, Dst: q.src, Type: 129}.Bytes()
			}
			expect("a ping's answer", build.Quote(ping, 8), dataplane.ICMPIgnored)
			l.sameConns(before)
		})
	}
}

// answer is a long packet of the flow's server, cut in two.
func (q quoted) answer() [][]byte {
	big := gram{src: q.src, sport: 4000, proto: q.proto, port: q.port, id: 5, n: 400}.frame()
	h := frametest.Parse(big)
	// The other way round.
	if l3 := int(h.L3); q.src.Is6() {
		copy(big[l3+8:], append(bytes.Clone(h.Dst[:]), h.Src[:]...))
	} else {
		copy(big[l3+12:], append(bytes.Clone(h.Dst[12:]), h.Src[12:]...))
		build.FixHeaderSum(big)
	}
	ports := big[h.L4 : h.L4+4]
	ports[0], ports[1], ports[2], ports[3] = ports[2], ports[3], ports[0], ports[1]
	return cut(big, 64)
}

// Of fragments the first is quoted with its ports. What stands in their place in
// a later one of IPv4 is taken for ports, as by the kernel, and seldom names a
// flow; in IPv6 it is not. An error that is a fragment itself is put together.
func TestErrorsAboutFragments(t *testing.T) {
	for _, q := range quotedFlows {
		l := dualLab(t)
		server := l.send(q.begin()).server
		pieces := q.answer()
		l.expect(q.failure(3, 0, 9, build.Quote(pieces[0], 8)), dataplane.Related, server)
		l.expect(q.failure(3, 0, 9, build.Quote(pieces[1], 8)), dataplane.ICMPIgnored, 0)
		h := frametest.Parse(pieces[1])
		copy(pieces[1][h.L4:], []byte{byte(q.port >> 8), byte(q.port), 4000 >> 8, 4000 & 0xff})
		if q.src.Is4() {
			l.expect(q.failure(3, 0, 9, build.Quote(pieces[1], 8)), dataplane.Related, server)
		} else {
			l.expect(q.failure(3, 0, 9, build.Quote(pieces[1], 8)), dataplane.ICMPIgnored, 0)
		}
		two := cut(q.failure(3, 0, 9, q.reply(500, vipFor(q.src))), 24)
		l.expect(two[0], dataplane.FragmentHeld, 0)
		l.expect(two[1], dataplane.Related, server)
	}
}

// Only version, length of the header, protocol, addresses and ports of a quotation
// count: routers quote a packet as they have changed it.
func TestErrorsThatQuoteAChangedPacket(t *testing.T) {
	for _, q := range quotedFlows {
		t.Run(q.name, func(t *testing.T) {
			l := dualLab(t)
			server := l.send(q.begin()).server
			expect := func(what string, n int, change func(ip []byte)) {
				t.Helper()
				quote := q.reply(n, vipFor(q.src))
				change(quote)
				if r := l.send(q.failure(3, 1, 9, quote)); r.reason != dataplane.Related || r.server != server {
					t.Errorf("%s: %s to server %d, want related to %d", what, r.reason, r.server, server)
				}
			}
			expect("four bytes of payload", 4, func([]byte) {})
			if q.src.Is6() {
				expect("a payload length of 0", 20, func(ip []byte) { ip[4], ip[5] = 0, 0 })
				expect("a great payload length", 20, func(ip []byte) { ip[4], ip[5] = 0xff, 0xff })
				expect("another hop limit", 20, func(ip []byte) { ip[7] = 0 })
				expect("another traffic class", 20, func(ip []byte) { ip[1] = 0xe0 })
				return
			}
			expect("a TTL without its checksum", 20, func(ip []byte) { ip[8]-- })
			expect("no checksum", 20, func(ip []byte) { ip[10], ip[11] = 0, 0 })
			expect("another TOS", 20, func(ip []byte) { ip[1] = 0xb8 })
			expect("a length without the header", 1000, func(ip []byte) { ip[3] -= 20 })
			expect("a length of 0", 20, func(ip []byte) { ip[2], ip[3] = 0, 0 })
			expect("length and fragment word in host order", 20, func(ip []byte) {
				ip[2], ip[3] = ip[3], ip[2]
				ip[6], ip[7] = 0, 0x40 // don't fragment
			})
			expect("more than the packet", 1000, func([]byte) {})
		})
	}
}

// An error about a connection whose server was removed goes to that server all the
// same, while the connection's packets are dropped, and is not counted.
func TestErrorsGoToARemovedServer(t *testing.T) {
	for _, q := range quotedFlows {
		l := dualLab(t)
		server := l.send(q.begin()).server
		k := on(frame.AddrFrom(vipFor(q.src)), q.proto, q.port)
		l.remove(k, server)
		before := l.d.Conns(l.now)
		l.expect(q.failure(3, 0, 9, q.reply(8, vipFor(q.src))), dataplane.Related, server)
		if q.proto == frame.ProtoUDP {
			l.expect(q.begin(), dataplane.ServerRemoved, 0)
		}
		l.sameConns(before)
		l.add(k, server, 1)
		if got := l.server(k, server).Traffic.Packets; got != 1 {
			t.Errorf("%s: counted %d packets, want the first alone", q.name, got)
		}
	}
}

// Scheduled by an ICMP error, the schedulers that go by the destination take that
// of the packet which is quoted: the client.
func TestScheduleICMPByTheQuotedDestination(t *testing.T) {
	for _, sched := range []string{"dh", "lblc", "lblcr"} {
		l := newLab(t, unlimited, 1<<12)
		l.tune(func(v *dataplane.Tunables) { v.ScheduleICMP = true })
		k := tcpService(80)
		l.must(l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: sched}))
		for n := byte(1); n <= 3; n++ {
			l.add(k, n, 1)
		}
		// The same services reached at the clients' addresses, by mark, say what the
		// client's address is worth as a destination.
		byMark := dataplane.ServiceKey{Mark: 7}
		want := newLab(t, unlimited, 1<<12)
		want.must(want.d.AddService(dataplane.ServiceConfig{Key: byMark, Scheduler: sched}))
		for n := byte(1); n <= 3; n++ {
			want.add(byMark, n, 1)
		}
		seen := map[byte]int{}
		for i := range byte(40) {
			client := netip.AddrFrom4([4]byte{198, 51, 100, 1 + i%20})
			q := quoted{src: client, proto: frame.ProtoTCP, port: 80}
			quote := build.Quote(build.TCP{Src: netip.AddrPortFrom(vipIP, 80), Dst: netip.AddrPortFrom(client, 4000+uint16(i)), Flags: "A"}.Bytes(), 8)
			f := build.TCP{Src: netip.AddrPortFrom(clientIP, 4000+uint16(i)), Dst: netip.AddrPortFrom(client, 80),
				IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Flags: "S"}.Bytes()
			server := want.sendPacket(dataplane.Packet{Data: f, Mark: 7}).server
			l.expect(q.failure(3, 1, 9, quote), dataplane.Related, server)
			seen[server]++
		}
		if len(seen) < 3 {
			t.Errorf("%s: servers %v: the addresses do not try it", sched, seen)
		}
	}
}

// An error finds the flow's server as a packet of the flow would, and like one
// it may be undeliverable, but nobody is told: RFC 1122 section 3.2.2.
func TestErrorsThatCannotBeDelivered(t *testing.T) {
	for _, q := range quotedFlows {
		l := dualLab(t)
		server := l.send(q.begin()).server
		k := on(frame.AddrFrom(vipFor(q.src)), q.proto, q.port)
		f := func(ttl uint8) []byte { return q.failure(3, 0, ttl, q.reply(8, vipFor(q.src))) }
		l.expect(f(2), dataplane.Related, server)
		l.expect(f(1), dataplane.NotAnswerable, 0)
		l.neighbour(server, frame.MAC{}, link)
		l.expect(f(9), dataplane.NoMAC, 0)
		l.neighbour(server, serverMAC(server), link)
		l.remove(k, server)
		l.expect(f(9), dataplane.Related, server)
		l.add(k, server, 1)
		l.expect(f(9), dataplane.Related, server)
		l.pass(2000 * time.Second)
		l.expect(f(9), dataplane.ICMPIgnored, 0)
		if n := len(l.d.Conns(l.now)); n != 0 {
			t.Errorf("%s: %d entries, want none", q.name, n)
		}
	}
}

// schedule_icmp: an error about no flow is scheduled like a packet that begins
// one, also where such a packet would not have begun one.
func TestScheduleICMP(t *testing.T) {
	for _, q := range quotedFlows {
		l := dualLab(t)
		f := q.failure(3, 0, 9, q.reply(8, vipFor(q.src)))
		l.expect(f, dataplane.ICMPIgnored, 0)
		l.tune(func(v *dataplane.Tunables) { v.ScheduleICMP = true })
		l.expect(q.failure(3, 0, 9, q.reply(8, vipFor(q.src))), dataplane.Related, 2)
		l.expect(q.failure(3, 0, 9, q.reply(8, vipFor(q.src))), dataplane.Related, 2)
		conns := 0
		for _, c := range l.d.Conns(l.now) {
			if want := on(c.Key.Virtual, q.proto, q.port); !c.Key.Template {
				conns++
				if on(c.Key.Virtual, c.Key.Proto, c.Key.VirtualPort) != want || c.Server != serverOf(want, 2) || c.Key.Client != frame.AddrFrom(q.src) {
					t.Errorf("%s: %+v", q.name, c)
				}
			}
		}
		if conns != 1 {
			t.Errorf("%s: %d connections, want 1", q.name, conns)
		}
		// The flow itself goes where its error went.
		l.expect(q.begin(), dataplane.Hit, 2)

		other := q
		other.port = 81 // nobody serves it
		l.expect(other.failure(3, 0, 9, other.reply(8, vipFor(q.src))), dataplane.ICMPIgnored, 0)
		k := on(frame.AddrFrom(vipFor(q.src)), q.proto, q.port)
		l.weight(k, 1, 0)
		l.weight(k, 2, 0)
		l.pass(2000 * time.Second)
		l.expect(q.failure(3, 0, 9, q.reply(8, vipFor(q.src))), dataplane.NotAnswerable, 0)
	}
}

// An error is about a flow of the VIP that it is sent to, not of another one.
func TestErrorsAboutAnotherVIP(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		l := dualLab(t)
		other := vipFor(src).Next()
		l.d.SetVIPs([]frame.Addr{vip, vip6, frame.AddrFrom(other)})
		l.service(on(frame.AddrFrom(other), frame.ProtoTCP, 80), 0, 3)
		f := build.TCP{Src: netip.AddrPortFrom(src, 4000), Dst: netip.AddrPortFrom(other, 80), IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Flags: "S"}
		l.expect(f.Bytes(), dataplane.Scheduled, 3)
		q := quoted{src: src, proto: frame.ProtoTCP, port: 80}
		m := build.ICMP{Src: q.router(), Dst: vipFor(src), IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Type: 3, Payload: q.reply(8, other)}
		l.expect(m.Bytes(), dataplane.ICMPIgnored, 0)
		m.Dst = other
		l.expect(m.Bytes(), dataplane.Related, 3)
	}
}

// The bytes of a later fragment of IPv4 are taken for ports also where a service of
// all ports takes any; those of IPv6 are not.
func TestErrorsAboutLaterFragmentsAreScheduled(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		l := dualLab(t)
		l.tune(func(v *dataplane.Tunables) { v.ScheduleICMP = true })
		l.service(on(frame.AddrFrom(vipFor(src)), frame.ProtoUDP, 0), time.Minute, 3)
		f := build.UDP{Src: netip.AddrPortFrom(vipFor(src), 7), Dst: netip.AddrPortFrom(src, 4000), Payload: make([]byte, 200)}.Bytes()
		q := quoted{src: src}
		if src.Is4() {
			l.expect(q.failure(3, 0, 9, build.Quote(cut(f, 64)[1], 8)), dataplane.Related, 3)
		} else {
			l.expect(q.failure(3, 0, 9, build.Quote(cut(f, 64)[1], 8)), dataplane.ICMPIgnored, 0)
		}
		l.expect(q.failure(3, 0, 9, build.Quote(cut(f, 64)[0], 8)), dataplane.Related, 3)
	}
}
