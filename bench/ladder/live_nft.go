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
// netdev; FWD STATEMENT).
const nftRules = `table netdev bench {
	chain dsr {
		type filter hook ingress device "%s" priority 0; policy accept;
		ip daddr %s %s dport %d ether saddr set %s ether daddr set %s fwd to "%s"
	}
}
`

// startNft is nftables in the director's namespace. Its kernel does not answer
// ARP for the VIP, so that the client has to know.
func startNft(proto string) func(context.Context, *site) error {
	return func(ctx context.Context, s *site) error {
		s.target = netip.AddrPortFrom(s.Spec.VIP, livePort)
		out, from := netlab.Ifname, s.Director.MAC
		if proto == "UDP" { // the lab with two cables
			out, from = farName, farMAC(s.Director)
		}
		if err := s.Clients[0].SetNeighbour(netlab.Ifname, s.Spec.VIP, s.Director.MAC); err != nil {
			return err
		}
		cmd := s.Director.Command(ctx, s.live.Nft, "-f", "-")
		cmd.Stdin = strings.NewReader(fmt.Sprintf(nftRules, netlab.Ifname, s.Spec.VIP, strings.ToLower(proto), livePort, from, s.Servers[0].MAC, out))
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w; it wrote:\n%s", s.live.Nft, err, text)
		}
		return nil
	}
}

// farMAC is the address of the director's interface towards the real server.
func farMAC(director *netlab.Node) net.HardwareAddr { return netlab.MAC(director.Role, 2) }
