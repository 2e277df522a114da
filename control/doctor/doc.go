// Package doctor finds out what is wrong with an LVS-DR set-up, on the host of
// the director or on a real server, and says so in Findings: what is wrong, the
// frame or the setting that shows it, and the command that mends it.
//
// It has three layers:
//
//   - what is known: Host, the settings of this host (host.go), and Net, which
//     asks the network (net.go); both are edges, made of plain data in tests;
//   - Checks, small functions that judge it, one file a theme
//     (check_*.go, rs_*.go), in the lists DirectorChecks and ServerChecks;
//   - Report, the findings together, as text, JSON and exit code.
//
// # What it sends
//
// Few frames, and from this host's own MAC address: for each address an ARP
// request, or a solicitation; for each real server a ping, a ping of the size of
// the MTU, and a TCP SYN for its own address and one for the VIP, each repeated
// once if nothing comes back. A connection that is accepted is given up by a RST
// before the server's program hears of it. The source is an address of this
// host, but in one case: a real server that is silent for the VIP is asked, by
// ARP for its own address or with IPv6 by a ping, in the name of the VIP, in a
// frame to it alone; a host that has the VIP does not answer itself. One that is
// silent altogether gets a ping in a broadcast frame. With Passive nothing is sent.
//
// The TTL of the packets for a VIP is 2, so that one that a real server without
// the VIP passes on ends before it comes back as if from another.
package doctor
