package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// superFrame is a TCP super-frame of the client with n bytes of payload, of whose checksum the
// pseudo header alone is done, as a network card hands it out.
func superFrame(client netip.Addr, n int, df bool, seq uint32, flags string) []byte {
	payload := make([]byte, n)
	for i := range payload {
		payload[i] = byte(uint32(i)*2654435761>>24) ^ byte(seq)
	}
	return build.TCP{Src: netip.AddrPortFrom(client, 4000), Dst: netip.AddrPortFrom(vipFor(client), 80), Flags: flags, Seq: seq, Payload: payload,
		IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, DF: df, ID: 500}}.Bytes()
}

func unfinish(f []byte) {
	h := frametest.Parse(f)
	binary.BigEndian.PutUint16(f[h.L4+16:], frame.Fold(frame.PseudoSum(h.Src, h.Dst, h.Proto, int(h.End)-int(h.L4))))
}

// segments processes super-frame f, whose segments have size bytes, and gives those that
// leave, whole, and the reason.
func (l *lab) segments(f []byte, size uint16) ([][]byte, dataplane.Reason) {
	mem := append(make([]byte, dataplane.Headroom), f...)
	l.batch.Packets = append(l.batch.Packets[:0], dataplane.Packet{Front: mem[:dataplane.Headroom], Data: mem[dataplane.Headroom:], GSOSize: size, Partial: true, Unfinished: true})
	l.d.Process(l.scratch, l.batch, l.now)
	p := &l.batch.Packets[0]
	var out [][]byte
	for _, r := range l.batch.Segments[p.First:][:p.Segments] {
		if r.Out != link.Index {
			l.t.Errorf("a segment leaves by interface %d", r.Out)
		}
		out = append(out, slices.Concat(r.Data, r.Body))
	}
	return out, p.Reason
}

// TestASuperFrameGoesThroughATunnelInSegments: they are those that the client would have sent,
// with right checksums, each in a packet of the tunnel, in order.
func TestASuperFrameGoesThroughATunnelInSegments(t *testing.T) {
	eachTunnel(t, func(t *testing.T, k tunnelKind, v6 bool, client netip.Addr) {
		l := tunnelLab(t, k, v6, 1500)
		l.tunnel(superFrame(client, 0, true, 0, "S"), true)
		const size = 1348
		for _, n := range []int{1, size, size + 1, 10 * size, 65000} {
			f := superFrame(client, n, true, 1000, "PA")
			unfinish(f)
			out, reason := l.segments(f, size)
			if reason != dataplane.Hit || len(out) != (n+size-1)/size {
				t.Fatalf("%d bytes: %s, %d segments", n, reason, len(out))
			}
			full := superFrame(client, n, true, 1000, "PA")
			h := frametest.Parse(full)
			for i, g := range out {
				got := l.unwrapped(tunnelledFrame{reason: reason, out: [][]byte{g}})
				from := i * size
				part := full[int(h.L4)+20+from:][:min(size, n-from)]
				flags := "A"
				if i == len(out)-1 {
					flags = "PA"
				}
				want := build.TCP{Src: netip.AddrPortFrom(client, 4000), Dst: netip.AddrPortFrom(vipFor(client), 80), Flags: flags, Seq: 1000 + uint32(from), Payload: part,
					IP: build.IP{TTL: 63, DF: true, ID: 500 + uint16(i)}}.Bytes()[14:]
				if !bytes.Equal(got.Inner, want) {
					t.Fatalf("%d bytes, segment %d: % x, want % x", n, i, got.Inner[:60], want[:60])
				}
			}
		}
	})
}

