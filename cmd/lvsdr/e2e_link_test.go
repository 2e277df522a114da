package main_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
)

// A bridge or a bond changes its MAC address with its members. The director goes
// on with the new one: it announces it and sends from it.
func TestAnInterfaceMayChangeItsMACAddress(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	d := direct(t, lab, lab.Config(rotating()))
	get(t, lab, 4)
	nl := lab.Director.Netlink()
	link, err := nl.LinkByName(netlab.Ifname)
	if err != nil {
		t.Fatal(err)
	}
	mac := net.HardwareAddr{2, 0, 0, 0, 0xdd, 0x99}
	if err := nl.LinkSetHardwareAddr(link, mac); err != nil {
		t.Fatal(err)
	}
	await(t, "the new MAC address to be announced", func() bool {
		return strings.Contains(d.Log.String(), "msg=announcing vip="+lab.Spec.VIP.String()+" interface="+netlab.Ifname+" mac="+mac.String())
	})
	if st := status(t, d); st.Reloads != 0 || len(st.Problems) != 0 {
		t.Errorf("%d reloads, problems %q", st.Reloads, st.Problems)
	}
	capture, err := lab.Servers[0].Capture(netlab.Ifname, netlab.CaptureConfig{})
	if err != nil {
		t.Fatal(err)
	}
	get(t, lab, 8)
	seen := false
	for _, f := range capture.Frames() {
		seen = seen || !f.Outgoing && len(f.Data) > 12 && net.HardwareAddr(f.Data[6:12]).String() == mac.String()
	}
	if !seen {
		t.Errorf("no frame came from the new MAC address")
	}
	if !strings.Contains(d.Log.String(), "an interface, address or route has changed") {
		t.Errorf("the director says nothing of it:\n%s", d.Log.String())
	}
}

// A VIP that a reload adds is announced when its servers can be sent to.
func TestAVIPAddedByAReloadServesFromItsFirstRequestOn(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1, 1)})
	second := strings.Replace(lab.Spec.VIP.String(), ".100", ".101", 1)
	config := lab.Config(rotating())
	server := "    real_server " + lab.Servers[2].Addr.String()
	first := config[:strings.Index(config, server)] + "}\n"
	for _, rs := range lab.Servers {
		if err := netlab.SetUpServer(rs.Host, netip.MustParseAddr(second)); err != nil {
			t.Fatal(err)
		}
	}
	d := direct(t, lab, first)
	get(t, lab, 2)
	added := strings.Replace(config[:strings.Index(config, "    real_server")]+config[strings.Index(config, server):], ".100 ", ".101 ", 1)
	if err := d.Reload(t.Context(), first+added); err != nil {
		t.Fatal(err)
	}
	tally := netlab.Get(t.Context(), lab.client(t, lab.Clients[0].Addr, freshConnections), "http://"+second+":8080/", 4, 1)
	if tally.Errors > 0 || tally.ByServer["rs3"] != 4 {
		t.Errorf("%v, %v", tally, status(t, d).Reasons)
	}
	get(t, lab, 2)
}

// The group that an IPv6 VIP is asked for in has two members, both of the NIC: its packet
// socket, and an IPv6 socket for which the kernel reports it to the network. Any other
// membership would outlive them.
func TestTheGroupOfAnIPv6VIPIsJoinedAndLeft(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Net: lab6, Servers: weighted(1)})
	users := func() string {
		t.Helper()
		list, err := lab.Director.ReadProc("dev_mcast")
		if err != nil {
			t.Fatal(err)
		}
		// RFC 4291 section 2.7.1, RFC 2464 section 7.
		vip := lab.Spec.VIP.As16()
		group := fmt.Sprintf("3333ff%x", vip[13:])
		for line := range strings.Lines(string(list)) {
			// Index, name, users, global users, address.
			if f := strings.Fields(line); len(f) == 5 && f[1] == netlab.Ifname && f[4] == group {
				return f[2]
			}
		}
		return "0"
	}
	before := users()
	d := direct(t, lab, lab.Config(rotating()))
	if got := users(); before != "0" || got != "2" {
		t.Errorf("the group has %s members, and %s while the director runs; want 0 and 2", before, got)
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := users(); got != "0" {
		t.Errorf("the group has %s members after the director", got)
	}
}
