package dataplane_test

import (
	"path/filepath"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/conntrack/mapping"
	"lvsdr/dataplane"
)

// A keptLab is a lab whose director has its state in a file.
type keptLab struct {
	*lab
	file *mapping.File
}

// keepLab makes a director of what is in a file, at now, and gives it the services.
func keepLab(t *testing.T, name string, entries, workers int, now int64, furnish func(*lab)) *keptLab {
	t.Helper()
	f, err := mapping.OpenFile(mapping.Want{Name: name, Tables: workers, Limit: entries, Secret: [16]byte{1}, Boot: [16]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	l := makeLabOf(t, dataplane.Config{Kept: f.Kept(), PID: 7, Now: now, Workers: workers, Tunables: dataplane.DefaultTunables(), Limits: unlimited})
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	l.now = now
	furnish(l)
	return &keptLab{l, f}
}

// kill gives the file up as the end of a process does.
func (k *keptLab) kill() { k.must(k.file.Close()) }

// seal gives it up in order.
func (k *keptLab) seal() { k.must(k.d.Seal(k.now, k.file.Release)) }

// twoServices are a persistent one and a wrr one with unlike weights.
func twoServices(l *lab) {
	l.must(l.d.AddService(dataplane.ServiceConfig{Key: tcpService(80), Scheduler: "wrr"}))
	for n := byte(1); n <= 3; n++ {
		l.add(tcpService(80), n, int(n))
	}
	l.service(tcpService(443), 100*time.Second, 1, 2)
}

// ends are the ways in which a director's process ends.
var ends = map[string]func(*keptLab){"killed": (*keptLab).kill, "sealed": (*keptLab).seal}

// A director that goes on with another's file has its connections, templates, counts and
// counters, and its schedulers stand where they stood, as if there had been one.
func TestADirectorGoesOnWithTheStateOfAnother(t *testing.T) {
	for name, end := range ends {
		for _, next := range []struct{ entries, workers int }{{1 << 12, 1}, {1 << 13, 1}, {1 << 12, 3}} {
			t.Run(name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "table")
				one := furnishedBy(t, twoServices)
				a := keepLab(t, file, 1<<12, 1, one.now, twoServices)
				step := func(l *lab, port uint16) (servers [2]byte) {
					return [2]byte{l.handshake(port, 80), l.handshake(port, 443)}
				}
				for port := uint16(1000); port < 1005; port++ {
					if got, want := step(a.lab, port), step(one, port); got != want {
						t.Fatalf("port %d: servers %v, want %v", port, got, want)
					}
				}
				end(a)
				b := keepLab(t, file, next.entries, next.workers, one.now, twoServices)
				found, kept := b.d.TakenOver()
				if !kept || found.Fresh != "" || found.Conns != 10 || found.Templates != 1 || found.Half+found.Strange+found.Loose+found.NoRoom > 0 || found.PID != 7 {
					t.Errorf("taken over: %+v, %v", found, kept)
				}
				compareServices(t, b.d, one.d)
				for port := uint16(1000); port < 1005; port++ {
					for _, l := range []*lab{b.lab, one} {
						l.expect(tcp(port, 80, "A"), dataplane.Hit, serverOfConn(one, port))
					}
				}
				for port := uint16(2000); port < 2010; port++ {
					if got, want := step(b.lab, port), step(one, port); got != want {
						t.Errorf("port %d: servers %v, want %v", port, got, want)
					}
				}
				compareServices(t, b.d, one.d)
				b.seal()
			})
		}
	}
}

// furnishedBy is a lab whose state is not kept.
func furnishedBy(t *testing.T, furnish func(*lab)) *lab {
	l := makeLab(t, unlimited, 1<<12, 1)
	furnish(l)
	return l
}

// serverOfConn is the number of the server that the connection from port to port 80 has.
func serverOfConn(l *lab, port uint16) byte {
	for _, c := range l.d.Conns(l.now) {
		if !c.Key.Template && c.Key.ClientPort == port && c.Key.VirtualPort == 80 {
			return c.Server[15]
		}
	}
	return 0
}

// compareServices compares all counts and counters.
func compareServices(t *testing.T, got, want *dataplane.Director) {
	t.Helper()
	a, b := got.Services(), want.Services()
	if len(a) != len(b) {
		t.Fatalf("%d services, want %d", len(a), len(b))
	}
	for i := range a {
		if a[i].Traffic != b[i].Traffic {
			t.Errorf("service %d: %+v, want %+v", i, a[i].Traffic, b[i].Traffic)
		}
		for j := range a[i].Servers {
			if a[i].Servers[j] != b[i].Servers[j] {
				t.Errorf("service %d, server %d: %+v, want %+v", i, j, a[i].Servers[j], b[i].Servers[j])
			}
		}
	}
}

