package dataplane

import "sync/atomic"

// pathTime is how long an MTU that an ICMP error told is heeded, ns; the kernel's
// net.ipv4.route.mtu_expires.
const pathTime = 600e9

// leastPath is the least MTU that an error is believed, bytes; the kernel's
// net.ipv4.route.min_pmtu. Over IPv6 it is that of all links.
const leastPath = 552

// A path holds the MTU of the path to a server's address, as far as it is known.
type path struct {
	mtu   atomic.Int32 // bytes; 0: nothing is known
	until int64        // ns; Director.mu guards it
}

// limit is the greatest packet that the path carries behind front bytes of headers, where the
// link carries mtu; 0: not checked.
func (p *path) limit(mtu, front int) int {
	if n := int(p.mtu.Load()); n > 0 && (mtu == 0 || n-front < mtu) {
		return n - front
	}
	return mtu
}

// learn heeds an error of a packet in a tunnel of to that says that mtu bytes are the most
// that fit, at now. The caller holds d.mu.
func (d *Director) learn(to *hop, mtu int, now int64) {
	least := leastPath
	if to.outer.IsIPv6() {
		least = leastMTU6
	}
	mtu = max(mtu, least)
	if known := to.limit(); to.path == nil || known > 0 && known+to.outer.Len() <= mtu {
		return
	}
	if to.path.mtu.Load() == 0 {
		d.learnt = append(d.learnt, to.path)
	}
	to.path.mtu.Store(int32(mtu))
	to.path.until = now + pathTime
}

// unlearn forgets the MTUs whose time is up.
func (d *Director) unlearn(now int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.learnt[:0]
	for _, p := range d.learnt {
		if now < p.until {
			kept = append(kept, p)
		} else {
			p.mtu.Store(0)
		}
	}
	d.learnt = kept
}
