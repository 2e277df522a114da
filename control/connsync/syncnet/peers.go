package syncnet

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// maxPeers is how many masters are remembered; the one not heard for longest is
// forgotten for another.
const maxPeers = 64

// maxSkew is how much the clocks of two directors with a secret may differ: an older
// message may be a recorded one.
const maxSkew = time.Minute

// A peer is a master that was heard.
type peer struct {
	addr     netip.Addr
	stamped  bool // it is a director of this kind
	boot     int64
	seq      uint64 // of its newest message
	messages uint64
	lost     uint64
	heard    time.Time
	lag      time.Duration // from when its newest message was sent until it came
	port     uint16        // TCP, where it gives its table; 0: it does not
}

// peers are the masters that were heard.
type peers struct {
	all map[netip.Addr]*peer
}

// of is the peer at an address.
func (p *peers) of(addr netip.Addr, now time.Time) *peer {
	if one := p.all[addr]; one != nil {
		one.heard = now
		return one
	}
	if len(p.all) >= maxPeers {
		delete(p.all, p.list()[len(p.all)-1].addr)
	}
	if p.all == nil {
		p.all = map[netip.Addr]*peer{}
	}
	one := &peer{addr: addr, heard: now}
	p.all[addr] = one
	return one
}

// list are the peers, the one that was heard last first.
func (p *peers) list() []peer {
	var all []peer
	for _, one := range p.all {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b peer) int { return cmp.Or(b.heard.Compare(a.heard), a.addr.Compare(b.addr)) })
	return all
}

// fresh reports whether a stamp is that of a new message, and not of one that was
// recorded.
func (p *peer) fresh(s *stamp, now time.Time) bool {
	if now.Sub(time.Unix(0, s.time)).Abs() > maxSkew {
		return false
	}
	return s.boot > p.boot || s.boot == p.boot && s.seq > p.seq
}

// note notes a message of entries with its stamp, now. Where a secret is, it was fresh.
func (p *peer) note(s *stamp, now time.Time) {
	p.stamped = true
	switch {
	case s.boot != p.boot:
		p.boot, p.seq = s.boot, s.seq // what it sent before this director listened is not lost
	case s.seq > p.seq:
		p.lost += s.seq - p.seq - 1
		p.seq = s.seq
	case p.lost > 0:
		p.lost-- // it has come late
	}
	p.lag = max(now.Sub(time.Unix(0, s.time)), 0)
}

// hello notes a hello, now. It reports whether the peer has started anew.
func (p *peer) hello(h *hello, now time.Time) (anew bool) {
	p.port, p.stamped = h.port, true
	if h.boot != p.boot {
		p.boot, p.seq, anew = h.boot, h.seq, true
	} else if h.seq > p.seq {
		p.lost += h.seq - p.seq
		p.seq = h.seq
	}
	p.lag = max(now.Sub(time.Unix(0, h.time)), 0)
	return anew
}
