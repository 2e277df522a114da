package afpacket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"lvsdr/dataplane"
)

// Before each frame from the ring, tagged or not, there is the room that is
// promised. What is put there goes out behind a virtio_net_hdr whose offsets
// have moved with the frame, and the next frame in the slot is whole.
func TestFramesCanBeMadeLonger(t *testing.T) {
	le := binary.NativeEndian
	r, k := testRing(t, smallLayout)
	pkts := make([]dataplane.Packet, 1)
	for _, tagged := range []bool{false, true} {
		for _, partial := range []bool{false, true} {
			for n := range dataplane.Headroom + 1 {
				name := fmt.Sprintf("tagged %v, partial %v, %d bytes more", tagged, partial, n)
				f := wireFrame{data: numbered(n, 90)}
				if tagged {
					f.status, f.tci = statusVLANValid, 5
				}
				if partial {
					f.vnet[vnetFlags] = vnetNeedsCsum
					le.PutUint16(f.vnet[vnetCsumStart:], 34)
					le.PutUint16(f.vnet[vnetCsumStart+2:], 16)
					le.PutUint16(f.vnet[vnetHdrLen:], 54)
				}
				k.put(f)
				if got := r.take(pkts, queueRoom, always); got.n != 1 {
					t.Fatalf("%s: %d frames", name, got.n)
				}
				p := &pkts[0]
				if len(p.Front) < dataplane.Headroom {
					t.Fatalf("%s: %d bytes before the frame, %d are promised", name, len(p.Front), dataplane.Headroom)
				}
				was := bytes.Clone(r.message(p))
				more := p.Prepend(n)
				for i := range more {
					more[i] = byte(200 + i)
				}
				m := r.message(p)
				if m == nil {
					t.Fatalf("%s: it cannot be sent", name)
				}
				if !bytes.Equal(m[vnetLen:], append(bytes.Clone(more), was[vnetLen:]...)) {
					t.Errorf("%s: it goes out as % x", name, m)
				}
				want := bytes.Clone(was[:vnetLen])
				if partial {
					le.PutUint16(want[vnetCsumStart:], le.Uint16(want[vnetCsumStart:])+uint16(n))
					le.PutUint16(want[vnetHdrLen:], le.Uint16(want[vnetHdrLen:])+uint16(n))
				}
				if !bytes.Equal(m[:vnetLen], want) {
					t.Errorf("%s: header % x, want % x", name, m[:vnetLen], want)
				}
				if again := r.message(p); !bytes.Equal(again, m) {
					t.Errorf("%s: another look at the message gives % x", name, again)
				}
				// What is behind the packet, as Ethernet pads it, may be left out.
				p.Data = p.Data[:len(p.Data)-6]
				if short := r.message(p); !bytes.Equal(short, m[:len(m)-6]) {
					t.Errorf("%s: without its padding it goes out as % x", name, short)
				}
				r.release()
			}
		}
	}
}

// A frame of the queue has the same room, in memory of its own.
func TestQueuedFramesCanBeMadeLonger(t *testing.T) {
	for _, at := range []int{queueFront + vnetLen, queueFront + vnetLen - vlanTagLen} {
		buf := make([]byte, queueFront+vnetLen+200)
		copy(buf[at:], numbered(9, 200))
		var p dataplane.Packet
		pl := hand(&p, 0, buf[:at+200], 0, at)
		if len(p.Front) < dataplane.Headroom {
			t.Fatalf("%d bytes before the frame, %d are promised", len(p.Front), dataplane.Headroom)
		}
		copy(p.Prepend(dataplane.Headroom), numbered(1, dataplane.Headroom))
		want := append(numbered(1, dataplane.Headroom), numbered(9, 200)...)
		if m := pl.message(buf, p.Data); m == nil || !bytes.Equal(m[vnetLen:], want) {
			t.Errorf("it goes out as % x", m)
		}
		if m := pl.message(buf, bytes.Clone(p.Data)); m != nil {
			t.Error("a copy of the frame was taken for it")
		}
	}
}
