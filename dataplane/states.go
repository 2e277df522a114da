package dataplane

import "lvsdr/conntrack"

// CountStates counts the connection table's entries by protocol and state, those whose
// time is up and that no Sweep has met yet among them. It looks at the whole table;
// workers go first between any two chunks.
func (d *Director) CountStates() conntrack.StateCounts {
	var all conntrack.StateCounts
	for _, sh := range d.shards {
		for chunk := range sh.conns.Chunks() {
			sh.mu.Lock()
			sh.conns.Count(chunk, &all)
			sh.mu.Unlock()
		}
	}
	return all
}
