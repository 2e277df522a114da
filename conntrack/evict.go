package conntrack

import (
	"slices"

	"lvsdr/dataplane/frame"
)

// What it costs to lose an entry.
const (
	due   = iota // its time is up
	cheap        // half-open, closing, or a template that was never assured
	fair         // UDP: the next packet is scheduled anew; or made by a message
	dear         // an open connection, a template that is used, a reply entry: never lost
)

// place finds a free slot within reach of hash h, making one if it must; -1:
// none.
func (t *Table) place(h uint64, at uint32) int {
	if slices.Contains(t.refused, h) {
		return -1
	}
	home := t.home(h)
	slot := t.firstFree(home, at)
	if slot >= 0 && t.n < t.limit {
		return slot
	}
	victim := t.victim(home, maxProbe, at)
	if slot >= 0 && victim < 0 {
		// The place has room, the table has not: take from elsewhere.
		victim = t.victim((home+maxProbe)%len(t.lines), chunkLines, at)
	}
	if victim < 0 {
		return -1
	}
	if !t.at(victim).expired(at) {
		t.evicted++
	}
	t.remove(victim)
	if slot >= 0 {
		return slot
	}
	return victim
}

// firstFree is the first slot from line i on that is free or whose entry's
// time is up; -1: none within maxProbe lines.
func (t *Table) firstFree(i int, at uint32) int {
	for range maxProbe {
		for j := range perLine {
			e := &t.lines[i][j]
			if e.kind() == free || e.expired(at) && t.end(i*perLine+j, at) {
				return i*perLine + j
			}
		}
		i = t.after(i)
	}
	return -1
}

// victim is the slot, in n lines from line i on, of the entry that is best
// lost: the cheapest, and of those the one that is next to end; -1: none. It
// looks at a few lines at a time, and no further when they have one that is
// cheap: in a flood of SYNs nearly all are.
func (t *Table) victim(i, n int, at uint32) int {
	slot, cheapest, least := -1, dear, int32(0)
	for seen := range n {
		if seen%fewLines == 0 && cheapest <= cheap {
			break
		}
		for j := range perLine {
			e := &t.lines[i][j]
			if e == t.making {
				continue
			}
			p, d := e.price(at), int32(e.expires-at)
			if p < cheapest || p == cheapest && p < dear && d < least {
				slot, cheapest, least = i*perLine+j, p, d
			}
		}
		i = t.after(i)
	}
	return slot
}

func (e *Entry) price(at uint32) int {
	switch {
	case e.kind() == free, e.isReply(), e.Template() && *e.controlled() > 0:
		return dear
	case e.expired(at):
		return due
	case e.Template():
		if e.State() == Assured {
			return dear
		}
		return cheap
	case e.proto() == frame.ProtoUDP:
		return fair
	case !hasStates(e.proto()) || !open(e):
		return cheap
	case e.Synced():
		return fair // the director that told of it has it, too
	}
	return dear
}
