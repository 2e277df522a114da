package dataplane_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// A gram is a datagram to be sent in fragments: UDP, or the start of a TCP
// connection or of an SCTP association.
type gram struct {
	src   netip.Addr
	sport uint16
	proto frame.Proto
	port  uint16 // of the VIP
	id    uint16
	n     int // bytes of payload
}

func vipFor(a netip.Addr) netip.Addr {
	if a.Is6() {
		return vip6IP
	}
	return vipIP
}

// frame is the datagram in one piece.
func (g gram) frame() []byte {
	src, dst := netip.AddrPortFrom(g.src, g.sport), netip.AddrPortFrom(vipFor(g.src), g.port)
	payload := make([]byte, g.n)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	var ext []build.Ext
	if g.src.Is6() {
		ext = []build.Ext{build.FragmentHeader(0, false, uint32(g.id))}
	}
	switch g.proto {
	case frame.ProtoUDP:
		return build.UDP{Src: src, Dst: dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, ID: g.id, Ext: ext}, Payload: payload}.Bytes()
	case frame.ProtoSCTP:
		copy(payload, []byte{frame.SCTPInit, 0, 0, 20})
		return build.SCTP{Src: src, Dst: dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, ID: g.id, Ext: ext}, Payload: payload}.Bytes()
	}
	return build.TCP{Src: src, Dst: dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, ID: g.id, Ext: ext}, Flags: "S", Payload: payload}.Bytes()
}

// cut is f in fragments, cut at the given bytes of its payload, in order.
func cut(f []byte, at ...int) [][]byte {
	var all [][]byte
	done := 0
	for _, n := range at {
		two := build.Fragment(f, n-done)
		all = append(all, two[0])
		f, done = two[1], n
	}
	return append(all, f)
}

// payloadLen is the length of what cut cuts.
func payloadLen(f []byte) int {
	h := frametest.Parse(f)
	return int(h.End) - int(h.L4)
}

// randomCuts are n-1 places to cut f, multiples of 8, the first with room for
// the header of TCP.
func randomCuts(r *rand.Rand, f []byte, n int) []int {
	var at []int
	for _, i := range r.Perm(payloadLen(f)/8 - 4)[:n-1] {
		at = append(at, 8*(i+3))
	}
	slices.Sort(at)
	return at
}

// dual adds to a lab services of both families: TCP 80 and UDP 53 and SCTP
// 9000 of two servers each, TCP 443 and UDP 54 persistent, UDP 55 by packets.
func dual(l *lab) *lab {
	for _, v := range []frame.Addr{vip, vip6} {
		l.service(on(v, frame.ProtoTCP, 80), 0, 1, 2)
		l.service(on(v, frame.ProtoUDP, 53), 0, 1, 2)
		l.service(on(v, frame.ProtoSCTP, 9000), 0, 1, 2)
		l.service(on(v, frame.ProtoTCP, 443), 120*time.Second, 1, 2)
		l.service(on(v, frame.ProtoUDP, 54), 120*time.Second, 1, 2)
		once := on(v, frame.ProtoUDP, 55)
		l.must(l.d.AddService(dataplane.ServiceConfig{Key: once, Scheduler: "rr", OnePacket: true}))
		l.add(once, 1, 1)
		l.add(once, 2, 1)
	}
	return l
}

func dualLab(t testing.TB) *lab { return dual(newLab(t, unlimited, 1<<12)) }

// randomGrams are two datagrams with the same id, between other addresses.
func randomGrams(r *rand.Rand) [2]gram {
	var two [2]gram
	id := uint16(r.Intn(1 << 16))
	v6 := r.Intn(2) == 0
	for i := range two {
		src := netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + r.Intn(100) + 100*i)})
		if v6 {
			src = netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0x0d, 3: 0xb8, 5: 7, 14: byte(i), 15: byte(r.Intn(256))})
		}
		g := gram{src: src, sport: uint16(1000 + r.Intn(60000)), id: id, n: 200 + r.Intn(1200)}
		switch r.Intn(5) {
		case 0:
			g.proto, g.port = frame.ProtoTCP, []uint16{80, 443}[r.Intn(2)]
		case 1:
			g.proto, g.port = frame.ProtoSCTP, 9000
		default:
			g.proto, g.port = frame.ProtoUDP, uint16(53+r.Intn(3))
		}
		two[i] = g
	}
	return two
}

