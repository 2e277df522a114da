// Package realserver makes a host a real server of Direct Routing, says whether
// it is one, and takes it back.
//
// A real server owns the virtual address but keeps it to itself: VIP/32 is on
// lo, arp_ignore=1 lets the kernel answer ARP only for addresses of the
// interface asked on, and arp_announce=2 keeps the VIP out of ARP requests. The
// kernel takes the greater of "all" and the interface's own value, so it is
// "all" that does the work; lo is set because every script does. IPv6 needs
// only the address: the kernel answers neighbour solicitations for addresses
// of the interface asked on alone.
//
// # Local clients
//
// On a real server the VIP is a local address, so its own clients end at its
// own service, and all of them fail when that service is down. With
// Options.Balance they go to the director like all others:
//
//	0:      from all lookup local                  is moved to 2
//	1:      iif lo to VIP ipproto tcp dport 80 lookup 0x6c770002
//	table 0x6c770002:  VIP/32 dev eth0 src RIP
//
// What comes in has another iif and finds the local table as before; what the
// service answers has the port as its source port and another destination.
// Three kinds of packet come in with a source address that is this host's own:
// its own request, when the director chooses this very server (RIP to VIP), and
// the answers of other servers (VIP to RIP). IPv4 takes such packets only with
// accept_local=1; and the strict reverse path filter, which looks up the VIP
// without ports and so finds lo, drops the answers: it is made loose
// (rp_filter=2) where it is strict. IPv6 has neither check.
//
// # The record
//
// Start writes down each value it found before its first change, in a file for
// each VIP, before it changes anything. Stop restores these values one by one.
// A value that somebody else changed since is left alone, and one that another
// VIP's record has too is kept until the last of them stops. A record of an
// earlier boot or of another network namespace is not believed, and one that no
// start could have written is refused (trust.go).
//
// What is to be done is decided by pure functions (goals.go, plan.go); kernel.go
// is the edge to the kernel, record.go that to the files.
package realserver
