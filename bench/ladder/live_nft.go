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
		ip daddr %s %s dport %d ether saddr set %s ether daddr set %s fwd to "%s"
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
	if k.flows {
		table, to = flowMap(s.Clients[0].Addr, s.Servers[0].MAC), "ip saddr . udp sport map @flows"
	}
	cmd := s.Director.Command(ctx, s.live.Nft, "-f", "-")
	cmd.Stdin = strings.NewReader(fmt.Sprintf(nftRules, table, netlab.Ifname, s.Spec.VIP, strings.ToLower(k.proto), livePort, from, to, out))
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w; it wrote:\n%s", s.live.Nft, err, text)
	}
	return nil
}

// flowMap is an nftables map from each flow of the flood to the server's MAC address.
func flowMap(client netip.Addr, server net.HardwareAddr) string {
	var b strings.Builder
	b.WriteString("map flows {\n\t\ttype ipv4_addr . inet_service : ether_addr\n\t\telements = {")
	for i := range smallFlows {
		fmt.Fprintf(&b, " %s . %d : %s,", client, firstPort+i, server)
	}
	return strings.TrimSuffix(b.String(), ",") + " }\n\t}"
}

// farMAC is the address of the director's interface towards the real server.
func farMAC(director *netlab.Node) net.HardwareAddr { return netlab.MAC(director.Role, 2) }
