package conntrack

import "time"

// Telling is the event that tells of entry e at now, whether or not others are due to be
// told: with the time that it has left, a second at least.
func (t *Table) Telling(e *Entry, now int64) SyncEvent {
	left := max(e.Expires(now), time.Second)
	event := SyncEvent{At: ticks(now), Timeout: uint32(left / (time.Second / ticksPerSecond)), Entry: *e}
	if n := t.note(e); n != nil {
		event.Mark = n.mark
	}
	if e.kindProto()&v6 != 0 {
		event.pair = t.pairOf(e)
	}
	return event
}
