// Package localclient lets processes of the director's own host be clients of
// the virtual addresses. What they send never comes in by an interface, so the
// director would not receive it; the kernel would ask by ARP for an address for
// which no host on the network answers.
//
// A pair of veth interfaces and policy routing bring it to the director:
//
//	ip link add lvsdr-l0 type veth peer name lvsdr-l1
//	ip rule add pref 79 iif lo dport 1-65534 lookup 0x6c770004
//	ip route add VIP dev lvsdr-l0 src SOURCE table 0x6c770004      (for each VIP)
//
// The director receives on lvsdr-l1 as on any interface and forwards to the
// real server, which answers the host directly: the packets have the host's
// address SOURCE. What the director itself answers (echo replies, resets, ICMP
// errors) it sends back by lvsdr-l1, and the host receives it on lvsdr-l0.
//
// # Why a veth pair
//
// It exists wherever containers do; tun needs a device file, and a dummy
// interface cannot carry the director's own answers back. It passes
// segmentation-offload super-frames and unfinished checksums on to the port.
//
// Both ends have the same MAC address and lvsdr-l0 has no ARP, so that each
// frame is addressed to lvsdr-l1 without an entry in the neighbour table. The
// kernel's copy there ends in the shield.
//
// # Why these rules
//
// There is one rule however many VIPs there are: the table has their routes and
// nothing else, and what it does not have goes on to the next rule.
//
// "iif lo" selects what this host itself sends. The reverse path filter asks
// for the way back with "iif lo" too, but without protocol and ports (unless a
// rule with ports and without iif lo makes the kernel look at them), so a rule
// with ports does not apply to it. One rule serves TCP, UDP, SCTP and ICMP,
// whose type and code lie where the port does in the kernel's key (union
// flowi_uli, <net/flow.h>; an echo request is 0x0800, in IPv6 0x8000). A plain
// look-up of the VIP, as by "ip route get", has port 0 and is not redirected;
// the kernel does not accept 65535 as a bound.
//
// So the reverse path filter expects the answers of real servers where the main
// table says, and would drop those of the director on lvsdr-l0. With rp_filter=1
// it accepts an interface that one of the route's next hops has; for it alone,
// which knows the source,
//
//	ip rule add pref 80 iif lo from SOURCE lookup 0x6c770005       (for each SOURCE)
//	ip route add VIP table 0x6c770005 nexthop dev lvsdr-l0 nexthop dev IF...
//
// (__fib_validate_source in net/ipv4/fib_frontend.c, fib_rule_requires_fldissect
// in <net/fib_rules.h>). IPv6 has no such filter.
//
// # Real servers on this host
//
// What the director sends by lvsdr-l1 comes in by lvsdr-l0, as the clients sent it, with
// the VIP as its destination:
//
//	ip addr add VIP/32 dev lvsdr-l0 scope host
//	ip route del local VIP dev lvsdr-l0 table local
//	ip rule add pref 81 iif lvsdr-l0 lookup 0x6c770006
//	ip route add local VIP dev lvsdr-l0 table 0x6c770006
//
// The address is for the answers: the kernel sends from its own addresses alone. It adds a
// route for each one to the table of local addresses, with which the host's own clients
// would end here; that route is taken away, and the rule stands in for it where it
// matters. lvsdr-l0 accepts packets whose answers leave by another interface, and those
// from an address of this host.
//
// The rules come after those of the checks by Direct Routing, whose marked
// connections thus go to the real server they are meant for.
package localclient
