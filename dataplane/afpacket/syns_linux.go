package afpacket

import "lvsdr/dataplane"

// SocketsPerNIC is how many packet sockets a NIC has that receive, as it is opened: one
// for SYNs (see selectSYN), one for all other frames. See also [NIC.Sockets].
const SocketsPerNIC = 2

// synShare is how many SYNs a batch takes: other frames that come in the meantime wait
// for as many to be handled.
const synShare = dataplane.MaxBatch / 4

// The syns of a NIC are the SYNs that wait. They have a socket and a ring of their own,
// so that a flood of them cannot take the room of frames of open connections, nor more
// of the worker's time than synShare. While there is no flood, but a heavy load, they
// come by the main ring, see hook.
//
// Order: frames come out in the order in which they came, told by the kernel's
// timestamps, until more SYNs wait than synShare. From then on a SYN comes out later
// than frames behind it. Of its own connection those are only what needs no answer to
// the SYN: the same SYN again, which stays behind it; a reset of a client that gave
// up, whose connection the server then never sees acknowledged and forgets; and the ACK
// of a client whose SYN is sent again although the first one was answered: IPVS leaves
// an established connection so on a SYN. A SYN that begins a connection anew with the
// ports of an old one follows what was left of that, as it was sent. A clock that is
// set between two frames has them come out as in a flood.
type syns struct {
	fd   int
	mem  []byte
	ring ring
}

// mapRing gives the socket its ring, whose packets have numbers from base on.
func (s *syns) mapRing(cfg Config, base int) (err error) {
	l := newLayout(cfg.SYNSlots, synMax)
	if s.mem, err = mapRing(s.fd, cfg, l); err != nil {
		return err
	}
	s.ring, err = newRing(s.mem, l)
	s.ring.base, s.ring.marked = base, cfg.Mark != 0
	return err
}

// takeOne makes pkts, of one packet, the first SYN that waits, and is how many frames
// it has; none where the kernel has cut it.
func (p *NIC) takeOne(pkts []dataplane.Packet) int {
	t := p.syns.ring.take(pkts, 1, always)
	if lost := t.cut + t.queued; lost > 0 {
		p.truncated.Add(uint64(lost))
	}
	p.hook.load.syns += t.n
	return t.n - t.queued
}

// take is how many of pkts it has filled with the frames that are there.
func (p *NIC) take(pkts []dataplane.Packet) int {
	if !p.syns.ring.ready() {
		return p.takeOthers(pkts, always)
	}
	n, share := 0, synShare
	if p.ring.pressed() {
		share = 0
	}
	for ; share > 0 && n < len(pkts) && p.queue.used < queueRoom && p.syns.ring.ready(); share-- {
		if n += p.takeOthers(pkts[n:], p.syns.ring.since()); n < len(pkts) {
			n += p.takeOne(pkts[n:][:1])
		}
	}
	return n + p.takeOthers(pkts[n:], always)
}

// ready reports whether take would find a frame.
func (p *NIC) ready() bool { return p.ring.ready() || p.syns.ring.ready() }
