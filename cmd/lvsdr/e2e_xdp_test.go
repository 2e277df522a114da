package main_test

import (
	"net"
	"net/netip"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
	"lvsdr/dataplane"
	"lvsdr/dataplane/afpacket"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// A burst sends full batches of datagrams to the VIP that need nothing finished,
// as from another machine.
type burst struct {
	port  *afpacket.NIC
	batch *dataplane.Batch
}

func newBurst(t *testing.T, lab *network) *burst {
	t.Helper()
	needXDP(t)
	client := lab.Clients[0]
	b := &burst{batch: dataplane.NewBatch()}
	var ifi *net.Interface
	err := client.Do(func() (err error) {
		if ifi, err = net.InterfaceByName(netlab.Ifname); err == nil {
			b.port, err = afpacket.Open(afpacket.Config{Interface: ifi, Slots: 1})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.port.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range dataplane.MaxBatch {
		f := build.UDP{Src: netip.AddrPortFrom(client.Addr, uint16(1024+i)), Dst: netip.AddrPortFrom(lab.Spec.VIP, port),
			IP: build.IP{SrcMAC: frame.MAC(client.MAC), DstMAC: frame.MAC(lab.Director.MAC)}}
		b.batch.Replies = append(b.batch.Replies, dataplane.Reply{Data: f.Bytes(), Out: int32(ifi.Index)})
	}
	return b
}

// needXDP skips a test where there are no AF_XDP sockets.
func needXDP(t *testing.T) {
	t.Helper()
	if err := afpacket.ProbeXDP(); err != nil {
		t.Skipf("needs AF_XDP sockets: %v", err)
	}
}

// send sends some thousand frames and gives the director's counters behind them.
func (b *burst) send(t *testing.T, d *netlab.Director) api.PortStats {
	t.Helper()
	for range 20 {
		if err := b.port.Send(b.batch); err != nil {
			t.Fatal(err)
		}
	}
	return status(t, d).Ports[netlab.Ifname]
}

// xdpPaused waits until bursts are sent without AF_XDP.
func (b *burst) xdpPaused(t *testing.T, d *netlab.Director, why string) {
	t.Helper()
	last := b.send(t, d)
	await(t, "frames go where they are seen "+why, func() bool {
		now := b.send(t, d)
		same := now.SentXDP == last.SentXDP && now.Sent > last.Sent
		last = now
		return same
	})
}

// xdpUsed waits until bursts are sent by AF_XDP.
func (b *burst) xdpUsed(t *testing.T, d *netlab.Director, why string) {
	t.Helper()
	before := b.send(t, d)
	await(t, "frames go by AF_XDP "+why, func() bool { return b.send(t, d).SentXDP > before.SentXDP })
}

func TestXDPCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{Servers: weighted(1)})
	d := direct(t, lab, udpService(lab, ""), "--xdp=false")
	b := newBurst(t, lab)
	await(t, "thousands of frames are sent", func() bool {
		st := b.send(t, d)
		if st.SentXDP != 0 {
			t.Fatalf("%+v", st)
		}
		return st.Sent > 10_000
	})
}
