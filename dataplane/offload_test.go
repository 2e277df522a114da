package dataplane_test

import (
	"slices"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
)

// A fakeOffloader remembers what it was told.
type fakeOffloader struct {
	hops    map[uint32]dataplane.NextHop
	loads   map[uint32]conntrack.Load // not given yet
	passed  uint64
	last    int64
	recalls int
}

func (o *fakeOffloader) SetNextHop(slot uint32, to dataplane.NextHop) { o.hops[slot] = to }
func (o *fakeOffloader) Last(*conntrack.Key) int64                    { return o.last }
func (o *fakeOffloader) Recall()                                      { o.recalls++ }
func (o *fakeOffloader) Packets() uint64                              { return o.passed }
func (o *fakeOffloader) Load(slot uint32) conntrack.Load {
	n := o.loads[slot]
	delete(o.loads, slot)
	return n
}

// send has the offloader forward packets to a server.
func (o *fakeOffloader) send(slot uint32, packets, bytes uint64) {
	o.loads[slot] = conntrack.Load{Packets: packets, Bytes: bytes}
	o.passed += packets
}

func newFakeOffloader() *fakeOffloader {
	return &fakeOffloader{hops: map[uint32]dataplane.NextHop{}, loads: map[uint32]conntrack.Load{}}
}

// slotOf is the slot of server n's next hop, by its MAC address.
func (o *fakeOffloader) slotOf(t *testing.T, n byte) uint32 {
	t.Helper()
	for slot, w := range o.hops {
		if w.MAC == serverMAC(n) && w.Plain {
			return slot
		}
	}
	t.Fatalf("server %d has no next hop among %v", n, o.hops)
	return 0
}

// An offloader knows the next hop to each server at any time, also to those from before it came.
func TestAnOffloaderKnowsEveryNextHop(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	l.service(tcpService(80), 0, 1, 2)
	o := newFakeOffloader()
	l.d.SetOffloader(o)
	l.service(tcpService(81), 0, 3)
	one := o.slotOf(t, 1)
	for n := byte(1); n <= 3; n++ {
		w := o.hops[o.slotOf(t, n)]
		if w.From != link.MAC || w.Link != link.Index || w.MTU != link.MTU {
			t.Errorf("server %d: %+v", n, w)
		}
	}
	l.neighbour(1, serverMAC(7), dataplane.Link{Index: 5, MAC: link.MAC, MTU: 1400})
	if w := o.hops[one]; w.MAC != serverMAC(7) || w.Link != 5 || w.MTU != 1400 || !w.Plain {
		t.Errorf("after the server has moved: %+v", w)
	}
	l.neighbour(1, [6]byte{}, link)
	if o.hops[one].Plain {
		t.Error("a server without an address has a plain next hop")
	}
	l.neighbour(1, serverMAC(1), link)
	l.remove(tcpService(80), 1)
	if o.hops[one].Plain {
		t.Error("a server that was removed has a plain next hop")
	}
	l.d.SetOffloader(nil)
	l.neighbour(2, serverMAC(8), link)
	if slices.ContainsFunc([]uint32{0, 1, 2, 3}, func(slot uint32) bool { return o.hops[slot].MAC == serverMAC(8) }) {
		t.Error("told after it was gone")
	}
}

