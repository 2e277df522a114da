package hostnet

import (
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/neighbour"
	"lvsdr/dataplane/frame"
)

// permanentOf are the permanent neighbour entries of h's network namespace, ordered by
// link and address: the kernel lists them in an order of its own.
func permanentOf(h *netlink.Handle) ([]neighbour.Entry, error) {
	all, err := neighbour.List(h)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e neighbour.Entry) bool { return !e.Permanent })
	slices.SortFunc(all, func(a, b neighbour.Entry) int { return a.Compare(b.Place) })
	return all, nil
}

// readNeighbours reads the permanent neighbour entries that give a MAC address.
func (s *Snapshot) readNeighbours(h *netlink.Handle) error {
	all, err := permanentOf(h)
	for _, e := range all {
		if e.MAC != (frame.MAC{}) {
			s.Neighbours = append(s.Neighbours, Neighbour{e.Link, e.Addr, e.MAC})
		}
	}
	return err
}

// neighbours tell the permanent entries of the kernel's neighbour tables from those
// that it learns and gives up all the time. They know which there are, because the
// kernel tells of a removed one as of any that failed.
type neighbours struct{ permanent map[neighbour.Place]bool }

// read finds the entries that there are in the calling thread's network namespace.
func (n *neighbours) read() error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	defer h.Close()
	n.permanent = map[neighbour.Place]bool{}
	all, err := permanentOf(h)
	for _, e := range all {
		n.note(e)
	}
	return err
}

// count reads a message about a neighbour, and reports whether it is about a permanent
// one, or one that was.
func (n *neighbours) count(message []byte) bool {
	if len(message) < unix.SizeofNdMsg {
		return false
	}
	e, err := netlink.NeighDeserialize(message)
	return err == nil && n.note(neighbour.EntryOf(e))
}

// note keeps whether e is permanent, and reports whether it is or was.
func (n *neighbours) note(e neighbour.Entry) bool {
	was := n.permanent[e.Place]
	if e.Permanent {
		n.permanent[e.Place] = true
	} else {
		delete(n.permanent, e.Place)
	}
	return e.Permanent || was
}
