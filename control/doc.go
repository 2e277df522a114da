// Package control runs a configuration. Events go in, the next desired
// state comes out, and actors follow it:
//
//	keepalived.conf ─┐
//	ipvsadm ─────────┤
//	check results ───┼─▶ loop ─▶ site.Apply ─▶ site.State ─▶ converger ─▶ actors
//	MAC addresses ───┤     │                                     director, shield, interfaces, ARP,
//	host (netlink) ──┘     └─▶ view ─▶ status, metrics           checks and their routes, local clients
//
// One goroutine, the loop, owns the State and calls the actors; nothing else
// does, and there is no lock. All others send it messages, which never waits, or
// read the view that it has published. An actor that fails keeps what it has, is
// told its wish again, and is named in the log and among the problems of the
// status.
package control
