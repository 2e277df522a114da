package main_test

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/bench/scenario"
	"lvsdr/bench/scenario/sessiontest"
	"lvsdr/control/api"
	"lvsdr/control/ipvsadm"
)

// recordedLink is the link of everywhere: the machine of the recordings has no eth0.
const recordedLink = "lan0"

// everywhere is the network of a host on whose one link all addresses are. It also has
// the interface s0, for sync daemons.
func everywhere(t *testing.T) *network {
	t.Helper()
	h, peer := netns.NewTestHost(t, "director", netns.HostConfig{IPv6: true}), netns.NewTestHost(t, "peer", netns.HostConfig{IPv6: true})
	at := netns.Cable{Ifname: recordedLink, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8:ffff::1/64")}}
	if err := netns.Lay(t.Context(), h, at, peer, netns.Cable{}); err != nil {
		t.Fatal(err)
	}
	link, err := h.Netlink().LinkByName(recordedLink)
	if err != nil {
		t.Fatal(err)
	}
	s0 := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "s0", MTU: 1500}, PeerName: "s1"}
	if err := h.Netlink().LinkAdd(s0); err != nil {
		t.Fatal(err)
	}
	if err := h.Netlink().LinkSetUp(s0); err != nil {
		t.Fatal(err)
	}
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		if err := h.Netlink().RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: netns.IPNet(netip.MustParsePrefix(all))}); err != nil {
			t.Fatal(err)
		}
	}
	return &network{Lab: &netlab.Lab{Director: &netlab.Node{Host: h}}}
}

// The recorded sessions of ipvsadm, through the control socket of a director that
// runs without a file: exit code and text are those of the kernel, but for what
// needs other methods than Direct Routing, packets, or a director that is its own real
// server.
func TestRecordedSessionsOnARunningDirector(t *testing.T) {
	t.Parallel()
	sessions, err := sessiontest.Sessions("../..")
	if err != nil {
		t.Fatal(err)
	}
	p := launchWith(t, everywhere(t), shortDir(t), "--no-config", "--interface", recordedLink)
	c := api.NewClient(p.socket)
	defer c.Close()
	anew := ipvsadm.Interpreter{Admin: c}
	for i, s := range sessions {
		if i%3 != 0 && !long() { // the core plays all of them in the tests of bench/scenario
			continue
		}
		for _, args := range [][]string{{"-C"}, {"--set", "900", "120", "300"}} { // as a director that has just started
			if r := anew.Run(t.Context(), args, nil); r.Exit != 0 {
				t.Fatalf("%v: exit code %d, %s", args, r.Exit, r.Err)
			}
		}
		want, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		if err := scenario.PlayThrough(got, func(api.Admin) api.Admin { return c }); err != nil {
			t.Fatal(err)
		}
		left, diffs := sessiontest.How{Host: true}.Compare(want, got)
		for _, d := range diffs {
			t.Errorf("%s: %s", s.Name, d)
		}
		if r := sessiontest.Ranges(left); r != s.LeftOutOnHost {
			t.Errorf("%s: something was left out of the lines %q, want %q", s.Name, r, s.LeftOutOnHost)
		}
	}
}
