package site

import (
	"net/netip"
	"testing"

	"lvsdr/control/hostnet"
)

// strangers says which servers in no service connections go to.
func (sc *scene) strangers(all ...string) Changes {
	var e Strangers
	for _, a := range all {
		e.Addrs = append(e.Addrs, netip.MustParseAddr(a))
	}
	return sc.do(e)
}

// A stranger is asked for its MAC address and reached, and is nothing else: nothing waits for
// it, and it is no problem where it cannot be reached.
func TestStrangersAreReachedAndNothingWaitsForThem(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11"))
	sc.tell("192.168.1.11", 2, 11)
	if c := sc.strangers("192.168.1.77", "203.0.113.9", "192.168.1.100", "10.0.0.77"); !c.Targets || !c.NICs || c.VIPs {
		t.Errorf("%+v", c)
	}
	if got := sc.targets(); got != "192.168.1.11@eth0 10.0.0.77@eth1 192.168.1.77@eth0" {
		t.Errorf("targets %s", got)
	}
	sc.problem()
	if n := sc.s.MissingMACs(); n != 0 {
		t.Errorf("%d MAC addresses are waited for", n)
	}
	sc.tell("192.168.1.77", 3, 7) // of another link
	if c := sc.tell("192.168.1.77", 2, 77); len(c.Hops) != 1 || sc.hopOf("192.168.1.77") != "77@eth0 from 192.168.1.10" {
		t.Errorf("hops %+v", c.Hops)
	}
	if c := sc.strangers("192.168.1.77"); len(c.Hops) != 1 || sc.targets() != "192.168.1.11@eth0 192.168.1.77@eth0" {
		t.Errorf("hops %+v, targets %s", c.Hops, sc.targets())
	}
	if c := sc.strangers(); len(c.Hops) != 1 || c.Hops[0].Link != (hostnet.Link{}) || sc.targets() != "192.168.1.11@eth0" {
		t.Errorf("hops %+v, targets %s", c.Hops, sc.targets())
	}
}

// What is known of a stranger stays when a service gets it as a server, and when it loses it.
func TestAStrangerThatBecomesAServerIsNotAskedAgain(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11"))
	sc.tell("192.168.1.11", 2, 11)
	sc.strangers("192.168.1.77", "192.168.1.11")
	sc.tell("192.168.1.77", 2, 77)
	for _, servers := range [][]string{{"11", "77"}, {"77"}, {"11", "77"}, {"11"}} {
		if c := sc.load(web(servers...)); len(c.Hops) != 0 || sc.s.MissingMACs() != 0 {
			t.Errorf("servers %s: hops %+v, %d missing", servers, c.Hops, sc.s.MissingMACs())
		}
		if a, b := sc.hopOf("192.168.1.11"), sc.hopOf("192.168.1.77"); a != "11@eth0 from 192.168.1.10" || b != "77@eth0 from 192.168.1.10" {
			t.Errorf("servers %s: %s and %s", servers, a, b)
		}
	}
}

// A stranger follows the host's networks, and keeps its place while its link is down.
func TestAStrangerFollowsTheHost(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11"))
	sc.strangers("192.168.1.77")
	sc.tell("192.168.1.77", 2, 77)
	if c := sc.do(HostChanged{network(without(2))}); len(c.Hops) == 0 || sc.hopOf("192.168.1.77") != "0@ from invalid IP" {
		t.Errorf("hops %+v", c.Hops)
	}
	sc.do(HostChanged{network()})
	sc.tell("192.168.1.77", 2, 78)
	sc.do(HostChanged{network(withLink(func(l *hostnet.Link) { l.Up = false }))})
	if got := sc.hopOf("192.168.1.77"); got != "78@eth0 from 192.168.1.10" {
		t.Errorf("while its link is down: %s", got)
	}
}
