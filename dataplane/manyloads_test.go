package dataplane_test

import (
	"fmt"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// manyLoads is how many servers the services of a loaded lab have at first; the
// schedulers look at each of a few.
const manyLoads = 90

// A loaded lab has services of many servers, whose connections come, go and change.
type loaded struct {
	*lab
	random *rand.Rand
	keys   []dataplane.ServiceKey
	open   []*conn
	next   uint32
}

// A conn is a client's connection.
type conn struct {
	src  netip.Addr
	port uint16 // of the service
}

// newLoaded has a plain and a persistent service with thresholds here and there.
func newLoaded(t testing.TB, scheduler string, seed int64) *loaded {
	l := &loaded{lab: newLab(t, unlimited, 1<<12), random: rand.New(rand.NewSource(seed)), keys: []dataplane.ServiceKey{tcpService(80), tcpService(443)}}
	for n := byte(1); n <= manyLoads+10; n++ {
		l.neighbour(n, serverMAC(n), link)
	}
	for i, k := range l.keys {
		l.must(l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: scheduler, Persistence: time.Duration(i) * 50 * time.Second}))
		l.d.Edit(0, func(tx *dataplane.Tx) {
			for n := byte(1); n <= manyLoads; n++ {
				l.must(tx.AddServer(k, l.config(k, n)))
			}
		})
	}
	return l
}

// config is a server with a weight, and mostly without thresholds.
func (l *loaded) config(k dataplane.ServiceKey, n byte) dataplane.ServerConfig {
	c := dataplane.ServerConfig{Addr: serverOf(k, n), Port: k.Port, Weight: l.random.Intn(4)}
	if l.random.Intn(4) == 0 {
		c.Upper = 1 + l.random.Intn(3)
	}
	return c
}

// segment sends one of c.
func (l *loaded) segment(c *conn, flags string) result {
	return l.send(tcpFrom(c.src, 4000, c.port, flags))
}

// step does something that changes loads, or which server is fit.
func (l *loaded) step() {
	k := l.keys[l.random.Intn(len(l.keys))]
	n := byte(1 + l.random.Intn(manyLoads+10))
	switch op := l.random.Intn(20); {
	case op == 0:
		_ = l.d.AddServer(k, l.config(k, n)) // refused where there is one
	case op == 1:
		_ = l.d.DelServer(k, serverOf(k, n), k.Port, l.now)
	case op <= 4:
		_ = l.d.EditServer(k, l.config(k, n))
	case op == 5:
		mac := serverMAC(n)
		if l.random.Intn(2) == 0 {
			mac = frame.MAC{}
		}
		l.neighbour(n, mac, link)
	case op == 6:
		l.pass(time.Duration(l.random.Intn(9)) * time.Second)
	case op == 7:
		name := []string{"lc", "wlc", "sed", "nq", "rr"}[l.random.Intn(5)]
		l.must(l.d.EditService(dataplane.ServiceConfig{Key: k, Scheduler: name, Persistence: time.Duration(k.Port/443) * 50 * time.Second}))
	case op == 8:
		l.tune(func(v *dataplane.Tunables) {
			v.ExpireNodestConn, v.RescheduleSYN, v.LateThresholds = l.random.Intn(4) == 0, l.random.Intn(2) == 0, l.random.Intn(3) == 0
		})
	case len(l.open) > 0:
		l.segment(l.open[l.random.Intn(len(l.open))], []string{"A", "A", "FA", "R", "S", "U"}[l.random.Intn(6)])
	}
}

// begin begins a connection of a client that has none, and says where it should go: to
// the server that the definition finds in what is listed.
func (l *loaded) begin() error {
	l.next++
	c := &conn{netip.AddrFrom4([4]byte{100, byte(l.next >> 16), byte(l.next >> 8), byte(l.next)}), l.keys[l.random.Intn(len(l.keys))].Port}
	st, _ := l.d.Service(tcpService(c.port))
	want := leastLoaded(st)
	if l.random.Intn(8) == 0 { // asking changes nothing
		x, err := l.d.Explain(dataplane.Packet{Data: tcpFrom(c.src, 4000, c.port, "S")}, l.now)
		if err != nil || (x.Server != nil) != (want > 0) || x.Server != nil && st.Config.Scheduler != "rr" && x.Server.Config.Addr != serverAddr(want) {
			return fmt.Errorf("%s is explained as %+v, %v, want server %d", st.Config.Scheduler, x.Server, err, want)
		}
	}
	r := l.segment(c, "S")
	if st.Config.Scheduler != "rr" && r.server != want {
		return fmt.Errorf("%s: %s to server %d, want %d of %+v", st.Config.Scheduler, r.reason, r.server, want, st.Servers)
	}
	if r.server > 0 {
		l.open = append(l.open, c)
		l.open = l.open[max(0, len(l.open)-600):]
	}
	return nil
}

