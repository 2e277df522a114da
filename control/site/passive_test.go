package site

import (
	"slices"
	"strings"
	"testing"

	"lvsdr/control/health"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A sent counts the SYNs that a server of 192.168.1.100:80 is sent in a second.
type sent struct{ connections, repeated uint64 }

// counters are the counters of a scene's servers, by the last byte of their addresses.
type counters map[string]*health.SYNs

// second counts what was sent in one second, and tells the scene.
func (n counters) second(sc *scene, by map[string]sent) {
	sc.Helper()
	e := Counted{SYNs: map[ServerOf]health.SYNs{}, Now: sc.s.now + second}
	for server, s := range by {
		if n[server] == nil {
			n[server] = &health.SYNs{}
		}
		n[server].Connections += s.connections
		n[server].Repeated += s.repeated
		e.SYNs[ServerOf{webKey, addr("192.168.1." + server), 80}] = *n[server]
	}
	sc.do(e)
}

const passiveWord = "lvsdr_passive_failure 40 10 30"

func TestAServerThatDoesNotAnswerClientsIsOutAndIsTriedAgain(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", passiveWord, "192.168.1.11 80 "+tcpCheck, "192.168.1.12 80 inhibit_on_failure;"+tcpCheck))
	n := counters{}
	good, silent := sent{20, 0}, sent{20, 30}
	n.second(sc, map[string]sent{"11": silent, "12": silent}) // before the first look
	for range 3 {
		n.second(sc, map[string]sent{"11": good, "12": good})
	}
	if got := sc.servers("192.168.1.100", 80); got != "12*1 11*1" {
		t.Fatalf("servers that answer: %s", got)
	}
	if _, ok := sc.s.NextTick(); ok {
		t.Error("a tick is due though no server failed")
	}
	for range 4 {
		n.second(sc, map[string]sent{"11": good, "12": silent})
	}
	if got := sc.servers("192.168.1.100", 80); got != "12*0 11*1" {
		t.Fatalf("a server that does not: %s", got)
	}
	v, _ := sc.s.View(webKey)
	if r := v.Servers[1]; r.Up || !strings.HasPrefix(r.Reason, "passive: ") || !strings.Contains(r.Reason, "repeated") {
		t.Errorf("it is shown as %+v", r)
	}
	at, ok := sc.s.NextTick()
	if !ok || at > sc.s.now+30*second {
		t.Fatalf("it is tried again at %v, %v", at, ok)
	}
	for range 4 { // repeats of before do not matter while it is out
		n.second(sc, map[string]sent{"11": good, "12": {0, 99}})
	}
	sc.check("192.168.1.12]", true)
	if got := sc.servers("192.168.1.100", 80); got != "12*0 11*1" {
		t.Errorf("a good check brings it back: %s", got)
	}
	sc.do(Tick{at})
	if got := sc.servers("192.168.1.100", 80); got != "12*1 11*1" || len(sc.notices) != 1 || sc.notices[0].Kind != ServerUp {
		t.Errorf("after the hold: %s, notices %+v", got, sc.notices)
	}
	n.second(sc, map[string]sent{"11": good, "12": silent}) // the first look
	if got := sc.servers("192.168.1.100", 80); got != "12*1 11*1" {
		t.Errorf("what was before its return counts: %s", got)
	}
	n.second(sc, map[string]sent{"11": good, "12": silent})
	if got := sc.servers("192.168.1.100", 80); got != "12*0 11*1" || len(sc.notices) != 1 || sc.notices[0].Kind != ServerDown {
		t.Errorf("it fails again: %s, notices %+v", got, sc.notices)
	}
}

func TestServersThatAreNotWatchedDoNotFailByTheirClients(t *testing.T) {
	for name, text := range map[string]string{
		"without the word":    web("11 "+tcpCheck, "12 "+tcpCheck),
		"with 0 percent":      web("11 lvsdr_passive_failure 0;"+tcpCheck, "12 "+tcpCheck),
		"without a check":     web("11 "+passiveWord, "12 "+passiveWord),
		"with another server": web("11 "+passiveWord+";"+tcpCheck, "12 "+tcpCheck),
	} {
		sc := newScene(t)
		sc.load(text)
		n := counters{}
		for range 5 {
			n.second(sc, map[string]sent{"11": {20, 0}, "12": {20, 50}})
		}
		if got := sc.servers("192.168.1.100", 80); got != "12*1 11*1" {
			t.Errorf("%s: %s", name, got)
		}
		watched := len(slices.Collect(sc.s.Watched()))
		if want := 0; name == "with another server" {
			want = 1
			if watched != want {
				t.Errorf("%s: %d services are watched, want %d", name, watched, want)
			}
		} else if watched != 0 {
			t.Errorf("%s: %d services are watched", name, watched)
		}
	}
}

// A reload begins windows anew and keeps a server out, unless the word has changed.
func TestAReloadKeepsAServerOutThatHasFailed(t *testing.T) {
	sc := newScene(t)
	file := func(word string) string { return web("11 "+tcpCheck, "12 "+word+";"+tcpCheck) }
	sc.load(file(passiveWord))
	n := counters{}
	for range 2 {
		n.second(sc, map[string]sent{"12": {20, 50}})
	}
	if got := sc.servers("192.168.1.100", 80); got != "11*1" {
		t.Fatalf("servers %s", got)
	}
	for _, c := range []struct{ file, want string }{
		{file(passiveWord), "11*1"},
		{file(passiveWord) + vs("192.168.1.101 80", ""), "11*1"},
		{file(""), "12*1 11*1"},
		{file(passiveWord), "12*1 11*1"},
	} {
		if sc.load(c.file); sc.servers("192.168.1.100", 80) != c.want {
			t.Errorf("servers %s, want %s after\n%s", sc.servers("192.168.1.100", 80), c.want, c.file)
		}
	}
	n.second(sc, map[string]sent{"12": {20, 50}})
	if got := sc.servers("192.168.1.100", 80); got != "12*1 11*1" {
		t.Errorf("what was sent before the reload counts: %s", got)
	}
}

// A server of several services has failed by what all of its clients do.
func TestAServerOfAGroupIsJudgedByWhatItIsSentForAllServices(t *testing.T) {
	sc := newScene(t)
	sc.load("virtual_server_group g {\n192.168.1.100 80\n192.168.1.101 80\n}\n" + vs("group g", passiveWord, "192.168.1.11 80 "+tcpCheck, "192.168.1.12 80 "+tcpCheck))
	var keys []dataplane.ServiceKey
	for k := range sc.s.Watched() {
		keys = append(keys, k)
	}
	if len(keys) != 2 {
		t.Fatalf("watched are %v", keys)
	}
	var sum health.SYNs
	for range 2 {
		e := Counted{SYNs: map[ServerOf]health.SYNs{}, Now: sc.s.now + second}
		for _, k := range keys { // each alone has too few connections
			e.SYNs[ServerOf{k, frame.AddrFrom4([4]byte{192, 168, 1, 12}), 80}] = sum
		}
		sc.do(e)
		sum = health.SYNs{Connections: 6, Repeated: 12}
	}
	for _, vip := range []string{"192.168.1.100", "192.168.1.101"} {
		if got := sc.servers(vip, 80); got != "11*1" {
			t.Errorf("%s: %s", vip, got)
		}
	}
}
