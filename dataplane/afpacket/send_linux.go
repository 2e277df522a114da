package afpacket

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane"
)

// maxMessages is how many messages one sendmmsg gets: a full batch and as many
// replies again.
const maxMessages = 2 * dataplane.MaxBatch

// maxCall is how many messages go in one system call: at 2 µs each, what others
// may have to wait for.
const maxCall = 64

// perMessage is of how many pieces a message may be: the virtio_net_hdr, and a Reply's two.
const perMessage = 3

// A mmsghdr is struct mmsghdr, see sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32 // set by the kernel
}

// A sender holds the messages of one call of sendmmsg, allocated once.
type sender struct {
	n     int // messages filled in
	msgs  []mmsghdr
	iovs  []unix.Iovec // perMessage for each
	addrs []unix.RawSockaddrLinklayer
	zero  []byte // the virtio_net_hdr of our own frames: nothing left to do
}

func (s *sender) init() {
	s.msgs = make([]mmsghdr, maxMessages)
	s.iovs = make([]unix.Iovec, perMessage*maxMessages)
	s.addrs = make([]unix.RawSockaddrLinklayer, maxMessages)
	s.zero = make([]byte, vnetLen)
	for i := range s.msgs {
		h := &s.msgs[i].hdr
		setName(h, &s.addrs[i])
		h.Iov = &s.iovs[perMessage*i]
		s.addrs[i].Family = unix.AF_PACKET
	}
}

// add appends the frame, which leaves by interface out; head is the
// virtio_net_hdr, or both are one piece in head.
func (s *sender) add(head, frame []byte, etherType []byte, out int32) {
	a := &s.addrs[s.n]
	a.Ifindex = out
	a.Protocol = binary.NativeEndian.Uint16(etherType) // stays in network order
	v := s.iovs[perMessage*s.n:][:perMessage]
	v[0].Base = &head[0]
	v[0].SetLen(len(head))
	parts := 1
	if len(frame) > 0 {
		v[1].Base = &frame[0]
		v[1].SetLen(len(frame))
		parts = 2
	}
	s.msgs[s.n].hdr.SetIovlen(parts)
	s.n++
}

// append makes body the last piece of the message that was added last, which has a frame.
func (s *sender) append(body []byte) {
	v := &s.iovs[perMessage*(s.n-1)+2]
	v.Base = &body[0]
	v.SetLen(len(body))
	s.msgs[s.n-1].hdr.SetIovlen(3)
}

// Send implements [dataplane.NIC]. A forwarded frame goes out with the
// virtio_net_hdr it came with, so that the kernel finishes checksums and
// segments super-frames, or by an AF_XDP socket where nothing is left to do.
//
// What the device queue refuses is tried again after a short wait, at most
// maxWaits times for the whole batch, then counted as SendFull.
func (p *NIC) Send(b *dataplane.Batch) error {
	waits := maxWaits
	if !p.sendXDP(b, &waits) {
		if err := p.addForwarded(b, &waits); err != nil {
			return err
		}
	}
	for i := range b.Replies {
		if err := p.addReply(&b.Replies[i], &waits); err != nil {
			return err
		}
	}
	return p.flush(&waits)
}

// addForwarded adds the frames of b that are to be forwarded.
func (p *NIC) addForwarded(b *dataplane.Batch, waits *int) error {
	for i := range b.Packets {
		k := &b.Packets[i]
		if k.Verdict != dataplane.Forward {
			continue
		}
		if k.Segments > 0 {
			if err := p.addSegments(b, k, waits); err != nil {
				return err
			}
			continue
		}
		m := p.message(k)
		if m == nil {
			p.sendError.Add(1)
			continue
		}
		p.tx.add(m, nil, k.Data[macsLen:], k.Out)
		if err := p.flushFull(waits); err != nil {
			return err
		}
	}
	return nil
}

// addSegments adds those of super-frame k.
func (p *NIC) addSegments(b *dataplane.Batch, k *dataplane.Packet, waits *int) error {
	for i := range int(k.Segments) {
		if err := p.addReply(&b.Segments[int(k.First)+i], waits); err != nil {
			return err
		}
	}
	return nil
}

// addReply adds a frame of the director's own.
func (p *NIC) addReply(r *dataplane.Reply, waits *int) error {
	if len(r.Data) < etherLen {
		p.sendError.Add(1)
		return nil
	}
	p.tx.add(p.tx.zero, r.Data, r.Data[macsLen:], r.Out)
	if len(r.Body) > 0 {
		p.tx.append(r.Body)
	}
	return p.flushFull(waits)
}

func (p *NIC) flushFull(waits *int) error {
	if p.tx.n < maxMessages {
		return nil
	}
	return p.flush(waits)
}

const (
	maxWaits = 4 // in one Send
	waitMS   = 1
)

// flush sends the messages filled in. The kernel stops at the first it refuses;
// that one is tried again or given up, and the rest goes on.
func (p *NIC) flush(waits *int) error {
	var sent, full, failed uint64
	var fatal error
	cleared := false // the socket's pending error was met for this message
	for at := 0; at < p.tx.n; {
		n, errno := sendmmsg(p.fd, p.tx.msgs[at:min(at+maxCall, p.tx.n)])
		if errno == 0 {
			sent += uint64(n)
			at += n
			cleared = false
			continue
		}
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN, unix.ENOBUFS:
			if *waits > 0 {
				*waits--
				p.waitSend(errno)
				continue
			}
			full++
		case unix.ENETDOWN:
			// Either the interface to send by is down, or the one we receive on
			// went down and this send was told (sock_error). The second is
			// told once.
			if !cleared {
				cleared = true
				p.down = true
				continue
			}
			failed++
		case unix.EBADF, unix.ENOTSOCK:
			failed += uint64(p.tx.n - at)
			fatal = fmt.Errorf("send by NIC %s: %w", p.name, os.NewSyscallError("sendmmsg", errno))
			at = p.tx.n
		default:
			failed++
		}
		at++
		cleared = false
	}
	p.tx.n = 0
	p.sent.Add(sent)
	if full+failed > 0 {
		p.sendFull.Add(full)
		p.sendError.Add(failed)
	}
	return fatal
}

// waitSend waits until the socket has room again (EAGAIN), or, since nobody
// tells when a device queue has (ENOBUFS), a moment.
func (p *NIC) waitSend(errno unix.Errno) {
	if errno == unix.ENOBUFS {
		p.pause(waitMS)
		return
	}
	p.polled[pollSocket].Events = unix.POLLOUT
	_, _ = unix.Poll(p.polled[:pollSYNs], waitMS) // SYNs that wait are no room
	p.polled[pollSocket].Events = unix.POLLIN
	p.nudged() // else no later wait would wait
}
