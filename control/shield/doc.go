// Package shield keeps the host's own IP stack silent about the virtual
// addresses. The kernel gets its own copy of every frame the director
// captures. On a host that forwards (ip_forward=1, usual where containers run)
// it would send a second copy, an ICMP redirect or host unreachable; if the VIP
// is configured on the host, it would answer ARP and reset connections.
//
// # The early part
//
// Where the kernel has nftables, its copies are dropped at ingress:
//
//	table netdev lvsdr {
//		set eth0-ipv4 { type ipv4_addr; size 8192; elements = { 192.168.1.100 } }
//		set eth0-ipv6 { type ipv6_addr; size 8192; }
//		chain eth0 {
//			type filter hook ingress device "eth0" priority -500; policy accept;
//			ip daddr @eth0-ipv4 ether type != 8021q drop
//			ip6 daddr @eth0-ipv6 ether type != 8021q drop
//			ip daddr @eth0-ipv4 goto hidden
//			arp operation request arp daddr ip @eth0-ipv4 goto hidden
//			ip6 daddr @eth0-ipv6 goto hidden
//			icmpv6 type nd-neighbor-solicit icmpv6 taddr @eth0-ipv6 goto hidden
//		}
//		chain hidden { vlan id != 0 accept; drop }
//	}
//
// A packet socket has its copy by then (__netif_receive_skb_core, net/core/dev.c:
// taps come first), and the kernel's ends before the stack has looked at it. A
// look-up in a set takes the same time for one address and for thousands. The first
// two rules are for nearly all frames there are: with them a flood of small ones costs
// its sender about 7 % less on a veth than with the others alone.
// Measured on what the host forwards for others (BenchmarkForwarding, CPU time of
// a datagram): 6.5 µs without a shield, 6.8 µs with 1 VIP and with 2000. Frames
// with a VLAN tag belong to another interface; tag 0 carries a priority only.
//
// This holds for a VIP that is configured on this host as well, on lo or on the
// interface itself, as scripts for IPVS do: requests for its MAC address do not
// reach the kernel either. Only what this host itself sends to such a VIP still
// ends at the host.
//
// # The late part
//
// Where there is no nftables, or not at ingress, the copies end in the routing
// decision, before netfilter's FORWARD and INPUT:
//
//	ip rule add pref 75 iif eth0 lookup 0x6c780001
//	ip route add blackhole VIP table 0x6c780001      (for each VIP)
//
// with one table for each interface. What this host sends to the VIP is not
// touched. Because of two limits it is not used beside the early part. A VIP that is configured on this host cannot be hidden, because the table
// of local addresses comes first. And a host that routes the real servers'
// answers back to the clients must have rp_filter=0: the reverse path filter
// looks up an answer's source, the VIP, as if it had come in by the interface
// that the answer leaves by, finds the blackhole, and drops the answer. No rule
// can tell this look-up from that of a received packet.
//
// # Changes
//
// Set compares what is wanted with what the kernel has, adds what is missing,
// then removes the rest: an address that is wanted before and after is hidden at
// every moment. A start after a crash takes over what is
// there in this way, the rules of earlier versions too. Messages to nftables have
// a thousand addresses at most, and the answer to each is checked.
package shield