// TestASuperFrameWhoseSegmentsDoNotFit: is answered with the MTU, or where it may be
// fragmented its segments are made shorter; TCP does not see it.
func TestASuperFrameWhoseSegmentsDoNotFit(t *testing.T) {
	eachTunnel(t, func(t *testing.T, k tunnelKind, v6 bool, client netip.Addr) {
		l := tunnelLab(t, k, v6, 1400)
		l.tunnel(superFrame(client, 0, true, 0, "S"), true)
		f := superFrame(client, 14600, true, 1000, "A")
		if out, reason := l.segments(f, 1460); reason != dataplane.FragmentationNeeded || len(out) > 0 || len(l.batch.Replies) != 1 {
			t.Fatalf("%s, %d segments, %d answers", reason, len(out), len(l.batch.Replies))
		}
		if client.Is6() {
			return
		}
		full := superFrame(client, 14600, false, 1000, "A")
		out, reason := l.segments(full, 1460)
		var got []byte
		for _, g := range out {
			if len(g) > 1400+14 {
				t.Fatalf("a segment of %d bytes", len(g)-14)
			}
			got = append(got, l.unwrapped(tunnelledFrame{out: [][]byte{g}}).Inner[40:]...)
		}
		if reason != dataplane.Hit || !bytes.Equal(got, superFrame(client, 14600, false, 1000, "A")[54:]) {
			t.Errorf("%s: %d bytes in %d segments", reason, len(got), len(out))
		}
	})
}

// TestABatchHasSoManySegments: what there is no room for is dropped, as a whole. Nothing is
// allocated once there is room for segments.
func TestABatchHasSoManySegments(t *testing.T) {
	l := tunnelLab(t, tunnelKinds[4], false, 1500)
	l.tunnel(superFrame(clientIP, 0, true, 0, "S"), true)
	f := superFrame(clientIP, 60_000, true, 1000, "A")
	bufs := make([][]byte, 10)
	for i := range bufs {
		bufs[i] = make([]byte, len(f))
	}
	turn := func() {
		l.batch.Packets = l.batch.Packets[:0]
		for i := range bufs {
			copy(bufs[i], f)
			l.batch.Packets = append(l.batch.Packets, dataplane.Packet{Data: bufs[i], GSOSize: 250, Unfinished: true, Partial: true})
		}
		l.d.Process(l.scratch, l.batch, l.now)
	}
	turn()
	var reasons []string
	for i := range l.batch.Packets {
		reasons = append(reasons, l.batch.Packets[i].Reason.String())
	}
	if got := strings.Join(reasons, " "); got != "hit hit hit hit hit hit hit hit too-big too-big" || len(l.batch.Segments) != 8*240 {
		t.Errorf("%s, %d segments", got, len(l.batch.Segments))
	}
	if n := testing.AllocsPerRun(10, turn); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestAnUnfinishedChecksumGoesIntoATunnel: it stays as it is, for the network card to finish,
// but in fragments it is finished; the tunnel's own is right either way.
func TestAnUnfinishedChecksumGoesIntoATunnel(t *testing.T) {
	for _, k := range tunnelKinds {
		l := tunnelLab(t, k, false, 1400)
		l.tunnel(superFrame(clientIP, 0, true, 0, "S"), true)
		for _, n := range []int{100, 3000} {
			want := superFrame(clientIP, n, false, 1000, "A")
			f := bytes.Clone(want)
			unfinish(f)
			mem := append(make([]byte, dataplane.Headroom), f...)
			l.batch.Packets = append(l.batch.Packets[:0], dataplane.Packet{Front: mem[:dataplane.Headroom], Data: mem[dataplane.Headroom:], Partial: true, Unfinished: true})
			l.d.Process(l.scratch, l.batch, l.now)
			p := &l.batch.Packets[0]
			out := p.Data
			if n > 1400 {
				var pieces [][]byte
				for _, r := range l.batch.Replies {
					pieces = append(pieces, r.Data)
				}
				out = gather(t, pieces, 1400)
			} else {
				at := len(out) - len(lessTTL(f)) // the network card finishes it
				copy(out[at:], lessTTL(want))
			}
			got, err := frametest.Unwrap(out)
			if err != nil || !bytes.Equal(got.Inner, lessTTL(want)) {
				t.Errorf("%v, %d bytes: %s, %v", k, n, p.Reason, err)
			}
		}
	}
}
