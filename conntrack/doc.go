// Package conntrack is the director's memory: the connection table and the
// persistence templates of IPVS, with the client's half of the TCP state
// machine, the timeouts and the expiry.
//
// The table holds fixed-size records without pointers, so the garbage
// collector never looks inside; it is bounded by a configured size; and it is
// searched by a seeded hash with a bounded probe, so that a client who chooses
// its ports cannot make a look-up long. Time is an argument everywhere:
// nanoseconds of CLOCK_BOOTTIME, which starts with the machine, not with the
// process. A Table is not safe for concurrent use.
//
// Dests is the registry of destinations, to which entries refer; an Outbox keeps
// a table's last events for those who follow them.
package conntrack