// A server that does not come back is a removed one: its connections' packets are dropped
// until they end, and then it is forgotten.
func TestAServerThatDoesNotComeBackIsARemovedOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "table")
	a := keepLab(t, file, 1<<12, 1, 0, func(l *lab) { l.service(tcpService(80), 0, 1, 2) })
	a.handshake(1000, 80)
	a.handshake(1001, 80)
	a.kill()
	b := keepLab(t, file, 1<<12, 1, a.now, func(l *lab) { l.service(tcpService(80), 0, 1) })
	lost := uint16(1000)
	if serverOfConn(b.lab, lost) == 1 {
		lost = 1001
	}
	b.expect(tcp(lost, 80, "A"), dataplane.ServerRemoved, 0)
	b.expect(tcp(2001-lost, 80, "A"), dataplane.Hit, 1)
	if got := b.d.Removed(); len(got) != 1 || got[0].Active != 1 {
		t.Errorf("removed are %+v", got)
	}
	b.pass(20 * time.Minute)
	b.seal()
	c := keepLab(t, file, 1<<12, 1, b.now, func(*lab) {})
	if got := c.d.Removed(); len(got) != 0 {
		t.Errorf("still removed are %+v", got)
	}
	c.seal()
}

// A service that does not come back is forgotten with its counters; a new server in a slot
// that was used has none of the old one's.
func TestAServiceThatDoesNotComeBackIsForgotten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "table")
	a := keepLab(t, file, 1<<12, 1, 0, twoServices)
	a.handshake(1000, 80)
	a.kill()
	b := keepLab(t, file, 1<<12, 1, a.now, func(*lab) {})
	b.pass(30 * time.Minute)
	twoServices(b.lab)
	compareServices(t, b.d, furnishedBy(t, twoServices).d)
	b.seal()
}

// What was deleted before the end does not come back with its counters.
func TestADeletedServiceBeginsAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "table")
	a := keepLab(t, file, 1<<12, 1, 0, twoServices)
	a.handshake(1000, 80)
	a.must(a.d.DelService(tcpService(80), a.now))
	a.kill()
	b := keepLab(t, file, 1<<12, 1, a.now, twoServices)
	st, _ := b.d.Service(tcpService(80))
	if st.Traffic != (dataplane.Traffic{}) {
		t.Errorf("%+v", st.Traffic)
	}
	b.seal()
}

// Ends and starts one after the other, in the middle of configuring too, lose nothing.
func TestManyStartsLoseNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "table")
	one := furnishedBy(t, twoServices)
	a := keepLab(t, file, 1<<12, 1, 0, twoServices)
	for port := uint16(1000); port < 1100; port++ {
		a.handshake(port, 80)
		one.handshake(port, 80)
	}
	for i := range 6 {
		a.kill()
		a = keepLab(t, file, 1<<12+i%2<<10, 1+i%3, a.now, func(l *lab) {
			if i%2 == 0 {
				l.must(l.d.AddService(dataplane.ServiceConfig{Key: tcpService(80), Scheduler: "wrr"}))
				l.add(tcpService(80), 1, 1)
			}
		})
	}
	a.kill()
	a = keepLab(t, file, 1<<12, 1, a.now, twoServices)
	compareServices(t, a.d, one.d)
	if entries, _, _ := a.d.TableUse(); entries != 100 {
		t.Errorf("%d entries", entries)
	}
	a.seal()
}

// A sealed director may be read, and even goes on, but no longer in the file.
func TestASealedDirectorLeavesTheFileAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "table")
	a := keepLab(t, file, 1<<12, 1, 0, twoServices)
	a.handshake(1000, 80)
	a.seal()
	b := keepLab(t, file, 1<<12, 1, a.now, twoServices)
	a.pass(time.Hour)
	a.handshake(1001, 80)
	if entries, _, _ := b.d.TableUse(); entries != 1 {
		t.Errorf("%d entries", entries)
	}
	b.expect(tcp(1000, 80, "A"), dataplane.Hit, serverOfConn(b.lab, 1000))
	b.seal()
}

// A director whose memory is not kept says so, and may be sealed all the same.
func TestAStateThatIsNotKept(t *testing.T) {
	l := defaultLab(t)
	if got, kept := l.d.TakenOver(); kept || got != (dataplane.TakenOver{}) {
		t.Errorf("%+v, %v", got, kept)
	}
	called := false
	l.must(l.d.Seal(0, func() error { called = true; return nil }))
	if !called {
		t.Error("release was not called")
	}
}

// Nothing of a packet's way allocates with a kept state.
func TestAKeptStateAllocatesNothing(t *testing.T) {
	a := keepLab(t, filepath.Join(t.TempDir(), "table"), conntrack.MinLimit*4, 1, 0, twoServices)
	a.handshake(1000, 80)
	frames := [][]byte{tcp(1000, 80, "A"), tcp(1001, 80, "S")}
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range frames {
			a.batch.Packets = append(a.batch.Packets[:0], dataplane.Packet{Data: f})
			a.d.Process(a.scratch, a.batch, a.now)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	a.seal()
}
