package dataplane_test

import (
	"net/netip"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// The default of 120 s: a client stays on its server until 120 s after its last
// new connection, and until its connections are gone, looked at once a minute.
func TestPersistenceLasts(t *testing.T) {
	for _, c := range []struct {
		name  string
		live  func(l *lab) // after a SYN at 0
		binds time.Duration
	}{
		{"120 s after a connection that was never opened", func(*lab) {}, 120 * time.Second},
		{"120 s after the last new connection", func(l *lab) {
			l.pass(100 * time.Second)
			l.expect(tcp(4001, 443, "S"), dataplane.Persistent, 2)
		}, 220 * time.Second},
		{"packets of a connection do not count", func(l *lab) {
			l.pass(50 * time.Second)
			l.expect(tcp(4000, 443, "S"), dataplane.Hit, 2)
		}, 120 * time.Second},
		// SYN at 0, ACK and FIN at 10: FIN_WAIT until 130; looked at at 120 and at 180.
		{"a closed connection holds it to the next minute", func(l *lab) {
			l.pass(10 * time.Second)
			l.expect(tcp(4000, 443, "A"), dataplane.Hit, 2)
			l.expect(tcp(4000, 443, "FA"), dataplane.Hit, 2)
		}, 180 * time.Second},
		// Established until 900 after the ACK at 10 s: 910; looked at at 120, 180, ... 960.
		{"an open connection holds it for 900 s, and to the next minute", func(l *lab) {
			l.pass(10 * time.Second)
			l.expect(tcp(4000, 443, "A"), dataplane.Hit, 2)
		}, 960 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, late := range []bool{false, true} {
				l := defaultLab(t)
				l.expect(tcp(4000, 443, "S"), dataplane.Scheduled, 2)
				c.live(l)
				if late {
					l.pass(c.binds - time.Duration(l.now))
					l.expect(tcp(5000, 443, "S"), dataplane.Scheduled, 1)
				} else {
					l.pass(c.binds - time.Duration(l.now) - 10*time.Millisecond)
					l.expect(tcp(5000, 443, "S"), dataplane.Persistent, 2)
				}
			}
		})
	}
}

func TestPersistenceZeroSpreads(t *testing.T) {
	l := defaultLab(t)
	for n := range uint16(10) {
		l.expect(tcp(4000+n, 80, "S"), dataplane.Scheduled, byte(2-n%2))
	}
}

// Clients are spread, each stays.
func TestEachClientHasItsTemplate(t *testing.T) {
	l := defaultLab(t)
	server := map[byte]byte{}
	for round := range uint16(3) {
		for n := byte(1); n <= 10; n++ {
			r := l.send(tcpFrom(netip.AddrFrom4([4]byte{198, 51, 100, n}), 4000+round, 443, "S"))
			if round > 0 && r.server != server[n] {
				t.Fatalf("client %d went from server %d to %d", n, server[n], r.server)
			}
			server[n] = r.server
		}
	}
	if a, b := l.counts(tcpService(443), 1), l.counts(tcpService(443), 2); a != b || a != [3]int{15, 0, 5} {
		t.Errorf("counts %v and %v, want 5 clients with 15 connections each", a, b)
	}
}

// Under a netmask the clients of one network are one client.
func TestMask(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	k := tcpService(443)
	l.must(l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "rr", Persistence: time.Minute,
		Mask: frame.AddrFrom4([4]byte{255, 255, 255, 0})}))
	l.add(k, 1, 1)
	l.add(k, 2, 1)
	at := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	l.expect(tcpFrom(at("198.51.100.1"), 1, 443, "S"), dataplane.Scheduled, 2)
	l.expect(tcpFrom(at("198.51.100.255"), 1, 443, "S"), dataplane.Persistent, 2)
	l.expect(tcpFrom(at("198.51.101.1"), 1, 443, "S"), dataplane.Scheduled, 1)
}

// A template is of one service's port; a service of all ports, FTP's and a
// firewall mark's have one for all.
func TestWhatATemplateIsAbout(t *testing.T) {
	l := defaultLab(t)
	l.service(tcpService(444), time.Minute, 1, 2)
	l.expect(tcp(4000, 443, "S"), dataplane.Scheduled, 2)
	l.handshake(3999, 444)
	l.expect(tcp(4000, 444, "S"), dataplane.Persistent, 2)

	l = newLab(t, unlimited, 1<<12)
	l.service(tcpService(0), time.Minute, 1, 2)
	l.service(tcpService(21), time.Minute, 3, 4)
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 2)
	l.expect(tcp(4001, 443, "S"), dataplane.Persistent, 2)
	// Both have the template of port 0: the client's server serves FTP too.
	l.expect(tcp(4002, 21, "S"), dataplane.Persistent, 2)

	l = newLab(t, unlimited, 1<<12)
	l.service(dataplane.ServiceKey{Mark: 5}, time.Minute, 1, 2)
	mark := func(f []byte) result { return l.sendPacket(dataplane.Packet{Data: f, Mark: 5}) }
	if r := mark(tcp(4000, 80, "S")); r.reason != dataplane.Scheduled || r.server != 2 {
		t.Errorf("by mark: %s to %d", r.reason, r.server)
	}
	if r := mark(udp(4000, 53)); r.reason != dataplane.Persistent || r.server != 2 {
		t.Errorf("another protocol by the same mark: %s to %d", r.reason, r.server)
	}
}

