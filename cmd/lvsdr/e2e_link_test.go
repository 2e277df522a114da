package main_test

import (
	"net"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// A bridge or a bond changes its MAC address with its members. The director goes
// on with the new one: it announces it and sends from it.
func TestAnInterfaceMayChangeItsMACAddress(t *testing.T) {
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
	if err := d.Await(t.Context(), func(st *api.Status) bool { return st.Reloads > 0 && st.ConfigErr == "" }); err != nil {
		t.Fatal(err)
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
	if !strings.Contains(d.Log.String(), "an interface has changed") {
		t.Errorf("the director says nothing of it:\n%s", d.Log.String())
	}
}
