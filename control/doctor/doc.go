// Package doctor finds out what is wrong with an LVS-DR set-up, on the host of
// the director or on a real server, and reports what is wrong, the frame or the
// setting that shows it, and the command that fixes it.
//
//	facts    settings of this host, as data ──────┐
//	wire     questions to the network, answers ───┼──▶ checks ──▶ findings
//	the configuration, the running director ──────┘
//
// The checks are pure but for the questions, which they ask by an interface. What
// they may send is in the documentation of package wire: few frames, from this
// host's own MAC address. For each address there is an ARP request, or a
// solicitation; for each real server a ping, a ping of the size of the MTU, and a
// TCP SYN for its own address and one for the VIP. The source is an address of
// this host, with one exception: a real server that is silent for the VIP is
// asked in the name of the VIP, in a frame to it alone; a host that has the VIP
// does not answer that. One that is silent altogether gets a ping in a broadcast
// frame. A passive examination sends nothing.
package doctor
