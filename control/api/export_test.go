package api

import (
	"maps"
	"slices"
)

// Routes are the requests that a Handler knows, sorted.
func Routes() []string { return slices.Sorted(maps.Keys(routes(Backend{}, 1))) }

// Sizes are how many events wait for all subscribers, and how many are kept for those
// who come back.
func (f *Feed) Sizes() (queued, kept int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		s.mu.Lock()
		queued += len(s.queued)
		s.mu.Unlock()
	}
	return queued, len(f.past)
}

// Epoch begins the IDs of all events.
func (f *Feed) Epoch() string { return f.epoch }
