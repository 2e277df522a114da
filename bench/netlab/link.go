package netlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Role is what a host is in the topology. Its value is the byte that makes a
// MAC address readable.
type Role byte

// The roles.
const (
	RoleClient   Role = 0xcc
	RoleDirector Role = 0xdd
	RoleServer   Role = 0x55 // "SS"
	RoleSwitch   Role = 0xbb // a bridge and its ports
	RoleRouter   Role = 0xee
	RoleOther    Role = 0x0e
)

// String is the role in words.
func (r Role) String() string {
	switch r {
	case RoleClient:
		return "client"
	case RoleDirector:
		return "director"
	case RoleServer:
		return "real server"
	case RoleSwitch:
		return "switch"
	case RoleRouter:
		return "router"
	case RoleOther:
		return "host"
	}
	return "role?"
}

// MAC is the locally administered address of the n-th host of a role,
// counting from 1: 02:00:00:00:dd:01 is the director, 02:00:00:00:cc:02 the
// second client, 02:00:00:00:55:03 the third real server.
func MAC(r Role, n int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0, 0, byte(n >> 8), byte(r), byte(n)}
}

// portMAC is the address of the port-th interface, from 0, of the n-th host of a
// role: 02:00:01:00:dd:01 is the director's second one.
func portMAC(r Role, n, port int) net.HardwareAddr {
	mac := MAC(r, n)
	mac[2] = byte(port)
	return mac
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

// waitLocal waits until addr has its local route. For IPv6 the kernel makes it
// in a work item after the address was added or its link came up; until then
// the address can be bound to, but not reached.
func (h *Host) waitLocal(ctx context.Context, addr netip.Addr) error {
	if addr.Is4() {
		return nil
	}
	return h.poll(ctx, addr.String()+" to be reachable", func() (bool, error) {
		routes, err := h.nl.RouteGet(addr.AsSlice())
		local := slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Type == unix.RTN_LOCAL })
		return err == nil && local, nil // an error is "no route" so far
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
