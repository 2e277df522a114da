// Package scheduler picks a real server for a new connection, exactly as the
// kernel's IPVS does: the same list in the same order with the same edits and
// the same packets gives the same server.
//
// A virtual service keeps its destinations in a list, the newest first, and
// tells its scheduler of every edit. Schedulers are plain state machines: no
// clock, no lock, no allocation in Pick. The caller serialises calls.
package scheduler

import (
	"fmt"
	"net/netip"
	"slices"
)

// A Dest is one real server of one virtual service, as far as choosing goes.
// The owner of the connection table keeps the connection counts, and calls Changed
// after a change of them, of Overloaded or of Unreachable.
type Dest struct {
	Addr   [16]byte // IP address, IPv4 in its IPv4-mapped form
	Port   uint16   // port as listed; 0 for a service without one
	Weight int      // 0: quiesced, no new connections
	// LastWeight counts where Weight is 0: the last other weight the server
	// had since it was added, by which it keeps its places in the table of mh.
	LastWeight int

	Active   int // connections in an active state (SYN_RECV, ESTABLISHED)
	Inactive int // all other connections; UDP is always here

	// Overloaded is set and cleared by the thresholds of ipvsadm -x and -y.
	Overloaded bool
	// Unreachable says that the server cannot be sent to now, because its MAC
	// address is not known. It is passed over like an overloaded one.
	Unreachable bool

	pos int // index in the list, see number

	tournament *tournament // in which it plays; nil: none
	noted      bool        // that its load changed
	spare      bool        // that it is counted in tournament.spare
}

// Fit reports whether d may get new connections.
func (d *Dest) Fit() bool { return d.Weight > 0 && d.available() }

// available is Fit but for the weight.
func (d *Dest) available() bool { return !d.Overloaded && !d.Unreachable }

// A Flow is the new connection, as far as choosing goes.
type Flow struct {
	Src, Dst [16]byte // IP addresses, IPv4 in its IPv4-mapped form
	SrcPort  uint16
	DstPort  uint16
	Flags    Flags // of the service, at this moment
	Now      int64 // monotonic nanoseconds
	// LBLCExpiration and LBLCRExpiration are the tunables of these names, in
	// ticks of 10 ms; 0: a day.
	LBLCExpiration, LBLCRExpiration int
}

// A Change is an edit of the destination list.
type Change uint8

// The changes.
const (
	Added   Change = iota // dests[i] is new; the kernel adds at the head, i = 0
	Removed               // what was dests[i] is gone
	Edited                // dests[i] was edited, perhaps to the same values
)

// A Scheduler chooses among the destinations of one service.
type Scheduler interface {
	// Pick returns the index in dests of the server for f, or -1 if none is
	// fit. dests is the list that the last Update, or New, was given.
	Pick(dests []*Dest, f *Flow) int
	// Update tells of one edit after it was made to dests at index i.
	Update(dests []*Dest, c Change, i int)
	// Clone is a copy that stands where the scheduler stands and goes on by
	// itself. dests are copies of the list's destinations, in its order.
	Clone(dests []*Dest) Scheduler
	// Describe says in words, for people, where the scheduler stands and what
	// it goes by for f. It changes nothing.
	Describe(dests []*Dest, f *Flow) string
}

// name is d as people know it: address and port.
func (d *Dest) name() string {
	return netip.AddrPortFrom(netip.AddrFrom16(d.Addr).Unmap(), d.Port).String()
}

// Names lists the schedulers New knows, in the order of their making.
func Names() []string {
	return []string{"rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "sh", "dh", "mh", "lblc", "lblcr", "twos"}
}

// New makes the scheduler called name (as in ipvsadm -s) for a service that has
// the destinations dests, which from then on tell it, and no other, of their changes.
func New(name string, dests []*Dest) (Scheduler, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("scheduler %q: not one of %v", name, Names())
	}
	for _, d := range dests {
		d.leave() // the scheduler that they had before
	}
	switch name {
	case "rr":
		return newRR(), nil
	case "wrr":
		return newWRR(dests), nil
	case "lc":
		return newLeastLoad(leastConn{}, dests), nil
	case "wlc":
		return newLeastLoad(weightedLeastConn{}, dests), nil
	case "sed":
		return newLeastLoad(shortestDelay{}, dests), nil
	case "nq":
		return newLeastLoad(neverQueue{}, dests), nil
	case "fo":
		return newLeastLoad(failOver{}, dests), nil
	case "ovf":
		return newLeastLoad(overflow{}, dests), nil
	case "sh":
		return newSH(dests), nil
	case "dh":
		return newDH(dests), nil
	case "mh":
		return newMH(dests), nil
	case "lblc":
		return newLBLC(dests), nil
	case "lblcr":
		return newLBLCR(dests), nil
	case "twos":
		return newTwos(), nil
	}
	panic("a name without a scheduler")
}
