package dataplane_test

import (
	"net/netip"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// once makes a lab with a one-packet service of servers 1 to 3.
func once(t testing.TB, c dataplane.ServiceConfig) *lab {
	l := newLab(t, unlimited, 256)
	c.OnePacket = true
	l.must(l.d.AddService(c))
	for n := byte(1); n <= 3; n++ {
		l.add(c.Key, n, 1)
	}
	return l
}

// Every datagram is scheduled by itself, and nothing is remembered. The counts
// never grow, so that what goes by them always chooses the same server.
func TestOnePacketScheduling(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		for _, c := range []struct {
			sched string
			want  [6]byte
		}{{"rr", [6]byte{3, 2, 1, 3, 2, 1}}, {"wrr", [6]byte{3, 2, 1, 3, 2, 1}}, {"wlc", [6]byte{3, 3, 3, 3, 3, 3}},
			{"lc", [6]byte{3, 3, 3, 3, 3, 3}}, {"sed", [6]byte{3, 3, 3, 3, 3, 3}}, {"nq", [6]byte{3, 3, 3, 3, 3, 3}}} {
			k := on(frame.AddrFrom(vipFor(src)), frame.ProtoUDP, 53)
			l := once(t, dataplane.ServiceConfig{Key: k, Scheduler: c.sched})
			f := gram{src: src, sport: 4000, proto: frame.ProtoUDP, port: 53, n: 9}
			var total uint64
			for i, want := range c.want {
				l.expect(f.frame(), dataplane.Scheduled, want)
				if n, _, _ := l.d.TableUse(); n != 0 || l.counts(k, want) != [3]int{} {
					t.Fatalf("%s: %d entries after datagram %d, counts %v", c.sched, n, i, l.counts(k, want))
				}
			}
			for n := byte(1); n <= 3; n++ {
				got := l.server(k, n).Traffic
				if total += got.Conns; got.Packets != got.Conns || got.Bytes != got.Conns*uint64(len(f.frame())-14) {
					t.Errorf("%s: server %d counts %+v", c.sched, n, got)
				}
			}
			if total != 6 {
				t.Errorf("%s: %d connections are counted, want one a datagram", c.sched, total)
			}
		}
	}
}

// A table that is full keeps no datagram out.
func TestOnePacketNeedsNoRoom(t *testing.T) {
	l := once(t, dataplane.ServiceConfig{Key: udpService(53), Scheduler: "rr"})
	l.service(tcpService(80), 0, 1)
	for port := range uint16(256) {
		l.handshake(1000+port, 80)
	}
	l.expect(tcp(9999, 80, "S"), dataplane.TableFull, 0)
	l.expect(udp(4000, 53), dataplane.Scheduled, 3)
	l.expect(udp(4000, 53), dataplane.Scheduled, 2)
}

// It is for UDP alone: the TCP connections of a service by mark are remembered.
func TestOnePacketIsForUDP(t *testing.T) {
	k := dataplane.ServiceKey{Mark: 7}
	l := once(t, dataplane.ServiceConfig{Key: k, Scheduler: "rr"})
	send := func(f []byte, reason dataplane.Reason, server byte) {
		t.Helper()
		if r := l.sendPacket(dataplane.Packet{Data: f, Mark: 7}); r.reason != reason || r.server != server {
			t.Fatalf("%s to server %d, want %s to %d", r.reason, r.server, reason, server)
		}
	}
	send(udp(4000, 53), dataplane.Scheduled, 3)
	send(udp(4000, 53), dataplane.Scheduled, 2)
	send(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
	send(tcp(4000, 80, "A"), dataplane.Hit, 1)
	send(udp(4000, 53), dataplane.Scheduled, 3)
	if n, _, _ := l.d.TableUse(); n != 1 {
		t.Errorf("%d entries, want the TCP connection", n)
	}
}

// With persistence each datagram goes where the client's template says. It
// renews the template, as a new connection does; the template has no
// connections, so it ends when its time is up.
func TestOnePacketWithPersistence(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		k := on(frame.AddrFrom(vipFor(src)), frame.ProtoUDP, 53)
		l := once(t, dataplane.ServiceConfig{Key: k, Scheduler: "rr", Persistence: 100 * time.Second})
		f := func(port uint16) []byte {
			return gram{src: src, sport: port, proto: frame.ProtoUDP, port: 53, n: 9}.frame()
		}
		l.expect(f(4000), dataplane.Scheduled, 3)
		for range 5 {
			l.pass(99 * time.Second)
			l.expect(f(4000), dataplane.Persistent, 3)
			l.expect(f(4001), dataplane.Persistent, 3)
			c := l.d.Conns(l.now)
			if len(c) != 1 || !c[0].Key.Template || c[0].Expires != 100*time.Second || c[0].State != "NONE" || l.counts(k, 3) != [3]int{0, 0, 1} {
				t.Fatalf("the table has %+v, counts %v", c, l.counts(k, 3))
			}
		}
		l.pass(100 * time.Second)
		l.expect(f(4000), dataplane.Scheduled, 2)
		l.remove(k, 2)
		l.expect(f(4000), dataplane.Scheduled, 1)
	}
}

