// Package hostnet holds the networks of a host as data: links, addresses and
// routes, and finds the place of an address.
//
// Read takes a Snapshot of the kernel's tables. Everything else is pure: VIP and
// Server find the longest matching route in a Snapshot, which a test can write
// as a literal. 30 000 look-ups take a few milliseconds and no system call.
//
// A Snapshot has less than the kernel looks at:
//
//   - rules of policy routing count only if they are unconditional ("from all
//     lookup TABLE"); rules for some sources, marks, ports or interfaces, and
//     those that suppress results, are passed over;
//   - routes for one type of service (TOS) are left out, and so are routes whose
//     next hop is dead;
//   - a route by several next hops counts as its first one;
//   - what the kernel has learnt by ICMP (redirects, path MTU) is not there.
package hostnet
