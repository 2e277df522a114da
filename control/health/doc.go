// Package health decides which real servers and services are up, from the
// results of their checks. It has two state machines, Server and Service, which
// are values: a result goes in, the next value comes out. They know no clock; a
// moment is a time.Duration since one that the caller chose.
//
// The words are those of keepalived.conf(5): alpha, quorum, hysteresis, sorry
// server, inhibit_on_failure. When a check is made, how often it is repeated
// before it counts, and what it asks is package check's.
package health
