package tree

import "iter"

// A Change is a key whose values differ in two maps. The map without the key
// has the zero value.
type Change[V comparable] struct {
	Old, New       V
	WasIn, IsInNow bool
}

// Diff are the keys in which old and new differ, in order. What the maps share
// is passed over: after k edits it takes O(k log n) steps.
func Diff[K Ordered[K], V comparable](old, new Map[K, V]) iter.Seq2[K, Change[V]] {
	return func(yield func(K, Change[V]) bool) {
		a, b := newCursor(old.root), newCursor(new.root)
		for !a.done() || !b.done() {
			if a.skipCommon(b) {
				continue
			}
			switch c := a.compare(b); {
			case c < 0:
				n := a.next()
				if !yield(n.key, Change[V]{Old: n.value, WasIn: true}) {
					return
				}
			case c > 0:
				n := b.next()
				if !yield(n.key, Change[V]{New: n.value, IsInNow: true}) {
					return
				}
			default:
				o, n := a.next(), b.next()
				if o.value != n.value && !yield(n.key, Change[V]{o.value, n.value, true, true}) {
					return
				}
			}
		}
	}
}

// A cursor is a place in a map: what is still to be visited, the next on top.
type cursor[K Ordered[K], V comparable] struct{ todo []step[K, V] }

// A step is a whole subtree, or its root's entry alone.
type step[K Ordered[K], V comparable] struct {
	n     *node[K, V]
	alone bool
}

func newCursor[K Ordered[K], V comparable](root *node[K, V]) *cursor[K, V] {
	c := &cursor[K, V]{}
	c.push(root)
	return c
}

func (c *cursor[K, V]) push(n *node[K, V]) {
	if n != nil {
		c.todo = append(c.todo, step[K, V]{n: n})
	}
}

func (c *cursor[K, V]) done() bool { return len(c.todo) == 0 }

func (c *cursor[K, V]) top() *step[K, V] { return &c.todo[len(c.todo)-1] }

func (c *cursor[K, V]) pop() *node[K, V] {
	n := c.top().n
	c.todo = c.todo[:len(c.todo)-1]
	return n
}

// open replaces the subtree on top by its parts.
func (c *cursor[K, V]) open() {
	n := c.pop()
	c.push(n.right)
	c.todo = append(c.todo, step[K, V]{n, true})
	c.push(n.left)
}

// next takes the next entry.
func (c *cursor[K, V]) next() *node[K, V] {
	for !c.top().alone {
		c.open()
	}
	return c.pop()
}

// skipCommon makes one step towards the next entries of both that may differ:
// it passes over a subtree that both have, or opens the greater one. It reports
// false when both have an entry on top, or one has nothing left.
func (c *cursor[K, V]) skipCommon(o *cursor[K, V]) bool {
	if c.done() || o.done() {
		return false
	}
	a, b := c.top(), o.top()
	switch {
	case a.alone && b.alone:
		return false
	case !a.alone && !b.alone && a.n == b.n:
		c.pop()
		o.pop()
	case !a.alone && (b.alone || a.n.size >= b.n.size):
		c.open()
	default:
		o.open()
	}
	return true
}

// compare compares the next entries; one that has none left is greater.
func (c *cursor[K, V]) compare(o *cursor[K, V]) int {
	switch {
	case c.done():
		return 1
	case o.done():
		return -1
	}
	return c.top().n.key.Compare(o.top().n.key)
}