// A journey is a datagram on its way through a director.
type journey struct {
	whole   []byte
	pieces  [][]byte
	arrived [][]byte // the fragments as they came, copies
	left    [][]byte // and as they went
	server  byte     // of the first; 0: it was not there yet
}

// send sends one more of j's fragments and holds what leaves against the law:
// nothing before the first; with the first those that came before it, in the
// order they came; then each as it comes; all to one server.
func (j *journey) send(l *lab, piece int) error {
	f := j.pieces[piece]
	j.arrived = append(j.arrived, bytes.Clone(f))
	r := l.send(bytes.Clone(f))
	first := frametest.Parse(f).FragOff == 0
	want := dataplane.FragmentFollowed
	switch {
	case first:
		want = r.reason
		if r.reason != dataplane.Scheduled {
			return fmt.Errorf("the first fragment was %s", r.reason)
		}
		j.server = r.server
		// The first goes before those that it releases.
		j.arrived = slices.Insert(j.arrived[:len(j.arrived)-1], 0, bytes.Clone(f))
	case j.server == 0:
		want = dataplane.FragmentHeld
	}
	if r.reason != want || r.verdict == dataplane.Forward && r.server != j.server || !first && len(r.sent) > 0 {
		return fmt.Errorf("%s: %s to server %d, want %s to %d; %d others left", frametest.Describe(f), r.reason, r.server,
			want, j.server, len(r.sent))
	}
	if r.verdict == dataplane.Forward {
		j.left = append(append(j.left, bytes.Clone(r.data)), r.sent...)
	}
	if j.server != 0 && len(j.left) != len(j.arrived) {
		return fmt.Errorf("%d fragments came and %d left", len(j.arrived), len(j.left))
	}
	for i, out := range j.left {
		if frame.DstMAC(out) != serverMAC(j.server) || frame.SrcMAC(out) != link.MAC {
			return fmt.Errorf("fragment %d went to %x, not to server %d", i, frame.DstMAC(out), j.server)
		}
		if err := lawOfForwarding(j.arrived[i], out); err != nil {
			return fmt.Errorf("fragment %d: %w", i, err)
		}
	}
	return nil
}

// All fragments of a datagram reach the server of its first one, in whatever
// order they come, and whatever comes in between.
func TestFragmentsStayTogether(t *testing.T) {
	early, seeds := 0, raced(40, long(100, 800))
	for seed := range int64(seeds) {
		r := rand.New(rand.NewSource(seed))
		l := dualLab(t)
		var js [2]*journey
		var order [][2]int // datagram, fragment
		for i, g := range randomGrams(r) {
			f := g.frame()
			js[i] = &journey{whole: f, pieces: cut(f, randomCuts(r, f, 2+r.Intn(7))...)}
			for k := range js[i].pieces {
				order = append(order, [2]int{i, k})
			}
		}
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, o := range order {
			l.now += int64(r.Intn(1000)) * 1e6
			if err := js[o[0]].send(l, o[1]); err != nil {
				t.Fatalf("seed %d, in the order %v: %v", seed, order, err)
			}
		}
		early += int(l.d.Counters()[dataplane.FragmentHeld])
		// The director counts each as one packet, of its whole length.
		var packets, total, want uint64
		for _, s := range l.d.Services() {
			packets += s.Traffic.Packets
			total += s.Traffic.Bytes
		}
		for _, j := range js {
			want += uint64(len(j.whole) - 14)
		}
		if packets != 2 || total != want {
			t.Fatalf("seed %d: counted %d packets of %d bytes, want 2 of %d", seed, packets, total, want)
		}
	}
	if early < 2*seeds {
		t.Errorf("only %d fragments overtook their first", early)
	}
}

