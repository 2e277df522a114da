package vrrp

import (
	"crypto/subtle"
	"net/netip"
	"time"
)

// Receive takes in a packet that came over an interface, and says what became of it.
func (m *Machine) Receive(now int64, p Packet) Reason {
	if len(p.Payload) < headerLen {
		m.unknown[Short]++
		return Short
	}
	i := m.byWire[wire{p.Interface, p.Payload[1], p.Src.Is6()}]
	if i == nil {
		m.unknown[UnknownRouter]++
		return UnknownRouter
	}
	why := m.check(i, p)
	i.stats.Received[why]++
	if why == Accepted {
		m.hear(now, i, p.Src)
	}
	return why
}

// check finds what is wrong with a packet for i; the advert is in m.advert. What costs less is looked at first.
func (m *Machine) check(i *instance, p Packet) Reason {
	switch peer := i.peer(p.Src); {
	case p.Src == i.source:
		return Looped
	case !i.started() || i.role == Fault:
		return NotListening
	case p.Dst.IsMulticast() == (len(i.s.Peers) > 0):
		return WrongWay
	case len(i.s.Peers) == 0 && p.TTL != TTL: // RFC 9568 section 5.1.1.3
		return BadTTL
	case i.s.PeersOnly && len(i.s.Peers) > 0 && peer == nil:
		return NotPeer
	case peer != nil && *peer != (Peer{Addr: peer.Addr}) && (p.TTL < peer.MinTTL || p.TTL > peer.MaxTTL):
		return BadTTL
	}
	if why := m.advert.Decode(p.Payload, p.Src, p.Dst, i.destination()); why != Accepted {
		return why
	}
	return i.check(&m.advert)
}

// check finds what is wrong with an advert for i.
func (i *instance) check(a *Advert) Reason {
	auth := AuthNone
	if i.s.Version == 2 && i.s.Password != "" {
		auth = AuthPassword
	}
	want := password(i.s.Password)
	switch {
	case a.Version != i.s.Version:
		return WrongVersion
	case a.Auth != auth:
		return WrongAuth
	case auth == AuthPassword && subtle.ConstantTimeCompare(a.Password[:], want[:]) == 0:
		return WrongPassword
	case a.Interval == 0 || a.Version == 2 && a.Interval != i.s.Interval:
		return WrongInterval
	case i.role == Master && i.priority == Owner && i.s.OwnerIgnores:
		return OwnerIgnores
	case i.s.Strict && a.Version == 2 && a.Priority != Owner && !i.same(a.Addresses): // RFC 3768 section 7.1
		return WrongAddresses
	}
	return Accepted
}

// hear takes in m.advert, which was accepted.
func (m *Machine) hear(now int64, i *instance, src netip.Addr) {
	a := &m.advert
	i.compare(a, src)
	if a.Checksum == GroupHeader && !i.s.KeepChecksum {
		i.s.Checksum = GroupHeader
	}
	if i.role == Master {
		m.hearAsMaster(now, i, src)
		return
	}
	m.hearAsBackup(now, i, src)
}

// compare counts what is odd about an advert and no reason to refuse it.
func (i *instance) compare(a *Advert, src netip.Addr) {
	if a.Priority == 0 {
		i.stats.Zero++
	}
	if a.Version == 3 && a.Interval != i.s.Interval {
		i.stats.Odd++
	}
	if i.s.SkipAddresses && src == i.master {
		return
	}
	if i.told = !i.same(a.Addresses); i.told {
		i.stats.Differ++
	}
}

// hearAsBackup waits on, if the advert is of a master that i leaves be.
func (m *Machine) hearAsBackup(now int64, i *instance, src netip.Addr) {
	a := &m.advert
	if a.Priority == 0 { // RFC 9568 section 6.4.2
		i.wants = false
		i.downAt = now + i.skew()
		return
	}
	if !i.leaves(now, a.Priority) && !m.held(now) {
		return
	}
	i.follow(now, a, src)
}

// follow takes the sender of an advert as the master.
func (i *instance) follow(now int64, a *Advert, src netip.Addr) {
	i.wants, i.master = false, src
	if a.Version == 3 {
		i.interval = a.Interval
	}
	i.downAt = now + i.patience()
}

// leaves reports whether a backup leaves a master of this priority be.
func (i *instance) leaves(now int64, priority uint8) bool {
	switch {
	case priority >= i.priority:
		i.preemptAt = 0
		return true
	case !i.s.Preempt:
		return true
	case i.s.PreemptDelay == 0:
		return false
	case i.preemptAt == 0:
		i.preemptAt = now + int64(i.s.PreemptDelay)
	}
	return now < i.preemptAt
}

// hearAsMaster gives way to a better master and answers others.
func (m *Machine) hearAsMaster(now int64, i *instance, src netip.Addr) {
	a := &m.advert
	if a.Priority != 0 && i.outranks(a.Priority, src) {
		if i.s.SpeakHigher {
			m.send(i, i.priority)
		}
		m.leave(now, i)
		i.follow(now, a, src)
		return
	}
	// Answers are bounded, whatever comes.
	const perInterval = 4
	if gap := i.s.Interval / perInterval; i.answeredAt != 0 && time.Duration(now-i.answeredAt) < gap {
		return
	}
	i.answeredAt = max(now, 1)
	if a.Priority == 0 || !i.s.QuietLower {
		m.send(i, i.priority)
		i.advertAt = now + int64(i.s.Interval)
	}
	if a.Priority != 0 {
		m.changes = append(m.changes, Change{Instance: i.s.Name, Role: i.role, Priority: i.priority, Cause: LowerPriority})
	}
}

// send sends i's advert with this priority to its group or its peers.
func (m *Machine) send(i *instance, priority uint8) {
	if !i.source.IsValid() {
		return
	}
	group := i.destination()
	a := i.advert(priority)
	put := func(dst netip.Addr, ttl uint8) {
		m.out = append(m.out, Packet{Interface: i.s.Interface, MAC: i.s.MAC, Src: i.source, Dst: dst, TTL: ttl, Payload: a.Append(nil, i.source, dst, group)})
		i.stats.Sent++
		if priority == 0 {
			i.stats.SentZero++
		}
	}
	if len(i.s.Peers) == 0 {
		put(group, TTL)
		return
	}
	ttl := i.s.TTL
	if ttl == 0 {
		ttl = TTL
	}
	for _, p := range i.s.Peers {
		put(p.Addr, ttl)
	}
}
