package control

import (
	"testing"
	"time"

	"lvsdr/control/hostnet"
)

// downSnapshot is the network with eth0 down.
func downSnapshot() *hostnet.Snapshot {
	l := eth0
	l.Up = false
	s := network(l, eth1)
	s.Routes = s.Routes[1:]
	return s
}

// The interface goes down for an hour and comes back: one line each, no news of servers;
// the VIP is not answered for meanwhile, and its frames are taken all the time.
func TestAnInterfaceThatIsDownIsOneCauseAndOneLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, checkedServer(rs1), checkedServer(rs2)))
		before := r.lines("\n")
		content, received := r.content()[0], r.Received()[0]
		r.Snapshot = downSnapshot()
		r.put(hostChanged{})
		r.pass(time.Hour)
		if n := r.lines("\n") - before; n != 1 || r.lines("interface eth0 is down") != 1 {
			t.Errorf("%d lines:\n%s", n, &r.log)
		}
		if len(r.Announced()) != 0 || r.content()[0] != content || r.Received()[0] != received {
			t.Errorf("while it is down:\n%s", r.world())
		}
		for _, x := range r.Targets {
			if !x.Down {
				t.Errorf("%v is asked for", x.IP)
			}
		}
		if p := r.l.view.Load().Problems; len(p) != 1 {
			t.Errorf("problems %q", p)
		}
		r.Snapshot = network(eth0, eth1)
		r.put(hostChanged{})
		r.pass(time.Minute)
		if n := r.lines("\n") - before; n != 2 || r.lines("solved: interface eth0 is down") != 1 {
			t.Errorf("%d lines in all:\n%s", n, &r.log)
		}
		if got := r.Announced(); len(got) != 1 || r.content()[0] != content {
			t.Errorf("when it is up again:\n%s", r.world())
		}
		if p := r.l.view.Load().Problems; len(p) != 0 {
			t.Errorf("problems %q", p)
		}
	})
}

// A check that has failed is the interface's fault if that is down, or was since the
// attempt began.
func TestTheLinkOfACheckIsDownOrWas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const index = 1 << 30 // the kernel knows none
		var l linkStates
		expect := func(what string, since time.Time, want bool) {
			t.Helper()
			if got := l.Down(index, since); (got != "") != want {
				t.Errorf("%s: %q", what, got)
			}
		}
		expect("never down", time.Time{}, false)
		start := time.Now()
		time.Sleep(time.Second)
		l.see(map[int]string{index: "interface eth9 is down"})
		time.Sleep(time.Second)
		expect("down", time.Now(), true)
		l.see(nil)
		expect("up now, down meanwhile", start, true)
		time.Sleep(time.Second)
		l.see(nil)
		expect("down long before", time.Now(), false)
	})
}
