package api

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxQueued is how many events wait for a subscriber, and how many past ones are
// kept for those who come back.
const maxQueued = 1024

// A Feed passes events on to subscribers. Publish never waits for them: a
// subscriber that does not read loses events, and is told how many. The zero
// Feed is ready. Its methods may be called from several goroutines.
type Feed struct {
	mu    sync.Mutex
	subs  map[*subscription]struct{}
	epoch string  // of this feed: begins the IDs of its events
	n     uint64  // events so far: the number of the last one
	past  []Event // the last of them; a ring from maxQueued on, by number
}

var _ Events = (*Feed)(nil)

// Publish passes an event on to all who have subscribed, with an ID.
func (f *Feed) Publish(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.start()
	f.n++
	e.ID = f.epoch + "-" + strconv.FormatUint(f.n, 10)
	if len(f.past) < maxQueued {
		f.past = append(f.past, e)
	} else {
		f.past[(f.n-1)%maxQueued] = e
	}
	for s := range f.subs {
		s.add(e)
	}
}

// start gives the feed its epoch.
func (f *Feed) start() {
	if f.epoch == "" {
		f.epoch = strconv.FormatInt(time.Now().UnixNano(), 36)
	}
}

// Subscribe gives the events after the one with ID after; empty: from now on.
// What is too old to be known is an event that tells how many are lost.
func (f *Feed) Subscribe(after string) EventSource {
	s := &subscription{feed: f, wake: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.start()
	if after != "" {
		s.queued = f.since(after)
	}
	if len(s.queued) > 0 {
		s.wake <- struct{}{}
	}
	if f.subs == nil {
		f.subs = map[*subscription]struct{}{}
	}
	f.subs[s] = struct{}{}
	return s
}

// since are the events after the one with this ID.
func (f *Feed) since(id string) []Event {
	epoch, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if epoch != f.epoch || err != nil || n > f.n {
		return []Event{{Time: time.Now(), Kind: EventsLost, Text: "the director was started again since; read the status"}}
	}
	var all []Event
	first := f.n - uint64(len(f.past)) // the number before the oldest one that is known
	if n < first {
		all = append(all, Event{Time: f.past[f.n%uint64(len(f.past))].Time, Kind: EventsLost, Lost: first - n, Text: fmt.Sprintf("the last %d are known", len(f.past))})
	}
	for i := max(n, first); i < f.n; i++ {
		all = append(all, f.past[i%maxQueued])
	}
	return all
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
