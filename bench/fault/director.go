package fault

import (
	"context"
	"fmt"
	"net/netip"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/afpacket"
	"lvsdr/dataplane/frame"
)

func vipOnDirector() Fault {
	return Fault{
		Name:    "vip-on-director",
		Summary: "the VIP is configured on a director that does not hide it from its kernel",
		Explain: `The VIP was given to the director's interface, as kernel IPVS needs it, and the
director is a program in user space. The kernel gets its own copy of every packet,
finds the destination to be its own, has no program that listens, and resets the
connection, in the VIP's name and beside what the director forwards. Clients get
two answers, one from the real server and a reset. lvsdr hides such an address
from the kernel by nftables, at ingress, and puts the rules back when a firewall
script flushes them; where the kernel has no nftables it refuses the address. So
in its place stands a forwarder that knows none of this. The VIP does not belong
on a director in user space: ip addr del VIP dev eth0.`,
		Break: func(_ context.Context, s *Scene) error {
			if err := s.replaceDirector(); err != nil {
				return err
			}
			// This forwarder does not finish checksums; with these clients it need not.
			for _, n := range s.Lab.Clients {
				if err := n.Do(func() error { return afpacket.SetTxChecksum(netlab.Ifname, false) }); err != nil {
					return fmt.Errorf("make %s finish its checksums: %w", n.Name(), err)
				}
			}
			return s.Lab.Director.AddAddr(netlab.Ifname, netip.PrefixFrom(s.Lab.Spec.VIP, s.Lab.Spec.VIP.BitLen()))
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

func twoDirectors() Fault {
	return Fault{
		Name:    "two-directors",
		Summary: "two directors serve one VIP at the same time",
		Explain: `Two directors run with one configuration and nothing between them, such as VRRP,
decides who is the master. The second was started with --force, without which it
waits until the first is silent. Both answer ARP for the VIP, and both announce it
when they see the other do so. Each works by itself, so a short test finds
nothing. But hosts that send to the VIP switch between them, and a connection
that arrives at the other director is unknown there and is reset; each director
has only a part of the persistence templates and of the counters.`,
		Break: func(ctx context.Context, s *Scene) error {
			n, err := s.Lab.AddDirector(ctx, "director2")
			if err != nil {
				return err
			}
			d, err := netlab.StartDirector(ctx, n.Host, s.Binary, s.Config, "--force")
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
