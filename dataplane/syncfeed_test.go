package dataplane_test

import (
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// told reads what is to be told.
func told(t testing.TB, f *dataplane.SyncFeed) []dataplane.Synced {
	t.Helper()
	var all []dataplane.Synced
	var buf [3]dataplane.Synced
	for {
		n, lost := f.Read(buf[:])
		if lost > 0 {
			t.Fatalf("%d lost", lost)
		}
		if all = append(all, buf[:n]...); n < len(buf) {
			return all
		}
	}
}

// follow is FollowSync until the test ends.
func (l *lab) follow() *dataplane.SyncFeed {
	f := l.d.FollowSync()
	l.t.Cleanup(f.Stop)
	return f
}

func TestTheThirdPacketOfAConnectionIsTold(t *testing.T) {
	l := defaultLab(t)
	f := l.follow()
	n := l.handshake(4000, 80)
	if got := told(t, f); len(got) != 0 {
		t.Errorf("%+v after two packets", got)
	}
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, n)
	want := synced(4000, 80, n)
	want.BySync, want.Timeout = false, 900
	if got := told(t, f); len(got) != 1 || got[0] != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	l.expect(tcp(4000, 80, "FA"), dataplane.Hit, n)
	want.State, want.Inactive, want.Timeout = conntrack.FinWait, true, 120
	if got := told(t, f); len(got) != 1 || got[0] != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestTunablesOfSyncAreInForceAtOnce(t *testing.T) {
	l := defaultLab(t)
	f := l.follow()
	l.tune(func(v *dataplane.Tunables) { v.SyncThreshold, v.SyncPeriod = 0, 1 })
	n := l.handshake(4000, 80)
	if got := told(t, f); len(got) != 1 {
		t.Errorf("%d told, want 1", len(got))
	}
	l.tune(func(v *dataplane.Tunables) { v.SyncThreshold, v.SyncPeriod = 0, 0 })
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, n)
	if got := told(t, f); len(got) != 0 {
		t.Errorf("%d told, want none", len(got))
	}
}

func TestConnectionsUnderTemplates(t *testing.T) {
	l := defaultLab(t)
	f := l.follow()
	n := l.handshake(4000, 443)
	l.expect(tcp(4000, 443, "A"), dataplane.Hit, n)
	got := told(t, f)
	tmpl := syncedTemplate(443, n, 120)
	tmpl.BySync = false
	assured := tmpl
	assured.State = conntrack.Assured
	conn := synced(4000, 443, n)
	conn.BySync, conn.Timeout = false, 900
	// All are read late here, so that the template is as it is now in all three.
	if len(got) != 4 || got[0] != assured || got[1] != assured || got[2] != conn || got[3] != assured {
		t.Errorf("%+v", got)
	}
	l.tune(func(v *dataplane.Tunables) { v.SyncPersistMode = true })
	l.expect(tcp(4000, 443, "FA"), dataplane.Hit, n)
	if got := told(t, f); len(got) != 1 || got[0] != assured {
		t.Errorf("with sync_persist_mode %+v", got)
	}
}

func TestOnePacketServicesTellOfTheirTemplatesAlone(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	for port, persistence := range map[uint16]time.Duration{53: 0, 54: time.Minute} {
		l.must(l.d.AddService(dataplane.ServiceConfig{Key: udpService(port), Scheduler: "rr", OnePacket: true, Persistence: persistence}))
		l.add(udpService(port), 1, 1)
	}
	f := l.follow()
	for range 4 {
		l.expect(udp(4000, 53), dataplane.Scheduled, 1)
	}
	if got := told(t, f); len(got) != 0 {
		t.Errorf("%+v of a service of single packets", got)
	}
	l.send(udp(4000, 54))
	l.send(udp(4000, 54))
	if got := told(t, f); len(got) != 2 || !got[0].Key.Template || got[0].Key != got[1].Key {
		t.Errorf("%+v, want the template twice", got)
	}
}

func TestTheMarkOfAConnectionIsTold(t *testing.T) {
	l := defaultLab(t)
	l.service(dataplane.ServiceKey{Mark: 9}, 0, 3)
	l.tune(func(v *dataplane.Tunables) { v.SyncThreshold, v.SyncPeriod = 0, 1 })
	early := l.send(tcp(4001, 99, "S"))
	if early.reason != dataplane.ResetNoService {
		t.Fatal(early.reason)
	}
	f := l.follow()
	for _, c := range []struct {
		to   uint16
		mark uint32
	}{{80, 5}, {99, 9}, {80, 0}} {
		p := tcpFrame(build.TCP{Flags: "S"})
		p.Data = tcp(5000+uint16(c.mark), c.to, "S")
		p.Mark = c.mark
		l.sendPacket(p)
		l.send(tcp(5000+uint16(c.mark), c.to, "A"))
		got := told(t, f)
		if len(got) != 1 || got[0].Mark != c.mark || got[0].Port != c.to {
			t.Errorf("to port %d with mark %d: %+v", c.to, c.mark, got)
		}
	}
}

// An invalid template goes by ports that no service has.
func TestAnInvalidTemplateIsTold(t *testing.T) {
	l := defaultLab(t)
	n := l.handshake(4000, 443)
	l.weight(tcpService(443), n, 0)
	l.tune(func(v *dataplane.Tunables) { v.ExpireQuiescentTemplate = true })
	l.handshake(4001, 443)
	f := l.follow()
	l.expect(tcp(4000, 443, "A"), dataplane.Hit, n)
	got := told(t, f)
	if len(got) != 2 || !got[1].Key.Template || got[1].Key.VirtualPort != 65535 || got[1].Port != 65535 || got[0].Key.Template {
		t.Errorf("%+v", got)
	}
}

