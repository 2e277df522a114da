package scheduler

import "math/bits"

// manyServers is from how many servers on a tournament is kept; below, a look at every
// server costs less.
const manyServers = 48

// A contestant is a server in a tournament: its load, and the weight that the load is
// divided by. That of a server that is not fit is 0, and the quotient infinite.
type contestant struct{ load, weight uint64 }

// unfit loses against every other, and against another unfit one neither wins.
var unfit = contestant{load: 1}

// beats reports whether c has less load for its weight than o.
func (c *contestant) beats(o *contestant) bool { return c.load*o.weight < o.load*c.weight }

// A tournament knows the lightest of many servers, the first in the list of several.
// Servers play in pairs of neighbours, the winners of two pairs against each other, and
// so on: a server whose load changes plays again as far as its games go, which is
// logarithmic, and only when the next one is asked for. The tree of a list of 5:
//
//	            winners[1]
//	      ┌──────────┴──────────┐
//	 winners[2]            winners[3]
//	 ┌────┴────┐          ┌────┴────┐
//	 4         5          6         7
//	┌┴┐       ┌┴┐        ┌┴┐       ┌┴┐
//	0 1       2 3        4 -       - -     servers by their place in the list
//
// Update makes all the memory, so that first allocates nothing.
type tournament struct {
	members     []*Dest      // the list; none while it is short
	contestants []contestant // of members, by their place; filled up to a power of 2 with unfit ones
	winners     []int32      // places, by game; the second half is the places themselves
	changed     []int32      // the places of the members that changed since
	stale       bool         // all of them may have
	counts      bool         // keep spare; lblc and lblcr ask for it
	spare       int          // how many of members have room to spare
}

// update keeps up with an edit of dests.
func (t *tournament) update(dests []*Dest, c Change, i int) {
	switch {
	case len(dests) < manyServers:
		t.dissolve()
		return
	case t.members == nil:
		t.enter(dests)
		return
	case c == Edited:
		dests[i].Changed()
		return
	case c == Removed:
		t.members[i].leave()
		t.members = append(t.members[:i], t.members[i+1:]...)
	case c == Added:
		t.members = append(t.members, nil)
		copy(t.members[i+1:], t.members[i:])
		t.members[i] = dests[i]
		dests[i].enter(t)
	}
	t.grow()
}

// enter takes all of dests in.
func (t *tournament) enter(dests []*Dest) {
	t.members = append(t.members, dests...)
	for _, d := range dests {
		d.enter(t)
	}
	t.grow()
}

// grow makes room for all members, and has all of them play again.
func (t *tournament) grow() {
	t.stale = true
	size := 1 << bits.Len(uint(len(t.members)-1))
	if size == len(t.contestants) {
		return
	}
	t.contestants = make([]contestant, size)
	t.winners = make([]int32, 2*size)
	for i := range size {
		t.winners[size+i] = int32(i)
	}
	t.changed = make([]int32, 0, size)
}

// dissolve lets all members go.
func (t *tournament) dissolve() {
	for _, d := range t.members {
		d.leave()
	}
	*t = tournament{counts: t.counts}
}

// first is the place of the lightest server; -1: none is fit. rank says what counts.
func (t *tournament) first(rank func(*Dest) contestant) int {
	t.settle(rank)
	if i := t.winners[1]; t.contestants[i].weight > 0 {
		return int(i)
	}
	return -1
}

// settle has the members that changed play again.
func (t *tournament) settle(rank func(*Dest) contestant) {
	if t.stale {
		t.renew(rank)
	}
	few := len(t.changed)*bits.Len(uint(len(t.contestants))) < len(t.contestants)
	for _, at := range t.changed {
		d := t.members[at]
		d.noted = false
		t.count(d)
		if t.contestants[at] = rank(d); few {
			t.play(at)
		}
	}
	if !few {
		t.playAll()
	}
	t.changed = t.changed[:0]
}

// count keeps spare right about d.
func (t *tournament) count(d *Dest) {
	if !t.counts {
		return
	}
	switch now := d.spares(); {
	case now == d.spare:
	case now:
		t.spare++
	default:
		t.spare--
	}
	d.spare = d.spares()
}

// renew begins anew with all members.
func (t *tournament) renew(rank func(*Dest) contestant) {
	t.spare = 0
	for i, d := range t.members {
		d.pos, d.noted, d.spare = i, false, false
		t.contestants[i] = rank(d)
		t.count(d)
	}
	for i := len(t.members); i < len(t.contestants); i++ {
		t.contestants[i] = unfit
	}
	t.stale, t.changed = false, t.changed[:0]
	t.playAll()
}

// play has the server at a place play again. Where it neither was nor is the winner of a
// game, those above stand.
func (t *tournament) play(at int32) {
	for game := (len(t.contestants) + int(at)) / 2; game > 0; game /= 2 {
		was := t.winners[game]
		if now := t.winner(game); now == was && now != at {
			return
		}
	}
}

// playAll plays all games.
func (t *tournament) playAll() {
	for game := len(t.contestants) - 1; game > 0; game-- {
		t.winner(game)
	}
}

// winner plays a game. The left one, which is earlier in the list, wins a tie.
func (t *tournament) winner(game int) int32 {
	left, right := t.winners[2*game], t.winners[2*game+1]
	if t.contestants[right].beats(&t.contestants[left]) {
		left = right
	}
	t.winners[game] = left
	return left
}

// Changed tells the scheduler that the connections of d changed, or whether it is fit.
// The caller that changes them calls it before the next Pick; Update tells of an edit.
func (d *Dest) Changed() {
	if d.tournament != nil {
		d.tournament.note(d)
	}
}

// note has d play again, before the next one is asked for.
func (t *tournament) note(d *Dest) {
	if !t.stale && !d.noted {
		d.noted = true
		t.changed = append(t.changed, int32(d.pos))
	}
}

// enter makes d one of t.
func (d *Dest) enter(t *tournament) { d.tournament, d.noted = t, false }

// leave makes d one of no tournament.
func (d *Dest) leave() { d.tournament, d.noted = nil, false }
