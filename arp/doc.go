// Package arp is the director's side of the Address Resolution Protocol
// (RFC 826, RFC 5227), for IPv4 over Ethernet, and of the part of Neighbor
// Discovery (RFC 4861, RFC 4862) that does the same for IPv6. The virtual
// addresses (VIPs) are not configured on the host, so its kernel stays silent
// about them, and a Service does three things in its place:
//
//   - it answers requests for a VIP and notices who else uses it (decide);
//   - it announces where a VIP is, when it becomes active and from time to time
//     (announcer);
//   - it keeps the MAC address of every Target, which is a real server or the
//     next hop to one (resolver).
//
// These three parts are pure: frames and the moment go in, packets come out. The
// moment is a time.Duration since any fixed instant and never runs backwards.
// The Service joins them to the world at two ends: the Inbox, which the packet
// path fills, and a Sender.
//
//	worker ──Inbox.Put──▶ Service.Run ──▶ parse ▶ learn ▶ decide ──▶ Sender
//	                            timers ──▶ announcer, resolver ──────┘
//
// Each VIP is active or not by itself: a VIP that is not active is neither
// announced nor answered for. The targets are asked for in any case.
//
// One Service serves both families, and all of its parts think in Packets, which
// both protocols can express:
//
//	Packet                 ARP                    Neighbor Discovery
//	request                request                solicitation
//	reply                  reply                  solicited advertisement
//	announcement           gratuitous, both ways  advertisement to all nodes
//	probe                  sender 0.0.0.0         source ::, answered to all nodes
//	to all                 broadcast              the solicited-node group
//
// The caller that fills the Inbox has to receive the solicited-node groups of the
// IPv6 VIPs; dataplane/afpacket joins them.
//
// ARP packets are made and read with github.com/mdlayher/arp, the others by
// package ndp with github.com/mdlayher/ndp; frames leave through
// github.com/mdlayher/packet.
package arp
