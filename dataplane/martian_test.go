package dataplane_test

import (
	"bytes"
	"io/fs"
	"net/netip"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// What comes from this host's own addresses, or from those of a whole network, is
// another's forgery, whatever it is; on the NIC of this host's clients it is theirs.
func TestForgedSources(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		for _, g := range []gram{
			{src: src, sport: 4000, proto: frame.ProtoTCP, port: 80, n: 100},
			{src: src, sport: 4000, proto: frame.ProtoTCP, port: 81, n: 100},
			{src: src, sport: 4000, proto: frame.ProtoUDP, port: 53, n: 100},
			{src: src, sport: 4000, proto: frame.ProtoUDP, port: 99, n: 100},
			{src: src, sport: 4000, proto: frame.ProtoSCTP, port: 9000, n: 100},
		} {
			l := dualLab(t)
			l.d.SetMartians([]frame.Addr{frame.AddrFrom(src), frame.AddrFrom(src.Prev())})
			l.expect(g.frame(), dataplane.BadSource, 0)
			l.expect(cut(g.frame(), 48)[0], dataplane.BadSource, 0)
			if n := len(l.d.Conns(l.now)); n != 0 {
				t.Errorf("%d connections were made", n)
			}
			other := g
			other.src = src.Next()
			want := l.send(other.frame())
			if want.reason == dataplane.BadSource {
				t.Errorf("another client: %s", want.reason)
			}
			l.batch.Local = true
			if r := l.send(g.frame()); r.reason != want.reason {
				t.Errorf("%s for this host's own, %s for another client", r.reason, want.reason)
			}
			l.batch.Local = false
			l.d.SetMartians(nil)
			again := g
			again.sport++
			if r := l.send(again.frame()); r.reason != want.reason {
				t.Errorf("%s when the address is no longer this host's, want %s", r.reason, want.reason)
			}
		}
	}
}

// A worker marks the batches of this host's own clients.
func TestALocalWorkerServesTheHost(t *testing.T) {
	for _, local := range []bool{false, true} {
		l := defaultLab(t)
		l.d.SetMartians([]frame.Addr{frame.AddrFrom(clientIP)})
		f := tcp(4000, 80, "S")
		w := &dataplane.Worker{Director: l.d, NIC: &oneBatch{f: bytes.Clone(f)}, Now: func() int64 { return 1 }, Local: local}
		l.must(w.Run())
		*l.frames++
		if n := len(l.d.Conns(1)); (n == 1) != local {
			t.Errorf("local %v: %d connections", local, n)
		}
	}
}

// oneBatch is a NIC that receives one frame.
type oneBatch struct {
	f    []byte
	done bool
}

func (n *oneBatch) Recv(b *dataplane.Batch) error {
	if n.done {
		return fs.ErrClosed
	}
	n.done = true
	b.Packets = append(b.Packets[:0], dataplane.Packet{Data: n.f})
	return nil
}
func (*oneBatch) Send(*dataplane.Batch) error { return nil }
func (*oneBatch) Wake()                       {}
func (*oneBatch) Stop()                       {}
func (*oneBatch) Close() error                { return nil }
func (*oneBatch) Stats() dataplane.NICStats   { return dataplane.NICStats{} }
