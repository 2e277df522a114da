package arp

import (
	"cmp"
	"container/heap"
	"net/netip"
	"time"
)

// A place is an address on an interface: what is announced, or asked for.
type place struct {
	ifindex int32
	addr    netip.Addr
}

// compare orders places by interface and address.
func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.ifindex, q.ifindex), p.addr.Compare(q.addr))
}

// never is later than any moment.
const never = time.Duration(1<<63 - 1)

// A task is the part of an entry by which an agenda orders it.
type task struct {
	at  place
	due time.Duration // next thing to do; never: none
	i   int           // index in the agenda
}

func (t *task) key() *task { return t }

// An entry is whatever embeds a task.
type entry interface{ key() *task }

// An agenda holds entries by the moment they are due, those of one moment by
// place. The cost of taking one is logarithmic. After a change of an entry's
// due, fix must be called.
type agenda[E entry] struct{ heap taskHeap[E] }

// add puts e in.
func (a *agenda[E]) add(e E) { heap.Push(&a.heap, e) }

// remove takes e, which is in the agenda, out.
func (a *agenda[E]) remove(e E) { heap.Remove(&a.heap, e.key().i) }

// fix moves e, which is in the agenda, to where its due belongs.
func (a *agenda[E]) fix(e E) { heap.Fix(&a.heap, e.key().i) }

// take takes out all entries that are due at now. The caller adds them again,
// so that each has one turn however late the caller is.
func (a *agenda[E]) take(now time.Duration) []E {
	var due []E
	for len(a.heap) > 0 && a.heap[0].key().due <= now {
		due = append(due, heap.Pop(&a.heap).(E))
	}
	return due
}

// next is the moment the first entry is due; false: none will be.
func (a *agenda[E]) next() (time.Duration, bool) {
	if len(a.heap) == 0 || a.heap[0].key().due == never {
		return never, false
	}
	return a.heap[0].key().due, true
}

// A taskHeap is a heap.Interface.
type taskHeap[E entry] []E

func (h taskHeap[E]) Len() int { return len(h) }

func (h taskHeap[E]) Less(i, j int) bool {
	x, y := h[i].key(), h[j].key()
	return cmp.Or(cmp.Compare(x.due, y.due), x.at.compare(y.at)) < 0
}

func (h taskHeap[E]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].key().i, h[j].key().i = i, j
}

func (h *taskHeap[E]) Push(x any) {
	e := x.(E)
	e.key().i = len(*h)
	*h = append(*h, e)
}

func (h *taskHeap[E]) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = *new(E)
	*h = (*h)[:last]
	return e
}
