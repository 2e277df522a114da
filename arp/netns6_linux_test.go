package arp

import (
	"bytes"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func (l *lab) target6() Target {
	return Target{IP: server6, Ifindex: int32(l.near.Index), SourceIP: our6, SourceMAC: l.nearMAC, Name: "real server web1"}
}

// findsServer6 waits until the resolver has found the far side by t.
func (l *lab) findsServer6(t Target) {
	l.t.Helper()
	l.must("set the real server", l.service.SetTargets([]Target{t}))
	expect(l.t, l.learned, "the real server is found", func(c Change) bool { return c.IP == server6 && c.New == l.farMAC })
}

// claims is the number of frames that claim a VIP.
func (l *lab) claims() uint64 {
	st := l.service.Stats()
	return st.frames[claimedByOther] + st.frames[claimedByRealServer] + st.frames[sourceOfRealServer]
}

func testFarResolves6(_ *testing.T, l *lab) {
	l.findsServer6(l.target6())
	l.speak()
	l.farSends(vip6)
	l.event(RealServerAsks) // to the VIP's group, and it is answered
	l.farLearns(vip6, l.nearMAC)
	if n := l.service.Stats().frames[answeredRealServer]; n == 0 {
		l.t.Error("the far kernel learned it from something else than an answer")
	}
}

func testFarIsUpdated6(_ *testing.T, l *lab) {
	stale := &netlink.Neigh{
		LinkIndex: l.link.Attrs().Index, Family: netlink.FAMILY_V6, State: netlink.NUD_REACHABLE,
		IP: vip6.AsSlice(), HardwareAddr: strayMAC[:],
	}
	l.must("make the far kernel believe another director", l.nl.NeighSet(stale))
	l.farLearns(vip6, strayMAC)
	l.speak()
	l.farLearns(vip6, l.nearMAC)
	if n := l.service.Stats().traffic[answersSent]; n != 0 {
		l.t.Errorf("%d requests were answered; the update came from them", n)
	}
}

func testResolverLearns6(_ *testing.T, l *lab) {
	l.findsServer6(l.target6())
	l.must("change the far MAC", l.nl.LinkSetHardwareAddr(l.link, strayMAC[:]))
	l.farSends(our6) // it asks with its new MAC
	c := expect(l.t, l.learned, "the real server moved", func(c Change) bool { return c.New == strayMAC })
	if c.Old != l.farMAC {
		l.t.Errorf("change %v, want the old MAC %v", c, l.farMAC)
	}
}

func testResolverWithoutAddress(_ *testing.T, l *lab) {
	t := l.target6()
	t.SourceIP = netip.Addr{}
	l.findsServer6(t)
}

func testFarHasVIP6(_ *testing.T, l *lab) {
	l.findsServer6(l.target6())
	l.must("give the far side the VIP", l.nl.AddrAdd(l.link, address(vip6, 128)))
	l.speak()
	e := l.event(RealServerAnswers)
	const want = "real server web1 answers neighbour discovery for VIP 2001:db8::100: IPv6 has no arp_ignore, " +
		"the VIP must be on lo with /128 and not on the interface itself, nor may there be a proxy entry for it"
	if e.Text != want {
		l.t.Errorf("text %q, want %q", e.Text, want)
	}
	l.farSendsFrom(vip6, client6)
	l.event(RealServerSource)
}

func testFarIsProxy(_ *testing.T, l *lab) {
	l.findsServer6(l.target6())
	l.farSysctl6("forwarding", "1")
	l.farSysctl6("proxy_ndp", "1")
	l.must("make the far side a proxy", l.nl.NeighAdd(&netlink.Neigh{
		LinkIndex: l.link.Attrs().Index, Family: netlink.FAMILY_V6, Flags: netlink.NTF_PROXY, IP: vip6.AsSlice(),
	}))
	l.speak()
	if e := l.event(RealServerAnswers); e.Name != "real server web1" {
		l.t.Errorf("event %v", e)
	}
}

// testFarIsRight6 checks the claim of claimText about a VIP on lo: without any setting,
// and even on a host that forwards and has proxy_ndp, the far kernel does not
// answer for it and does not ask from it.
func testFarIsRight6(_ *testing.T, l *lab) {
	l.farSysctl6("forwarding", "1")
	l.farSysctl6("proxy_ndp", "1")
	lo, err := l.nl.LinkByName("lo")
	l.must("find lo", err)
	l.must("give lo the VIP", l.nl.AddrAdd(lo, address(vip6, 128)))
	l.speak()
	l.farSendsFrom(vip6, our6)                      // so it must ask for us first
	for l.service.Stats().traffic[checksSent] < 6 { // of both families: three rounds
		runtime.Gosched()
	}
	// The checks are sent before this question, and the wire keeps the order:
	// when the question is answered, they will not be any more.
	l.findsServer6(l.target6())
	if n := l.claims(); n != 0 {
		l.t.Errorf("%d conflicts were seen: %+v", n, l.service.Stats())
	}
	expect(l.t, l.farNeigh, "the far kernel has asked for us", func(u netlink.NeighUpdate) bool {
		return u.IP.Equal(our6.AsSlice()) && bytes.Equal(u.HardwareAddr, l.nearMAC[:])
	})
}

func testFarTakesVIP(_ *testing.T, l *lab) {
	l.findsServer6(l.target6())
	// It waits up to a second before it asks; an announcement of ours within
	// that time would tell it that the VIP is taken, and it would not ask.
	l.farSysctl6("router_solicitation_delay", "0")
	l.farSysctl6("accept_dad", "1") // the lab has it off
	l.speak()
	for l.service.Stats().traffic[announced] < 3 { // the next are due in a second
		runtime.Gosched()
	}
	a := address(vip6, 128)
	a.Flags = 0 // with duplicate address detection
	l.must("let the far side take the VIP", l.nl.AddrAdd(l.link, a))
	if e := l.event(TakeoverAttempt); e.Name != "real server web1" || e.VIP != vip6 {
		l.t.Errorf("event %v", e)
	}
	for late := time.After(patience); ; {
		all, err := l.nl.AddrList(l.link, netlink.FAMILY_V6)
		l.must("list the far addresses", err)
		for _, a := range all {
			if a.IP.Equal(vip6.AsSlice()) && a.Flags&unix.IFA_F_DADFAILED != 0 {
				return
			}
		}
		select {
		case <-late:
			l.t.Fatalf("the far kernel did not see that the VIP is taken: %v", all)
		default:
			runtime.Gosched()
		}
	}
}

// farSysctl6 sets a setting of all interfaces of the far side, and of its cable.
func (l *lab) farSysctl6(name, value string) {
	l.t.Helper()
	for _, at := range []string{"all", "far"} {
		l.must("set "+name, l.far.Sysctl("net.ipv6.conf."+at+"."+name, value))
	}
}
