package fault

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// backIfname is the victim's second interface of rpFilter.
const backIfname = "eth1"

func rpFilter() Fault {
	return Fault{
		Name:    "rp-filter",
		Summary: "a real server's reverse path filter drops the clients' frames",
		Explain: `The real server has two interfaces: frames for the VIP come in by eth0, from the
director, and the way back to the client is by eth1. With rp_filter=1, which many
distributions set, the kernel drops a packet that comes in by another interface
than the one its answer would leave by, without a word but a counter:
IPReversePathFilter in /proc/net/netstat. The greater of "all" and of the
interface counts. Direct Routing wants 0 there, or 2, which asks only for any
way back.`,
		Unfit: withoutFilter,
		Break: func(ctx context.Context, s *Scene) error {
			v := s.Victim()
			if err := s.Lab.AddWayBack(ctx, v, backIfname); err != nil {
				return err
			}
			return v.Sysctl("net.ipv4.conf."+netlab.Ifname+".rp_filter", "1")
		},
		Shows: func(e *Evidence) Finding {
			f := e.silent("has its way back by " + backIfname + " and filters by reverse path")
			n, err := reversePathDrops(e.Scene.Victim())
			f.Shown = f.Shown && err == nil && n > 0
			f.Text += fmt.Sprintf("; it counts IPReversePathFilter %d", n)
			return f
		},
	}
}

// withoutFilter says why there is no reverse path filter in a lab.
func withoutFilter(spec netlab.Spec) string {
	if spec.Net.IsValid() && spec.Net.Addr().Is6() {
		return "the kernel has this filter for IPv4 only"
	}
	return ""
}

// reversePathDrops is how many packets n has dropped by its reverse path filter.
func reversePathDrops(n *netlab.Node) (count uint64, err error) {
	err = n.Do(func() error {
		f, err := os.Open("/proc/thread-self/net/netstat")
		if err != nil {
			return err
		}
		defer f.Close()
		// A line of names, beginning with "TcpExt:", and one of their values.
		var names []string
		for lines := bufio.NewScanner(f); lines.Scan(); {
			words := strings.Fields(lines.Text())
			for i, name := range names {
				if name == "IPReversePathFilter" && i < len(words) {
					count, err = strconv.ParseUint(words[i], 10, 64)
					return err
				}
			}
			names = words
		}
		return fmt.Errorf("no IPReversePathFilter in %s", f.Name())
	})
	if err != nil {
		err = fmt.Errorf("read the counters of %s: %w", n.Name(), err)
	}
	return count, err
}

// missing is how much smaller the MTU of the bad link of smallMTU is, in bytes.
const missing = 100

func smallMTU() Fault {
	return Fault{
		Name:    "small-mtu",
		Summary: "a link on the way back carries only small frames",
		Explain: `A link between a real server and the clients has an MTU of 100 bytes less than the
server believes: a tunnel, an overlay network, a forgotten switch. It is a link of
layer 2 and says nothing when it drops a frame. Connections are established,
small answers come, large ones hang: after the first full frame nothing arrives,
and the server repeats it in vain. The director sees none of it, because answers
do not pass through it. Cure: the right MTU on the server's interface, or a
smaller MSS on the route to the clients (ip route ... advmss).`,
		Break: func(_ context.Context, s *Scene) error {
			v := s.Victim()
			nl := v.Netlink()
			link, err := nl.LinkByName(netlab.Ifname)
			if err != nil {
				return fmt.Errorf("find %s of %s: %w", netlab.Ifname, v.Name(), err)
			}
			// Frames that are still to be cut would pass: only a card cuts them.
			if err := nl.LinkSetGSOMaxSegs(link, 1); err != nil {
				return fmt.Errorf("make %s send single segments: %w", v.Name(), err)
			}
			return s.Lab.SetLinkMTU(v, s.Lab.Spec.MTU-missing)
		},
		Shows: func(e *Evidence) Finding {
			v, vip := e.Scene.Victim(), e.Scene.Lab.Spec.VIP
			const ether = 14
			most := e.Scene.Lab.Spec.MTU - missing + ether
			big := func(p *netlab.Packet) bool { return p.IsFrom(vip) && len(p.Data) > most }
			sent := e.seen(func(p *netlab.Packet) bool { return at(p, v, out) && big(p) })
			came := e.seen(func(p *netlab.Packet) bool {
				return !p.Outgoing && big(p) && p.From() == frame.MAC(v.MAC)
			})
			return Finding{
				Shown: len(sent) > 0 && len(came) == 0 && e.Large.Errors > 0 && e.Small.Errors == 0,
				Text: fmt.Sprintf("%s sent %d frames of more than %d bytes, of which %d arrived; of %d small answers %d failed, of %d large ones %d",
					v.Name(), len(sent), most, len(came), e.Small.Total(), e.Small.Errors, e.Large.Total(), e.Large.Errors),
				Packets: sent,
			}
		},
	}
}

// newMAC is the victim's after rsMACChanged.
var newMAC = net.HardwareAddr{0x02, 0, 0, 0, byte(netlab.RoleServer), 0x99}

func rsMACChanged() Fault {
	return Fault{
		Name:    "rs-mac-changed",
		Summary: "a real server has a new MAC address, but the switch answers ARP with the old one",
		Explain: `A real server got another network card, or its virtual machine was made anew. A
director asks for MAC addresses again and again, and learns the new one within
half a minute. Here it cannot: the switch answers ARP for the server itself, from
a table that it has from before (ARP suppression, as in EVPN fabrics; a permanent
neighbour entry on a director does the same). So frames keep going to a MAC
address that no host has any more. It ends when the server itself sends ARP,
because the switch passes that on: arping -U -I eth0 ADDRESS on the server.`,
		Break: func(_ context.Context, s *Scene) error {
			v := s.Victim()
			if err := s.Lab.SuppressARP(v); err != nil {
				return err
			}
			// The server must have no reason to ask for any host: its question
			// would tell its new MAC address.
			for _, n := range s.Lab.Nodes() {
				p := n.PortOn(v.Ports[0].Switch)
				if n != v && p != nil {
					if err := v.SetNeighbour(netlab.Ifname, p.Addr.Addr(), p.MAC); err != nil {
						return err
					}
				}
			}
			link, err := v.Netlink().LinkByName(netlab.Ifname)
			if err != nil {
				return fmt.Errorf("find %s of %s: %w", netlab.Ifname, v.Name(), err)
			}
			if err := v.Netlink().LinkSetHardwareAddr(link, newMAC); err != nil {
				return fmt.Errorf("change the MAC address of %s: %w", v.Name(), err)
			}
			v.MAC, v.Ports[0].MAC = newMAC, newMAC
			return nil
		},
		Shows: func(e *Evidence) Finding {
			lab, v, vip := e.Scene.Lab, e.Scene.Victim(), e.Scene.Lab.Spec.VIP
			lost := e.seen(func(p *netlab.Packet) bool {
				return at(p, lab.Director, out) && p.IsTo(vip) && lab.Owner(p.To()) == nil
			})
			answers := e.seen(func(p *netlab.Packet) bool { return at(p, v, out) && p.IsFrom(vip) && p.TCP(frame.SYN|frame.ACK) })
			return Finding{
				Shown: len(lost) > 0 && len(answers) == 0 && e.Failed() > 0,
				Text: fmt.Sprintf("the director sent %d frames to a MAC address that no host has; %s answered %d; %d of %d requests failed",
					len(lost), v.Name(), len(answers), e.Failed(), e.Made()),
				Packets: lost,
			}
		},
	}
}
