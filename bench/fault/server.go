package fault

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

func rsWithoutVIP() Fault {
	return Fault{
		Name:    "rs-without-vip",
		Summary: "a real server does not have the VIP",
		Explain: `The VIP is missing on the real server's loopback: it was never set up, or a
reboot took it away. The frame arrives, addressed to the server's MAC address,
but its destination address is not the server's: the kernel drops it, silently.
Clients whom the scheduler sends there wait until they give up; the others see
nothing. A health check of the server's own address finds it healthy.`,
		Break: func(_ context.Context, s *Scene) error { return s.takeVIP(s.Victim()) },
		Shows: func(e *Evidence) Finding {
			return e.onlyVIP(e.silent("has the VIP no more"))
		},
	}
}

// takeVIP undoes on n's lo what netlab.SetUpServer did: the VIP, and for IPv4
// the route to it.
func (s *Scene) takeVIP(n *netlab.Node) error {
	nl, vip := n.Netlink(), hostNet(s.Lab.Spec.VIP)
	lo, err := nl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo of %s: %w", n.Name(), err)
	}
	if err := nl.AddrDel(lo, &netlink.Addr{IPNet: vip}); err != nil {
		return fmt.Errorf("take the VIP from %s: %w", n.Name(), err)
	}
	if s.Lab.Spec.VIP.Is6() {
		return nil
	}
	if err := nl.RouteDel(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: vip, Scope: netlink.SCOPE_LINK}); err != nil {
		return fmt.Errorf("take the route to the VIP from %s: %w", n.Name(), err)
	}
	return nil
}

