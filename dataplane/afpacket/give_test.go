package afpacket

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"lvsdr/dataplane"
)

// The kernel may fill a slot at once when it has it back: nothing that is read from the
// slot before may come from the frame after. A goroutine is the kernel.
func TestASlotIsReadBeforeItIsGivenBack(t *testing.T) {
	const rounds, words = 20_000, 12
	mem := make([]byte, 256)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := uint32(1); n <= rounds; n++ {
			for readShared(mem, 0) != statusKernel {
				runtime.Gosched()
			}
			for w := range words {
				binary.NativeEndian.PutUint32(mem[64+4*w:], n)
			}
			writeShared(mem, 0, statusUser)
		}
	}()
	got := make([]byte, 4*words)
	for n := uint32(1); n <= rounds; n++ {
		for readShared(mem, 0) != statusUser {
			runtime.Gosched()
		}
		copy(got, mem[64:])
		giveShared(mem, 0, statusKernel)
		for w := range words {
			if v := binary.NativeEndian.Uint32(got[4*w:]); v != n {
				t.Fatalf("word %d of frame %d is that of frame %d", w, n, v)
			}
		}
	}
	<-ended
}

func TestASlotIsGivenBackWithThatWordAlone(t *testing.T) {
	for _, at := range []int{0, 4, 64, 252} {
		mem := bytes.Repeat([]byte{0xa5}, 256)
		giveShared(mem, at, 0x01020304)
		want := bytes.Repeat([]byte{0xa5}, 256)
		binary.NativeEndian.PutUint32(want[at:], 0x01020304)
		if !bytes.Equal(mem, want) {
			t.Errorf("at %d: % x", at, mem)
		}
	}
	for _, at := range []int{-4, 253, 256} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a word at %d of 256 bytes was written", at)
				}
			}()
			giveShared(make([]byte, 256), at, 1)
		}()
	}
}

// Frames that end just before, at and behind the cache line that open touches ahead come
// out whole, in the shortest slots that have room for them.
func TestFramesAroundTheSecondCacheLineComeOutWhole(t *testing.T) {
	const first = behindHeaders - frameOff // bytes of a frame before that line
	pkts := make([]dataplane.Packet, 1)
	for _, tagged := range []bool{false, true} {
		for size := etherLen; size <= first+130; size++ {
			r, k := testRing(t, newLayout(4, size))
			for n := range 3 {
				f := wireFrame{data: numbered(n, size)}
				if tagged {
					f.status, f.tci = statusVLANValid, 5
				}
				k.put(f)
				got := r.take(pkts, queueRoom, always)
				if got.n != 1 || got.cut != 0 {
					t.Fatalf("%d bytes: %d frames, %d cut", size, got.n, got.cut)
				}
				data := pkts[0].Data
				if tagged {
					data = append(bytes.Clone(data[:macsLen]), data[macsLen+vlanTagLen:]...)
				}
				if !bytes.Equal(data, f.data) {
					t.Fatalf("%d bytes, tagged %v: % x came out as % x", size, tagged, f.data, data)
				}
				r.release()
			}
		}
	}
}

func TestTheSecondCacheLineBeginsBehindTheHeaders(t *testing.T) {
	const headers = etherLen + 20 + 20 // IPv4 and TCP without options
	if behindHeaders%64 != 0 || behindHeaders < frameOff+headers || behindHeaders >= frameOff+60 {
		t.Errorf("a line begins at %d, headers end at %d, a frame of 60 bytes at %d", behindHeaders, frameOff+headers, frameOff+60)
	}
}
