package fault

import (
	"context"
	"fmt"
	"net/netip"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/shield"
	"lvsdr/dataplane/frame"
)

func vipOnDirector() Fault {
	return Fault{
		Name:    "vip-on-director",
		Summary: "the VIP is configured on the director, and something removes what hides it",
		Explain: `The VIP was given to the director's interface, as kernel IPVS needs it. A director
in user space does not need it, and the kernel, which gets its own copy of every
packet, would find the destination to be its own, have no process that listens,
and reset the connection, in the VIP's name and beside what the director forwards.
lvsdr hides the address from the kernel by a table of nftables, and restores that
when somebody removes it. Here an agent on the host removes all tables that are
not its own, again and again: clients get two answers, one from the real server
and a reset. The same happens where the kernel has no nftables at all; lvsdr
refuses such an address there.`,
		Break: func(_ context.Context, s *Scene) error {
			d := s.Lab.Director
			forward := "net.ipv4.ip_forward"
			if s.Lab.Spec.VIP.Is6() {
				forward = "net.ipv6.conf.all.forwarding"
			}
			if err := d.Sysctl(forward, "1"); err != nil {
				return err
			}
			s.later(flushAgain(d.Host))
			return d.AddAddr(netlab.Ifname, netip.PrefixFrom(s.Lab.Spec.VIP, s.Lab.Spec.VIP.BitLen()))
		},
		Shows: func(e *Evidence) Finding {
			d, vip := e.Scene.Lab.Director, e.Scene.Lab.Spec.VIP
			resets := e.seen(func(p *netlab.Packet) bool {
				return at(p, d, out) && p.IsFrom(vip) && p.Proto == frame.ProtoTCP && p.Flags&frame.RST != 0
			})
			answers := e.seen(func(p *netlab.Packet) bool {
				return e.atServer(p, out) && p.IsFrom(vip) && p.TCP(frame.SYN|frame.ACK)
			})
			return Finding{
				Shown: len(resets) > 0 && len(answers) > 0 && e.Failed() > 0,
				Text: fmt.Sprintf("the director's host sent %d resets as the VIP while real servers accepted %d connections; %d of %d requests failed",
					len(resets), len(answers), e.Failed(), e.Made()),
				Packets: resets,
			}
		},
	}
}

// flushAgain removes the shield's table on a host again and again, until the
// function that it returns is called.
func flushAgain(h *netns.Host) (stop func() error) {
	end, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- h.Do(func() error {
			for {
				select {
				case <-end:
					return nil
				default:
				}
				if err := shield.Flush(); err != nil {
					return err
				}
			}
		})
	}()
	return func() error {
		close(end)
		return <-ended
	}
}

func twoDirectors() Fault {
	return Fault{
		Name:    "two-directors",
		Summary: "two directors serve one VIP at the same time",
		Explain: `Two directors run with one configuration and nothing between them, such as VRRP,
decides who is the master. Both answer ARP for the VIP, and both announce it
when they see the other do so. Each works by itself, so a short test finds
nothing. But who sends to the VIP goes to and fro between them, and a connection
that arrives at the other one is unknown there and is reset; persistence and
counters are each a half.`,
		Break: func(ctx context.Context, s *Scene) error {
			n, err := s.Lab.AddDirector(ctx, "director2")
			if err != nil {
				return err
			}
			d, err := netlab.StartDirector(ctx, n.Host, s.Binary, s.Config)
			if err != nil {
				return err
			}
			s.later(d.Stop)
			return nil
		},
		Shows: func(e *Evidence) Finding {
			claims, macs := e.claims()
			directors := 0
			for mac := range macs {
				if n := e.Scene.Lab.Owner(mac); n != nil && n.Role == netlab.RoleDirector {
					directors++
				}
			}
			return Finding{
				Shown: directors == 2 && len(macs) == 2,
				Text: fmt.Sprintf("%d directors say that the VIP is at their MAC address; the connection that was open before: %s",
					directors, outcome(e.Kept)),
				Packets: claims,
			}
		},
	}
}
