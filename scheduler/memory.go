package scheduler

import (
	"hash/maphash"
	"slices"
)

// A memory holds one value for each of many addresses, at most limit of them;
// the address that was asked for the longest time ago makes room for a new one.
// It allocates when it is made and never again. The hash is keyed, so that
// clients that choose addresses do not choose their chains.
type memory[T any] struct {
	seed           maphash.Seed
	heads          []int32     // by hash; the first entry of the chain
	entries        []record[T] // entry 0 is none
	newest, oldest int32       // ends of the list of all entries, by their last use
}

// A record is an entry of a memory: its value, and its neighbours in its chain
// and in the list by last use.
type record[T any] struct {
	key          [16]byte
	used         int64 // ns
	chain        int32
	newer, older int32
	value        T
}

// newMemory makes a memory for limit addresses. What is not used of it yet is
// not touched, so that the host gives no pages for it.
func newMemory[T any](limit int) memory[T] {
	return memory[T]{seed: maphash.MakeSeed(), heads: make([]int32, limit),
		entries: make([]record[T], 1, limit+1)}
}

// recall finds the value of key and says for how long it was not used before
// now, in nanoseconds. The value may be changed until the next call. nil: none.
func (m *memory[T]) recall(key [16]byte, now int64) (v *T, idle int64) {
	i := m.find(&key)
	if i == 0 {
		return nil, 0
	}
	e := &m.entries[i]
	idle, e.used = now-e.used, now
	m.unlink(i)
	m.link(i)
	return &e.value, idle
}

// find is the entry of key; 0: there is none.
func (m *memory[T]) find(key *[16]byte) int32 {
	i := *m.head(key)
	for i != 0 && m.entries[i].key != *key {
		i = m.entries[i].chain
	}
	return i
}

// clone is a copy with as much room.
func (m *memory[T]) clone() memory[T] {
	c := *m
	c.heads = slices.Clone(m.heads)
	c.entries = append(make([]record[T], 0, cap(m.entries)), m.entries...)
	return c
}

// add makes an entry for key, which has none. Its value is zero, or that of the
// address which made room, to be cleared by the caller.
func (m *memory[T]) add(key [16]byte, now int64) *T {
	i := m.oldest
	if len(m.entries) < cap(m.entries) {
		i = int32(len(m.entries))
		m.entries = append(m.entries, record[T]{})
	} else {
		m.unlink(i)
		at := m.head(&m.entries[i].key)
		for *at != i {
			at = &m.entries[*at].chain
		}
		*at = m.entries[i].chain
	}
	e := &m.entries[i]
	head := m.head(&key)
	e.key, e.used, e.chain, *head = key, now, *head, i
	m.link(i)
	return &e.value
}

func (m *memory[T]) head(key *[16]byte) *int32 {
	return &m.heads[maphash.Bytes(m.seed, key[:])%uint64(len(m.heads))]
}

// link puts entry i at the newest end of the list.
func (m *memory[T]) link(i int32) {
	e := &m.entries[i]
	e.newer, e.older = 0, m.newest
	if m.newest != 0 {
		m.entries[m.newest].newer = i
	} else {
		m.oldest = i
	}
	m.newest = i
}

// unlink takes entry i out of the list.
func (m *memory[T]) unlink(i int32) {
	e := &m.entries[i]
	if e.newer != 0 {
		m.entries[e.newer].older = e.older
	} else {
		m.newest = e.older
	}
	if e.older != 0 {
		m.entries[e.older].newer = e.newer
	} else {
		m.oldest = e.newer
	}
}

// number notes the servers' places in the list, for listed.
func number(dests []*Dest) {
	for i, d := range dests {
		d.pos = i
	}
}

// listed reports whether d is in dests, which were numbered; it may have been
// removed long ago.
func (d *Dest) listed(dests []*Dest) bool { return d.pos < len(dests) && dests[d.pos] == d }

// in is the copy of d among dests, which are copies of its list; d itself if it
// was removed from that.
func (d *Dest) in(dests []*Dest) *Dest {
	if d.pos < len(dests) && dests[d.pos].same(d) {
		return dests[d.pos]
	}
	return d
}
