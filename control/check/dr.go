package check

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"lvsdr/control/drroute"
)

// A Router knows how to send a connection of this host along a path; it is met
// by *drroute.Router.
type Router interface {
	// Mark sees that the path is installed and gives the firewall mark of its
	// sockets.
	Mark(drroute.Path) (uint32, error)
	// Gateway returns the address the kernel sends the path's packets to: the real server,
	// or whom an ICMP redirect named.
	Gateway(drroute.Path) (netip.Addr, error)
}

var _ Router = (*drroute.Router)(nil)

// defaultTTL is enough for a real server that passes the connection on to a
// container or virtual machine of its own (one hop), and not enough to come
// back through a director: a real server without the VIP that forwards
// packets sends the connection back to whoever answers ARP for the VIP, that
// is, to the director, which would hand it to a real server that works. The
// packet arrives there with TTL 1 and ends.
const defaultTTL = 2

// DR makes a TCP connection to the virtual address whose frames go to the MAC
// address of one real server, as the frames of clients will, and which the
// server must answer from the virtual address. It works on the host of the
// director, which does not have the virtual address, by way of Router's
// policy routing.
type DR struct {
	// VIP is the virtual service.
	VIP netip.AddrPort
	// RS is the real server's own address, on a network of the interface.
	RS netip.Addr
	// Ifindex is the index of the interface.
	Ifindex int
	// TTL is the time to live of the packets; 0 means 2, see there for why:
	// enough for a server one hop behind the real server, not enough for a
	// way back through a director.
	TTL int
	// Router has been told of the path by Set.
	Router Router
}

var _ Probe = DR{}

// Path is the way of this probe, for the Router.
func (p DR) Path() drroute.Path {
	return drroute.Path{VIP: p.VIP.Addr(), RS: p.RS, Ifindex: p.Ifindex}
}

// Check connects. Errors read "connect 192.168.1.100:80 at 192.168.1.11:
// connection refused".
func (p DR) Check(ctx context.Context) Result {
	mark, err := p.mark()
	if err == nil {
		err = p.connect(ctx, mark)
	}
	return Result{Err: err}
}

// Kind is DR_CHECK, which keepalived does not have.
func (p DR) Kind() string { return "DR_CHECK" }

// mark sees that the path is installed and gives its firewall mark. An error
// is this host's: the check is not made.
func (p DR) mark() (uint32, error) {
	mark, err := p.Router.Mark(p.Path())
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotMade, err)
	}
	return mark, nil
}

// connect is the attempt itself.
func (p DR) connect(ctx context.Context, mark uint32) error {
	ttl := p.TTL
	if ttl == 0 {
		ttl = defaultTTL
	}
	what := p.attempt()
	if err := connect(ctx, what, p.VIP, socketOptions{mark: mark, ttl: ttl}); err != nil {
		return err
	}
	// A real server that forwards packets for the VIP may tell this host by
	// ICMP who else to send them to, and the kernel obeys when it repeats the
	// first packet. Then it was not this server that answered.
	gw, err := p.Router.Gateway(p.Path())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotMade, err)
	}
	if gw != p.RS.Unmap() {
		return fmt.Errorf("%s: redirected to %s by ICMP", what, gw)
	}
	return nil
}

// attempt names the connection in errors.
func (p DR) attempt() string { return fmt.Sprintf("connect %s at %s", p.VIP, p.RS) }

// String is "DR 192.168.1.100:80 via 192.168.1.11 dev 3".
func (p DR) String() string {
	s := fmt.Sprintf("DR %s via %s dev %d", p.VIP, p.RS, p.Ifindex)
	if p.TTL != 0 {
		s += " ttl " + strconv.Itoa(p.TTL)
	}
	return s
}
