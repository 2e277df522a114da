//go:build long

package main_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/afpacket"
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

// Bulk data of a client that finishes its own checksums, and so cuts its own
// segments, arrives whole, and by AF_XDP.
func TestAnUploadByXDPArrivesWhole(t *testing.T) {
	t.Parallel()
	needXDP(t)
	size := int64(sized(100, 8, 8)) << 20
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	client := lab.Clients[0]
	if err := client.Do(func() error { return afpacket.SetTxChecksum(netlab.Ifname, false) }); err != nil {
		t.Fatal(err)
	}
	d := direct(t, lab, lab.Config(rotating()))
	// Where other directors hold the memory that may be locked, it sends otherwise, and
	// tries again each second.
	await(t, "an upload by AF_XDP", func() bool {
		sum := sha256.New()
		body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), sum)
		name, got := put(t.Context(), t, lab.client(t, client.Addr, freshConnections), url(lab), body, size)
		if want := hex.EncodeToString(sum.Sum(nil)); got != want {
			t.Fatalf("%s received %s, sent was %s", name, got, want)
		}
		st := status(t, d).Ports[netlab.Ifname]
		if st.Sent < uint64(size/1460) || st.SendFull+st.SendError != 0 {
			t.Fatalf("%+v", st)
		}
		return st.SentXDP > 0
	})
}
