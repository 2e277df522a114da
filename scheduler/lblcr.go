package scheduler

import "strings"

// memberLimit is how many servers all sets of an lblcr service have together.
const memberLimit = 4 * localityLimit

// localityReplicated is lblc with a set of servers for each destination
// address: wlc chooses among the set, and where the set has nobody fit or its
// choice is crowded, wlc chooses among all, and that server joins. A set that did
// not change for lblcr_expiration, a day, loses its most loaded server; one that
// was not used for as long is forgotten as with lblc. Behaviour: ipvsadm(8)
// "lblcr", measured on Linux 6.1.
//
// The memory is made for 16384 addresses and 65536 servers in their sets, 2 MB
// at most.
type localityReplicated struct {
	memory  memory[serverSet]
	members []member // member 0 is none
	unused  int32    // first of the chain of free members
	checks  checks
	all     *leastLoad // wlc among all servers
}

// A serverSet is the servers of an address, the last one added first.
type serverSet struct {
	first   int32 // in members
	changed int64 // ns
}

// A member is a server in one set. A removed server stays, and counts again
// when it comes back.
type member struct {
	dest *Dest
	next int32
}

func newLBLCR(dests []*Dest) *localityReplicated {
	number(dests)
	return &localityReplicated{memory: newMemory[serverSet](localityLimit), members: make([]member, 1, memberLimit+1),
		all: newCountingLoad(weightedLeastConn{}, dests)}
}

// Pick chooses before the set loses a server, so that the one lost may be the
// one chosen.
func (l *localityReplicated) Pick(dests []*Dest, f *Flow) int {
	set, idle := l.memory.recall(f.Dst, f.Now)
	life := localityLife(f.LBLCRExpiration)
	if l.checks.forgot(f.Now, idle, life) && set != nil {
		l.clear(set)
	}
	if set != nil {
		d := l.lightest(set, dests)
		if f.Now-set.changed > life {
			l.shrink(set, f.Now)
		}
		if d != nil && !l.all.crowded(d, dests) {
			return d.pos
		}
	}
	i := l.all.Pick(dests, f)
	if i >= 0 {
		if set == nil {
			set = l.memory.add(f.Dst, f.Now)
			l.clear(set)
		}
		l.join(set, dests[i], f.Now)
	}
	return i
}

// Update lets a removed server that was added again have its places back.
func (l *localityReplicated) Update(dests []*Dest, c Change, i int) {
	number(dests)
	l.all.Update(dests, c, i)
	if c != Added {
		return
	}
	for m := range l.members {
		if known := &l.members[m].dest; *known != nil && (*known).same(dests[i]) {
			*known = dests[i]
		}
	}
}

// lightest is wlc among the fit servers of set; nil: there is none.
func (l *localityReplicated) lightest(set *serverSet, dests []*Dest) *Dest {
	var best *Dest
	for m := set.first; m != 0; m = l.members[m].next {
		d := l.members[m].dest
		if d.Fit() && d.listed(dests) && (best == nil || d.lighter(best)) {
			best = d
		}
	}
	return best
}

// lighter reports whether d has less load for its weight than o.
func (d *Dest) lighter(o *Dest) bool {
	return connections.of(d)*uint64(o.Weight) < connections.of(o)*uint64(d.Weight)
}

// shrink takes the server with the most load for its weight out of a set of
// several; removed and overloaded ones count, quiesced ones do not.
func (l *localityReplicated) shrink(set *serverSet, now int64) {
	if set.first == 0 || l.members[set.first].next == 0 {
		return
	}
	var most *int32 // where the chain names it
	for at := &set.first; *at != 0; at = &l.members[*at].next {
		d := l.members[*at].dest
		if d.Weight > 0 && (most == nil || l.members[*most].dest.lighter(d)) {
			most = at
		}
	}
	if most != nil {
		l.drop(most)
		set.changed = now
	}
}

// join puts d in front of set, unless it is there. Without room it does not.
func (l *localityReplicated) join(set *serverSet, d *Dest, now int64) {
	for m := set.first; m != 0; m = l.members[m].next {
		if l.members[m].dest == d {
			return
		}
	}
	m := l.unused
	switch {
	case m != 0:
		l.unused = l.members[m].next
	case len(l.members) < cap(l.members):
		m = int32(len(l.members))
		l.members = l.members[:m+1]
	default:
		return
	}
	l.members[m] = member{d, set.first}
	set.first, set.changed = m, now
}

// clear makes set empty.
func (l *localityReplicated) clear(set *serverSet) {
	for set.first != 0 {
		l.drop(&set.first)
	}
}

// drop frees the member that at names, in whose place comes the next one.
func (l *localityReplicated) drop(at *int32) {
	m := *at
	*at = l.members[m].next
	l.members[m] = member{next: l.unused}
	l.unused = m
}

// Clone remembers the copies of the servers.
func (l *localityReplicated) Clone(dests []*Dest) Scheduler {
	c := &localityReplicated{memory: l.memory.clone(), unused: l.unused, checks: l.checks, all: l.all.Clone(dests).(*leastLoad),
		members: append(make([]member, 0, cap(l.members)), l.members...)}
	for m := range c.members {
		if known := &c.members[m].dest; *known != nil {
			*known = (*known).in(dests)
		}
	}
	return c
}

// Describe says which servers the destination has.
func (l *localityReplicated) Describe(_ []*Dest, f *Flow) string {
	i := l.memory.find(&f.Dst)
	if i == 0 || l.memory.entries[i].value.first == 0 {
		return "no servers are remembered for the virtual address: wlc chooses"
	}
	var names []string
	for m := l.memory.entries[i].value.first; m != 0; m = l.members[m].next {
		names = append(names, l.members[m].dest.name())
	}
	return "wlc among those the virtual address has, " + strings.Join(names, ", ") + "; where none is fit or the choice is crowded, among all"
}
