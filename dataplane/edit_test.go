package dataplane_test

import (
	"errors"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

func TestRemovedServerComesBackWithItsConnectionsAndCounts(t *testing.T) {
	l := defaultLab(t)
	k := tcpService(80)
	if l.handshake(4000, 80) != 2 || l.handshake(4001, 80) != 1 {
		t.Fatal("rr did not begin with the newest server")
	}
	before := l.server(k, 2)
	l.remove(k, 2)
	l.expect(tcp(4000, 80, "A"), dataplane.ServerRemoved, 0)
	l.expect(tcp(4001, 80, "A"), dataplane.Hit, 1)
	l.add(k, 2, 1)
	if got := l.server(k, 2); got != before {
		t.Errorf("it came back as %+v, was %+v", got, before)
	}
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
}

// Also where the service itself was removed and added again.
func TestServerComesBackWithItsService(t *testing.T) {
	l := defaultLab(t)
	k := tcpService(80)
	l.handshake(4000, 80)
	l.must(l.d.DelService(k, l.now))
	l.expect(tcp(4000, 80, "A"), dataplane.ServerRemoved, 0)
	l.service(k, 0, 2)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
	if got := l.counts(k, 2); got != [3]int{1, 0, 0} {
		t.Errorf("counts %v, want one active connection", got)
	}
}

// A removed server is the server of one service only.
func TestServerDoesNotComeBackElsewhere(t *testing.T) {
	l := defaultLab(t)
	l.handshake(4000, 80)
	l.remove(tcpService(80), 2)
	l.service(tcpService(81), 0, 2)
	if got := l.counts(tcpService(81), 2); got != [3]int{} {
		t.Errorf("a new server has counts %v", got)
	}
	l.service(udpService(80), 0, 2) // the same address and port
	if got := l.counts(udpService(80), 2); got != [3]int{} {
		t.Errorf("a new server has counts %v", got)
	}
	l.expect(tcp(4000, 80, "A"), dataplane.ServerRemoved, 0)
}

// It is remembered while anything refers to it, and two minutes more.
func TestRemovedServerIsForgotten(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  uint64 // connections in its counters
	}{{15 * time.Minute, 1}, {15*time.Minute + 119*time.Second, 1}, {17 * time.Minute, 0}} {
		l := defaultLab(t)
		l.handshake(4000, 80) // 900 s
		l.remove(tcpService(80), 2)
		l.pass(c.after)
		l.add(tcpService(80), 2, 1)
		if got := l.server(tcpService(80), 2).Traffic.Conns; got != c.want {
			t.Errorf("added back after %v: %d connections in its counters, want %d", c.after, got, c.want)
		}
	}
}

// A slot that is used again is another server: the old one's connections, had
// they lived, are not the new one's.
func TestSlotsAreReused(t *testing.T) {
	l := newLab(t, unlimited, 256)
	k := tcpService(80)
	l.service(k, 0, 1)
	for round := range 200 {
		if got := l.handshake(uint16(1000+round), 80); got != 1 {
			t.Fatalf("server %d", got)
		}
		l.remove(k, 1)
		l.pass(20 * time.Minute)
		l.add(k, 1, 1)
		if got := l.counts(k, 1); got != [3]int{} {
			t.Fatalf("round %d: a new server has counts %v", round, got)
		}
	}
}

