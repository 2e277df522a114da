package site

import (
	"testing"

	"lvsdr/control/hostnet"
	"lvsdr/dataplane/frame"
)

// The MAC address that the file gives a server is its own on every reload, more than that
// of the kernel's permanent entry, which counts where the file says nothing.
func TestTheFileGivesAServerItsMACAddress(t *testing.T) {
	var (
		first, second = frame.MAC{2, 0, 0, 0, 0x55, 1}, frame.MAC{2, 0, 0, 0, 0x55, 2}
		kernels       = frame.MAC{2, 0, 0, 0, 0x55, 9}
	)
	text := func(mac string) string {
		if mac != "" {
			mac = "lvsdr_mac " + mac + ";"
		}
		return web("11 "+mac+tcpCheck, "12")
	}
	sc := newScene(t)
	expect := func(what string, want frame.MAC) {
		t.Helper()
		for _, x := range sc.s.Targets() {
			w := want
			if x.Addr.String() == "192.168.1.12" {
				w = frame.MAC{}
			}
			if x.MAC != w {
				t.Errorf("%s: %v has %v, want %v", what, x.Addr, x.MAC, w)
			}
		}
	}
	sc.load(text(""))
	expect("nothing is given", frame.MAC{})
	sc.load(text(first.String()))
	expect("a reload gives one", first)
	if len(sc.notices) != 0 {
		t.Errorf("notices %v", sc.notices)
	}
	sc.load(text(second.String()))
	expect("another", second)
	sc.do(HostChanged{network(func(h *hostnet.Snapshot) {
		for _, a := range sc.s.Targets() {
			if a.Addr.String() == "192.168.1.11" {
				h.Neighbours = []hostnet.Neighbour{{Link: 2, Addr: a.Addr, MAC: kernels}}
			}
		}
	})})
	expect("the kernel has another", second)
	sc.load(text(""))
	expect("the file gives it no longer", kernels)
	sc.do(HostChanged{network()})
	expect("nor does the kernel", frame.MAC{})
}