// A datagram whose fragments all came is forgotten: another with its id is
// scheduled anew, also where it comes in another order.
func TestTheNextDatagramWithTheSameID(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		l := dualLab(t)
		f := gram{src: src, sport: 4000, proto: frame.ProtoUDP, port: 55, id: 77, n: 100}.frame()
		pieces := cut(f, 48, 96)
		want := byte(2)
		r := rand.New(rand.NewSource(1))
		for range 30 {
			j := &journey{whole: f, pieces: pieces}
			for _, k := range r.Perm(3) {
				if err := j.send(l, k); err != nil {
					t.Fatal(err)
				}
			}
			if j.server != want {
				t.Fatalf("server %d, want %d: every datagram is scheduled", j.server, want)
			}
			want = 3 - want
		}
	}
}

// A datagram is remembered for 30 s from its first sight on.
func TestFragmentsAreForgottenAfter30s(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		pieces := cut(gram{src: src, sport: 4000, proto: frame.ProtoUDP, port: 53, id: 77, n: 100}.frame(), 24, 48, 72)
		l := dualLab(t)
		l.expect(bytes.Clone(pieces[0]), dataplane.Scheduled, 2)
		l.now += 30e9 - 1
		l.expect(bytes.Clone(pieces[1]), dataplane.FragmentFollowed, 2)
		l.now++
		l.expect(bytes.Clone(pieces[2]), dataplane.FragmentHeld, 0)

		l = dualLab(t)
		l.expect(bytes.Clone(pieces[2]), dataplane.FragmentHeld, 0)
		l.now += 30e9 - 1
		l.expect(bytes.Clone(pieces[1]), dataplane.FragmentHeld, 0)
		l.now++
		if r := l.expect(bytes.Clone(pieces[0]), dataplane.Scheduled, 2); len(r.sent) != 0 {
			t.Errorf("%d fragments that were kept too long were sent", len(r.sent))
		}
	}
}

// What was kept for 30 s in vain gives its room back: the flood of a minute ago
// does not keep anybody's fragments out.
func TestKeptFragmentsGiveTheirRoomBack(t *testing.T) {
	l := dualLab(t)
	pieces := cut(gram{src: clientIP, sport: 4000, proto: frame.ProtoUDP, port: 53, id: 1, n: 100}.frame(), 48)
	lost := func() int {
		n := 0
		for id := range uint16(200) {
			f := bytes.Clone(pieces[1])
			f[15], f[18], f[19] = byte(l.now/1e9), byte(id>>8), byte(id) // TOS: of no meaning here
			build.FixHeaderSum(f)
			if r := l.send(f); r.reason == dataplane.FragmentLost {
				n++
			} else if r.reason != dataplane.FragmentHeld {
				t.Fatalf("%s", r.reason)
			}
		}
		return n
	}
	for i := range 10 {
		if n := lost(); n > 0 {
			t.Fatalf("turn %d: %d of 200 fragments were not kept, all others had been kept for 31 s", i, n)
		}
		l.now += 31e9
	}
}

// When the first is dropped the others are, whether they come before or after it,
// and leave nothing behind.
func TestFragmentsOfARefusedFirst(t *testing.T) {
	for _, c := range []struct {
		name  string
		g     gram
		setup func(l *lab)
		want  dataplane.Reason
	}{
		{"drop_packet", gram{src: client6IP, proto: frame.ProtoTCP, port: 80}, func(l *lab) {
			l.tune(func(v *dataplane.Tunables) { v.DropPacket, v.AMDropRate = 3, 1 })
		}, dataplane.Shed},
		{"no MAC address", gram{src: client6IP, sport: 9, proto: frame.ProtoUDP, port: 53}, func(l *lab) {
			l.send(gram{src: client6IP, sport: 9, proto: frame.ProtoUDP, port: 53}.frame())
			l.neighbour(2, frame.MAC{}, link)
		}, dataplane.NoMAC},
		{"SCTP to a port nobody serves", gram{src: clientIP, proto: frame.ProtoSCTP, port: 81}, nil, dataplane.ProtocolIgnored},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := dualLab(t)
			if c.setup != nil {
				c.setup(l)
			}
			c.g.n, c.g.id = 200, 5
			pieces := cut(c.g.frame(), 48, 96, 144)
			l.expect(bytes.Clone(pieces[2]), dataplane.FragmentHeld, 0)
			if r := l.expect(bytes.Clone(pieces[0]), c.want, 0); len(r.sent) > 0 {
				t.Fatalf("%d fragments left", len(r.sent))
			}
			l.expect(bytes.Clone(pieces[1]), dataplane.FragmentRefused, 0)
			l.expect(bytes.Clone(pieces[3]), dataplane.FragmentRefused, 0)
		})
	}
}