func TestTemplateOfAQuiescedServer(t *testing.T) {
	l := defaultLab(t)
	k := tcpService(443)
	l.handshake(4000, 443)
	l.weight(k, 2, 0)
	l.expect(tcp(4001, 443, "S"), dataplane.Persistent, 2)
	l.tune(func(v *dataplane.Tunables) { v.ExpireQuiescentTemplate = true })
	l.expect(tcp(4002, 443, "S"), dataplane.Scheduled, 1)
	l.expect(tcp(4000, 443, "A"), dataplane.Hit, 2)
	l.weight(k, 2, 1)
	l.expect(tcp(4003, 443, "S"), dataplane.Persistent, 1)
	if got := l.counts(k, 2); got != [3]int{2, 0, 1} {
		t.Errorf("counts %v of the old server, want its two connections and the invalid template", got)
	}
}

// The server of a template is gone: the next connection is scheduled anew, and
// the client stays where that goes, also when the old server comes back.
func TestTemplateOfARemovedServer(t *testing.T) {
	l := defaultLab(t)
	k := tcpService(443)
	l.handshake(4000, 443)
	l.remove(k, 2)
	l.expect(tcp(4000, 443, "A"), dataplane.ServerRemoved, 0)
	l.expect(tcp(4001, 443, "S"), dataplane.Scheduled, 1)
	l.add(k, 2, 1)
	l.expect(tcp(4002, 443, "S"), dataplane.Persistent, 1)
	l.expect(tcp(4000, 443, "A"), dataplane.Hit, 2)
	invalid := 0
	for _, c := range l.d.Conns(l.now) {
		if c.Invalid {
			invalid++
		}
	}
	if invalid != 1 {
		t.Errorf("%d invalid templates, want 1", invalid)
	}
}

// The timeout is the template's own from its making.
func TestEditOfTheTimeoutIsForNewTemplates(t *testing.T) {
	l := defaultLab(t)
	l.send(tcp(4000, 443, "S"))
	l.must(l.d.EditService(dataplane.ServiceConfig{Key: tcpService(443), Scheduler: "rr", Persistence: 1000 * time.Second}))
	l.pass(100 * time.Second)
	l.expect(tcp(4001, 443, "S"), dataplane.Persistent, 2)
	l.pass(119 * time.Second)
	l.expect(tcp(4002, 443, "S"), dataplane.Persistent, 2)
	l.pass(120 * time.Second)
	l.expect(tcp(4003, 443, "S"), dataplane.Scheduled, 1)
	l.pass(999 * time.Second)
	l.expect(tcp(4004, 443, "S"), dataplane.Persistent, 1)
}

// A UDP flow keeps its server for 300 s after its last packet.
func TestUDPFlow(t *testing.T) {
	l := defaultLab(t)
	l.expect(udp(4000, 53), dataplane.Scheduled, 2)
	for range 5 {
		l.pass(299 * time.Second)
		l.expect(udp(4000, 53), dataplane.Hit, 2)
	}
	if got := l.counts(udpService(53), 2); got != [3]int{0, 1, 0} {
		t.Errorf("counts %v, want one inactive connection", got)
	}
	l.pass(300 * time.Second)
	l.expect(udp(4000, 53), dataplane.Scheduled, 1)
	l.d.SetTimeouts(0, 0, 10)
	l.expect(udp(4000, 53), dataplane.Hit, 1)
	l.pass(10 * time.Second)
	l.expect(udp(4000, 53), dataplane.Scheduled, 2)
}

// How a connection is counted, from its start to its end.
func TestCountsFollowTheStates(t *testing.T) {
	l := defaultLab(t)
	k := tcpService(80)
	for _, c := range []struct {
		flags string
		want  [3]int
	}{{"S", [3]int{1}}, {"A", [3]int{1}}, {"FA", [3]int{0, 1}}, {"A", [3]int{0, 1}}, {"S", [3]int{1}}, {"R", [3]int{1}},
		{"A", [3]int{1}}, {"R", [3]int{0, 1}}} {
		if l.send(tcp(4000, 80, c.flags)); l.counts(k, 2) != c.want {
			t.Errorf("after %s: counts %v, want %v", c.flags, l.counts(k, 2), c.want)
		}
	}
	l.pass(10 * time.Second)
	if got := l.counts(k, 2); got != [3]int{} {
		t.Errorf("10 s after a reset: counts %v", got)
	}
}

// secure_tcp: a SYN leads to SYNACK.
func TestSecureTCP(t *testing.T) {
	l := defaultLab(t)
	l.tune(func(v *dataplane.Tunables) { v.SecureTCP = 3 })
	l.send(tcp(4000, 80, "S"))
	if c := l.d.Conns(l.now); len(c) != 1 || c[0].State != "SYNACK" || l.counts(tcpService(80), 2) != [3]int{1} {
		t.Errorf("%+v", c)
	}
}
