package dataplane_test

import (
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// closed is a lab with a connection from port 4000 to server 2, whose entry is in
// CLOSE.
func closed(t testing.TB) *lab {
	l := defaultLab(t)
	l.handshake(4000, 80)
	l.expect(tcp(4000, 80, "U"), dataplane.Hit, 2)
	return l
}

// A packet that puts a connection away without a new one in its place leaves it to
// be found until the next tick: what finds it keeps it.
func TestAConnectionThatIsPutAwayIsFoundUntilTheNextTick(t *testing.T) {
	l := closed(t)
	l.expect(tcp(4000, 80, "SR"), dataplane.ResetIgnored, 0)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
	l.pass(20 * time.Millisecond)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
	if c := l.d.Conns(l.now); len(c) != 1 || c[0].State != "CLOSE" || c[0].Expires != 10*time.Second {
		t.Errorf("the table has %+v", c)
	}

	l = closed(t)
	l.expect(tcp(4000, 80, "SR"), dataplane.ResetIgnored, 0)
	if got := l.counts(tcpService(80), 2); got != [3]int{0, 1, 0} {
		t.Errorf("counts %v within the tick, want the connection", got)
	}
	l.pass(10 * time.Millisecond)
	l.expect(tcp(4000, 80, "A"), dataplane.ResetNoConnection, 0)
	if got := l.counts(tcpService(80), 2); got != [3]int{} {
		t.Errorf("counts %v after it", got)
	}
}

// A SYN that begins a new connection hides the old one at once, in the same tick
// too.
func TestANewConnectionHidesTheOldOne(t *testing.T) {
	l := closed(t)
	l.expect(tcp(4000, 80, "SR"), dataplane.ResetIgnored, 0)
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 1)
	if n := len(l.d.Conns(l.now)); n != 2 {
		t.Errorf("%d entries within the tick, want the old one, too", n)
	}
	l.pass(10 * time.Millisecond)
	if c := l.d.Conns(l.now); len(c) != 1 || c[0].Server != serverAddr(1) {
		t.Errorf("the table has %+v", c)
	}
}

// A connection whose new one had no server is found, too.
func TestAConnectionIsFoundWhereItsNewOneHasNoServer(t *testing.T) {
	l := closed(t)
	l.weight(tcpService(80), 1, 0)
	l.weight(tcpService(80), 2, 0)
	l.expect(tcp(4000, 80, "S"), dataplane.UnreachableNoServer, 0)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
}

// With expire_nodest_conn the connections of a removed server live for one tick
// more. A packet within it finds none; the reset that it is answered with closes
// its entry, which goes with the others.
func TestTheTickOfARemovedServer(t *testing.T) {
	l := defaultLab(t)
	l.tune(func(v *dataplane.Tunables) { v.ExpireNodestConn = true })
	l.handshake(4000, 80)
	l.handshake(4001, 80)
	l.handshake(4002, 80)
	l.now += 3e6 // in the middle of a tick
	l.remove(tcpService(80), 2)
	l.expect(tcp(4000, 80, "A"), dataplane.ResetNoConnection, 0)
	states := map[uint16]string{}
	for _, c := range l.d.Conns(l.now) {
		states[c.Key.ClientPort] = c.State
	}
	if states[4000] != "CLOSE" || states[4001] != "ESTABLISHED" || states[4002] != "ESTABLISHED" {
		t.Errorf("states %v", states)
	}
	if next, ok := l.d.NextExpiry(l.now); !ok || next != 10e6 {
		t.Errorf("NextExpiry = %d, %v, want the next tick", next, ok)
	}
	l.pass(7 * time.Millisecond)
	if c := l.d.Conns(l.now); len(c) != 1 || c[0].Key.ClientPort != 4001 {
		t.Errorf("after the tick the table has %+v", c)
	}
	if next, ok := l.d.NextExpiry(l.now); !ok || next != 900e9 {
		t.Errorf("NextExpiry = %d, %v, want that of the connection left", next, ok)
	}
}

