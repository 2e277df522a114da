package hostnet

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/policyroute"
)

// neighbours tell the permanent entries of the kernel's neighbour tables from those
// that it learns and gives up all the time. They know which there are, because the
// kernel tells of a removed one as of any that failed.
type neighbours struct{ permanent map[neighbourKey]bool }

type neighbourKey struct {
	link int
	addr netip.Addr
}

// read finds the entries that there are in the calling thread's network namespace.
func (n *neighbours) read() error {
	n.permanent = map[neighbourKey]bool{}
	all, err := policyroute.Dump(func() ([]netlink.Neigh, error) { return netlink.NeighList(0, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("list the neighbours: %w", err)
	}
	for i := range all {
		n.note(&all[i])
	}
	return nil
}

// count reads a message about a neighbour, and reports whether it is about a permanent
// one, or one that was.
func (n *neighbours) count(message []byte) bool {
	if len(message) < unix.SizeofNdMsg {
		return false
	}
	e, err := netlink.NeighDeserialize(message)
	return err == nil && n.note(e)
}

// note keeps whether e is permanent, and reports whether it is or was.
func (n *neighbours) note(e *netlink.Neigh) bool {
	k := neighbourKey{e.LinkIndex, addrOf(e.IP)}
	is, was := e.State&netlink.NUD_PERMANENT != 0, n.permanent[k]
	if is {
		n.permanent[k] = true
	} else {
		delete(n.permanent, k)
	}
	return is || was
}
