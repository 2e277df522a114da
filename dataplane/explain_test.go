package dataplane_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// explained returns the outcome for p.
func (l *lab) explained(p dataplane.Packet) dataplane.Explanation {
	l.t.Helper()
	in := bytes.Clone(p.Data)
	x, err := l.d.Explain(p, l.now)
	l.must(err)
	if !bytes.Equal(in, p.Data) {
		l.t.Fatal("Explain changed the frame")
	}
	return x
}

// foretold says where x was wrong about got.
func foretold(x dataplane.Explanation, got result) error {
	server := byte(0)
	if x.Server != nil && x.Verdict == dataplane.Forward {
		server = x.Server.Config.Addr[15]
	}
	if x.Verdict != got.verdict || x.Reason != got.reason || server != got.server {
		return fmt.Errorf("explained as %s, %s to server %d; it was %s, %s to %d", x.Verdict, x.Reason, server, got.verdict, got.reason, got.server)
	}
	if got.verdict == dataplane.Forward && (x.Server.MAC != serverMAC(server) || x.Link != link) {
		return fmt.Errorf("explained as to %+v by %+v", x.Server, x.Link)
	}
	return nil
}

// Whatever the packets, edits and pauses, an explanation foretells what Process
// does; and the director goes on as the naive one, which was not asked: so to
// explain changes nothing.
func TestExplainForetellsProcess(t *testing.T) {
	const packets = 1500 // of each seed
	seeds := long(int64(2), 8)
	if raceEnabled || testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		x := newMatch(t, seed)
		explanations := 0
		x.before = func(p dataplane.Packet) func(result) error {
			e := x.l.explained(p)
			explanations++
			return func(got result) error { return foretold(e, got) }
		}
		err := x.furnish()
		for err == nil && *x.l.frames < packets {
			err = x.step()
		}
		if err = errors.Join(err, x.compare()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		x.l.checkCounters()
		if explanations != packets {
			t.Fatalf("%d explanations of %d packets", explanations, packets)
		}
	}
}

// everything is all of a director that can be listed.
func (l *lab) everything() []any {
	conns := l.d.Conns(l.now)
	slices.SortFunc(conns, func(a, b dataplane.ConnStatus) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	entries, limit, evicted := l.d.TableUse()
	next, _ := l.d.NextExpiry(l.now)
	return []any{l.d.Services(), conns, l.d.Counters(), entries, limit, evicted, next, l.d.Tunables()}
}

// With all schedulers, twos too: a director that explains every packet many
// times is the same as its twin that does not, and sends the next ones alike.
func TestExplainChangesNothing(t *testing.T) {
	for _, name := range scheduler.Names() {
		t.Run(name, func(t *testing.T) {
			asked, twin := newLab(t, unlimited, 1<<12), newLab(t, unlimited, 1<<12)
			for _, l := range []*lab{asked, twin} {
				for _, k := range []dataplane.ServiceKey{tcpService(80), tcpService(443)} {
					l.must(l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: name, Persistence: time.Duration(k.Port/443) * time.Minute}))
					for n := byte(1); n <= 4; n++ {
						l.add(k, n, int(n))
					}
				}
				l.tune(func(v *dataplane.Tunables) { v.DropPacket, v.AMDropRate = 3, 7 })
			}
			for i := range raced(25, long(50, 200)) {
				src := netip.AddrFrom4([4]byte{198, 51, 100, byte(i % 50)})
				f := tcpFrom(src, uint16(2000+i/2), []uint16{80, 443}[i%2], []string{"S", "A", "FA"}[i%3])
				before := asked.everything()
				for _, other := range []string{"S", "R"} {
					asked.explained(dataplane.Packet{Data: tcpFrom(src, 5000, 80, other)})
				}
				x := asked.explained(dataplane.Packet{Data: f})
				if after := asked.everything(); !reflect.DeepEqual(before, after) {
					t.Fatalf("before:\n%v\nafter:\n%v", before, after)
				}
				want := twin.send(bytes.Clone(f))
				got := asked.send(f)
				if got.reason != want.reason || got.server != want.server {
					t.Fatalf("packet %d: %s to %d, the twin's %s to %d", i, got.reason, got.server, want.reason, want.server)
				}
				if err := foretold(x, got); err != nil {
					t.Fatalf("packet %d: %v", i, err)
				}
				asked.now += 7e8
				twin.now += 7e8
			}
			if a, b := asked.everything(), twin.everything(); !reflect.DeepEqual(a, b) {
				t.Fatalf("asked:\n%v\nits twin:\n%v", a, b)
			}
		})
	}
}

