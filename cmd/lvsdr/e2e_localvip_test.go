package main_test

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
	"lvsdr/control/policyroute"
	"lvsdr/control/shield"
	"lvsdr/dataplane/frame"
)

func testLocalVIP(t *testing.T, ifname string, spec netlab.Spec, when string) {
	lab := newHTTPLab(t, spec)
	for _, key := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if err := lab.Director.Sysctl(key, "1"); err != nil {
			t.Fatal(err)
		}
	}
	add := func() {
		if err := lab.Director.AddAddr(ifname, netip.PrefixFrom(lab.Spec.VIP, lab.Spec.VIP.BitLen())); err != nil {
			t.Fatal(err)
		}
		if err := lab.Director.WaitLocal(t.Context(), lab.Spec.VIP); err != nil {
			t.Fatal(err)
		}
	}
	if when == "before the start" {
		add()
	}
	config := lab.Config(rotating())
	d := direct(t, lab, config)
	switch when {
	case "at a reload":
		get(t, lab, 3)
		add()
		if err := d.Reload(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	case "while running":
		get(t, lab, 3)
		add()
	}
	atClient := capture(t, lab.Clients[0])
	// Nothing that the client knows is to help it find the director.
	if err := lab.Clients[0].ForgetNeighbour(netlab.Ifname, lab.Spec.VIP); err != nil {
		t.Fatal(err)
	}
	get(t, lab, 30)
	questions, answers := neighbourMessages(t, lab, atClient)
	if answers == 0 || answers > questions {
		t.Errorf("%d answers to %d questions for the VIP's MAC address: more than the director's own", answers, questions)
	}
	servers := serverMACs(lab)
	for _, s := range sightings(t, atClient) {
		if !s.Outgoing && s.Src == frame.AddrFrom(lab.Spec.VIP) && s.Proto == frame.ProtoTCP && !servers[frame.SrcMAC(s.Data)] {
			t.Errorf("not a real server's reply: %v", s)
		}
	}
	const warning = "is configured on this host"
	await(t, "the log to say that the VIP "+warning, func() bool { return strings.Contains(d.Log.String(), warning) })
	// Away with it, and nothing is different.
	nl := lab.Director.Netlink()
	link, err := nl.LinkByName(ifname)
	if err != nil {
		t.Fatal(err)
	}
	if err := nl.AddrDel(link, &netlink.Addr{IPNet: netlink.NewIPNet(lab.Spec.VIP.AsSlice())}); err != nil {
		t.Fatal(err)
	}
	get(t, lab, 3)
}

// neighbourMessages counts the client's questions for the VIP's MAC address and
// the answers it got.
func neighbourMessages(t *testing.T, lab *network, c *netlab.Capture) (questions, answers int) {
	t.Helper()
	vip := lab.Spec.VIP.AsSlice()
	for _, s := range sightings(t, c) {
		var question, answer bool
		switch {
		case s.Kind == frame.ARP && len(s.Data) >= 42:
			question = bytes.Equal(s.Data[38:42], vip) && s.Data[21] == 1
			answer = bytes.Equal(s.Data[28:32], vip) && s.Data[21] == 2
		case s.Kind == frame.IPv6 && s.Proto == frame.ProtoICMPv6 && len(s.Data) >= 78 && bytes.Equal(s.Data[62:78], vip):
			question, answer = s.Data[54] == 135, s.Data[54] == 136
		}
		if question && s.Outgoing {
			questions++
		}
		if answer && !s.Outgoing && s.Data[0]&1 == 0 { // announcements, which come again, are for all
			answers++
		}
	}
	return questions, answers
}

// A firewall that is loaded anew removes the shield with everything else. The
// director notices by itself; rules for clients on the host come back with a
// reload.
func TestWhatOthersRemoveComesBack(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	config := lab.Config(rotating())
	d := direct(t, lab, config)
	guards := shielded(t, lab)
	if len(guards) != 2 {
		t.Fatalf("%v is hidden, want the VIP on two interfaces", guards)
	}
	before := policy(t, lab.Director.Host)
	for range 3 {
		if err := lab.Director.Do(shield.Flush); err != nil {
			t.Fatal(err)
		}
		// A flush in the middle of a restoration leaves the shield to the routing rules
		// for an instant.
		await(t, "the shield to be restored", func() bool {
			return slices.Equal(shielded(t, lab), guards) && slices.Equal(policy(t, lab.Director.Host), before)
		})
	}
	rules, err := lab.Director.Netlink().RuleList(netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if r.Protocol == policyroute.Protocol {
			if err := lab.Director.Netlink().RuleDel(&r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if slices.Equal(policy(t, lab.Director.Host), before) {
		t.Fatal("no rule was removed: this test proves nothing")
	}
	if err := d.Reload(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("rules and routes\n%s, before\n%s", strings.Join(policy(t, lab.Director.Host), "\n"), strings.Join(before, "\n"))
		}
	})
	await(t, "the rules to be restored", func() bool { return slices.Equal(policy(t, lab.Director.Host), before) })
	get(t, lab, 3)
	getByWeight(t, onDirector(lab))
}
