package dataplane_test

import (
	"net/netip"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame/frametest"
)

// A load is a batch that is processed again and again. Its frames are put back
// before each turn, because forwarding edits them.
type load struct {
	l      *lab
	frames [][]byte // as they come in
	bufs   [][]byte
	port   uint32 // of the next new connection
	fresh  bool   // every frame is of a connection of its own
}

func newLoad(l *lab, n int, fresh bool, frame func(i int) []byte) *load {
	w := &load{l: l, fresh: fresh, port: 1}
	l.batch.Packets = l.batch.Packets[:0]
	for i := range n {
		f := frame(i)
		w.frames = append(w.frames, f)
		w.bufs = append(w.bufs, append([]byte{}, f...))
		l.batch.Packets = append(l.batch.Packets, dataplane.Packet{Data: w.bufs[i]})
	}
	return w
}

// turn processes the batch once. New connections come from ports, and
// addresses, that were not used before: nothing verifies their TCP checksum.
func (w *load) turn() {
	for i, f := range w.frames {
		b := w.bufs[i]
		copy(b, f)
		if w.fresh {
			w.port++
			b[28], b[34], b[35] = byte(w.port>>16), byte(w.port>>8), byte(w.port)
			b[24], b[25] = 0, 0
			sum := frametest.Checksum(b[14:34])
			b[24], b[25] = byte(sum>>8), byte(sum)
		}
	}
	w.l.d.Process(w.l.scratch, w.l.batch, w.l.now)
	*w.l.frames += uint64(len(w.frames))
}

// all checks that every frame of the last turn had the reason.
func (w *load) all(reason dataplane.Reason) bool {
	for i := range w.l.batch.Packets {
		if w.l.batch.Packets[i].Reason != reason {
			return false
		}
	}
	return true
}

func TestNoAllocations(t *testing.T) {
	const n = 32
	hit := func(i int) []byte { return tcp(uint16(1000+i), 80, "A") }
	for _, c := range []struct {
		name   string
		reason dataplane.Reason
		fresh  bool
		frame  func(i int) []byte
	}{
		{"packets of known connections", dataplane.Hit, false, hit},
		{"new connections", dataplane.Scheduled, true, func(int) []byte { return tcp(1, 80, "S") }},
		{"new UDP flows", dataplane.Scheduled, true, func(int) []byte { return udp(1, 53) }},
		{"new connections by a template", dataplane.Persistent, true, func(int) []byte { return tcp(1, 443, "S") }},
		{"ARP", dataplane.ARPSeen, false, func(int) []byte {
			return frametest.ARP{SrcMAC: clientMAC, SenderIP: clientIP, TargetIP: vipIP}.Bytes()
		}},
		{"resets", dataplane.ResetNoService, false, func(int) []byte { return tcp(1, 81, "S") }},
		{"ICMP errors", dataplane.UnreachableNoService, false, func(int) []byte { return udp(1, 54) }},
		{"echo replies", dataplane.EchoReplied, false, func(int) []byte {
			return icmp(frametest.ICMP{Type: 8, Payload: make([]byte, 1400)}).Data
		}},
		{"what is dropped", dataplane.NotOurs, false, func(int) []byte {
			return tcpFrame(frametest.TCP{Flags: "S", Dst: at("192.0.2.9", 80)}).Data
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := furnish(newLab(t, unlimited, 1<<17))
			for _, src := range []string{"198.51.0.7", "198.51.100.7"} { // whom w.turn makes of the client, too
				l.send(tcpFrom(netip.MustParseAddr(src), 999, 443, "S"))
			}
			for i := range n {
				l.handshake(uint16(1000+i), 80)
			}
			w := newLoad(l, n, c.fresh, c.frame)
			w.turn()
			if got := testing.AllocsPerRun(200, w.turn); got != 0 {
				t.Errorf("%v allocations a batch, want 0", got)
			}
			if !w.all(c.reason) {
				t.Errorf("the last batch was %s, want %s", l.batch.Packets[0].Reason, c.reason)
			}
		})
	}
}

// Sweeping and counting do not allocate either.
func TestSweepDoesNotAllocate(t *testing.T) {
	l := defaultLab(t)
	for port := range uint16(1000) {
		l.handshake(1000+port, 80)
	}
	if n := testing.AllocsPerRun(100, func() { l.d.Sweep(int64(time.Second), l.d.Chunks()) }); n != 0 {
		t.Errorf("%v allocations a sweep, want 0", n)
	}
}