// A server that is back within the tick keeps its connections.
func TestAServerThatIsBackWithinTheTick(t *testing.T) {
	l := defaultLab(t)
	l.tune(func(v *dataplane.Tunables) { v.ExpireNodestConn = true })
	l.handshake(4000, 80)
	l.remove(tcpService(80), 2)
	l.pass(time.Millisecond)
	l.add(tcpService(80), 2, 1)
	l.pass(time.Second)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
}

// When the last service of an address family is removed all its packets are the
// host's own, those of connections and errors about them too; the entries stay,
// and count again when the family has a service again. The other family goes on.
func TestTheLastServiceOfAFamily(t *testing.T) {
	for _, mark := range []bool{false, true} { // is the one that is left by mark?
		for _, v4 := range []bool{true, false} {
			l := newLab(t, unlimited, 1<<12)
			q := quoted{src: clientIP, proto: frame.ProtoTCP, port: 80}
			mine, other := vip, on(vip6, frame.ProtoTCP, 80)
			if mark {
				other = dataplane.ServiceKey{Mark: 7, IPv6: true}
			}
			if !v4 {
				q.src, mine, other = client6IP, vip6, on(vip, frame.ProtoTCP, 80)
				if mark {
					other = dataplane.ServiceKey{Mark: 7}
				}
			}
			k := on(mine, frame.ProtoTCP, 80)
			l.service(k, 0, 1, 2)
			l.service(other, 0, 1, 2)
			segment := func(flags string) []byte {
				f := packet{src: frame.AddrFrom(q.src), dst: mine, sport: 4000, dport: 80, proto: frame.ProtoTCP, flagLetters: flags, ttl: 64}
				return f.frame()
			}
			failure := func() []byte { return q.failure(3, 1, 9, q.reply(8, vipFor(q.src))) }
			l.expect(segment("S"), dataplane.Scheduled, 2)
			l.expect(segment("A"), dataplane.Hit, 2)
			l.must(l.d.DelService(k, l.now))
			before := l.d.Conns(l.now)
			l.expect(segment("A"), dataplane.ResetNoService, 0)
			l.expect(segment("S"), dataplane.ResetNoService, 0)
			l.expect(failure(), dataplane.ICMPIgnored, 0)
			l.sameConns(before)
			k.Port = 8080
			l.service(k, 0, 1)
			l.expect(segment("A"), dataplane.ServerRemoved, 0)
			l.expect(segment("S"), dataplane.ServerRemoved, 0)
			l.expect(failure(), dataplane.Related, 2)
			l.must(l.d.DelService(other, l.now))
			l.expect(segment("A"), dataplane.ServerRemoved, 0)
		}
	}
}

// A persistent service of port 21 takes the ports of FTP's data connections while it
// has a server; without one they are the host's own, and only port 21 itself is
// unreachable.
func TestFTPWithoutAServer(t *testing.T) {
	for _, servers := range [][]byte{nil, {1}} { // of weight 0
		l := newLab(t, unlimited, 1<<12)
		k := tcpService(21)
		l.service(k, 300*time.Second)
		for _, n := range servers {
			l.add(k, n, 0)
		}
		for _, port := range []uint16{20, 1024, 5000} {
			l.expect(tcp(4000+port, port, "S"), dataplane.ResetNoService, 0)
		}
		l.expect(tcp(4000, 80, "S"), dataplane.ResetNoService, 0)
		l.expect(tcp(4000, 21, "S"), dataplane.UnreachableNoServer, 0)
		if n := len(l.d.Conns(l.now)); n != 0 {
			t.Errorf("%d entries were made", n)
		}
		l.add(k, 2, 1)
		l.expect(tcp(4001, 5000, "S"), dataplane.Scheduled, 2)
		l.expect(tcp(4001, 21, "S"), dataplane.Persistent, 2)
	}
}
