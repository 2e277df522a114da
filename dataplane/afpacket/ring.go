package afpacket

import (
	"encoding/binary"
	"fmt"
	"math"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// Offsets in struct tpacket2_hdr, from <linux/if_packet.h>; host byte order.
const (
	slotStatus   = 0  // u32; kernel and user both write it, see ring_unsafe.go
	slotLen      = 4  // u32, length of the frame on the wire
	slotSnaplen  = 8  // u32, bytes of it in the slot
	slotMAC      = 12 // u16, where the frame begins, from the start of the slot
	slotSec      = 16 // u32, when the frame came, of CLOCK_REALTIME
	slotNsec     = 20 // u32
	slotVLANTCI  = 24 // u16, the stripped tag
	slotVLANTPID = 26 // u16

	slotType   = 42 // u8, sll_pkttype of the struct sockaddr_ll
	slotHeader = 52 // TPACKET2_HDRLEN: the header and a struct sockaddr_ll
)

// Bits of tp_status, from <linux/if_packet.h>. A slot with statusKernel is the
// kernel's, with statusUser ours.
const (
	statusKernel        = 0
	statusUser          = 1 << 0
	statusCopy          = 1 << 1 // the whole frame is in the socket's queue
	statusVLANValid     = 1 << 4
	statusVLANTPIDValid = 1 << 6
)

// struct virtio_net_hdr, from <linux/virtio_net.h>; host byte order on a
// packet socket.
const (
	vnetFlags     = 0 // u8
	vnetGSOType   = 1 // u8
	vnetHdrLen    = 2 // u16
	vnetGSOSize   = 4 // u16
	vnetCsumStart = 6 // u16, from the start of the frame
	vnetLen       = 10

	vnetNeedsCsum = 1 << 0 // VIRTIO_NET_HDR_F_NEEDS_CSUM
	vnetDataValid = 1 << 1 // VIRTIO_NET_HDR_F_DATA_VALID
	vnetGSONone   = 0
)

const (
	etherLen     = frame.EtherLen
	macsLen      = frame.MACsLen
	vlanTagLen   = frame.TagLen
	etherTypeTag = frame.EtherTypeVLAN // what a tag has if the kernel does not say
)

// reserve is PACKET_RESERVE: room the kernel leaves before the frame. With it
// the virtio_net_hdr begins at 128, so that it and the Ethernet, IPv4 and TCP
// headers (10+14+20+20) share one cache line. A VLAN tag takes four of the 76 bytes
// between the slot's header and the virtio_net_hdr; the rest is
// dataplane.Headroom, into which the virtio_net_hdr moves before a frame that has
// become longer. tpacket_rcv in net/packet/af_packet.c computes
//
//	network header = TPACKET_ALIGN(52 + 16) + reserve + 10
const (
	reserve  = 62
	frameOff = 80 + reserve + vnetLen - etherLen // 138, where the kernel puts a frame
)

// behindHeaders is where the cache line begins that has the end of a frame of 60 bytes.
// The kernel wrote it on another CPU, and only what sends the frame touches it: open does
// so too, where the wait for it is one with the wait for the headers.
const behindHeaders = (frameOff + 63) &^ 63

// A layout is the geometry of a ring, as struct tpacket_req wants it.
type layout struct {
	slotSize  int // bytes, a multiple of 64
	blockSize int // bytes, a power of two and a multiple of the page
	blocks    int
}

const (
	minBlock = 4 << 10
	maxBlock = 2 << 20 // what the kernel's allocator still finds in one piece
)

// newLayout is the geometry for at least slots frames of maxFrame bytes. The
// slot size is an odd number of cache lines if the frame is a long one, which
// spreads the status words over the sets of a cache.
func newLayout(slots, maxFrame int) layout {
	l := layout{slotSize: slotSize(maxFrame)}
	for l.blockSize = minBlock; l.blockSize < maxBlock; l.blockSize *= 2 {
		if l.blockSize >= l.slotSize && l.blockSize%l.slotSize <= l.blockSize/32 {
			break
		}
	}
	perBlock := l.blockSize / l.slotSize
	l.blocks = (slots + perBlock - 1) / perBlock
	return l
}

// slotSize is that of a slot for frames of maxFrame bytes.
func slotSize(maxFrame int) int { return (frameOff + maxFrame + 63) &^ 63 }

func (l layout) slots() int { return l.blocks * (l.blockSize / l.slotSize) }
func (l layout) bytes() int { return l.blocks * l.blockSize }

// A ring walks the slots of a TPACKET_V2 receive ring in plain memory. Slots
// go round like this:
//
//	kernel's ──kernel fills it──▶ ours ──take──▶ held ──release──▶ kernel's
//
// It is not safe for concurrent use, except with the kernel.
type ring struct {
	mem  []byte
	size int     // bytes of a slot
	offs []int   // where each slot starts
	msgs []place // where the frame of each slot is; at 0: there was none yet
	next int     // the slot to look at
	held int     // how many slots before next are held
	base int     // the number that packets have in the first slot

	marked bool // Config.Mark is set
}

// newRing walks mem, which has the geometry l; all slots must be the kernel's
// or filled in order from the first on.
func newRing(mem []byte, l layout) (ring, error) {
	if len(mem) != l.bytes() {
		return ring{}, fmt.Errorf("ring of %d bytes, want %d", len(mem), l.bytes())
	}
	r := ring{mem: mem, size: l.slotSize, offs: make([]int, 0, l.slots()), msgs: make([]place, l.slots())}
	for b := range l.blocks {
		for s := range l.blockSize / l.slotSize {
			r.offs = append(r.offs, b*l.blockSize+s*l.slotSize)
		}
	}
	return r, nil
}

// ready reports whether take would find a frame.
func (r *ring) ready() bool {
	return r.held < len(r.offs) && readShared(r.mem, r.offs[r.next]+slotStatus)&statusUser != 0
}

// pressed reports whether more than a quarter of the slots wait to be taken.
func (r *ring) pressed() bool { return r.waitMore(len(r.offs) / 4) }

// waitMore reports whether more than ahead slots wait to be taken. The kernel fills them in
// order, so that one of them tells.
func (r *ring) waitMore(ahead int) bool {
	at := r.next + ahead
	if at >= len(r.offs) {
		at -= len(r.offs)
	}
	return r.held+ahead < len(r.offs) && readShared(r.mem, r.offs[at]+slotStatus)&statusUser != 0
}

// since is when the frame came that take would find first, in nanoseconds of
// CLOCK_REALTIME, which may be set. Call it only where there is one.
func (r *ring) since() int64 {
	s := r.mem[r.offs[r.next]:]
	return int64(binary.NativeEndian.Uint32(s[slotSec:]))*1e9 + int64(binary.NativeEndian.Uint32(s[slotNsec:]))
}

// always is the time that all frames came before.
const always = math.MaxInt64

// A taking is the result of take.
type taking struct {
	n      int // packets filled in
	queued int // of them without Data: the frame is in the socket's queue
	cut    int // frames longer than a slot that are nowhere else
}

// take fills pkts with the frames that are there and came before until, at most
// room of them in the socket's queue; what was cut is passed over. The frames
// belong to the caller until release.
func (r *ring) take(pkts []dataplane.Packet, room int, until int64) (t taking) {
	for t.n < len(pkts) && r.held < len(r.offs) && t.queued < room {
		status := readShared(r.mem, r.offs[r.next]+slotStatus)
		if status&statusUser == 0 || until != always && r.since() >= until {
			break
		}
		p := &pkts[t.n]
		p.Counted = r.marked && r.mem[r.offs[r.next]+slotType] == pktMulticast
		switch {
		case status&statusCopy != 0:
			p.Data = nil
			t.queued++
			t.n++
		case r.open(r.next, status, p):
			t.n++
		default:
			t.cut++
		}
		r.held++
		if r.next++; r.next == len(r.offs) {
			r.next = 0
		}
	}
	return t
}

// release gives all held slots back to the kernel, oldest first.
func (r *ring) release() {
	slot := r.next - r.held
	if slot < 0 {
		slot += len(r.offs)
	}
	for ; r.held > 0; r.held-- {
		giveShared(r.mem, r.offs[slot]+slotStatus, statusKernel)
		if slot++; slot == len(r.offs) {
			slot = 0
		}
	}
}

// open makes p the frame in slot and reports whether it is there in full. The
// kernel's word about lengths is checked: nothing outside the slot is touched.
func (r *ring) open(slot int, status uint32, p *dataplane.Packet) bool {
	s := r.mem[r.offs[slot]:][:r.size]
	mac := int(binary.NativeEndian.Uint16(s[slotMAC:]))
	size := binary.NativeEndian.Uint32(s[slotSnaplen:])
	if size != binary.NativeEndian.Uint32(s[slotLen:]) ||
		mac < slotHeader+vlanTagLen+vnetLen || size < etherLen || uint64(mac)+uint64(size) > uint64(len(s)) {
		return false
	}
	end := mac + int(size)
	if end > behindHeaders {
		readShared(s, behindHeaders)
	}
	if status&statusVLANValid != 0 {
		tpid := uint16(etherTypeTag)
		if status&statusVLANTPIDValid != 0 {
			tpid = binary.NativeEndian.Uint16(s[slotVLANTPID:])
		}
		insertTag(s[mac-vlanTagLen-vnetLen:end], tpid, binary.NativeEndian.Uint16(s[slotVLANTCI:]))
		mac -= vlanTagLen
	}
	r.msgs[slot] = hand(p, r.base+slot, s[:end:end], slotHeader, mac)
	return true
}

// A place is where a frame is in the memory it came in. Its virtio_net_hdr came
// before it, and is free memory from then on, as is all from the byte start on.
type place struct {
	start, at, end uint32 // of the free memory, the frame, and what is behind it
	vnet           [vnetLen]byte
}

// hand makes p the frame that starts at byte at of mem and ends with it; what is
// before the frame is free from byte start on.
func hand(p *dataplane.Packet, slot int, mem []byte, start, at int) place {
	mem = mem[:len(mem):len(mem)] // see place.message
	message := mem[at-vnetLen:]
	p.Data = message[vnetLen:]
	p.Front = mem[start+vnetLen : at] // the header goes before what is put there
	p.Slot = uint32(slot)
	p.Partial = message[vnetFlags]&(vnetNeedsCsum|vnetDataValid) != 0
	p.Unfinished = message[vnetFlags]&vnetNeedsCsum != 0
	p.GSOSize = 0
	if message[vnetGSOType] != vnetGSONone {
		p.GSOSize = binary.NativeEndian.Uint16(message[vnetGSOSize:])
	}
	p.Out, p.Mark, p.Verdict, p.Segments = 0, 0, dataplane.Drop, 0
	return place{uint32(start), uint32(at), uint32(len(mem)), [vnetLen]byte(message)}
}

// message is the virtio_net_hdr and the frame data, which came in mem at pl, and
// may have become longer at its start and shorter at its end; nil: it did not. Where it
// starts is told by its capacity, which reaches to the end of mem.
func (pl *place) message(mem, data []byte) []byte {
	from := int(pl.at) - vnetLen
	if end := int(pl.at) + len(data); end <= len(mem) && &mem[pl.at] == &data[0] {
		return mem[from:end:end]
	}
	at := int(pl.end) - cap(data)
	if at >= int(pl.at) || at-vnetLen < int(pl.start) || &mem[at] != &data[0] {
		return nil
	}
	end := at + len(data)
	m := mem[at-vnetLen : end : end]
	copy(m, pl.vnet[:])
	lengthen(m, int(pl.at)-at)
	return m
}

// lengthen makes the offsets in a virtio_net_hdr that count from the start of the
// frame right for a frame that has got n more bytes there.
func lengthen(vnet []byte, n int) {
	if vnet[vnetFlags]&vnetNeedsCsum != 0 {
		start := binary.NativeEndian.Uint16(vnet[vnetCsumStart:])
		binary.NativeEndian.PutUint16(vnet[vnetCsumStart:], start+uint16(n))
	}
	if l := binary.NativeEndian.Uint16(vnet[vnetHdrLen:]); l != 0 {
		binary.NativeEndian.PutUint16(vnet[vnetHdrLen:], l+uint16(n))
	}
}

// insertTag puts a VLAN tag back into a frame: b holds four free bytes, the
// virtio_net_hdr and the frame. The header and both MAC addresses move down,
// offsets in the header that count from the start of the frame grow.
func insertTag(b []byte, tpid, tci uint16) {
	copy(b, b[vlanTagLen:vlanTagLen+vnetLen+macsLen])
	tag := b[vnetLen+macsLen:]
	binary.BigEndian.PutUint16(tag, tpid)
	binary.BigEndian.PutUint16(tag[2:], tci)
	lengthen(b, vlanTagLen)
}

// message is the virtio_net_hdr and the frame of p, as they lie in the ring; nil
// if p is not a frame of a held slot.
func (r *ring) message(p *dataplane.Packet) []byte {
	slot := int(p.Slot) - r.base
	if uint(slot) >= uint(len(r.msgs)) || len(p.Data) < etherLen {
		return nil
	}
	pl := &r.msgs[slot]
	if pl.at == 0 {
		return nil
	}
	return pl.message(r.mem[r.offs[slot]:][:r.size], p.Data)
}
