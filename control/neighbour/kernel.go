package neighbour

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"lvsdr/control/policyroute"
)

// A Kernel has neighbour entries.
type Kernel interface {
	// Get is the entry at a place; the error is os.ErrNotExist if there is none.
	Get(Place) (Entry, error)
	// Set makes e.MAC the MAC address at e.Place, as one that was heard of just now.
	Set(e Entry) error
	// List are all entries.
	List() ([]Entry, error)
}

// List are the neighbour entries of h's network namespace.
func List(h *netlink.Handle) ([]Entry, error) {
	all, err := policyroute.Dump(func() ([]netlink.Neigh, error) { return h.NeighList(0, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list the neighbours: %w", err)
	}
	entries := make([]Entry, 0, len(all))
	for i := range all {
		entries = append(entries, EntryOf(&all[i]))
	}
	return entries, nil
}

var _ Kernel = (*rtnetlink)(nil)

// rtnetlink is the kernel by sockets of its own, which belong to one network namespace
// whichever thread uses them.
type rtnetlink struct {
	socket *nl.NetlinkSocket
	handle *netlink.Handle
}

// openKernel opens the neighbour tables of the calling thread's network namespace.
func openKernel() (*rtnetlink, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE) // to no group
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		socket.Close()
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return &rtnetlink{socket, handle}, nil
}

func (k *rtnetlink) close() {
	k.handle.Close()
	k.socket.Close()
}

// List implements Kernel.
func (k *rtnetlink) List() ([]Entry, error) { return List(k.handle) }

// Get implements Kernel.
func (k *rtnetlink) Get(p Place) (Entry, error) {
	answers, err := k.execute(unix.RTM_GETNEIGH, 0, head(p, 0, 0), p)
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV):
		return Entry{}, os.ErrNotExist
	case err != nil:
		return Entry{}, fmt.Errorf("look up neighbour %s: %w", p.Addr, err)
	case len(answers) != 1 || len(answers[0]) < unix.SizeofNdMsg:
		return Entry{}, fmt.Errorf("look up neighbour %s: %d answers", p.Addr, len(answers))
	}
	n, err := netlink.NeighDeserialize(answers[0])
	if err != nil {
		return Entry{}, fmt.Errorf("look up neighbour %s: %w", p.Addr, err)
	}
	return EntryOf(n), nil
}

// Set implements Kernel.
func (k *rtnetlink) Set(e Entry) error {
	var flags uint8
	if e.Router {
		flags = unix.NTF_ROUTER
	}
	_, err := k.execute(unix.RTM_NEWNEIGH, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_REPLACE, head(e.Place, unix.NUD_REACHABLE, flags), e.Place,
		nl.NewRtAttr(unix.NDA_LLADDR, e.MAC[:]))
	if err != nil {
		return fmt.Errorf("set neighbour %s to %s: %w", e.Addr, e.MAC, err)
	}
	return nil
}

// head is the struct ndmsg of a request, from <linux/neighbour.h>. The library's has bytes
// between its fields that are not always zero, and the kernel wants them to be.
func head(p Place, state uint16, flags uint8) []byte {
	b := make([]byte, unix.SizeofNdMsg)
	b[0] = unix.AF_INET
	if p.Addr.Is6() {
		b[0] = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(b[4:], uint32(p.Link))
	binary.NativeEndian.PutUint16(b[8:], state)
	b[10] = flags
	return b
}

// execute makes a request about the neighbour at p.
func (k *rtnetlink) execute(request, flags int, head []byte, p Place, attrs ...*nl.RtAttr) ([][]byte, error) {
	req := nl.NewNetlinkRequest(request, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: k.socket}}
	req.AddRawData(slices.Concat(head, nl.NewRtAttr(unix.NDA_DST, p.Addr.AsSlice()).Serialize()))
	for _, a := range attrs {
		req.AddRawData(a.Serialize())
	}
	return req.Execute(unix.NETLINK_ROUTE, 0)
}
