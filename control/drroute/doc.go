// Package drroute sends connections of this host to a virtual address through
// the real server of the caller's choice, as clients' frames go in Direct
// Routing. Checks use it.
//
// For each real server a Router installs, when it is asked for the first time,
//
//	ip rule add pref 77 fwmark MARK iif lo lookup TABLE
//	ip route add VIP via RS dev IF onlink table TABLE    (for each VIP)
//	ip route add unreachable default table TABLE
//
// A socket with SO_MARK = MARK that connects to VIP then sends its frames to
// the MAC address of RS, which the kernel resolves by ARP or neighbour
// discovery as for any gateway. The other rules of the host do not take part:
// "iif lo" selects what this host itself sends, so a rule that blackholes
// received VIP traffic neither hits the checks nor is weakened by them; and
// the reverse path filter looks the VIP up without the mark, that is, where the
// VIP's network is, which is the interface the answer comes in by. (A VIP
// outside all networks of that interface needs rp_filter 0 or 2 there.) When the
// interface was down the kernel has dropped the route to the VIP; the unreachable
// route then keeps a marked connection from leaving by the main table and being
// answered by another host.
//
// The VIP must not be an address of this host: the table of local addresses
// comes first. Mark says so.
//
// # The cost
//
// The kernel goes through the rules one by one. Most packets are not marked; two
// rules lead them past all others:
//
//	ip rule add pref 76 not fwmark 0x6c760000/0xffffc000 goto 78
//	ip rule add pref 78 nop
//
// Measured with 3000 real servers, a look-up of an unmarked packet takes 0.3 µs
// longer than without any (13 µs longer without the two rules), and that of a
// check's packet 13 µs on average. A check makes some five of them.
package drroute