func TestEntriesOfOthersAreToldWhenTheirPacketsSaySo(t *testing.T) {
	l := defaultLab(t)
	f := l.follow()
	x := synced(4000, 80, 1)
	y := synced(4001, 80, 7) // in no service
	l.take(x, y)
	if got := told(t, f); len(got) != 0 {
		t.Errorf("%+v is passed on", got)
	}
	for _, x := range []dataplane.Synced{x, y} {
		port, n := x.Key.ClientPort, x.Server[15]
		for i := 4; i <= 52; i++ {
			l.expect(tcp(port, 80, "A"), dataplane.Hit, n)
		}
		if got := told(t, f); len(got) != 0 {
			t.Errorf("%+v before its 53rd packet, the first three of which were the others'", got)
		}
		l.expect(tcp(port, 80, "A"), dataplane.Hit, n)
		x.Timeout = 900
		if got := told(t, f); len(got) != 1 || got[0] != x {
			t.Errorf("%+v, want %+v", got, x)
		}
		l.expect(tcp(port, 80, "FA"), dataplane.Hit, n)
		if got := told(t, f); len(got) != 1 || got[0].State != conntrack.FinWait || got[0].Inactive != (n == 1) {
			t.Errorf("%+v", got)
		}
	}
	// A state that was told of is not told again.
	z := synced(4002, 80, 1)
	z.State, z.Inactive = conntrack.FinWait, true
	l.take(z)
	l.expect(tcp(4002, 80, "A"), dataplane.Hit, 1)
	if got := told(t, f); len(got) != 0 {
		t.Errorf("%+v is told back", got)
	}
}

// A connection whose packets come to another worker than made it is told all the same.
func TestPacketsThroughAnotherWorkerAreTold(t *testing.T) {
	l := makeLab(t, unlimited, 1<<12, 3)
	furnish(l)
	l.tune(func(v *dataplane.Tunables) { v.SyncThreshold, v.SyncPeriod, v.SyncRefreshPeriod = 0, 1, 0 })
	f := l.follow()
	l.handshake(4000, 443)
	told(t, f)
	l.scratch = l.d.NewScratch(2)
	l.tune(func(v *dataplane.Tunables) { v.SyncPeriod, v.SyncRefreshPeriod = 0, 60 })
	l.pass(time.Minute + 100*time.Millisecond)
	l.send(tcp(4000, 443, "A"))
	if got := told(t, f); len(got) != 2 || got[0].Key.Template || !got[1].Key.Template {
		t.Errorf("%+v", got)
	}
	l.take(synced(4001, 80, 1))
	for worker := range 3 {
		l.scratch = l.d.NewScratch(worker)
		l.expect(tcp(4001, 80, "A"), dataplane.Hit, 1)
	}
	l.checkCounters()
}

func TestNothingIsToldAfterStop(t *testing.T) {
	l := defaultLab(t)
	f, g := l.d.FollowSync(), l.d.FollowSync() // the second takes over
	f.Stop()
	n := l.handshake(4000, 80)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, n)
	if got := told(t, g); len(got) != 1 {
		t.Errorf("%+v", got)
	}
	g.Stop()
	g.Stop()
	l.expect(tcp(4000, 80, "FA"), dataplane.Hit, n)
	if got := told(t, g); len(got) != 0 {
		t.Errorf("%+v after Stop", got)
	}
}

// Following costs the packets no allocation.
func TestFollowingSyncAllocatesNothing(t *testing.T) {
	for name, to := range map[string]uint16{"plain": 80, "persistent": 443} {
		l := defaultLab(t)
		l.tune(func(v *dataplane.Tunables) { v.SyncThreshold, v.SyncPeriod = 0, 1 })
		f := l.follow()
		l.handshake(4000, to)
		w := newLoad(l, 16, false, func(int) []byte { return tcp(4000, to, "A") })
		buf := make([]dataplane.Synced, 64)
		if n := testing.AllocsPerRun(20, func() {
			w.turn()
			f.Read(buf)
		}); n != 0 || !w.all(dataplane.Hit) {
			t.Errorf("%s: %v allocations a batch, want 0", name, n)
		}
	}
}

// A server of an IPv6 service, over its messages' form and back, is the same entry.
func TestWhatIsToldCanBeTaken(t *testing.T) {
	from, to := defaultLab(t), defaultLab(t)
	from.service(on(vip6, frame.ProtoTCP, 80), time.Minute, 1, 2)
	to.service(on(vip6, frame.ProtoTCP, 80), time.Minute, 1, 2)
	from.tune(func(v *dataplane.Tunables) { v.SyncThreshold, v.SyncPeriod = 0, 1 })
	f := from.follow()
	for _, p := range [][]byte{tcp(1, 80, "S"), tcp(1, 80, "A"), tcp(2, 443, "S"), tcp(2, 443, "A"), udp(3, 53), tcp6(4, 80, "S"), tcp6(4, 80, "A")} {
		from.send(p)
	}
	to.take(told(t, f)...)
	for _, p := range [][]byte{tcp(1, 80, "A"), tcp(2, 443, "A"), udp(3, 53), tcp6(4, 80, "A")} {
		a, b := from.send(append([]byte{}, p...)), to.send(append([]byte{}, p...))
		if a.server != b.server || b.reason != dataplane.Hit || a.server == 0 {
			t.Errorf("%s to %d, and %s to %d", a.reason, a.server, b.reason, b.server)
		}
	}
	if a, b := from.counts(tcpService(443), from.send(tcp(2, 443, "A")).server), to.counts(tcpService(443), to.send(tcp(2, 443, "A")).server); a != b {
		t.Errorf("%v and %v", a, b)
	}
}
