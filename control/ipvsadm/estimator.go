package ipvsadm

import (
	"sync"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// Interval is how often an Estimator is ticked, in nanoseconds of the
// director's clock: as often as the kernel sums up its counters.
const Interval = 2e9

// A Counted is a service, or a server of one: then Server is not zero.
type Counted struct {
	Service dataplane.ServiceKey
	Server  frame.Addr
	Port    uint16 // of the server
}

// A Rate is how much comes in a second, on average.
type Rate struct{ Conns, Packets, Bytes uint64 }

// An Estimator sums up counters and estimates rates as the kernel does, for
// listings: the sums are those of the last Tick, and a rate moves by a quarter
// of what it is off. It knows no clock: Tick is called every Interval. The zero
// Estimator is ready. Its methods may be called from several goroutines.
type Estimator struct {
	mu     sync.Mutex
	counts map[Counted]*count
}

// memory is after how many ticks something that is gone is forgotten; until then
// a server that comes back goes on from where it was. 20 minutes outlast
// connections and the time the director remembers a removed server.
const memory = 600

// Rates are averages with fixed points: connections and packets in 1/1024, bytes
// in 1/32 a second. A count in two seconds is half of that a second.
const (
	fineShift   = 10
	coarseShift = 5
)

type count struct {
	listed                dataplane.Traffic // as of the last Tick
	conns, packets, bytes int64             // averages
	missed                int               // ticks without it
}

// Tick takes the counters of all services as they are now.
func (e *Estimator) Tick(all []dataplane.ServiceStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.counts == nil {
		e.counts = map[Counted]*count{}
	}
	for c, n := range e.counts {
		if n.missed++; n.missed > memory {
			delete(e.counts, c)
		}
	}
	for i := range all {
		s := &all[i]
		e.tick(Counted{Service: s.Config.Key}, s.Traffic)
		for j := range s.Servers {
			e.tick(countedServer(s, &s.Servers[j]), s.Servers[j].Traffic)
		}
	}
}

func (e *Estimator) tick(c Counted, now dataplane.Traffic) {
	n := e.counts[c]
	if n == nil {
		n = &count{}
		e.counts[c] = n
	}
	n.missed = 0
	n.conns += average(n.conns, grown(n.listed.Conns, now.Conns)<<(fineShift-1))
	n.packets += average(n.packets, grown(n.listed.Packets, now.Packets)<<(fineShift-1))
	n.bytes += average(n.bytes, grown(n.listed.Bytes, now.Bytes)<<(coarseShift-1))
	n.listed = now
}

// average is by how much an average moves towards rate.
func average(old, rate int64) int64 { return (rate - old) >> 2 }

// grown is how much was counted; a counter that is smaller than it was began
// anew.
func grown(before, now uint64) int64 {
	if now < before {
		before = 0
	}
	return int64(now - before)
}

// Traffic returns the count of c at the last Tick.
func (e *Estimator) Traffic(c Counted) dataplane.Traffic {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := e.counts[c]; n != nil {
		return n.listed
	}
	return dataplane.Traffic{}
}

// Rate returns the count of c in a second.
func (e *Estimator) Rate(c Counted) Rate {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.counts[c]
	if n == nil {
		return Rate{}
	}
	return Rate{Conns: whole(n.conns, fineShift), Packets: whole(n.packets, fineShift), Bytes: whole(n.bytes, coarseShift)}
}

// whole rounds a fixed-point number, halves down.
func whole(n int64, shift int) uint64 { return uint64(n+1<<(shift-1)-1) >> shift }

// zero forgets what was counted by a service and its servers, or by all.
func (e *Estimator) zero(k *dataplane.ServiceKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c, n := range e.counts {
		if k == nil || c.Service == *k {
			*n = count{missed: n.missed}
		}
	}
}
