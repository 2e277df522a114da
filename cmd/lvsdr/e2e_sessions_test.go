package main_test

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
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