func TestExpireNodestConn(t *testing.T) {
	k := tcpService(80)
	expire := func(v *dataplane.Tunables) { v.ExpireNodestConn = true }
	t.Run("removing a server removes its connections", func(t *testing.T) {
		l := defaultLab(t)
		l.tune(expire)
		l.handshake(4000, 80)
		l.handshake(4001, 80)
		l.remove(k, 2)
		l.pass(10*time.Millisecond - 1)
		if n := len(l.d.Conns(l.now)); n != 2 {
			t.Errorf("%d connections are left within the tick, want both", n)
		}
		l.pass(1)
		if n := len(l.d.Conns(l.now)); n != 1 {
			t.Errorf("%d connections are left after it, want 1", n)
		}
		l.expect(tcp(4000, 80, "A"), dataplane.ResetNoConnection, 0)
		l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
		l.add(k, 2, 1)
		if got := l.counts(k, 2); got != [3]int{} {
			t.Errorf("it came back with counts %v", got)
		}
	})
	t.Run("and its templates", func(t *testing.T) {
		l := defaultLab(t)
		l.tune(expire)
		l.handshake(4000, 443)
		l.remove(tcpService(443), 2)
		l.pass(10 * time.Millisecond)
		if n := len(l.d.Conns(l.now)); n != 0 {
			t.Errorf("%d entries are left, want none", n)
		}
		l.expect(tcp(4001, 443, "S"), dataplane.Scheduled, 1)
	})
	// The connections were dropped for ever: the tunable was looked at when
	// a server was removed only.
	t.Run("set after the removal it counts with the next packet", func(t *testing.T) {
		l := defaultLab(t)
		l.handshake(4000, 80)
		l.send(udp(4000, 53))
		l.remove(k, 2)
		l.remove(udpService(53), 2)
		l.expect(tcp(4000, 80, "A"), dataplane.ServerRemoved, 0)
		l.expect(udp(4000, 53), dataplane.ServerRemoved, 0)
		l.tune(expire)
		l.expect(tcp(4000, 80, "A"), dataplane.ResetNoConnection, 0)
		l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
		l.expect(udp(4000, 53), dataplane.Scheduled, 1)
	})
	t.Run("a SYN leaves a quiesced server, an ACK does not", func(t *testing.T) {
		l := defaultLab(t)
		l.handshake(4000, 80)
		l.weight(k, 2, 0)
		l.expect(tcp(4000, 80, "S"), dataplane.Hit, 2)
		l.tune(expire)
		l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
		l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
	})
}

// conn_reuse_mode: a SYN on the 4-tuple of an old connection.
func TestConnReuse(t *testing.T) {
	const hit, scheduled = dataplane.Hit, dataplane.Scheduled
	for _, c := range []struct {
		name   string
		mode   int
		port   uint16
		before []string // segments after the first SYN
		want   dataplane.Reason
	}{
		{"an established connection goes on", 3, 80, []string{"A"}, hit},
		{"a half-open one goes on", 3, 80, nil, hit},
		{"TIME_WAIT is scheduled anew", 1, 80, []string{"F"}, scheduled},
		{"CLOSE is scheduled anew", 1, 80, []string{"A", "R"}, scheduled},
		{"FIN_WAIT goes on in mode 1", 1, 80, []string{"A", "F"}, hit},
		{"FIN_WAIT is scheduled anew in mode 2", 2, 80, []string{"A", "F"}, scheduled},
		{"FIN_WAIT is scheduled anew in mode 3", 3, 80, []string{"A", "F"}, scheduled},
		{"nothing is in mode 0", 0, 80, []string{"A", "R"}, hit},
		{"nor under persistence", 3, 443, []string{"A", "R"}, hit},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := defaultLab(t)
			l.tune(func(v *dataplane.Tunables) { v.ConnReuseMode = c.mode })
			l.expect(tcp(4000, c.port, "S"), scheduled, 2)
			for _, flags := range c.before {
				l.expect(tcp(4000, c.port, flags), hit, 2)
			}
			server := byte(2)
			if c.want == scheduled {
				server = 1
			}
			l.expect(tcp(4000, c.port, "S"), c.want, server)
			l.expect(tcp(4000, c.port, "A"), hit, server)
			l.pass(10 * time.Millisecond) // the old one is unlinked
			if a, b := l.counts(tcpService(c.port), 1), l.counts(tcpService(c.port), 2); a[0]+a[1]+b[0]+b[1] != 1 {
				t.Errorf("counts %v and %v, want one connection", a, b)
			}
		})
	}
}

// A server is overloaded from its upper threshold on until its connections are
// fewer than the lower one, or than 3/4 of the upper one.
func TestThresholds(t *testing.T) {
	k := tcpService(80)
	for _, c := range []struct {
		name         string
		upper, lower int
		ends         int // connections at which it ends
	}{
		{"with a lower threshold", 8, 3, 2},
		{"without one, 3/4 of the upper", 8, 0, 5},
		{"with both the same", 8, 8, 7},
		{"the least of all", 1, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, unlimited, 256)
			l.service(k, 0)
			l.must(l.d.AddServer(k, dataplane.ServerConfig{Addr: serverAddr(1), Port: 80, Weight: 1, Upper: c.upper, Lower: c.lower}))
			for port := range uint16(c.upper) {
				l.handshake(1000+port, 80)
				l.pass(time.Second) // they end one by one
			}
			l.expect(tcp(4000, 80, "S"), dataplane.UnreachableNoServer, 0)
			for left := c.upper - 1; left >= 0; left-- {
				for len(l.d.Conns(l.now)) > left {
					l.pass(time.Second)
				}
				if got, want := l.server(k, 1).Overloaded, left > c.ends; got != want {
					t.Fatalf("with %d connections overloaded is %v, want %v", left, got, want)
				}
			}
			l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
		})
	}
}

