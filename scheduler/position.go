package scheduler

// A Keeper is a scheduler that stands somewhere: with a Position, which is not 0,
// another of the same kind goes on from there, over the same list.
type Keeper interface {
	Position() uint64
	// SetPosition goes to a position; one of another kind of scheduler, or outside
	// of the list, is passed over.
	SetPosition(dests []*Dest, p uint64)
}

var (
	_ Keeper = (*roundRobin)(nil)
	_ Keeper = (*weightedRoundRobin)(nil)
)

// The kinds of positions.
const (
	ofRR  = 1 << 62
	ofWRR = 1 << 63
)

// Position is the place of the last server.
func (r *roundRobin) Position() uint64 { return ofRR | uint64(r.last+1) }

// SetPosition takes a place of the list.
func (r *roundRobin) SetPosition(dests []*Dest, p uint64) {
	if last := p ^ ofRR; p&ofRR != 0 && last <= uint64(len(dests)) {
		r.last = int(last) - 1
	}
}

// Position is the place of the last server above the current weight.
func (w *weightedRoundRobin) Position() uint64 {
	return ofWRR | uint64(w.pos+1)<<32 | uint64(uint32(w.cw))
}

// SetPosition takes a place of the list, and a weight that is not above the top one.
func (w *weightedRoundRobin) SetPosition(dests []*Dest, p uint64) {
	pos, cw := (p^ofWRR)>>32, int(uint32(p))
	if p&ofWRR != 0 && pos <= uint64(len(dests)) && cw > 0 && cw <= w.mw {
		w.pos, w.cw = int(pos)-1, cw
	}
}
