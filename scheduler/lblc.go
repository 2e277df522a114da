package scheduler

const (
	localityLimit = 16384              // addresses remembered, as the kernel's
	localityTick  = int64(10e6)        // ns
	day           = int64(86400 * 1e9) // ns
	// localityCheck is how often the kernel looks for what was not used, ns.
	localityCheck = int64(1800 * 1e9)
)

// localityLeastConn sends each destination address to the server it had before,
// until that is removed, quiesced or crowded; then wlc chooses, and its choice
// is remembered. An address that was not used for lblc_expiration, a day, is
// forgotten at the next check, of which there is one every half an hour. It is
// for services by mark in front of caches. Behaviour: ipvsadm(8) "lblc",
// measured on Linux 6.1.
//
// The memory is made for 16384 addresses, 0.9 MB at most. The kernel goes beyond
// and cuts back to that many once a minute; here the address that was not used
// the longest makes room at once.
type localityLeastConn struct {
	memory memory[*Dest] // nil: forgotten
	checks checks
	all    *leastLoad // wlc among all servers
}

// checks are the moments at which unused addresses are forgotten: every
// localityCheck from the first packet on.
type checks struct {
	started bool
	first   int64 // ns
}

// forgot reports whether a check has forgotten, by now, what was not used for
// idle ns until now, if life is how long such a thing is remembered.
func (c *checks) forgot(now, idle, life int64) bool {
	if !c.started {
		*c = checks{true, now}
	}
	since := (now - c.first) % localityCheck // the last check
	return idle-since >= life
}

// localityLife is an expiration, in ticks, in ns.
func localityLife(ticks int) int64 {
	if ticks == 0 {
		return day
	}
	return int64(ticks) * localityTick
}

func newLBLC(dests []*Dest) *localityLeastConn {
	number(dests)
	return &localityLeastConn{memory: newMemory[*Dest](localityLimit), all: newCountingLoad(weightedLeastConn{}, dests)}
}

// Pick keeps also a server that is overloaded by its thresholds, but not one
// that is unreachable.
func (l *localityLeastConn) Pick(dests []*Dest, f *Flow) int {
	known, idle := l.memory.recall(f.Dst, f.Now)
	if l.checks.forgot(f.Now, idle, localityLife(f.LBLCExpiration)) && known != nil {
		*known = nil
	}
	if known != nil {
		if d := *known; d != nil && d.listed(dests) && d.Weight > 0 && !d.Unreachable && !l.all.crowded(d, dests) {
			return d.pos
		}
	}
	i := l.all.Pick(dests, f)
	if i >= 0 {
		if known == nil {
			known = l.memory.add(f.Dst, f.Now)
		}
		*known = dests[i]
	}
	return i
}

// Update lets a removed server that was added again have its addresses back.
func (l *localityLeastConn) Update(dests []*Dest, c Change, i int) {
	number(dests)
	l.all.Update(dests, c, i)
	if c != Added {
		return
	}
	for e := range l.memory.entries {
		if known := &l.memory.entries[e].value; *known != nil && (*known).same(dests[i]) {
			*known = dests[i]
		}
	}
}

// same reports whether d and o are the same server of their service.
func (d *Dest) same(o *Dest) bool { return d.Addr == o.Addr && d.Port == o.Port }

// Clone remembers the copies of the servers.
func (l *localityLeastConn) Clone(dests []*Dest) Scheduler {
	c := &localityLeastConn{l.memory.clone(), l.checks, l.all.Clone(dests).(*leastLoad)}
	for e := range c.memory.entries {
		if known := &c.memory.entries[e].value; *known != nil {
			*known = (*known).in(dests)
		}
	}
	return c
}

// Describe says which server the destination had.
func (l *localityLeastConn) Describe(dests []*Dest, f *Flow) string {
	i := l.memory.find(&f.Dst)
	if i == 0 || l.memory.entries[i].value == nil || !l.memory.entries[i].value.listed(dests) {
		return "no server is remembered for the virtual address: wlc chooses"
	}
	return "the virtual address had " + l.memory.entries[i].value.name() +
		" last, and keeps it until it is not used for a day, unless that is quiesced, unreachable or crowded; then wlc chooses"
}
