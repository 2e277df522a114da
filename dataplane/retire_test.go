package dataplane

import (
	"io/fs"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// oneFrame is a port with one frame.
type oneFrame struct{ done bool }

func (p *oneFrame) Recv(b *Batch) error {
	if p.done {
		return fs.ErrClosed
	}
	p.done = true
	b.Packets = append(b.Packets[:0], Packet{Data: build.ARP{SenderIP: netip.MustParseAddr("10.0.0.1"), TargetIP: netip.MustParseAddr("10.0.0.2")}.Bytes()})
	return nil
}
func (*oneFrame) Send(*Batch) error { return nil }
func (*oneFrame) Wake()             {}
func (*oneFrame) Stop()             {}
func (*oneFrame) Close() error      { return nil }
func (*oneFrame) Stats() NICStats   { return NICStats{} }

// Each reload that opened or closed an interface left the scratch of a worker
// behind, with its room for answers.
func TestAWorkerThatEndedLeavesItsCountsOnly(t *testing.T) {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	const workers = 5
	for range workers {
		w := &Worker{Director: d, NIC: &oneFrame{}, Now: func() int64 { return 1 }}
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.scratches); n != 0 {
		t.Errorf("%d scratches are kept for workers that have ended", n)
	}
	if n := d.Counters()[ARPSeen]; n != workers {
		t.Errorf("%d frames counted, want %d", n, workers)
	}
}

// What is not reachable any more is forgotten: the real servers of all
// configurations there ever were would add up.
func TestANeighbourThatIsGoneIsForgotten(t *testing.T) {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	addr, mac := frame.AddrFrom4([4]byte{10, 0, 0, 1}), frame.MAC{2, 0, 0, 0, 0, 1}
	k := ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom4([4]byte{10, 0, 0, 9}), Port: 80}
	d.SetNeighbour(addr, mac, Link{Index: 1})
	if err := d.AddService(ServiceConfig{Key: k, Scheduler: "rr"}); err != nil {
		t.Fatal(err)
	}
	if err := d.AddServer(k, ServerConfig{Addr: addr, Port: 80, Weight: 1}); err != nil {
		t.Fatal(err)
	}
	if got := d.Services()[0].Servers[0].MAC; got != mac {
		t.Errorf("MAC address %v, want %v", got, mac)
	}
	d.SetNeighbour(addr, frame.MAC{}, Link{})
	if got := d.Services()[0].Servers[0].MAC; got != (frame.MAC{}) || len(d.neighbours) != 0 {
		t.Errorf("MAC address %v, %d neighbours are remembered", got, len(d.neighbours))
	}
}
