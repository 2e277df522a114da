package afpacket

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/bench/netns"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// floodFrame is the n-th frame of a flood from the client, with that payload.
func (l *lab) floodFrame(n int, payload []byte) []byte {
	return l.floodFrameOf(labClient, labVIP, n, payload)
}

// floodFrameOf is floodFrame between such addresses.
func (l *lab) floodFrameOf(client, vip netip.Addr, n int, payload []byte) []byte {
	return build.UDP{Src: netip.AddrPortFrom(client, uint16(1024+n)), Dst: netip.AddrPortFrom(vip, 53), IP: build.IP{ID: uint16(n), SrcMAC: frame.MAC(l.c0.HardwareAddr), DstMAC: frame.MAC(l.d0.HardwareAddr)}, Payload: payload}.Bytes()
}

// openFlood opens a flood in the client's namespace, where checksums are
// finished.
func openFlood(t *testing.T, l *lab, frames [][]byte, segment int) (f *Flood) {
	t.Helper()
	within(t, l.client, func() {
		var err error
		if err = SetTxChecksum(l.c0.Name, false); err == nil {
			f, err = OpenFlood(l.c0, frames, segment)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// A flood with segments is, on the wire, that of the frames with a segment of
// payload each, checksums and all.
func TestAFloodIsItsFramesCutIntoSegments(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP, labVIP6}})
	for _, c := range []struct {
		name    string
		segment int
		pieces  []int // payload of the frames on the wire, from each frame
		v6      bool
	}{
		{"as they are", 0, []int{43}, false},
		{"into whole segments", 18, []int{18, 18, 18}, false},
		{"with a rest", 18, []int{18, 18, 7}, false},
		{"into one", 18, []int{18}, false},
		{"IPv6 as they are", 0, []int{43}, true},
		{"IPv6 with a rest", 18, []int{18, 18, 7}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, vip := labClient, labVIP
			if c.v6 {
				client, vip = labClient6, labVIP6
			}
			var frames, want [][]byte
			for n := range 3 {
				var payload []byte
				for i, size := range c.pieces {
					piece := bytes.Repeat([]byte{byte(16*n + i + 1)}, size)
					payload = append(payload, piece...)
					want = append(want, l.floodFrameOf(client, vip, n, piece))
					if c.segment > 0 && !c.v6 { // the kernel counts the segments' IDs up
						want[len(want)-1] = withID(want[len(want)-1], uint16(n+i))
					}
				}
				frames = append(frames, l.floodFrameOf(client, vip, n, payload))
			}
			f := openFlood(t, l, frames, c.segment)
			sent, err := f.Send()
			if err != nil || sent != len(want) {
				t.Fatalf("sent %d frames, %v; want %d", sent, err, len(want))
			}
			came := 0
			got := collect(t, p, dataplane.NewBatch(), func([]byte) bool { came++; return came == len(want) })
			if len(got) != len(want) {
				t.Fatalf("%d frames, want %d", len(got), len(want))
			}
			for i := range got {
				if !bytes.Equal(got[i], want[i]) {
					t.Errorf("frame %d is %s\n%x, want %s\n%x", i, frametest.Describe(got[i]), got[i], frametest.Describe(want[i]), want[i])
				}
			}
		})
	}
}

// withID is an IPv4 frame with another identification and its checksum.
func withID(f []byte, id uint16) []byte {
	f = bytes.Clone(f)
	ip := f[etherLen:]
	ip[4], ip[5], ip[10], ip[11] = byte(id>>8), byte(id), 0, 0
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(ip[i])<<8 | uint32(ip[i+1])
	}
	sum = sum&0xffff + sum>>16
	sum = ^(sum + sum>>16)
	ip[10], ip[11] = byte(sum>>8), byte(sum)
	return f
}

// A flood goes through all of its frames, and then from the first on.
func TestAFloodBeginsAnew(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}, Slots: 1000, MaxFrame: 1600})
	var frames [][]byte
	for i := range floodFrames + 10 {
		frames = append(frames, frameTo(l.c0, l.d0.HardwareAddr, labVIP, i, 60))
	}
	f := openFlood(t, l, frames, 0)
	for i, want := range []int{floodFrames, 10, floodFrames} {
		if n, err := f.Send(); n != want || err != nil {
			t.Fatalf("call %d sent %d frames, %v; want %d", i+1, n, err, want)
		}
	}
	seen, batch := 0, dataplane.NewBatch()
	for seen < 2*floodFrames+10 {
		if err := p.Recv(batch); err != nil {
			t.Fatal(err)
		}
		for _, k := range batch.Packets {
			if n := numberOf(k.Data); n != seen%len(frames) {
				t.Fatalf("frame %d has number %d, want %d", seen, n, seen%len(frames))
			}
			seen++
		}
	}
}

func TestAFloodThatCannotBeIsRefused(t *testing.T) {
	l := newLab(t)
	udp := l.floodFrame(1, []byte("payload"))
	for name, c := range map[string]struct {
		frames  [][]byte
		segment int
	}{
		"0 frames": {nil, 0},
		"-1 bytes": {[][]byte{udp}, -1},
		"not UDP":  {[][]byte{udp, build.TCP{Src: netip.AddrPortFrom(labClient, 1), Dst: netip.AddrPortFrom(labVIP, 2), IP: build.IP{Pad: true}}.Bytes()}, 18},
	} {
		if f, err := OpenFlood(l.c0, c.frames, c.segment); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	if err := SetTxChecksum("nothing0", false); err == nil {
		t.Error("an interface that does not exist was set")
	}
}
