package api

import (
	"context"
	"sync"
	"time"
)

// maxQueued is how many events wait for a subscriber.
const maxQueued = 1024

// A Feed passes events on to subscribers. Publish never waits for them: a
// subscriber that does not read loses events, and is told how many. The zero
// Feed is ready. Its methods may be called from several goroutines.
type Feed struct {
	mu   sync.Mutex
	subs map[*subscription]struct{}
}

var _ Events = (*Feed)(nil)

// Publish passes an event on to all who have subscribed.
func (f *Feed) Publish(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		s.add(e)
	}
}

// Subscribe gives the events from now on.
func (f *Feed) Subscribe() EventSource {
	s := &subscription{feed: f, wake: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.subs == nil {
		f.subs = map[*subscription]struct{}{}
	}
	f.subs[s] = struct{}{}
	return s
}

// A subscription is one subscriber's queue.
type subscription struct {
	feed *Feed
	wake chan struct{} // has one element while something may be waiting

	mu     sync.Mutex
	queued []Event
	lost   uint64
	lostAt time.Time // of the last event that was lost
}

func (s *subscription) add(e Event) {
	s.mu.Lock()
	if len(s.queued) < maxQueued {
		s.queued = append(s.queued, e)
	} else {
		s.lost++
		s.lostAt = e.Time
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Next waits for events, or for the end of ctx.
func (s *subscription) Next(ctx context.Context) ([]Event, error) {
	for {
		if all := s.take(); len(all) > 0 {
			return all, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.wake:
		}
	}
}

func (s *subscription) take() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.queued
	if s.lost > 0 {
		all = append(all, Event{Time: s.lostAt, Kind: EventsLost, Lost: s.lost})
	}
	s.queued, s.lost = nil, 0
	return all
}

// Close ends the subscription.
func (s *subscription) Close() {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	delete(s.feed.subs, s)
}
