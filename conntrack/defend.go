package conntrack

import "lvsdr/dataplane/frame"

const (
	// defendShare of the table is looked at in one Defend.
	defendShare = 32
	// idleTime is how long, in ticks, an open connection must have been idle
	// before Defend may take it.
	idleTime = 60 * ticksPerSecond
	// talkative connections, of more packets, are never taken.
	talkative = 8
)

// Defend makes room by what net.ipv4.vs.drop_entry does once a second: in a
// random 1/32 of the table, half-open connections go, and templates without
// connections that were never assured; of the established ones and of UDP, idle
// for 60 s, one in as many as it has packets, up to 8. rnd gives random
// numbers. It returns how many went.
func (t *Table) Defend(now int64, rnd func() uint64) int {
	before, at := t.n, ticks(now)
	for range max(len(t.lines)/defendShare, 1) {
		i := t.home(rnd())
		if t.used[i/chunkLines] == 0 {
			continue
		}
		for j := range perLine {
			if e := &t.lines[i][j]; e.kind() != free && !e.isReply() && t.useless(e, at, rnd) {
				if !e.expired(at) {
					t.evicted++
				}
				t.remove(i*perLine + j)
			}
		}
	}
	return before - t.n
}

// useless decides about one entry.
func (t *Table) useless(e *Entry, at uint32, rnd func() uint64) bool {
	if e.Template() {
		return *e.controlled() == 0 && e.State() != Assured
	}
	switch {
	case e.proto() == frame.ProtoTCP && (e.State() == SynRecv || e.State() == SynAck):
		return true
	case e.proto() == frame.ProtoTCP && e.State() != Established:
		return false
	case e.proto() == frame.ProtoSCTP && e.State() != SCTPEstablished:
		return false
	}
	idle := int32(t.timeout(e)) - int32(e.expires-at)
	if idle < idleTime || *e.packets() > talkative {
		return false
	}
	return *e.packets() <= 1 || rnd()%uint64(*e.packets()) == 0
}
