// Package trace has the language in which the frames of a trace are chosen: a
// few words as tcpdump's.
//
//	host ADDR      from, to, or sent to the real server ADDR; ADDR/BITS for a network
//	src ADDR       from ADDR
//	dst ADDR       to ADDR
//	server ADDR    sent to the real server ADDR
//	port N         from or to port N
//	proto NAME     tcp, udp, sctp, icmp, icmp6 or arp
//	verdict NAME   forward, drop, answer or arp
//	reason NAME    a reason, as in `lvsdr status`
//
// joined by and, or, not and parentheses; not binds tighter than and, and that
// tighter than or.
package trace
