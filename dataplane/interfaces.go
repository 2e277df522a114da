package dataplane

import (
	"math"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// An Interface is one of this host's by which frames of clients and of masqueraded servers
// come.
type Interface struct {
	Index int32     // interface index
	MAC   frame.MAC // source address of the answers that leave by it
	MTU   int       // greatest IP packet, bytes; 0: not checked
	// Own4 and Own6 are this host's addresses there: the sources of ICMP errors to
	// servers. The zero Addr: there is none, and no error is sent.
	Own4, Own6 frame.Addr
}

// own is the address of the family of h.
func (i *Interface) own(h *frame.Header) frame.Addr {
	if h.Kind == frame.IPv6 {
		return i.Own6
	}
	return i.Own4
}

// interfaces are Interfaces by the lower bits of their indexes: as many bits as are needed
// to tell them apart. They never change.
type interfaces struct {
	mask uint16
	by   []placed
}

// A placed is an interface, and the hop of the answers that leave by it.
type placed struct {
	Interface
	back *hop // nil: there is no interface here
}

// newInterfaces places all. Where two have indexes with the same lower 16 bits the later one
// counts.
func newInterfaces(all []Interface) interfaces {
	for bits := 0; ; bits++ {
		n := interfaces{mask: uint16(1<<bits - 1), by: make([]placed, 1<<bits)}
		if n.place(all, bits == 16) {
			return n
		}
	}
}

// place reports whether no two met, or meet is set.
func (n *interfaces) place(all []Interface, meet bool) bool {
	for _, i := range all {
		at := &n.by[uint16(i.Index)&n.mask]
		if at.back != nil && !meet {
			return false
		}
		*at = placed{i, newBack(&i)}
	}
	return true
}

// newBack is the hop of the answers that leave by i, whose neighbour each packet knows
// itself.
func newBack(i *Interface) *hop {
	to := &hop{method: Masquerade, back: true, next: frame.MAC{2}, link: Link{Index: i.Index, MAC: i.MAC, MTU: i.MTU},
		mtu: i.MTU, most: i.MTU, takesWay: conntrack.NoWay}
	if i.MTU == 0 {
		to.most = math.MaxInt
	}
	return to
}

// at is the interface whose index has these lower bits; nil: it is not known.
func (n *interfaces) at(index uint16) *placed {
	if len(n.by) == 0 {
		return nil
	}
	if i := &n.by[index&n.mask]; i.back != nil && uint16(i.Index) == index {
		return i
	}
	return nil
}

// SetInterfaces sets the interfaces by which answers of masqueraded servers leave, and
// those by which they come. What would leave by another is dropped (NoMAC).
func (tx *Tx) SetInterfaces(all []Interface) { tx.edit().interfaces = newInterfaces(all) }

// SetInterfaces is Tx.SetInterfaces alone.
func (d *Director) SetInterfaces(all []Interface) {
	d.Edit(0, func(tx *Tx) { tx.SetInterfaces(all) })
}
