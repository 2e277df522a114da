// Package connsync is connection sync in pure code: the messages by which IPVS
// directors tell each other of their connections and templates, in versions 1 and
// 0, what a master gathers into one, and what a backup takes out of one.
//
// Entry and Message are the messages' fields; Append and Parse write and read
// them. A Master batches entries that the engine tells (dataplane.SyncFeed), and a
// Backup turns messages into what the engine takes (dataplane.Director.TakeSync).
// Nothing here has a socket or reads a clock: package syncnet does.
//
// A message is one UDP payload, in network order. Of version 1 it has 8 bytes of
// header, and then entries that begin at multiples of 4:
//
//	0        1        2               4        5        6
//	│ 0      │ syncid │ length        │ count  │ 1      │ 0             │
//
// and an entry has, with 4 bytes an address or, of IPv6, 16:
//
//	0        1        2               4                               8
//	│ type   │ proto  │ 0, length     │ flags                         │
//	│ state           │ client's port │ virtual port  │ server's port │
//	│ firewall mark                   │ timeout, s                    │
//	│ client          │ virtual address               │ server        │ options
//
// Of version 0 the header is the first 4 bytes, with the count in the first, and
// an entry has 24 bytes, of IPv4 alone.
package connsync