// hostNet is the network of a alone.
func hostNet(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

// silent finds that SYNs reach the victim for the VIP and that it accepts none;
// why is what is wrong with it.
func (e *Evidence) silent(why string) Finding {
	v, vip := e.Scene.Victim(), e.Scene.Lab.Spec.VIP
	syns := e.seen(func(p *netlab.Packet) bool { return at(p, v, in) && p.IsTo(vip) && p.TCP(frame.SYN) })
	answers := e.seen(func(p *netlab.Packet) bool { return at(p, v, out) && p.IsFrom(vip) && p.TCP(frame.SYN|frame.ACK) })
	return Finding{
		Shown: len(syns) > 0 && len(answers) == 0 && e.partly(),
		Text: fmt.Sprintf("%s %s: of %d SYNs that reached it for the VIP it answered %d; %d of %d requests failed",
			v.Name(), why, len(syns), len(answers), e.Failed(), e.Made()),
		Packets: syns,
	}
}

// onlyVIP adds to f that the victim's own address answers.
func (e *Evidence) onlyVIP(f Finding) Finding {
	f.Shown = f.Shown && e.Direct == nil
	f.Text += "; a request to its own address: " + outcome(e.Direct)
	return f
}

// outcome is how a request fared.
func outcome(err error) string {
	if err == nil {
		return "answered"
	}
	return err.Error()
}

func rsAnswersARP() Fault {
	return Fault{
		Name:    "rs-answers-arp",
		Summary: "a real server answers ARP for the VIP",
		Explain: `arp_ignore is 0 on the real server, or was set only on lo, where it has no
effect: the kernel takes the greater of "all" and the interface that the request
came in by. (With IPv6: the VIP is on eth0 and not on lo.) The question who has
the VIP now gets two answers. A host that believes the real server's sends all
past the director to this one server, and the director sees none of it: no
balance, no health checks, and it changes with every ARP timeout.`,
		Unfit: func(spec netlab.Spec) string {
			if spec.TwoArmed {
				return "in a two-armed site the real servers do not hear the question for the VIP"
			}
			return ""
		},
		Break: func(_ context.Context, s *Scene) error {
			v := s.Victim()
			if s.Lab.Spec.VIP.Is6() {
				if err := s.takeVIP(v); err != nil {
					return err
				}
				return v.AddAddr(netlab.Ifname, netip.PrefixFrom(s.Lab.Spec.VIP, 128))
			}
			for _, key := range []string{"arp_ignore", "arp_announce"} {
				if err := v.Sysctl("net.ipv4.conf.all."+key, "0"); err != nil {
					return err
				}
			}
			return nil
		},
		Shows: func(e *Evidence) Finding {
			v := e.Scene.Victim()
			claims, macs := e.claims()
			past := e.seen(func(p *netlab.Packet) bool {
				return p.Outgoing && p.Host != e.Scene.Lab.Director.Name() && p.To() == frame.MAC(v.MAC) &&
					p.IsTo(e.Scene.Lab.Spec.VIP) && p.TCP(frame.SYN)
			})
			return Finding{
				Shown: macs[frame.MAC(v.MAC)] && len(macs) > 1,
				Text: fmt.Sprintf("%d MAC addresses say that they have the VIP, one of them %s's; %d SYNs went to it past the director",
					len(macs), v.Name(), len(past)),
				Packets: claims,
			}
		},
	}
}

// claims are the ARP packets that reached a client, or the router before it, and
// say that the VIP is at their sender, and the MAC addresses they name.
func (e *Evidence) claims() ([]netlab.Packet, map[frame.MAC]bool) {
	macs := map[frame.MAC]bool{}
	asker := e.Scene.Lab.Askers()[0]
	all := e.seen(func(p *netlab.Packet) bool {
		addr, mac, ok := p.Claim()
		if !ok || addr != e.Scene.Lab.Spec.VIP || !at(p, asker, in) {
			return false
		}
		macs[mac] = true
		return true
	})
	return all, macs
}

func rsWrongPort() Fault {
	return Fault{
		Name:    "rs-wrong-port",
		Summary: "a server listens on another port than the service's",
		Explain: `Direct Routing cannot change the port: it changes MAC addresses and nothing of
the packet. A real server must listen on the port that clients ask for, whatever
the port in its real_server block says. Here the server has moved to the next
port. Its kernel refuses, in the VIP's name, and clients read "connection
refused", as often as the scheduler sends them there.`,
		Break: func(_ context.Context, s *Scene) error {
			v := s.Victim()
			if err := v.HTTP.Stop(); err != nil {
				return err
			}
			var err error
			v.HTTP, err = netlab.StartHTTP(v.Host, s.Lab.Wildcard(s.Port+1), v.Name())
			return err
		},
		Shows: func(e *Evidence) Finding {
			v, vip := e.Scene.Victim(), e.Scene.Lab.Spec.VIP
			resets := e.seen(func(p *netlab.Packet) bool {
				return at(p, v, out) && p.IsFrom(vip) && p.TCP(frame.RST|frame.ACK)
			})
			return Finding{
				Shown: len(resets) > 0 && e.partly(),
				Text: fmt.Sprintf("%s refused %d connections to the VIP, with a reset from the VIP's address; %d of %d requests failed",
					v.Name(), len(resets), e.Failed(), e.Made()),
				Packets: resets,
			}
		},
	}
}

// The numbers of the policy rules of rsFirewall.
const (
	blockPriority = 5
	localPriority = 10 // where the rule for local addresses goes, which is 0 else
	actBlackhole  = 6  // FR_ACT_BLACKHOLE, from <linux/fib_rules.h>
)

func rsFirewall() Fault {
	return Fault{
		Name:    "rs-firewall",
		Summary: "a real server's firewall drops packets for the VIP",
		Explain: `The real server's firewall lets its own address through, and the VIP, which is
an address of the server as well, was forgotten. The frame arrives and is dropped
without a word; everything else on this server works, also a health check of its
own address. The lab needs no firewall program for it: a policy rule stands in,
"iif eth0 to VIP blackhole", before the rule for local addresses (ip rule).`,
		Break: func(_ context.Context, s *Scene) error {
			v, family := s.Victim(), unix.AF_INET
			if s.Lab.Spec.VIP.Is6() {
				family = unix.AF_INET6
			}
			block := netlink.NewRule()
			block.Family, block.Priority, block.Type = family, blockPriority, actBlackhole
			block.IifName, block.Dst = netlab.Ifname, hostNet(s.Lab.Spec.VIP)
			local := netlink.NewRule()
			local.Family, local.Priority, local.Table = family, localPriority, unix.RT_TABLE_LOCAL
			first := netlink.NewRule()
			first.Family, first.Priority, first.Table = family, 0, unix.RT_TABLE_LOCAL
			nl := v.Netlink()
			if err := nl.RuleAdd(local); err != nil {
				return fmt.Errorf("move the rule for local addresses of %s: %w", v.Name(), err)
			}
			if err := nl.RuleDel(first); err != nil {
				return fmt.Errorf("move the rule for local addresses of %s: %w", v.Name(), err)
			}
			if err := nl.RuleAdd(block); err != nil {
				return fmt.Errorf("block the VIP on %s: %w", v.Name(), err)
			}
			return nil
		},
		Shows: func(e *Evidence) Finding { return e.onlyVIP(e.silent("drops packets for the VIP")) },
	}
}
