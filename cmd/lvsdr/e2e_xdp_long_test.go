//go:build long

package main_test

import (
	"testing"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

func TestWhoCapturesSeesFullBatchesToo(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{Servers: weighted(1)})
	d := direct(t, lab, udpService(lab, ""), "--log-level", "debug") // says why not
	b := newBurst(t, lab)
	b.xdpUsed(t, d, "at first")

	c, err := lab.Director.Capture(netlab.Ifname, netlab.CaptureConfig{
		Filter: func(f []byte) bool { return frame.DstMAC(f) == frame.MAC(lab.Servers[0].MAC) }})
	if err != nil {
		t.Fatal(err)
	}
	b.xdpPaused(t, d, "while somebody captures")
	before := len(c.Frames())
	sent := b.send(t, d).Sent
	await(t, "the capture has what is sent", func() bool { return len(c.Frames()) > before && status(t, d).Ports[netlab.Ifname].Sent >= sent })
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	b.xdpUsed(t, d, "when the capture is over")
}

func TestTrafficControlHasFullBatchesToo(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{Servers: weighted(1)})
	d := direct(t, lab, udpService(lab, ""), "--log-level", "debug") // says why not
	b := newBurst(t, lab)
	b.xdpUsed(t, d, "at first")
	nl := lab.Director.Netlink()
	link, err := nl.LinkByName(netlab.Ifname)
	if err != nil {
		t.Fatal(err)
	}
	shaped := netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT})
	if err := nl.QdiscAdd(shaped); err != nil {
		t.Skipf("needs the queueing discipline htb (sch_htb): %v", err)
	}
	b.xdpPaused(t, d, "while the interface has a queueing discipline")
	if st := status(t, d).Ports[netlab.Ifname]; st.SendError != 0 {
		t.Errorf("%+v", st)
	}
}