// A server that is removed gets nothing more; one that comes back in time does.
func TestFragmentsOfARemovedServer(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		l := dualLab(t)
		k := on(frame.AddrFrom(vipFor(src)), frame.ProtoUDP, 53)
		pieces := cut(gram{src: src, sport: 4000, proto: frame.ProtoUDP, port: 53, id: 77, n: 200}.frame(), 48, 96, 144)
		l.expect(bytes.Clone(pieces[0]), dataplane.Scheduled, 2)
		l.remove(k, 2)
		l.expect(bytes.Clone(pieces[1]), dataplane.ServerRemoved, 0)
		l.add(k, 2, 1)
		l.expect(bytes.Clone(pieces[2]), dataplane.FragmentFollowed, 2)
	}
}

// frag4 is a fragment of IPv4 UDP from the client, at off, of n bytes.
func frag4(id uint16, off, n int, more bool) []byte {
	f := build.Raw{Src: clientIP, Dst: vipIP, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, ID: id}, Proto: frame.ProtoUDP,
		Payload: append([]byte{1, 0, 0, 53, 0xff, 0xff, 0, 0}, make([]byte, 65000)...)[:n]}.Bytes()
	word := off / 8
	if more {
		word |= 0x2000
	}
	f[20], f[21] = byte(word>>8), byte(word)
	build.FixHeaderSum(f)
	return f
}

// Fragments that no sender makes are dropped, and each is counted for what it
// is; the others of their datagram go on.
func TestImpossibleFragments(t *testing.T) {
	type step struct {
		off, n int
		more   bool
		want   dataplane.Reason
	}
	const followed, overlap, bad = dataplane.FragmentFollowed, dataplane.FragmentOverlap, dataplane.FragmentBad
	first := step{0, 64, true, dataplane.Scheduled}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"the first again", []step{first, {0, 64, true, overlap}, {64, 8, false, followed}}},
		{"another again", []step{first, {64, 64, true, followed}, {64, 64, true, overlap}}},
		{"a last one again", []step{first, {128, 9, false, followed}, {128, 9, false, overlap}, {64, 64, true, followed}}},
		{"over the end of one", []step{first, {56, 16, true, overlap}, {64, 8, false, followed}}},
		{"over the start of one", []step{first, {128, 64, true, followed}, {72, 64, true, overlap}}},
		{"within one", []step{first, {8, 8, true, overlap}}},
		{"around one", []step{first, {128, 8, true, followed}, {120, 24, true, overlap}, {120, 8, true, followed}}},
		{"over two that meet", []step{first, {64, 64, true, followed}, {56, 16, true, overlap}}},
		{"filling a gap too long", []step{first, {128, 8, false, followed}, {64, 72, true, overlap}, {64, 64, true, followed}}},
		{"no multiple of 8 and not the last", []step{first, {64, 63, true, bad}, {64, 65, true, bad}, {64, 63, false, followed}}},
		{"the first no multiple of 8", []step{{0, 63, true, bad}}},
		{"empty", []step{first, {64, 0, true, bad}, {64, 0, false, bad}}},
		{"the greatest total length, its header counted", []step{first, {65512, 3, false, followed}, {65512, 4, false, bad}, {65528, 7, false, bad}}},
		{"beyond 65535", []step{first, {65528, 8, false, bad}, {65528, 8, true, bad}, {65520, 16, true, bad}, {1 << 15, 1 << 15, false, bad}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := dualLab(t)
			want := map[dataplane.Reason]uint64{}
			for i, s := range c.steps {
				server := byte(2)
				if s.want.Verdict() != dataplane.Forward {
					server = 0
				}
				want[s.want]++
				if r := l.send(frag4(9, s.off, s.n, s.more)); r.reason != s.want || r.server != server || len(r.sent) > 0 {
					t.Fatalf("fragment %d: %s to server %d, want %s to %d", i, r.reason, r.server, s.want, server)
				}
			}
			for reason, n := range l.d.Counters() {
				if n != want[dataplane.Reason(reason)] {
					t.Errorf("%d counted as %s, want %d", n, dataplane.Reason(reason), want[dataplane.Reason(reason)])
				}
			}
		})
	}
}