func TestThresholdEdits(t *testing.T) {
	l := newLab(t, unlimited, 256)
	k := tcpService(80)
	l.service(k, 0, 1)
	edit := func(upper, lower int) bool {
		l.must(l.d.EditServer(k, dataplane.ServerConfig{Addr: serverAddr(1), Port: 80, Weight: 1, Upper: upper, Lower: lower}))
		return l.server(k, 1).Overloaded
	}
	for port := range uint16(4) {
		l.handshake(1000+port, 80)
	}
	for i, c := range []struct {
		upper, lower int
		want         bool
	}{{5, 0, false}, {4, 0, true}, {5, 0, true}, {6, 0, false}, {3, 1, true}, {100, 1, true}, {100, 5, false}, {4, 4, true}, {0, 0, false}} {
		if got := edit(c.upper, c.lower); got != c.want {
			t.Errorf("edit %d, to %d and %d: overloaded is %v, want %v", i, c.upper, c.lower, got, c.want)
		}
	}
}

// Persistent clients go to their server also when it is overloaded, quiesced
// or both.
func TestTemplateGoesToAnOverloadedServer(t *testing.T) {
	l := defaultLab(t)
	k := tcpService(443)
	l.must(l.d.EditServer(k, dataplane.ServerConfig{Addr: serverAddr(2), Port: 443, Weight: 1, Upper: 1}))
	l.handshake(4000, 443)
	l.expect(tcp(4001, 443, "S"), dataplane.Persistent, 2)
	l.weight(k, 2, 0)
	l.expect(tcp(4002, 443, "S"), dataplane.Persistent, 2)
}

// Weight 0: connections go on, new ones go elsewhere.
func TestWeightZero(t *testing.T) {
	l := defaultLab(t)
	l.handshake(4000, 80)
	l.weight(tcpService(80), 2, 0)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
	for port := range uint16(4) {
		l.expect(tcp(5000+port, 80, "S"), dataplane.Scheduled, 1)
	}
	l.weight(tcpService(80), 2, 1)
	l.expect(tcp(6000, 80, "S"), dataplane.Scheduled, 2)
}

// A server without MAC address is passed over; the frames of its connections
// are dropped; with a MAC address it takes part again.
func TestUnreachableServer(t *testing.T) {
	l := newLab(t, unlimited, 256)
	k := tcpService(80)
	l.service(k, 0, 1)
	l.must(l.d.AddServer(k, dataplane.ServerConfig{Addr: serverAddr(77), Port: 80, Weight: 1}))
	for port := range uint16(3) {
		l.expect(tcp(1000+port, 80, "S"), dataplane.Scheduled, 1)
	}
	l.d.SetNeighbour(serverAddr(1), frame.MAC{}, dataplane.Link{})
	l.expect(tcp(1000, 80, "A"), dataplane.NoMAC, 0)
	l.expect(tcp(2000, 80, "S"), dataplane.UnreachableNoServer, 0)
	l.d.SetNeighbour(serverAddr(77), serverMAC(77), link)
	l.expect(tcp(2000, 80, "S"), dataplane.Scheduled, 77)
	l.expect(tcp(1000, 80, "A"), dataplane.NoMAC, 0)
	l.d.SetNeighbour(serverAddr(1), serverMAC(1), link)
	l.expect(tcp(1000, 80, "A"), dataplane.Hit, 1)
}

