package fault

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// The faults of the other two methods.

func natGateway() Fault {
	return Fault{
		Name:    "nat-gateway",
		Summary: "the answers of a NAT server do not go back through the director",
		Method:  netlab.NAT,
		Explain: `The real server's default route does not lead to the director: it is another
router's, or, as here, the server has an interface on the clients' own network and
answers by that. The answer comes from the server's address, which the client did
not ask: only the director can put the VIP in its place. The client answers with a
reset, and waits for the VIP. Health checks do not see it, because the director
asks from its own address.`,
		Break: func(ctx context.Context, s *Scene) error {
			v := s.Victim()
			if err := dropDefault(v, s.Lab.Spec.VIP.Is6()); err != nil {
				return err
			}
			return s.Lab.AddShortcut(ctx, v, backIfname)
		},
		Shows: func(e *Evidence) Finding {
			v := e.Scene.Victim()
			syns := e.seen(func(p *netlab.Packet) bool { return at(p, v, in) && p.IsTo(v.Addr) && p.TCP(frame.SYN) })
			strange := e.seen(func(p *netlab.Packet) bool {
				return at(p, e.Scene.Lab.Clients[0], in) && p.IsFrom(v.Addr) && p.TCP(frame.SYN|frame.ACK)
			})
			return Finding{
				Shown: len(syns) > 0 && len(strange) > 0 && e.partly(),
				Text: fmt.Sprintf("%d SYNs reached %s, and %d of its answers reached the client with its own address, not the VIP; %d of %d requests failed",
					len(syns), v.Name(), len(strange), e.Failed(), e.Made()),
				Packets: strange,
			}
		},
	}
}

func tunnelMissing() Fault {
	return Fault{
		Name:    "tunnel-missing",
		Summary: "nothing takes the director's packets out of the tunnel",
		Method:  netlab.TUN,
		Explain: `The real server has no interface for the tunnel, or it is down: it was never set
up (lvsdr realserver start --tun ipip), or a reboot took it away. The director's
packet arrives, with the client's packet in it, and the kernel does not know what
to do with it. Clients whom the scheduler sends there wait until they give up. A
health check of the server's own address finds it healthy.`,
		Break: func(_ context.Context, s *Scene) error {
			v := s.Victim()
			link, err := v.Netlink().LinkByName(v.Tunnel)
			if err == nil {
				err = v.Netlink().LinkSetDown(link)
			}
			if err != nil {
				return fmt.Errorf("take %s of %s down: %w", v.Tunnel, v.Name(), err)
			}
			return nil
		},
		Shows: func(e *Evidence) Finding { return e.silentTunnel("has no tunnel any more") },
	}
}

func tunnelRPFilter() Fault {
	return Fault{
		Name:    "tunnel-rp-filter",
		Summary: "the reverse path filter of a tunnel's end drops the clients' packets",
		Method:  netlab.TUN,
		Explain: `Clients' packets come out of the tunnel's interface, and their answers leave by
eth0. With rp_filter=1, which many distributions set, the kernel drops a packet
whose answer would leave by another interface, without a word but a counter:
IPReversePathFilter in /proc/net/netstat. The greater of "all" and of the
interface counts; a tunnel's end wants 0 there, or 2 where it has an address.`,
		Unfit: withoutFilter,
		Break: func(_ context.Context, s *Scene) error {
			return s.Victim().Sysctl("net.ipv4.conf."+s.Victim().Tunnel+".rp_filter", "1")
		},
		Shows: func(e *Evidence) Finding {
			f := e.silentTunnel("filters by reverse path where packets come out of the tunnel")
			n, err := reversePathDrops(e.Scene.Victim())
			f.Shown = f.Shown && err == nil && n > 0
			f.Text += fmt.Sprintf("; it counts IPReversePathFilter %d", n)
			return f
		},
	}
}

// silentTunnel finds that SYNs for the VIP reach the victim in a tunnel and that it accepts
// none; why is what is wrong with it.
func (e *Evidence) silentTunnel(why string) Finding {
	v, vip := e.Scene.Victim(), e.Scene.Lab.Spec.VIP
	syns := e.seen(func(p *netlab.Packet) bool {
		inner, ok := p.Inner()
		return ok && at(p, v, in) && inner.IsTo(vip) && inner.TCP(frame.SYN)
	})
	answers := e.seen(func(p *netlab.Packet) bool { return at(p, v, out) && p.IsFrom(vip) && p.TCP(frame.SYN|frame.ACK) })
	return Finding{
		Shown: len(syns) > 0 && len(answers) == 0 && e.partly(),
		Text: fmt.Sprintf("%s %s: of %d SYNs that reached it in the tunnel it answered %d; %d of %d requests failed",
			v.Name(), why, len(syns), len(answers), e.Failed(), e.Made()),
		Packets: syns,
	}
}

// dropDefault takes the routes of n by gateways away.
func dropDefault(n *netlab.Node, ipv6 bool) error {
	family := unix.AF_INET
	if ipv6 {
		family = unix.AF_INET6
	}
	routes, err := n.Netlink().RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	for _, r := range routes {
		if r.Gw != nil {
			err = errors.Join(err, n.Netlink().RouteDel(&r))
		}
	}
	if err != nil {
		return fmt.Errorf("take the default route from %s: %w", n.Name(), err)
	}
	return nil
}