// Only established connections with enough packets are steady, and none while somebody
// looks at packets.
func TestWhatIsSteady(t *testing.T) {
	l := defaultLab(t)
	key := func(p uint16, k dataplane.ServiceKey) conntrack.Key {
		c := conntrack.Key{Virtual: vip, ClientPort: p, VirtualPort: k.Port, Proto: k.Proto}
		copy(c.Client[:], vip[:12])
		a := clientIP.As4()
		copy(c.Client[12:], a[:])
		return c
	}
	steady := func(k conntrack.Key, packets uint32) bool {
		_, ok := l.d.Steady(k, packets, l.now)
		return ok
	}
	k := key(4000, tcpService(80))
	if steady(k, 0) {
		t.Error("a connection that is not there")
	}
	l.send(tcp(4000, 80, "S"))
	if steady(k, 0) {
		t.Error("one that is not open")
	}
	l.send(tcp(4000, 80, "A"))
	if !steady(k, 2) || steady(k, 3) {
		t.Error("an open one of two packets")
	}
	if slot, ok := l.d.Steady(k, 0, l.now); ok {
		o := newFakeOffloader()
		l.d.SetOffloader(o)
		if w := o.hops[slot]; w.MAC != serverMAC(2) || !w.Plain {
			t.Errorf("its next hop is %+v, want that to server 2", w)
		}
		l.d.SetOffloader(nil)
	}
	trace, err := l.d.StartTrace(dataplane.TraceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if steady(k, 0) {
		t.Error("one of a director that is traced")
	}
	trace.Stop()
	l.neighbour(2, [6]byte{}, link)
	if steady(k, 0) {
		t.Error("one whose server cannot be reached")
	}
	l.neighbour(2, serverMAC(2), link)
	l.send(tcp(4000, 80, "FA"))
	if steady(k, 0) {
		t.Error("one that is being closed")
	}
	l.send(udp(5000, 53))
	if !steady(key(5000, udpService(53)), 1) {
		t.Error("one of UDP")
	}
}

// What an offloader sent is in the totals of servers and services, in the counters, and in
// the connections' timers; and stays there when it goes.
func TestAnOffloadersPacketsCount(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	l.service(tcpService(80), 0, 1)
	l.send(tcp(4000, 80, "S"))
	l.send(tcp(4000, 80, "A"))
	o := newFakeOffloader()
	l.d.SetOffloader(o)
	slot := o.slotOf(t, 1)
	o.send(slot, 10, 1000)
	*l.frames += 10
	check := func(packets, bytes, all uint64) {
		t.Helper()
		st, ok := l.d.Service(tcpService(80))
		if !ok || st.Traffic.Packets != packets || st.Servers[0].Traffic.Packets != packets || st.Traffic.Bytes != bytes {
			t.Errorf("%+v, want %d packets, %d bytes", st, packets, bytes)
		}
		if n := l.d.Counters()[dataplane.Offloaded]; n != all {
			t.Errorf("%d packets were offloaded, want %d", n, all)
		}
		if n := l.d.Offloaded(); n != all {
			t.Errorf("the director says that %d packets were offloaded, want %d", n, all)
		}
	}
	check(12, 1080, 10)
	o.send(slot, 5, 500)
	*l.frames += 5
	check(17, 1580, 15)
	// It lives as long as the offloader sees packets of it.
	timeout := 15 * time.Minute
	o.last = l.now + int64(timeout)/2
	l.pass(timeout + timeout/4)
	if n := len(l.d.Conns(l.now)); n != 1 {
		t.Fatalf("%d connections, want the one that is in use", n)
	}
	if c := l.d.Conns(l.now)[0]; c.Expires < timeout/5 || c.Expires > timeout/3 {
		t.Errorf("it ends in %v, want %v", c.Expires, timeout/4)
	}
	l.pass(timeout / 2)
	if n := len(l.d.Conns(l.now)); n != 0 {
		t.Errorf("%d connections, want none that is idle", n)
	}
	o.send(slot, 1, 100)
	*l.frames++
	l.d.SetOffloader(nil)
	check(18, 1680, 16)
}

// When timeouts change, the director sees a packet of each connection, so that it gets its new
// one, as without an offloader.
func TestAnOffloaderIsToldThatTimeoutsChange(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	l.d.SetTimeouts(10, 0, 0) // nobody is told
	o := newFakeOffloader()
	l.d.SetOffloader(o)
	l.d.SetTimeouts(20, 0, 0)
	if o.recalls != 1 {
		t.Errorf("told %d times, want once", o.recalls)
	}
}