func TestRefusals(t *testing.T) {
	l := defaultLab(t)
	k, none := tcpService(80), tcpService(9)
	one := dataplane.ServerConfig{Addr: serverAddr(1), Port: 80, Weight: 1}
	other := dataplane.ServerConfig{Addr: serverAddr(9), Port: 80, Weight: 1}
	bad := dataplane.ServerConfig{Addr: serverAddr(9), Port: 80, Weight: 1, Upper: 1, Lower: 2}
	for _, c := range []struct {
		name string
		got  error
		want error
	}{
		{"a service twice", l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "rr"}), dataplane.ErrServiceExists},
		{"a service without scheduler", l.d.AddService(dataplane.ServiceConfig{Key: none}), dataplane.ErrScheduler},
		{"another scheduler that is none", l.d.EditService(dataplane.ServiceConfig{Key: k, Scheduler: "xyz"}), dataplane.ErrScheduler},
		{"an edit of no service", l.d.EditService(dataplane.ServiceConfig{Key: none, Scheduler: "rr"}), dataplane.ErrNoService},
		{"the removal of no service", l.d.DelService(none, 0), dataplane.ErrNoService},
		{"a server in no service", l.d.AddServer(none, one), dataplane.ErrNotDefined},
		{"an edit of a server in no service", l.d.EditServer(none, one), dataplane.ErrNotDefined},
		{"the removal of a server in no service", l.d.DelServer(none, one.Addr, 80, 0), dataplane.ErrNotDefined},
		{"a server twice", l.d.AddServer(k, one), dataplane.ErrServerExists},
		{"an edit of no server", l.d.EditServer(k, other), dataplane.ErrNoServer},
		{"the removal of no server", l.d.DelServer(k, other.Addr, 80, 0), dataplane.ErrNoServer},
		{"a lower threshold above the upper", l.d.AddServer(k, bad), dataplane.ErrThresholds},
		{"the same in an edit", l.d.EditServer(k, dataplane.ServerConfig{Addr: one.Addr, Port: 80, Lower: 1}), dataplane.ErrThresholds},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	// Nothing of it was done.
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 2)
	l.expect(tcp(4001, 80, "S"), dataplane.Scheduled, 1)
	if n := len(l.d.Services()); n != 3 {
		t.Errorf("%d services, want 3", n)
	}
}

// An edit of the service keeps the scheduler's place; another scheduler begins
// anew.
func TestEditServiceKeepsTheScheduler(t *testing.T) {
	l := defaultLab(t)
	k := tcpService(80)
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 2)
	l.must(l.d.EditService(dataplane.ServiceConfig{Key: k, Scheduler: "rr", Mask: frame.AddrFrom4([4]byte{255, 255, 0, 0})}))
	l.expect(tcp(4001, 80, "S"), dataplane.Scheduled, 1)
	l.expect(tcp(4002, 80, "S"), dataplane.Scheduled, 2)
	l.must(l.d.EditService(dataplane.ServiceConfig{Key: k, Scheduler: "wrr"}))
	l.expect(tcp(4003, 80, "S"), dataplane.Scheduled, 2)
}

// The listing shows what was configured and counted, in order.
func TestServicesAndConns(t *testing.T) {
	l := defaultLab(t)
	l.service(dataplane.ServiceKey{Mark: 3}, 0)
	in := tcp(4000, 443, "S")
	l.send(in)
	var keys []dataplane.ServiceKey
	for _, s := range l.d.Services() {
		keys = append(keys, s.Config.Key)
	}
	want := []dataplane.ServiceKey{tcpService(80), tcpService(443), udpService(53), {Mark: 3}}
	for i := range want {
		if len(keys) != len(want) || keys[i] != want[i] {
			t.Fatalf("services %v, want %v", keys, want)
		}
	}
	s := l.server(tcpService(443), 2)
	if want := (dataplane.Traffic{Conns: 1, Packets: 1, Bytes: uint64(len(in) - 14)}); s.Traffic != want || s.MAC != serverMAC(2) {
		t.Errorf("%+v, want %+v", s, want)
	}
	conns := l.d.Conns(l.now)
	if len(conns) != 2 {
		t.Fatalf("%d entries, want a connection and its template", len(conns))
	}
	for _, c := range conns {
		state, left := "SYN_RECV", time.Minute
		if c.Key.Template {
			state, left = "NONE", 2*time.Minute
		}
		if c.Server != serverAddr(2) || c.State != state || c.Expires != left || c.Invalid {
			t.Errorf("%+v, want server 2, %s, %v", c, state, left)
		}
	}
	if n, limit, evicted := l.d.TableUse(); n != 2 || limit != 1<<12 || evicted != 0 {
		t.Errorf("TableUse = %d, %d, %d", n, limit, evicted)
	}
}