// A connection whose time is up still counts for lc until it is found: by the
// packet itself. The explanation sees that too.
func TestExplainCountsWhatExpires(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	k := udpService(53)
	l.must(l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "lc"}))
	l.add(k, 1, 1)
	l.add(k, 2, 1)
	l.expect(udp(1000, 53), dataplane.Scheduled, 2) // the head of the list
	l.expect(udp(1001, 53), dataplane.Scheduled, 1)
	l.now += int64(301 * time.Second) // not swept
	x := l.explained(dataplane.Packet{Data: udp(1000, 53)})
	if x.Conn != nil || x.Service == nil || x.Server == nil || x.Server.Inactive != 1 {
		t.Errorf("explained as %+v", x)
	}
	if err := foretold(x, l.send(udp(1000, 53))); err != nil {
		t.Error(err)
	}
}

func TestExplainSaysWhenTheTableIsFull(t *testing.T) {
	l := newLab(t, unlimited, conntrack.MinLimit)
	l.service(tcpService(80), 0, 1, 2)
	l.service(tcpService(443), 120*time.Second, 1, 2)
	refused := 0
	for i := range 2 * conntrack.MinLimit {
		port := uint16(1024 + i)
		for _, to := range []uint16{80, 443} {
			for _, flags := range []string{"S", "A"} {
				f := tcp(port, to, flags)
				x := l.explained(dataplane.Packet{Data: f})
				got := l.send(f)
				if err := foretold(x, got); err != nil {
					t.Fatalf("%d: %v", i, err)
				}
				if got.reason == dataplane.TableFull {
					refused++
				}
			}
		}
	}
	if refused == 0 {
		t.Error("the table never was full")
	}
}

func TestExplainNamesWhatAPacketMeets(t *testing.T) {
	l := defaultLab(t)
	if x := l.explained(dataplane.Packet{Data: tcp(1000, 80, "S")}); x.Conn != nil || x.Template != nil || !x.Ours ||
		x.Service.Config.Key != tcpService(80) || x.Scheduler == "" || x.Reason != dataplane.Scheduled || x.Server.Config.Addr != serverAddr(2) {
		t.Errorf("a new connection: %+v", x)
	}
	l.handshake(1000, 443)
	l.now += 10e9
	x := l.explained(dataplane.Packet{Data: tcp(1000, 443, "A")})
	if x.Conn == nil || x.Conn.State != "ESTABLISHED" || x.Conn.Expires != 890*time.Second || x.Conn.Server != serverAddr(2) {
		t.Errorf("a known connection: %+v", x.Conn)
	}
	if x.Template == nil || x.Template.Expires != 110*time.Second || x.Template.Connections != 1 || x.Template.Key.Client != frame.AddrFrom(clientIP) {
		t.Errorf("a known client: %+v", x.Template)
	}
	if x := l.explained(dataplane.Packet{Data: tcp(1000, 81, "S")}); x.Service != nil || !x.Ours || x.Reason != dataplane.ResetNoService {
		t.Errorf("a port without a service: %+v", x)
	}
	bonds, conns := l.d.Bindings(frame.AddrFrom(clientIP), l.now), l.d.ClientConns(frame.AddrFrom(clientIP), l.now)
	if len(bonds) != 3 || bonds[0].Template != nil || bonds[1].Service.Key != tcpService(443) || !reflect.DeepEqual(bonds[1].Template, x.Template) {
		t.Errorf("the client's bonds are %+v", bonds)
	}
	if len(conns) != 1 || !reflect.DeepEqual(&conns[0], x.Conn) {
		t.Errorf("the client's connections are %+v", conns)
	}
	l.remove(tcpService(443), 2)
	if x := l.explained(dataplane.Packet{Data: tcp(1000, 443, "A")}); x.Reason != dataplane.ServerRemoved || !x.Conn.Removed || !x.Template.Removed {
		t.Errorf("a connection without server: %+v", x)
	}
	if others := l.d.ClientConns(serverAddr(9), l.now); len(others) != 0 {
		t.Errorf("somebody else has %+v", others)
	}
}

// A TCP connection is closing from its FIN or RST on; nothing else ever is.
func TestClosingConnections(t *testing.T) {
	l := defaultLab(t)
	closing := func() (n, all int) {
		for _, c := range l.d.ClientConns(frame.AddrFrom(clientIP), l.now) {
			if all++; c.Closing {
				n++
			}
		}
		return n, all
	}
	l.handshake(4000, 80)
	l.handshake(4001, 443) // which makes a template
	l.send(udp(4002, 53))
	for _, c := range []struct {
		flags string
		want  int
	}{{"A", 0}, {"FA", 1}, {"S", 0}, {"A", 0}, {"R", 1}} {
		l.send(tcp(4000, 80, c.flags))
		if n, all := closing(); n != c.want || all != 3 {
			t.Errorf("after %s: %d of %d connections are closing, want %d of 3", c.flags, n, all, c.want)
		}
	}
}
