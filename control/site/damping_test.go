package site

import (
	"strings"
	"testing"

	"lvsdr/control/health"
)

// A server that flaps goes out of the table with its fourth failure for as long as its penalty takes to
// decay: one notice says so and another that it is up.
func TestAServerThatFlapsIsOutUntilItsPenaltyHasDecayed(t *testing.T) {
	sc := newScene(t)
	file := web("11 lvsdr_flap_damping 60;"+tcpCheck, "12")
	sc.load(file)
	id := sc.s.Checks()[0].ID
	result := func(up bool) {
		r := health.Result{Up: up}
		if !up {
			r.Reason = "refused"
		}
		sc.do(Checked{ID: id, Result: r, Now: sc.s.now + second})
	}
	for i := range 4 {
		if got := sc.servers("192.168.1.100", 80); !strings.Contains(got, "11*1") {
			t.Fatalf("before failure %d the servers are %s", i+1, got)
		}
		result(false)
		down := sc.notices
		if len(down) != 1 || down[0].Kind != ServerDown || strings.Contains(down[0].Reason, "flapping") != (i == 3) {
			t.Errorf("failure %d: notices %+v", i+1, down)
		}
		result(true)
	}
	if got := sc.servers("192.168.1.100", 80); got != "12*1" || len(sc.notices) != 0 {
		t.Fatalf("a good check brings it back: %s, notices %+v", got, sc.notices)
	}
	if sc.load(file + vs("192.168.1.101 80", "")); sc.servers("192.168.1.100", 80) != "12*1" {
		t.Errorf("a reload brings it back: %s", sc.servers("192.168.1.100", 80))
	}
	v, _ := sc.s.View(webKey)
	if r := v.Servers[0]; r.Up || !strings.HasPrefix(r.Reason, "flapping: penalty 3.9") {
		t.Errorf("it is shown as %+v", r)
	}
	at, ok := sc.s.NextTick()
	if !ok || at < sc.s.now+100*second || at > sc.s.now+120*second {
		t.Fatalf("it is used again at %v, %v", at, ok)
	}
	if sc.do(Tick{at}); sc.servers("192.168.1.100", 80) != "11*1 12*1" || len(sc.notices) != 1 || sc.notices[0].Kind != ServerUp {
		t.Errorf("after that: %s, notices %+v", sc.servers("192.168.1.100", 80), sc.notices)
	}
	if _, ok := sc.s.NextTick(); ok {
		t.Error("a tick is due though nothing changes any more")
	}
}
