package dataplane

import (
	"iter"

	"lvsdr/conntrack"
)

// EachSynced gives all connections and templates, one after the other, as another director
// is to be told of them that knows none: with the time that they have left. Packets come
// between any two chunks of the table. now is the director's clock.
func (d *Director) EachSynced(now func() int64) iter.Seq[Synced] {
	return func(yield func(Synced) bool) {
		var some []Synced
		for _, sh := range d.shards {
			for chunk := range sh.conns.Chunks() {
				some = some[:0]
				at := now()
				d.readChunk(sh, chunk, func(e *conntrack.Entry) {
					var s Synced
					if event := sh.conns.Telling(e, at); d.synced(&s, &event) {
						some = append(some, s)
					}
				})
				for _, s := range some {
					if !yield(s) {
						return
					}
				}
			}
		}
	}
}
