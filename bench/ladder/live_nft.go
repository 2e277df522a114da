package ladder

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"lvsdr/bench/netlab"
)

// nftRules are direct routing by the kernel, with one real server, no table of
// connections and no check of anything: a ceiling rather than a director. They
// see a frame before the rest of the stack does (nft(8), hook ingress of family
// netdev; FWD STATEMENT). The server's address is that of the argument, or what a map has
// for the flow.
const nftRules = `table netdev bench {
	%s
	chain dsr {
		type filter hook ingress device "%s" priority 0; policy accept;
		%s daddr %s %s dport %d ether saddr set %s ether daddr set %s fwd to "%s"
	}
}
`

// A kernelWay is nftables for a protocol.
type kernelWay struct {
	proto string
	// flows says that the server's address is looked up for each frame, in a map with an
	// element for each flow of the flood: what a director has to do at least.
	flows bool
}

// start is nftables in the director's namespace. Its kernel does not answer
// ARP for the VIP, so that the client has to know.
func (k kernelWay) start(ctx context.Context, s *site) error {
	s.target = netip.AddrPortFrom(s.Spec.VIP, livePort)
	out, from := netlab.Ifname, s.Director.MAC
	if k.proto == "UDP" { // the lab with two cables
		out, from = farName, farMAC(s.Director)
	}
	if err := s.Clients[0].SetNeighbour(netlab.Ifname, s.Spec.VIP, s.Director.MAC); err != nil {
		return err
	}
	table, to := "", s.Servers[0].MAC.String()
	ip, addrs := "ip", "ipv4_addr"
	if s.Spec.VIP.Is6() {
		ip, addrs = "ip6", "ipv6_addr"
	}
	var elements []string
	if k.flows {
		table, to = fmt.Sprintf(flowMap, addrs), ip+" saddr . udp sport map @flows"
		elements = flowElements(s.Clients[0].Addr, s.Servers[0].MAC)
	}
	rules := fmt.Sprintf(nftRules, table, netlab.Ifname, ip, s.Spec.VIP, strings.ToLower(k.proto), livePort, from, to, out)
	for _, text := range append([]string{rules}, elements...) {
		cmd := s.Director.Command(ctx, s.live.Nft, "-f", "-")
		cmd.Stdin = strings.NewReader(text)
		if wrote, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w; it wrote:\n%s", s.live.Nft, err, wrote)
		}
	}
	return nil
}

// flowMap is an nftables map from each flow of the flood, whose address is of the type %s, to the server's MAC address.
const flowMap = "map flows { type %s . inet_service : ether_addr; }"

// flowsAtOnce is how many elements of flowMap one command adds: all of them in one are more than a socket
// of a user namespace may send.
const flowsAtOnce = 1000

// flowElements are the commands that fill flowMap.
func flowElements(client netip.Addr, server net.HardwareAddr) []string {
	var all []string
	for from := 0; from < smallFlows; from += flowsAtOnce {
		var some []string
		for i := from; i < min(from+flowsAtOnce, smallFlows); i++ {
			some = append(some, fmt.Sprintf("%s . %d : %s", client, firstPort+i, server))
		}
		all = append(all, "add element netdev bench flows { "+strings.Join(some, ", ")+" }")
	}
	return all
}

// farMAC is the address of the director's interface towards the real server.
func farMAC(director *netlab.Node) net.HardwareAddr { return netlab.MAC(director.Role, 2) }
