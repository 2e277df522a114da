package dataplane_test

import (
	"testing"
	"time"
)

// A removed server is listed with what it had, while anything refers to it, and not
// once it is back or has nothing any more.
func TestRemovedServersAreListedWhileTheyHaveConnections(t *testing.T) {
	k := tcpService(80)
	removed := func(l *lab, want ...[3]int) {
		t.Helper()
		all := l.d.Removed()
		if len(all) != len(want) {
			t.Fatalf("removed are %+v, want %d", all, len(want))
		}
		for i, r := range all {
			if got := [3]int{r.Active, r.Inactive, r.Persistent}; got != want[i] || r.Service != k || r.Traffic.Conns == 0 {
				t.Errorf("removed is %+v, want counts %v", r, want[i])
			}
		}
	}
	l := defaultLab(t)
	removed(l)
	l.remove(k, 2) // without a connection
	removed(l)
	l.add(k, 2, 1)
	if l.handshake(4000, 80) != 2 {
		t.Fatal("rr did not begin with the newest server")
	}
	before := l.server(k, 2)
	removed(l)
	l.remove(k, 2)
	removed(l, [3]int{1, 0, 0})
	if got := l.d.Removed()[0]; got.Config.Addr != before.Config.Addr || got.MAC != before.MAC || got.Traffic != before.Traffic {
		t.Errorf("removed is %+v, was %+v", got, before)
	}
	l.add(k, 2, 1)
	removed(l)
	l.must(l.d.DelService(k, l.now))
	removed(l, [3]int{1, 0, 0})
	l.pass(16 * time.Minute) // the connection ends after 15
	removed(l)
}

// A client that is bound to a removed server is counted.
func TestARemovedServersTemplatesAreListed(t *testing.T) {
	l := defaultLab(t)
	l.handshake(4000, 443)
	for server := byte(1); server <= 2; server++ {
		l.remove(tcpService(443), server)
	}
	all := l.d.Removed()
	if len(all) != 1 || all[0].Persistent != 1 || all[0].Service != tcpService(443) {
		t.Errorf("removed are %+v", all)
	}
}
