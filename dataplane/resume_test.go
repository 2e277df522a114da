package dataplane_test

import (
	"net/netip"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// resuming is a lab whose director resumes connections for the first minute.
func resuming(t *testing.T, entries int) *lab {
	l := makeLabResuming(t, unlimited, entries, 1, int64(time.Minute))
	t.Cleanup(l.checkCounters)
	return furnish(l)
}

func TestAPacketInTheMiddleOfAConnectionIsScheduledAfterAStart(t *testing.T) {
	sctpService := on(vip, frame.ProtoSCTP, 9000)
	for _, c := range []struct {
		name   string
		f      []byte
		during dataplane.Reason // of the first minute
		after  dataplane.Reason
	}{
		{"data", tcp(4000, 80, "A"), dataplane.Resumed, dataplane.ResetNoConnection},
		{"a FIN", tcp(4000, 80, "FA"), dataplane.Resumed, dataplane.ResetNoConnection},
		{"data of a persistent service", tcp(4000, 443, "A"), dataplane.Resumed, dataplane.ResetNoConnection},
		{"an SCTP chunk", sctp(clientIP, 4000, frame.SCTPData), dataplane.Resumed, dataplane.ProtocolIgnored},
		{"a SYN begins a connection as always", tcp(4000, 80, "S"), dataplane.Scheduled, dataplane.Scheduled},
		{"a datagram does, too", udp(4000, 53), dataplane.Scheduled, dataplane.Scheduled},
		{"a RST ends nothing that is known", tcp(4000, 80, "R"), dataplane.ResetIgnored, dataplane.ResetIgnored},
		{"an SCTP abort", sctp(clientIP, 4000, frame.SCTPAbort), dataplane.ProtocolIgnored, dataplane.ProtocolIgnored},
		{"data for a port without a service", tcp(4000, 81, "A"), dataplane.ResetNoService, dataplane.ResetNoService},
	} {
		t.Run(c.name, func(t *testing.T) {
			for now, want := range map[time.Duration]dataplane.Reason{0: c.during, time.Minute - 1: c.during, time.Minute: c.after, time.Hour: c.after} {
				l := resuming(t, 1<<12)
				l.service(sctpService, 0, 1, 2)
				l.now = int64(now)
				if r := l.send(c.f); r.reason != want {
					t.Errorf("at %v: %s, want %s", now, r.reason, want)
				}
			}
		})
	}
}

// What was resumed is a connection as any other: it is counted, it goes on after the
// time, and it outlives it.
func TestAResumedConnectionGoesOn(t *testing.T) {
	l := resuming(t, 1<<12)
	r := l.send(tcp(4000, 80, "A"))
	if r.reason != dataplane.Resumed {
		t.Fatalf("%s, want %s", r.reason, dataplane.Resumed)
	}
	l.now = int64(2 * time.Minute)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, r.server)
	st := l.d.Services()
	conns := 0
	for _, s := range st {
		for _, ds := range s.Servers {
			conns += ds.Active
		}
	}
	if conns != 1 {
		t.Errorf("%d active connections, want 1", conns)
	}
}

// A scheduler that hashes sends the packets of a connection to the server of before:
// a restart loses nobody.
func TestAHashingSchedulerResumesAtTheServerOfBefore(t *testing.T) {
	for _, name := range []string{"mh", "sh"} {
		config := dataplane.ServiceConfig{Key: tcpService(8080), Scheduler: name}
		start := func(until int64) *lab {
			l := makeLabResuming(t, unlimited, 1<<12, 1, until)
			t.Cleanup(l.checkCounters)
			if err := l.d.AddService(config); err != nil {
				t.Fatal(err)
			}
			for n := byte(1); n <= 5; n++ {
				if err := l.d.AddServer(config.Key, dataplane.ServerConfig{Addr: serverAddr(n), Port: 8080, Weight: 1}); err != nil {
					t.Fatal(err)
				}
			}
			return l
		}
		before, after := start(0), start(int64(time.Minute))
		for i := range 500 {
			src := netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})
			was := before.send(tcpFrom(src, 4000, 8080, "S"))
			if is := after.send(tcpFrom(src, 4000, 8080, "A")); is.server != was.server || is.reason != dataplane.Resumed {
				t.Fatalf("%s: client %v was served by %d, after the start %s by %d", name, src, was.server, is.reason, is.server)
			}
		}
	}
}

// A flood of segments of nothing cannot fill the table with connections that are not
// given up: the last sixteenth is for those that begin.
func TestAFloodOfSegmentsLeavesRoomForNewConnections(t *testing.T) {
	const entries = 1 << 12
	l := resuming(t, entries)
	resumed := 0
	for i := range 2 * entries {
		src := netip.AddrFrom4([4]byte{10, 3, byte(i >> 8), byte(i)})
		if r := l.send(tcpFrom(src, 4000, 80, "A")); r.reason == dataplane.Resumed {
			resumed++
		}
	}
	if want := entries - entries/16 + 1; resumed != want {
		t.Errorf("%d were resumed, want %d", resumed, want)
	}
	for i := range entries / 32 {
		src := netip.AddrFrom4([4]byte{10, 4, byte(i >> 8), byte(i)})
		if r := l.send(tcpFrom(src, 4000, 80, "S")); r.reason != dataplane.Scheduled {
			t.Fatalf("new connection %d: %s", i, r.reason)
		}
	}
}

