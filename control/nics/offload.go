package nics

import (
	"net/netip"

	"lvsdr/dataplane"
	"lvsdr/dataplane/afpacket"
	"lvsdr/dataplane/frame"
)

// An Offloading has the kernel forward flows whose frames come in by an interface, as
// offload.Offload does.
type Offloading interface {
	// Attach begins with it, and shields the host's stack from frames to vips there.
	Attach(ifindex int, vips []netip.Addr) (how string, err error)
	SetVIPs(ifindex int, vips []netip.Addr) error
	Detach(ifindex int) error
	// Worker looks at the batches of one more worker.
	Worker() dataplane.Follower
}

// How many ARP frames may wait on an interface with offload: they have a port of their own.
const (
	arpSlots    = 256
	arpSYNSlots = 16 // there are none
)

// A share is the frames of a port: those of one protocol where the kernel forwards flows,
// since a socket for all protocols would get the frames of those flows as well.
type share uint16

// vips are those whose frames are of the share; 0: of all protocols.
func (s share) vips(all []netip.Addr) []netip.Addr {
	if s == 0 {
		return all
	}
	var some []netip.Addr
	for _, a := range all {
		if s == frame.EtherTypeIPv4 && a.Unmap().Is4() || s == frame.EtherTypeIPv6 && a.Unmap().Is6() {
			some = append(some, a)
		}
	}
	return some
}

// shares are those of the ports of an interface.
func shares(offloaded bool) []share {
	if offloaded {
		return []share{frame.EtherTypeIPv4, frame.EtherTypeIPv6, frame.EtherTypeARP}
	}
	return []share{0}
}

// of is the configuration of n ports of a share.
func (s share) of(c afpacket.Config, n int, mark uint32) (afpacket.Config, int) {
	if s == 0 {
		return c, n
	}
	c.Protocol, c.Mark, c.VIPs, c.Sources = uint16(s), mark, s.vips(c.VIPs), s.vips(c.Sources)
	c.Neighbours6 = c.Neighbours6 && s == frame.EtherTypeIPv6
	if s == frame.EtherTypeARP {
		c.Slots, c.SYNSlots = arpSlots, arpSYNSlots
		return c, 1
	}
	return c, n
}

// offload has the kernel forward flows of w's interface, and reports whether it does.
func (n *NICs) offload(w *Wish) bool {
	if n.cfg.Offload == nil || w.Local {
		return false
	}
	how, err := n.cfg.Offload.Attach(w.Index, w.VIPs)
	if err != nil {
		n.cfg.Log.Warn("the kernel cannot forward established flows; the director does", "interface", w.Name, "error", err)
		return false
	}
	n.cfg.Log.Info("the kernel forwards established flows", "interface", w.Name, "hook", how)
	return true
}

// openPorts opens the ports of w, with the share of each, and its number among the workers.
func (n *NICs) openPorts(w *Wish, offloaded bool) (members []member, err error) {
	base, workers := n.cfg.ports(w)
	for _, s := range shares(offloaded) {
		c, some := s.of(base, workers, n.cfg.OffloadMark)
		ports, err := n.cfg.Open(c, some)
		if err != nil {
			for _, m := range members {
				_ = m.port.Close()
			}
			return nil, err
		}
		for i, p := range ports {
			members = append(members, member{port: p, share: s, worker: i})
		}
	}
	return members, nil
}

// A member is a port of a group.
type member struct {
	port   Port
	share  share
	worker int
}
