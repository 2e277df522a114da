package arp

import (
	"math/bits"
	"sync/atomic"
)

// maxFrame is the number of bytes kept of a frame. An Ethernet header with a
// VLAN tag and an ARP packet are 46; with a neighbour solicitation that has a
// link-layer address and a nonce they are 98, and the rest is room for options
// not known here, over which the checksum goes too. A slot is 256 bytes.
const maxFrame = 240

// An Inbox takes ARP and Neighbor Discovery frames from the packet path to the Service. Any number of
// goroutines may Put at once; only the Service takes.
//
// It is the bounded queue of Dmitry Vyukov: a slot's turn says whose it is.
// With n the number of slots, turn t means empty and waiting for the frame
// number t, turn t+1 means filled with it, and taking it makes the turn t+n. A
// writer never waits for another one or for the reader.
type Inbox struct {
	slots []slot
	mask  uint64        // len(slots)-1; the length is a power of 2
	ready chan struct{} // holds a token when there may be something to take
	full  atomic.Uint64 // frames turned away
	put   atomic.Uint64 // number of the next frame to come in

	taken uint64 // number of the next frame to go out; the reader's own
}

type slot struct {
	turn    atomic.Uint64
	ifindex int32
	n       int32 // bytes of buf in use
	buf     [maxFrame]byte
}

// newInbox makes an Inbox for at least n frames.
func newInbox(n int) *Inbox {
	n = 1 << bits.Len(uint(max(n, 2)-1)) // the next power of 2
	in := &Inbox{slots: make([]slot, n), mask: uint64(n - 1), ready: make(chan struct{}, 1)}
	for i := range in.slots {
		in.slots[i].turn.Store(uint64(i))
	}
	return in
}

// Put copies the beginning of the Ethernet frame f, which came in by the
// interface ifindex, and keeps nothing of it. It neither waits nor allocates.
// False means that there was no room and the frame is lost, as any such
// frame may be; it is counted in Stats.
func (in *Inbox) Put(f []byte, ifindex int32) bool {
	for {
		at := in.put.Load()
		s := &in.slots[at&in.mask]
		switch turn := s.turn.Load(); {
		case turn == at:
			if !in.put.CompareAndSwap(at, at+1) {
				continue
			}
			s.ifindex, s.n = ifindex, int32(copy(s.buf[:], f))
			s.turn.Store(at + 1)
			select {
			case in.ready <- struct{}{}:
			default:
			}
			return true
		case turn < at: // still the frame of the last time round
			in.full.Add(1)
			return false
		}
		// turn > at: another writer was faster; look again.
	}
}

// take copies the next frame to buf and says how long it is and where it came
// in; false: there is none.
func (in *Inbox) take(buf *[maxFrame]byte) (n int, ifindex int32, ok bool) {
	at := in.taken
	s := &in.slots[at&in.mask]
	if s.turn.Load() != at+1 {
		return 0, 0, false
	}
	n, ifindex = copy(buf[:], s.buf[:s.n]), s.ifindex
	s.turn.Store(at + uint64(len(in.slots)))
	in.taken = at + 1
	return n, ifindex, true
}