// At a start a service has servers before it has their MAC addresses. Clients that
// have kept the VIP's MAC address are dropped then, and try again; refused they would
// give up.
func TestNobodyIsRefusedWhileMACsAreNotKnownYet(t *testing.T) {
	fresh := func() *lab {
		l := makeLabOf(t, dataplane.Config{Conns: conntrack.Config{Limit: 256}, Tunables: dataplane.DefaultTunables(), Limits: unlimited,
			SettleUntil: int64(3 * time.Second)})
		t.Cleanup(l.checkCounters)
		return furnish(l)
	}
	for _, c := range []struct {
		name  string
		setUp func(l *lab)
		want  dataplane.Reason // in the first three seconds
	}{
		{"no MAC address is known", func(l *lab) { l.forget(1, 2) }, dataplane.NoMAC},
		{"one is known", func(l *lab) { l.forget(1) }, dataplane.Scheduled},
		{"all servers are quiesced", func(l *lab) { l.forget(1, 2); l.weigh(80, 0, 1, 2); l.weigh(53, 0, 1, 2); l.weigh(443, 0, 1, 2) }, dataplane.UnreachableNoServer},
		{"servers are known and quiesced", func(l *lab) { l.weigh(80, 0, 1, 2); l.weigh(53, 0, 1, 2); l.weigh(443, 0, 1, 2) }, dataplane.UnreachableNoServer},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range [][]byte{tcp(4000, 80, "S"), tcp(4000, 443, "S"), udp(4000, 53)} {
				l := fresh()
				c.setUp(l)
				if r := l.send(f); r.reason != c.want {
					t.Errorf("%s, want %s", r.reason, c.want)
				}
				l = fresh()
				c.setUp(l)
				l.now = int64(3 * time.Second)
				late := c.want
				if late == dataplane.NoMAC {
					late = dataplane.UnreachableNoServer
				}
				if r := l.send(f); r.reason != late {
					t.Errorf("after three seconds %s, want %s", r.reason, late)
				}
			}
		})
	}
}

// forget makes the MAC addresses of servers unknown.
func (l *lab) forget(servers ...byte) {
	for _, n := range servers {
		l.neighbour(n, frame.MAC{}, link)
	}
}

// weigh gives servers of the service at a port of the VIP a weight.
func (l *lab) weigh(port uint16, weight int, servers ...byte) {
	l.t.Helper()
	k := tcpService(port)
	if port == 53 {
		k = udpService(port)
	}
	for _, n := range servers {
		if err := l.d.EditServer(k, dataplane.ServerConfig{Addr: serverAddr(n), Port: port, Weight: weight}); err != nil {
			l.t.Fatal(err)
		}
	}
}

// A director that is to be told of the connections before the start, by another one, kills none and makes none up.
func TestPacketsOfUnknownConnectionsCanBeDroppedAfterAStart(t *testing.T) {
	for _, c := range []struct {
		name          string
		f             []byte
		during, after dataplane.Reason
	}{
		{"data", tcp(4000, 80, "A"), dataplane.NotResumed, dataplane.ResetNoConnection},
		{"data of a persistent service", tcp(4000, 443, "A"), dataplane.NotResumed, dataplane.ResetNoConnection},
		{"a SYN begins a connection as always", tcp(4000, 80, "S"), dataplane.Scheduled, dataplane.Scheduled},
		{"a RST ends nothing that is known", tcp(4000, 80, "R"), dataplane.ResetIgnored, dataplane.ResetIgnored},
		{"data for a port without a service", tcp(4000, 81, "A"), dataplane.ResetNoService, dataplane.ResetNoService},
		{"an SCTP chunk", sctp(clientIP, 4000, frame.SCTPData), dataplane.ProtocolIgnored, dataplane.ProtocolIgnored},
	} {
		t.Run(c.name, func(t *testing.T) {
			for now, want := range map[time.Duration]dataplane.Reason{0: c.during, time.Minute - 1: c.during, time.Minute: c.after} {
				l := furnish(makeLabOf(t, dataplane.Config{Conns: conntrack.Config{Limit: 1 << 12, Secret: [16]byte{1}}, Workers: 1,
					Tunables: dataplane.DefaultTunables(), Limits: unlimited, ResumeUntil: int64(time.Minute), ResumeDrops: true}))
				l.service(on(vip, frame.ProtoSCTP, 9000), 0, 1, 2)
				l.now = int64(now)
				if r := l.send(c.f); r.reason != want {
					t.Errorf("at %v: %s, want %s", now, r.reason, want)
				}
			}
		})
	}
}
