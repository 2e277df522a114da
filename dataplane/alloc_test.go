package dataplane_test

import (
	"net/netip"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// A load is a batch that is processed again and again. Its frames are put back
// before each turn, because forwarding edits them.
type load struct {
	l      *lab
	frames [][]byte // as they come in
	bufs   [][]byte
	port   uint32 // of the last new connection; from 1024 on, since port 20 begins none
	fresh  bool   // every frame is of a connection of its own
}

func newLoad(l *lab, n int, fresh bool, frame func(i int) []byte) *load {
	w := &load{l: l, fresh: fresh, port: 1023}
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
			if b[12] == 0x86 { // IPv6, which has no header checksum
				b[36], b[54], b[55] = byte(w.port>>16), byte(w.port>>8), byte(w.port)
				continue
			}
			b[28], b[34], b[35] = byte(w.port>>16), byte(w.port>>8), byte(w.port)
			b[24], b[25] = 0, 0
			sum := build.Checksum(b[14:34])
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
	tcp6 := func(port, to uint16, flags string) []byte {
		return build.TCP{Src: netip.AddrPortFrom(client6IP, port), Dst: netip.AddrPortFrom(vip6IP, to),
			IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Flags: flags}.Bytes()
	}
	udpFrom := func(src netip.Addr, to uint16) func(int) []byte {
		return func(int) []byte { return gram{src: src, sport: 1, proto: frame.ProtoUDP, port: to, n: 9}.frame() }
	}
	failure := func(src netip.Addr) func(int) []byte {
		q := quoted{src: src, proto: frame.ProtoTCP, port: 80}
		return func(int) []byte {
			return q.failure(3, 0, 9, build.Quote(build.TCP{Src: netip.AddrPortFrom(vipFor(src), 80),
				Dst: netip.AddrPortFrom(src, 1000), Flags: "A"}.Bytes(), 8))
		}
	}
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
			return build.ARP{SrcMAC: clientMAC, SenderIP: clientIP, TargetIP: vipIP}.Bytes()
		}},
		{"resets", dataplane.ResetNoService, false, func(int) []byte { return tcp(1, 81, "S") }},
		{"ICMP errors", dataplane.UnreachableNoService, false, func(int) []byte { return udp(1, 99) }},
		{"echo replies", dataplane.EchoReplied, false, func(int) []byte {
			return icmp(build.ICMP{Type: 8, Payload: make([]byte, 1400)}).Data
		}},
		{"packets of known connections over IPv6", dataplane.Hit, false, func(i int) []byte { return tcp6(uint16(1000+i), 80, "A") }},
		{"new connections over IPv6", dataplane.Scheduled, true, func(int) []byte { return tcp6(1, 80, "S") }},
		{"new UDP flows over IPv6", dataplane.Scheduled, true, func(int) []byte {
			return build.UDP{Src: netip.AddrPortFrom(client6IP, 1), Dst: netip.AddrPortFrom(vip6IP, 53), IP: build.IP{DstMAC: directorMAC}}.Bytes()
		}},
		{"new connections by a template over IPv6", dataplane.Persistent, true, func(int) []byte { return tcp6(1, 443, "S") }},
		{"SYNs that are sent again", dataplane.Hit, false, func(i int) []byte { return tcp6(uint16(1000+i), 80, "S") }},
		{"resets over IPv6", dataplane.ResetNoService, false, func(int) []byte { return tcp6(1, 81, "S") }},
		{"ICMP errors over IPv6", dataplane.UnreachableNoService, false, udpFrom(client6IP, 99)},
		{"one packet alone", dataplane.Scheduled, false, udpFrom(clientIP, 55)},
		{"one packet alone over IPv6", dataplane.Scheduled, false, udpFrom(client6IP, 55)},
		{"ICMP errors about a connection", dataplane.Related, false, failure(clientIP)},
		{"ICMP errors about a connection over IPv6", dataplane.Related, false, failure(client6IP)},
		{"associations", dataplane.Hit, false, func(int) []byte { return sctp(client6IP, 1000, frame.SCTPData) }},
		{"later fragments of a refused one", dataplane.FragmentOverlap, false, func(int) []byte { return frag4(9, 64, 8, true) }},
		{"packets that have to be fragmented", dataplane.Fragmented, false, func(int) []byte { return big(clientIP, frame.ProtoUDP, 2000, false) }},
		{"what is dropped", dataplane.NotOurs, false, func(int) []byte {
			return tcpFrame(build.TCP{Flags: "S", Dst: at("192.0.2.9", 80)}).Data
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := dual(newLab(t, unlimited, 1<<17))
			for i := range byte(8) { // whom w.turn makes of the client of IPv6
				src := client6IP.As16()
				src[14] = i
				l.send(build.TCP{Src: netip.AddrPortFrom(netip.AddrFrom16(src), 999), Dst: netip.AddrPortFrom(vip6IP, 443),
					IP: build.IP{DstMAC: directorMAC}, Flags: "S"}.Bytes())
			}
			l.send(sctp(client6IP, 1000, frame.SCTPInit))
			for _, src := range []string{"198.51.0.7", "198.51.100.7"} { // whom w.turn makes of the client, too
				l.send(tcpFrom(netip.MustParseAddr(src), 999, 443, "S"))
			}
			for i := range n {
				l.handshake(uint16(1000+i), 80)
				l.send(tcp6(uint16(1000+i), 80, "S"))
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

// The fragments of a datagram take no allocation, whether they follow the first
// or wait for it.
func TestFragmentsDoNotAllocate(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		for _, c := range []struct {
			name  string
			order [3]int
			want  [3]dataplane.Reason
		}{
			{"in order", [3]int{0, 1, 2}, [3]dataplane.Reason{dataplane.Scheduled, dataplane.FragmentFollowed, dataplane.FragmentFollowed}},
			{"backwards", [3]int{2, 1, 0}, [3]dataplane.Reason{dataplane.FragmentHeld, dataplane.FragmentHeld, dataplane.Scheduled}},
			{"mixed", [3]int{1, 0, 2}, [3]dataplane.Reason{dataplane.FragmentHeld, dataplane.Scheduled, dataplane.FragmentFollowed}},
		} {
			l := dualLab(t)
			pieces := cut(gram{src: src, sport: 4000, proto: frame.ProtoUDP, port: 55, id: 7, n: 900}.frame(), 304, 608)
			w := newLoad(l, 3, false, func(i int) []byte { return pieces[c.order[i]] })
			w.turn()
			if got := testing.AllocsPerRun(200, w.turn); got != 0 {
				t.Errorf("%s from %v: %v allocations a batch, want 0", c.name, src, got)
			}
			for i, want := range c.want {
				if got := l.batch.Packets[i].Reason; got != want {
					t.Errorf("%s from %v: fragment %d was %s, want %s", c.name, src, i, got, want)
				}
			}
		}
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
