package control

import "sync"

// A mailbox holds the messages to the loop. Putting one in never blocks, so that
// those who send may hold locks, or have frames to answer. It stays small: of
// two messages with one key the newer one takes the place of the older.
type mailbox struct {
	ready chan struct{} // holds a token while there are messages

	mu    sync.Mutex // guards what follows
	queue []any
	place map[any]int // in queue, by key
}

func newMailbox() *mailbox {
	return &mailbox{ready: make(chan struct{}, 1), place: map[any]int{}}
}

// put adds a message. The key is what the message replaces an older one by; nil:
// it replaces none.
func (b *mailbox) put(key, message any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at, ok := b.place[key]; ok {
		b.queue[at] = message
		return
	}
	if key != nil {
		b.place[key] = len(b.queue)
	}
	b.queue = append(b.queue, message)
	select {
	case b.ready <- struct{}{}:
	default: // it is known that there are some
	}
}

// take takes all messages out, in the order in which they, or the older ones
// whose places they took, were put in.
func (b *mailbox) take() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.queue
	b.queue = nil
	clear(b.place)
	return all
}
