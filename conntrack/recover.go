package conntrack

import "lvsdr/dataplane/frame"

// Recovered says what a process has found in a Kept.
type Recovered struct {
	Clean bool  // it was sealed
	PID   int   // of the process that had it last; 0: none had
	Since int64 // when that process began with it, ns
	Until int64 // when it was sealed, ns; 0: it was not
	// Half are the entries that were dropped because they were being written, or are
	// nonsense; Strange those of destinations that are not known; NoRoom those for which
	// smaller tables have no place.
	Half, Strange, NoRoom int
	// Loose are the connections whose template is not there; they stay.
	Loose int
}

// Recover counts anew all that tables hold besides their entries, and drops the
// entries that cannot be: those half written, those out of place, and those of
// destinations that are not known. It writes only what is wrong, and believes that a part
// of a table is empty whose count says so.
func Recover(tables []*Table, known func(DestRef) bool, r *Recovered) {
	for _, t := range tables {
		t.recover(known, r)
	}
	for _, t := range tables {
		t.bindAgain(r)
	}
}

// recover is Recover for one table, but for what its connections say about templates.
// It looks at what is in use alone: a start waits for it.
func (t *Table) recover(known func(DestRef) bool, r *Recovered) {
	overflow := make([]uint8, len(t.lines))
	taken := make([]bool, len(t.pairs))
	used := make([]uint32, len(t.used)) // t.used stays what it was until all is counted: this process may be killed, too
	pairs := 0
	t.n, t.replies = 0, 0
	for c := range used {
		if t.used[c] == 0 {
			continue
		}
		for i := c * chunkLines; i < (c+1)*chunkLines; i++ {
			for j := range t.lines[i] {
				e := &t.lines[i][j]
				home, ok := t.recoverEntry(e, i, taken, known, r)
				if !ok {
					continue
				}
				if e.kindProto()&v6 != 0 {
					taken[uint32(e.addrs)] = true
					pairs = max(pairs, int(uint32(e.addrs))+1)
				}
				used[c]++
				for t.n++; home != i; home = t.after(home) {
					overflow[home]++
				}
			}
		}
	}
	for c := range used {
		if t.settled(c) {
			continue
		}
		for i := c * chunkLines; i < (c+1)*chunkLines; i++ {
			t.lines[i].recover(overflow[i])
		}
	}
	copy(t.used, used)
	t.recoverPairs(taken[:pairs])
	t.recoverReplies()
}

// settled reports whether a process that was killed was doing nothing in chunk c, which is empty: Insert
// counts the entry before it changes anything, and remove when all is done. What they change is in the chunk of the
// entry and in that before it, where its home may be.
func (t *Table) settled(c int) bool { return t.used[c] == 0 && t.used[(c+1)%len(t.used)] == 0 }

// recoverEntry reports whether e, in line i, stays, and gives its home. One that does not is withdrawn.
func (t *Table) recoverEntry(e *Entry, i int, taken []bool, known func(DestRef) bool, r *Recovered) (home int, ok bool) {
	if e.kind() == free {
		return 0, false
	}
	home, ok = t.sound(e, i, taken)
	switch {
	case ok && (e.isReply() || known(e.dest)):
		if e.Template() && *e.controlled() != 0 {
			*e.controlled() = 0
		}
		return home, true
	case ok:
		r.Strange++
	case e.kind() != retired: // its time is up at the next tick
		r.Half++
	}
	e.withdraw()
	return 0, false
}

// recover makes n the overflow of a line.
func (l *Line) recover(n uint8) {
	for j := range l {
		if l[j].overflow() != n {
			l[j].word = l[j].word&(1<<overflowShift-1) | uint32(n)<<overflowShift
		}
		n = 0
	}
}

// sound reports whether e, in line i, may be what it says, and gives its home. taken
// are the pairs of others.
func (t *Table) sound(e *Entry, i int, taken []bool) (home int, ok bool) {
	if e.kindProto()&v6 != 0 && (uint32(e.addrs) >= uint32(len(t.pairs)) || taken[uint32(e.addrs)]) {
		return 0, false
	}
	hash := t.hashOf(e)
	if e.kindProto()&v6 != 0 && e.addrs>>32 != tag(hash)>>32 {
		return 0, false
	}
	home = t.home(hash)
	if (i-home+len(t.lines))%len(t.lines) >= maxProbe {
		return 0, false
	}
	switch e.kind() {
	case template, invalid:
		// One without a timeout is not yet whole: SetTimeout comes next.
		return home, *e.lifetime() != 0 && (e.State() == None || e.State() == Assured)
	case reply:
		return home, true // its connection is looked at later
	case conn:
		if e.proto() == frame.ProtoSCTP {
			return home, e.State() < numSCTP
		}
		return home, e.State() < numStates
	}
	return 0, false
}

// recoverPairs makes a list of the pairs that are free below the last that is taken, where taken ends.
func (t *Table) recoverPairs(taken []bool) {
	t.newPair, t.freePair = uint32(len(taken)), 0
	for i := range t.newPair {
		if !taken[i] {
			t.freePairAt(i)
		}
	}
}

// bindAgain counts the connections of t where the templates are that made them.
func (t *Table) bindAgain(r *Recovered) {
	t.All(func(e *Entry) bool {
		if !e.Controlled() {
			return true
		}
		if by := e.templateSlot(); int(by/perLine) < len(t.group.lines) {
			if to := t.group.at(by); to.Template() {
				*to.controlled()++
				return true
			}
		}
		e.ref = 0
		r.Loose++
		return true
	})
}
