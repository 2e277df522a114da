package control

import (
	"slices"
	"sync"
	"testing"
)

func TestOfMessagesWithOneKeyTheNewestIsTaken(t *testing.T) {
	b := newMailbox()
	b.put("a", 1)
	b.put(nil, 2)
	b.put("b", 3)
	b.put("a", 4)
	b.put(nil, 5)
	if got := b.take(); !slices.Equal(got, []any{4, 2, 3, 5}) {
		t.Errorf("taken %v", got)
	}
	if got := b.take(); len(got) != 0 {
		t.Errorf("taken again %v", got)
	}
	b.put("a", 6)
	if got := b.take(); !slices.Equal(got, []any{6}) {
		t.Errorf("after a take the key is free; taken %v", got)
	}
}

// Senders may be many, and whoever takes may be slow: no message is left lying
// without a token.
func TestNoMessageIsLeftWithoutAToken(t *testing.T) {
	b := newMailbox()
	const senders, each = 4, 1000
	var group sync.WaitGroup
	for range senders {
		group.Go(func() {
			for i := range each {
				b.put(nil, i)
			}
		})
	}
	for taken := 0; taken < senders*each; {
		<-b.ready
		taken += len(b.take())
	}
	group.Wait()
}