// More separate pieces than are noted are refused; the datagram goes on.
func TestAScatteredDatagram(t *testing.T) {
	l := dualLab(t)
	l.expect(frag4(9, 0, 8, true), dataplane.Scheduled, 2)
	for i := 1; i < 8; i++ {
		l.expect(frag4(9, 16*i, 8, true), dataplane.FragmentFollowed, 2)
	}
	l.expect(frag4(9, 16*8, 8, true), dataplane.FragmentOverlap, 0)
	l.expect(frag4(9, 8, 8, true), dataplane.FragmentFollowed, 2)
	l.expect(frag4(9, 16*8, 8, true), dataplane.FragmentFollowed, 2)
}

// In IPv6 the fragments of a datagram may name different next headers: the
// first the upper layer's only where no options are in front of it (RFC 8200
// section 4.5).
func TestFragmentsWithOptionsInFront(t *testing.T) {
	f := build.UDP{Src: netip.AddrPortFrom(client6IP, 4000), Dst: netip.AddrPortFrom(vip6IP, 55), IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, Ext: []build.Ext{build.FragmentHeader(0, false, 9), build.DestOpts(1, 2, 0, 0)}},
		Payload: make([]byte, 200)}.Bytes()
	r := rand.New(rand.NewSource(1))
	for range 20 {
		l := dualLab(t)
		j := &journey{whole: f, pieces: cut(f, 64, 128)}
		for _, k := range r.Perm(3) {
			if err := j.send(l, k); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A flood of fragments without a first one takes no more memory than there is,
// allocates nothing, and leaves those alone whose first comes first.
func TestFloodOfFragments(t *testing.T) {
	floods := 1_000_000
	if raceEnabled || testing.Short() {
		floods = 50_000
	}
	l := dualLab(t)
	piece := cut(gram{src: clientIP, sport: 4000, proto: frame.ProtoUDP, port: 53, n: 1400}.frame(), 48)[1]
	whole := cut(gram{src: client6IP, sport: 4000, proto: frame.ProtoUDP, port: 55, id: 3, n: 100}.frame(), 48, 96)
	l.batch.Packets = l.batch.Packets[:0]
	bufs := make([][]byte, 100)
	for i := range bufs {
		bufs[i] = bytes.Clone(piece)
		l.batch.Packets = append(l.batch.Packets, dataplane.Packet{Data: bufs[i]})
	}
	sent := 0
	flood := func() {
		for _, b := range bufs {
			sent++
			b[18], b[19], b[28], b[29] = byte(sent>>8), byte(sent), byte(sent>>16), 51 // id and source
			b[24], b[25] = 0, 0
			sum := build.Checksum(b[14:34])
			b[24], b[25] = byte(sum>>8), byte(sum)
		}
		l.now += 1e6
		l.d.Process(l.scratch, l.batch, l.now)
		*l.frames += uint64(len(bufs))
	}
	packets := slices.Clone(l.batch.Packets)
	before := heap()
	for sent < floods {
		if n := testing.AllocsPerRun(100, flood); n != 0 {
			t.Fatalf("%v allocations a batch, want 0", n)
		}
		j := &journey{pieces: whole}
		for k := range whole {
			if err := j.send(l, k); err != nil {
				t.Fatalf("after %d fragments: %v", sent, err)
			}
		}
		l.batch.Packets = append(l.batch.Packets[:0], packets...)
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("%d fragments took %d bytes", sent, grown)
	}
	c := l.d.Counters()
	if c[dataplane.FragmentHeld] < 256 || c[dataplane.FragmentHeld]+c[dataplane.FragmentLost] != uint64(sent) {
		t.Errorf("of %d fragments %d were kept and %d lost", sent, c[dataplane.FragmentHeld], c[dataplane.FragmentLost])
	}
	runtime.KeepAlive(l)
}

// heap is the bytes in use, after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
