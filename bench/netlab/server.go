package netlab

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// SetUpServer makes h a real server for vip, as the classic script for direct
// routing does. It owns the VIP but keeps it to itself:
//
//   - arp_ignore=1: answers ARP only for addresses of the interface the request
//     came in by, and the VIP is on lo. The kernel takes the greater of "all"
//     and the incoming interface, so it is "all" that does the work; lo is set
//     because every script does.
//   - arp_announce=2: never uses the VIP as the sender address of ARP requests.
//   - rp_filter=0: a client's frame may come in where its answer would not
//     leave.
//   - VIP/32 on lo, scope host, with a host route to lo.
//
// All of it is set before the VIP is added, so that there is no moment at
// which a neighbour could learn a wrong address. IPv6 needs only the address:
// the kernel answers neighbour solicitations for addresses of the incoming
// interface alone.
func SetUpServer(h *Host, vip netip.Addr) error {
	if vip.Is4() {
		for _, conf := range []string{"all", "lo"} {
			for _, s := range [][2]string{{"arp_ignore", "1"}, {"arp_announce", "2"}, {"rp_filter", "0"}} {
				if err := h.Sysctl("net.ipv4.conf."+conf+"."+s[0], s[1]); err != nil {
					return fmt.Errorf("set up real server: %w", err)
				}
			}
		}
	}
	host := netip.PrefixFrom(vip, vip.BitLen())
	if err := h.addAddr("lo", host, unix.RT_SCOPE_HOST); err != nil {
		return fmt.Errorf("set up real server: %w", err)
	}
	if vip.Is6() {
		return nil
	}
	lo, err := h.nl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("set up real server: find lo of %s: %w", h.name, err)
	}
	route := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: ipNet(host), Scope: netlink.SCOPE_LINK}
	if err := h.nl.RouteReplace(route); err != nil {
		return fmt.Errorf("set up real server: route %s to lo of %s: %w", host, h.name, err)
	}
	return nil
}