// leastLoaded is the server that st's scheduler takes by its definition; 0: none.
func leastLoaded(st dataplane.ServiceStatus) byte {
	best, least := byte(0), 0.0
	for _, s := range st.Servers {
		if s.Config.Weight == 0 || s.Overloaded || s.MAC == (frame.MAC{}) {
			continue
		}
		load := 256*float64(s.Active) + float64(s.Inactive)
		switch st.Config.Scheduler {
		case "wlc":
			load /= float64(s.Config.Weight)
		case "sed":
			load = float64(s.Active+1) / float64(s.Config.Weight)
		case "nq":
			if load = float64(s.Active+1) / float64(s.Config.Weight); s.Active == 0 {
				load = 0
			}
		}
		if best == 0 || load < least {
			best, least = s.Config.Addr.IP().As4()[3], load
		}
	}
	return best
}

// Among many servers a new connection goes to the one with the least load at that
// moment, whatever happened to connections, servers, thresholds and neighbours before.
func TestManyServersAreChosenByTheLoadTheyHave(t *testing.T) {
	for _, name := range []string{"lc", "wlc", "sed", "nq"} {
		t.Run(name, func(t *testing.T) {
			for seed := range raced(1, long(int64(2), 20)) {
				l := newLoaded(t, name, seed)
				for range 700 {
					for range l.random.Intn(4) {
						l.step()
					}
					if err := l.begin(); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
				if n := len(l.d.Conns(l.now)); n < 100 {
					t.Errorf("seed %d: %d connections in the end: the servers had no loads", seed, n)
				}
			}
		})
	}
}

// udpCrowd is a lab with a UDP service of many servers, whose upper threshold is that.
func udpCrowd(t *testing.T, upper int) (*lab, dataplane.ServiceKey) {
	l, k := newLab(t, unlimited, 1<<12), udpService(53)
	l.must(l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "wlc"}))
	for n := byte(1); n <= manyLoads; n++ {
		l.neighbour(n, serverMAC(n), link)
		l.must(l.d.AddServer(k, dataplane.ServerConfig{Addr: serverOf(k, n), Port: k.Port, Weight: 1, Upper: upper}))
	}
	return l, k
}

// Senders of UDP, whose connections have no states, go around all servers.
func TestManyServersShareUDP(t *testing.T) {
	l, _ := udpCrowd(t, 0)
	for round := range uint16(3) {
		for n := byte(manyLoads); n > 0; n-- {
			l.expect(udp(1000+uint16(n)+round<<8, 53), dataplane.Scheduled, n)
		}
	}
}

// A datagram of a one-packet service may overload its server for longer than itself.
func TestOnePacketServicesOfManyServers(t *testing.T) {
	l, k := udpCrowd(t, 4)
	for i := range uint16(3 * manyLoads) {
		l.send(udp(1000+i, 53))
	}
	l.must(l.d.EditService(dataplane.ServiceConfig{Key: k, Scheduler: "wlc", OnePacket: true}))
	for n := byte(manyLoads); n > 0; n-- { // the fourth, until others are fewer than three
		l.expect(udp(4000, 53), dataplane.Scheduled, n)
	}
	l.expect(udp(4000, 53), dataplane.UnreachableNoServer, 0)
	l.pass(300 * time.Second)
	for range 5 {
		l.expect(udp(4000, 53), dataplane.Scheduled, manyLoads)
	}
}

// No frame of a new connection among many servers allocates, whatever its scheduler.
func TestManyServersAllocateNothing(t *testing.T) {
	for _, name := range []string{"lc", "wlc", "sed", "nq"} {
		l := newLoaded(t, name, 1)
		var frames [][]byte
		for i := range 400 {
			src := netip.AddrFrom4([4]byte{101, 0, byte(i >> 8), byte(i)})
			for _, flags := range []string{"S", "A", "FA"} {
				frames = append(frames, tcpFrom(src, 4000, 80, flags))
			}
		}
		at := 0
		if a := testing.AllocsPerRun(len(frames)-1, func() {
			l.batch.Packets = append(l.batch.Packets[:0], dataplane.Packet{Data: frames[at]})
			l.d.Process(l.scratch, l.batch, l.now)
			at++
			*l.frames++
		}); a != 0 {
			t.Errorf("%s: %v allocations a frame, want 0", name, a)
		}
	}
}
