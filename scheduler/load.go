package scheduler

// A ranking reckons a server's load for its weight, as one of lc, wlc, sed, nq, fo and ovf
// does. Each takes the fit server with the least; the first in the list wins a tie.
type ranking interface {
	// lightest is the index of the server to take, after a look at all of dests; -1: none is
	// fit.
	lightest(dests []*Dest) int
	// rank is the load of d and the weight that it is divided by.
	rank(d *Dest) contestant
	// words say what it goes by.
	words() string
}

// leastLoad chooses by a ranking: among few servers it looks at each, for many it
// keeps a tournament.
type leastLoad struct {
	ranking
	rankOf     func(*Dest) contestant // ranking.rank; made with each Pick it would be allocated
	tournament tournament
}

func newLeastLoad(r ranking, dests []*Dest) *leastLoad {
	l := &leastLoad{ranking: r, rankOf: r.rank}
	if len(dests) >= manyServers {
		l.tournament.enter(dests)
	}
	return l
}

// Pick looks at every server, or at the winner of the tournament.
func (l *leastLoad) Pick(dests []*Dest, _ *Flow) int {
	if l.tournament.members == nil {
		return l.lightest(dests)
	}
	return l.tournament.first(l.rankOf)
}

// Update keeps up with an edit.
func (l *leastLoad) Update(dests []*Dest, c Change, i int) { l.tournament.update(dests, c, i) }

// Clone looks at every server until its list changes.
func (l *leastLoad) Clone(dests []*Dest) Scheduler {
	for _, d := range dests {
		d.leave()
	}
	return &leastLoad{ranking: l.ranking, rankOf: l.rankOf, tournament: tournament{counts: l.tournament.counts}}
}

// newCountingLoad is newLeastLoad for those that ask crowded.
func newCountingLoad(r ranking, dests []*Dest) *leastLoad {
	l := newLeastLoad(r, dests)
	l.tournament.counts = true
	return l
}

// crowded reports whether d has more active connections than its weight while
// another server has room to spare. Among few servers it looks at each; of many a
// tournament keeps count.
func (l *leastLoad) crowded(d *Dest, dests []*Dest) bool {
	switch {
	case d.Active <= d.Weight:
		return false
	case l.tournament.members == nil:
		return anySpares(dests)
	}
	l.tournament.settle(l.rankOf)
	return l.tournament.spare > 0
}

// anySpares reports whether one of dests has room to spare.
func anySpares(dests []*Dest) bool {
	for _, d := range dests {
		if d.spares() {
			return true
		}
	}
	return false
}

// spares reports whether d has less active connections than half of its weight, fit or not; an
// unreachable one, which does not get what another is spared, does not count.
func (d *Dest) spares() bool { return d.Active*2 < d.Weight && !d.Unreachable }

// Describe says what it goes by.
func (l *leastLoad) Describe([]*Dest, *Flow) string { return l.words() }

// A measure says how a server's connections add up to its load.
type measure struct{ active, inactive, base uint64 }

var (
	// connections is the load of lc and wlc: one active connection is as much
	// as 256 others.
	connections = measure{active: 256, inactive: 1}
	// delay is the load of sed and nq: the new connection counts, too.
	delay = measure{active: 1, base: 1}
)

// of is the load of d. Up to 2^24 connections it is below 2^33, so that its
// product with a weight fits 64 bits.
func (m measure) of(d *Dest) uint64 {
	return uint64(d.Active)*m.active + uint64(d.Inactive)*m.inactive + m.base
}

// rank is the load of d for its weight.
func (m measure) rank(d *Dest) contestant {
	if !d.Fit() {
		return unfit
	}
	return contestant{m.of(d), uint64(d.Weight)}
}

// lightest is the index of the fit server with the least quotient of load and
// weight, the first of several; -1: none is fit.
func (m measure) lightest(dests []*Dest) int {
	best, load, weight := -1, uint64(0), uint64(0)
	for i, d := range dests {
		if !d.Fit() {
			continue
		}
		l, w := m.of(d), uint64(d.Weight)
		if best < 0 || load*w > l*weight {
			best, load, weight = i, l, w
		}
	}
	return best
}
