// Package nics has the director's raw-socket ports: as many on each interface
// as there are workers, each with its worker. It opens them, changes the
// virtual addresses that they take, closes them, and keeps their counters.
//
// It also decides whether the ports may send by AF_XDP, which captures and
// queueing disciplines do not see: see tapped.go.
package nics
