package nics

import (
	"net"
	"os"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/dataplane/afpacket"
	"lvsdr/dataplane/frame"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// An interface takes frames to further MAC addresses for as long as they are wanted, and is
// not promiscuous for it.
func TestAnInterfaceTakesFramesToFurtherMACs(t *testing.T) {
	h := netns.NewTestHost(t, "host", netns.HostConfig{})
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "eth1"
	if err := h.Netlink().LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	link, err := h.Netlink().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	index := link.Attrs().Index
	one, two := frame.MAC{0, 0, 0x5e, 0, 1, 51}, frame.MAC{0, 0, 0x5e, 0, 2, 51}
	takes := func() (all []frame.MAC) {
		list, err := h.Netlink().NeighList(index, unix.AF_BRIDGE)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []frame.MAC{one, two} {
			if slices.ContainsFunc(list, func(n netlink.Neigh) bool { return slices.Equal(n.HardwareAddr, net.HardwareAddr(m[:])) }) {
				all = append(all, m)
			}
		}
		return all
	}
	p := &port{host: new(machine), cfg: afpacket.Config{Interface: &net.Interface{}}}
	g := &group{index: index, ports: []Port{p}, shares: []share{0}}
	for _, want := range [][]frame.MAC{{one}, {one, two}, {two}, {two}, nil} {
		if err := h.Do(func() error { return g.setMACs(want) }); err != nil {
			t.Fatal(err)
		}
		if got := takes(); !slices.Equal(got, want) {
			t.Errorf("it takes frames to %v, want %v", got, want)
		}
		if p.routers != (len(want) > 0) {
			t.Errorf("the port hands out frames to virtual routers: %v, with %v", p.routers, want)
		}
	}
	if l, err := h.Netlink().LinkByName("eth0"); err != nil || l.Attrs().Promisc != 0 {
		t.Errorf("it is promiscuous, or %v", err)
	}
	bad := &group{index: 9999}
	if err := h.Do(func() error { return bad.setMACs([]frame.MAC{one}) }); err == nil {
		t.Error("an interface that is not there takes frames")
	}
}
