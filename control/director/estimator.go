package director

import (
	"iter"
	"sync"

	"lvsdr/control/api"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// counted is a service, or a server of one: then server is not zero.
type counted struct {
	service dataplane.ServiceKey
	server  frame.Addr
	port    uint16 // of the server
}

func countedServer(s *dataplane.ServiceStatus, r *dataplane.ServerStatus) counted {
	return counted{service: s.Config.Key, server: r.Config.Addr, port: r.Config.Port}
}

// An estimator sums up counters and estimates rates as the kernel does, for
// listings: the sums are those of the last tick, and a rate moves by a quarter
// of the difference to what was counted since. It knows no clock: tick is called
// every Interval. The zero estimator is ready.
type estimator struct {
	mu     sync.Mutex
	counts map[counted]*count
}

// memory is after how many ticks something that is gone is forgotten; until then
// a server that comes back goes on from where it was. 20 minutes outlast
// connections and the time the engine remembers a removed server.
const memory = 600

// Rates are averages with fixed points: connections and packets in 1/1024, bytes
// in 1/32 a second. A count in two seconds is half of that a second.
const (
	fineShift   = 10
	coarseShift = 5
)

type count struct {
	sum                   dataplane.Traffic // as of the last tick
	conns, packets, bytes int64             // averages
	outPackets, outBytes  int64
	missed                int // ticks without it
}

// tick takes the counters of all services as they are now.
func (e *estimator) tick(all iter.Seq[dataplane.ServiceStatus]) {
	e.age()
	for s := range all {
		e.take(&s)
	}
}

// age forgets what was missed for too long.
func (e *estimator) age() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c, n := range e.counts {
		if n.missed++; n.missed > memory {
			delete(e.counts, c)
		}
	}
}

// take takes the counters of a service.
func (e *estimator) take(s *dataplane.ServiceStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.counts == nil {
		e.counts = map[counted]*count{}
	}
	e.add(counted{service: s.Config.Key}, s.Traffic)
	for j := range s.Servers {
		e.add(countedServer(s, &s.Servers[j]), s.Servers[j].Traffic)
	}
}

func (e *estimator) add(c counted, now dataplane.Traffic) {
	n := e.counts[c]
	if n == nil {
		n = &count{}
		e.counts[c] = n
	}
	n.missed = 0
	n.conns += average(n.conns, grown(n.sum.Conns, now.Conns)<<(fineShift-1))
	n.packets += average(n.packets, grown(n.sum.Packets, now.Packets)<<(fineShift-1))
	n.bytes += average(n.bytes, grown(n.sum.Bytes, now.Bytes)<<(coarseShift-1))
	n.outPackets += average(n.outPackets, grown(n.sum.OutPackets, now.OutPackets)<<(fineShift-1))
	n.outBytes += average(n.outBytes, grown(n.sum.OutBytes, now.OutBytes)<<(coarseShift-1))
	n.sum = now
}

// average is by how much an average moves towards rate.
func average(old, rate int64) int64 { return (rate - old) >> 2 }

// grown is how much was counted; a counter that is smaller than it was has been
// set to zero in between.
func grown(before, now uint64) int64 {
	if now < before {
		before = 0
	}
	return int64(now - before)
}

// listed returns the count of c at the last tick, and its count in a second.
func (e *estimator) listed(c counted) api.Listed {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.counts[c]
	if n == nil {
		return api.Listed{}
	}
	return api.Listed{Traffic: WireTraffic(n.sum),
		CPS: whole(n.conns, fineShift), PPS: whole(n.packets, fineShift), BPS: whole(n.bytes, coarseShift),
		OutPPS: whole(n.outPackets, fineShift), OutBPS: whole(n.outBytes, coarseShift)}
}

// whole rounds a fixed-point number, halves down.
func whole(n int64, shift int) uint64 { return uint64(n+1<<(shift-1)-1) >> shift }

// zero forgets what was counted by a service and its servers, or by all.
func (e *estimator) zero(k *dataplane.ServiceKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c, n := range e.counts {
		if k == nil || c.service == *k {
			*n = count{missed: n.missed}
		}
	}
}
