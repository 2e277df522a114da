// Package wire asks the network of this host about real servers and VIPs, in a
// few frames, and watches what passes. A Prober does so by one packet socket for
// each interface; what the frames say is read by pure functions.
//
// # What it sends
//
// All from this host's own MAC address, and once more if nothing comes back:
// requests of ARP or Neighbor Discovery, pings, and TCP SYNs. A connection that
// is accepted is given up by a RST before the server's program hears of it. The
// TTL is 2, so that a packet for a VIP that a real server without the VIP passes
// on ends before it comes back as if from another.
package wire
