package afpacket

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane"
)

// queueRoom is how many frames of a batch may be longer than a slot.
const queueRoom = 16

// A queue receives the frames that are longer than a slot. The kernel puts each
// into the socket's queue, in the order of the slots that have its beginning
// only (PACKET_COPY_THRESH, TP_STATUS_COPY). Where several CPUs receive, slots
// may be out of order by a frame or two; so nothing of the slot is used.
type queue struct {
	fd    int
	slots int // of the ring; packets of the queue have numbers from there on
	// bufs hold a frame each: dataplane.Headroom, room for a VLAN tag, the
	// virtio_net_hdr, the frame. They are made when they are needed.
	bufs [queueRoom][]byte
	size int // of each
	msgs [queueRoom]place
	used int

	hdr     unix.Msghdr
	iov     unix.Iovec
	control [controlLen]byte
}

// queueFront is how much of a buffer is before the virtio_net_hdr.
const queueFront = dataplane.Headroom + vlanTagLen

// struct cmsghdr and struct tpacket_auxdata, from <linux/if_packet.h>; host
// byte order.
const (
	controlLen = unix.SizeofCmsghdr + 24
	auxStatus  = unix.SizeofCmsghdr      // u32
	auxTCI     = unix.SizeofCmsghdr + 16 // u16
	auxTPID    = unix.SizeofCmsghdr + 18 // u16
)

func (q *queue) init(fd, slots, maxFrame int) {
	q.fd, q.slots, q.size = fd, slots, queueFront+vnetLen+maxFrame
	q.hdr.Iov = &q.iov
	q.hdr.SetIovlen(1)
	q.hdr.Control = &q.control[0]
}

// receive makes p the next frame of the queue; false: there is none, or it is
// longer than MaxFrame.
func (q *queue) receive(p *dataplane.Packet) bool {
	if q.used == queueRoom {
		return false // never: take was told
	}
	if q.bufs[q.used] == nil {
		q.bufs[q.used] = make([]byte, q.size)
	}
	buf := q.bufs[q.used]
	q.iov.Base = &buf[queueFront]
	q.iov.SetLen(len(buf) - queueFront)
	q.hdr.SetControllen(controlLen)
	n, errno := recvmsg(q.fd, &q.hdr)
	if errno != 0 || n < vnetLen+etherLen || n > len(buf)-queueFront {
		return false
	}
	at, end := queueFront+vnetLen, queueFront+n
	if status := q.aux(auxStatus); status&statusVLANValid != 0 {
		tpid := uint16(etherTypeTag)
		if status&statusVLANTPIDValid != 0 {
			tpid = uint16(q.aux(auxTPID))
		}
		insertTag(buf[queueFront-vlanTagLen:end], tpid, uint16(q.aux(auxTCI)))
		at -= vlanTagLen
	}
	q.msgs[q.used] = hand(p, q.slots+q.used, buf[:end:end], 0, at)
	q.used++
	return true
}

// aux is the field at place of the control message that came with the last
// frame.
func (q *queue) aux(place int) uint32 {
	if q.hdr.Controllen < controlLen-4 {
		return 0
	}
	return binary.NativeEndian.Uint32(q.control[place:])
}

// message is the virtio_net_hdr and the frame of k, the i-th of the queue; nil
// if it is not.
func (q *queue) message(i int, k *dataplane.Packet) []byte {
	if i >= q.used || len(k.Data) < etherLen {
		return nil
	}
	return q.msgs[i].message(q.bufs[i], k.Data)
}
