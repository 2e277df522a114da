package netns

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Kind is the kind of owner of a MAC address: the byte that makes it readable.
type Kind byte

// The kinds that this package gives addresses to; other values are the caller's.
const (
	KindSwitch Kind = 0xbb // a bridge and its ports
	KindOther  Kind = 0x0e // the end of a Cable without a MAC of its own
)

// MAC is the locally administered address of the n-th interface of a kind, from
// 0: 02:00:00:00:bb:01 is the first port of a switch.
func MAC(k Kind, n int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0, 0, byte(n >> 8), byte(k), byte(n)}
}

// upTimeout is how long a link may take to come up.
const upTimeout = 5 * time.Second

// upPoll is how often it is looked at; a veth needs less than a millisecond.
const upPoll = 500 * time.Microsecond

// newNetlink opens route netlink in the namespace of the calling thread.
func newNetlink() (*netlink.Handle, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return nl, nil
}

// setUp switches an interface on.
func setUp(nl *netlink.Handle, ifname string) error {
	link, err := nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("find %s: %w", ifname, err)
	}
	if err := nl.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", ifname, err)
	}
	return nil
}

// WaitUp waits until the interface's operational state (RFC 2863) is up, at
// most five seconds. A cable has two ends, and the kernel looks at each in its
// own time: after a link was down, wait for the port of the switch too.
func (h *Host) WaitUp(ctx context.Context, ifname string) error {
	return h.poll(ctx, ifname+" to be up", func() (bool, error) {
		link, err := h.nl.LinkByName(ifname)
		return err == nil && link.Attrs().OperState == netlink.OperUp, err
	})
}

// poll asks cond until it is true or gives an error, at most upTimeout.
func (h *Host) poll(ctx context.Context, what string, cond func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	for {
		ok, err := cond()
		if err != nil {
			return fmt.Errorf("wait on %s for %s: %w", h.name, what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait on %s for %s: %w", h.name, what, ctx.Err())
		case <-time.After(upPoll):
		}
	}
}
