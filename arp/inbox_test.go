package arp

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"sync"
	"testing"
)

func TestPutDoesNotAllocate(t *testing.T) {
	in := newInbox(8)
	f := make([]byte, 1500)
	var buf [maxFrame]byte
	if n := testing.AllocsPerRun(1000, func() { in.Put(f, eth0); in.take(&buf) }); n != 0 {
		t.Errorf("%v allocations for a frame that is taken, want 0", n)
	}
	if n := testing.AllocsPerRun(1000, func() { in.Put(f, eth0) }); n != 0 {
		t.Errorf("%v allocations for a frame without room, want 0", n)
	}
}

func TestAnInboxGivesBackWhatWasPutInOrder(t *testing.T) {
	in := newInbox(5) // 8 slots
	var buf [maxFrame]byte
	next := byte(0)
	for round := range 5 {
		for i := range 8 {
			f := bytes.Repeat([]byte{byte(8*round + i)}, 40*i)
			if !in.Put(f, int32(i)) {
				t.Fatalf("no room for frame %d of 8", i)
			}
			clear(f) // the inbox must have its own copy
		}
		if in.Put([]byte{1}, eth0) {
			t.Fatal("room for 9 frames in 8 slots")
		}
		for i := range 8 {
			n, ifindex, ok := in.take(&buf)
			if !ok || n != min(40*i, maxFrame) || ifindex != int32(i) || !bytes.Equal(buf[:n], bytes.Repeat([]byte{next}, n)) {
				t.Fatalf("frame %d: %d bytes, interface %d, %v: % x", i, n, ifindex, ok, buf[:n])
			}
			next++
		}
		if _, _, ok := in.take(&buf); ok {
			t.Fatal("a ninth frame was there")
		}
	}
	if n := in.full.Load(); n != 5 {
		t.Errorf("%d frames counted as turned away, want 5", n)
	}
}

// TestConcurrentPutsLoseNothingUncounted lets several writers race for few
// slots: every frame comes out once, whole and in its writer's order, or its
// Put said no.
func TestConcurrentPutsLoseNothingUncounted(t *testing.T) {
	const writers, frames = 4, 5000
	in := newInbox(16)
	var wg sync.WaitGroup
	accepted := make([]int, writers)
	for w := range writers {
		wg.Go(func() {
			f := make([]byte, maxFrame)
			for i := range frames {
				for at := 0; at < maxFrame; at += 4 {
					binary.BigEndian.PutUint32(f[at:], uint32(i))
				}
				if in.Put(f, int32(w)) {
					accepted[w]++
				} else {
					runtime.Gosched()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()

	var got [writers]int
	last := [writers]int{-1, -1, -1, -1}
	var buf [maxFrame]byte
	drain := func() {
		for {
			_, w, ok := in.take(&buf)
			if !ok {
				return
			}
			i := int(binary.BigEndian.Uint32(buf[:]))
			if !bytes.Equal(buf[:], bytes.Repeat(buf[:4], maxFrame/4)) || i <= last[w] {
				t.Errorf("writer %d: frame after %d is % x", w, last[w], buf)
			}
			last[w] = i
			got[w]++
		}
	}
	for running := true; running; {
		select {
		case <-in.ready:
		case <-done:
			running = false
		}
		drain()
	}
	total := 0
	for w := range writers {
		if got[w] != accepted[w] {
			t.Errorf("writer %d: %d frames came out of %d accepted", w, got[w], accepted[w])
		}
		total += got[w]
	}
	if full := int(in.full.Load()); total+full != writers*frames {
		t.Errorf("%d came out and %d were turned away, of %d", total, full, writers*frames)
	}
}

func BenchmarkInboxPut(b *testing.B) {
	in := newInbox(8)
	f := request(clientMAC, clientIP, vip).build()
	var buf [maxFrame]byte
	b.ReportAllocs()
	for b.Loop() {
		in.Put(f, eth0)
		in.take(&buf)
	}
}