// A flow that was known before keeps its server until it ends; one-packet
// scheduling takes what is new.
func TestOnePacketSetLater(t *testing.T) {
	l := defaultLab(t)
	k := udpService(53)
	l.expect(udp(4000, 53), dataplane.Scheduled, 2)
	l.must(l.d.EditService(dataplane.ServiceConfig{Key: k, Scheduler: "rr", OnePacket: true}))
	l.expect(udp(4001, 53), dataplane.Scheduled, 1)
	l.expect(udp(4001, 53), dataplane.Scheduled, 2)
	for range 3 {
		l.expect(udp(4000, 53), dataplane.Hit, 2)
	}
	l.pass(300 * time.Second)
	l.expect(udp(4000, 53), dataplane.Scheduled, 1)
	l.expect(udp(4000, 53), dataplane.Scheduled, 2)
}

// A datagram counts for the thresholds while it is under way: it may overload its
// server, and its end lifts that only where it passes the lower threshold.
func TestOnePacketAndThresholds(t *testing.T) {
	for _, persistence := range []time.Duration{0, 100 * time.Second} {
		for _, c := range []struct {
			upper, lower, connections int
			overloaded                bool
		}{
			{upper: 1, connections: 0, overloaded: false},
			{upper: 2, connections: 0, overloaded: false},
			{upper: 3, connections: 2, overloaded: false},
			{upper: 4, connections: 3, overloaded: true},
			{upper: 5, connections: 3, overloaded: false},
			{upper: 3, lower: 2, connections: 2, overloaded: true},
			{upper: 3, lower: 3, connections: 2, overloaded: false},
			{upper: 2, lower: 1, connections: 1, overloaded: true},
			{upper: 0, connections: 9, overloaded: false},
		} {
			l := newLab(t, unlimited, 1<<12)
			k := dataplane.ServiceKey{Mark: 7}
			l.must(l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "rr", OnePacket: true, Persistence: persistence}))
			l.must(l.d.AddServer(k, dataplane.ServerConfig{Addr: serverAddr(1), Weight: 1, Upper: c.upper, Lower: c.lower}))
			for i := range c.connections {
				if r := l.sendPacket(dataplane.Packet{Data: tcp(uint16(5000+i), 80, "S"), Mark: 7}); r.server != 1 {
					t.Fatalf("%+v: %s", c, r.reason)
				}
			}
			if l.server(k, 1).Overloaded {
				t.Fatalf("%+v: overloaded by the connections alone", c)
			}
			if r := l.sendPacket(dataplane.Packet{Data: udp(4000, 53), Mark: 7}); r.server != 1 {
				t.Fatalf("%+v: %s", c, r.reason)
			}
			if got := l.server(k, 1).Overloaded; got != c.overloaded {
				t.Errorf("%+v: overloaded is %v", c, got)
			}
			if got := l.counts(k, 1); got[0] != c.connections || got[1] != 0 {
				t.Errorf("%+v: counts %v", c, got)
			}
		}
	}
}
