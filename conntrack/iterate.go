package conntrack

// All calls f with every entry until it returns false, but with no reply entry. f must
// not change the table.
func (t *Table) All(f func(*Entry) bool) {
	for c := range t.used {
		if !t.Chunk(c, f) {
			return
		}
	}
}

// Chunk is All for the chunk c, of Chunks, so that locks need not be held for
// long. It reports whether f has returned true to the end.
func (t *Table) Chunk(c int, f func(*Entry) bool) bool {
	if t.used[c] == 0 {
		return true
	}
	for i := c * chunkLines; i < (c+1)*chunkLines; i++ {
		for j := range t.lines[i] {
			if e := &t.lines[i][j]; e.kind() != free && !e.isReply() && !f(e) {
				return false
			}
		}
	}
	return true
}

// Chunks is the number of steps a Sweep of the whole table takes.
func (t *Table) Chunks() int { return len(t.used) }

// NextExpiry is the first moment at or after now at which an entry's time is
// up; false: the table is empty. It looks at the whole table: a virtual clock
// goes from one such moment to the next.
func (t *Table) NextExpiry(now int64) (int64, bool) {
	at := ticks(now)
	least, found := int32(0), false
	t.All(func(e *Entry) bool {
		if d := int32(e.expires - at); !found || d < least {
			least, found = d, true
		}
		return true
	})
	return max(now, (now/tick+int64(max(least, 0)))*tick), found
}
