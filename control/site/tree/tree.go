package tree

import "iter"

// Ordered is a key that compares itself to another: negative, zero or positive
// as it is less, equal or greater.
type Ordered[K any] interface{ Compare(K) int }

// A Map is an ordered map. The zero Map is empty. It may be read and edited by
// several goroutines at once, because no edit changes it.
type Map[K Ordered[K], V comparable] struct{ root *node[K, V] }

// A node is the root of a subtree. It is not changed once it is in a map; nil
// is the empty subtree.
type node[K Ordered[K], V comparable] struct {
	key         K
	value       V
	left, right *node[K, V]
	size        int // entries, itself included
}

// Len is the number of entries.
func (m Map[K, V]) Len() int { return m.root.count() }

// Same reports whether m and o are one and the same map, so that nothing can
// differ. Equal maps that were made in different ways need not be the same.
func (m Map[K, V]) Same(o Map[K, V]) bool { return m.root == o.root }

// Get is the value at k.
func (m Map[K, V]) Get(k K) (v V, ok bool) {
	for n := m.root; n != nil; {
		switch c := k.Compare(n.key); {
		case c < 0:
			n = n.left
		case c > 0:
			n = n.right
		default:
			return n.value, true
		}
	}
	return v, false
}

// Put is m with v at k. It is the same map where it has v there already.
func (m Map[K, V]) Put(k K, v V) Map[K, V] { return Map[K, V]{m.root.put(k, v)} }

// Delete is m without k. It is the same map where it has no k.
func (m Map[K, V]) Delete(k K) Map[K, V] { return Map[K, V]{m.root.delete(k)} }

// All are the entries in order.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.root.walk(yield) }
}

// From are the entries whose keys are not less than k, in order.
func (m Map[K, V]) From(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.root.walkFrom(k, yield) }
}

func (n *node[K, V]) count() int {
	if n == nil {
		return 0
	}
	return n.size
}

func (n *node[K, V]) walk(yield func(K, V) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.value) && n.right.walk(yield)
}

func (n *node[K, V]) walkFrom(k K, yield func(K, V) bool) bool {
	switch {
	case n == nil:
		return true
	case k.Compare(n.key) > 0:
		return n.right.walkFrom(k, yield)
	}
	return n.left.walkFrom(k, yield) && yield(n.key, n.value) && n.right.walk(yield)
}

func (n *node[K, V]) put(k K, v V) *node[K, V] {
	if n == nil {
		return &node[K, V]{key: k, value: v, size: 1}
	}
	switch c := k.Compare(n.key); {
	case c < 0:
		if l := n.left.put(k, v); l != n.left {
			return n.with(l, n.right)
		}
	case c > 0:
		if r := n.right.put(k, v); r != n.right {
			return n.with(n.left, r)
		}
	case v != n.value:
		return &node[K, V]{k, v, n.left, n.right, n.size}
	}
	return n
}

func (n *node[K, V]) delete(k K) *node[K, V] {
	if n == nil {
		return nil
	}
	switch c := k.Compare(n.key); {
	case c < 0:
		if l := n.left.delete(k); l != n.left {
			return n.with(l, n.right)
		}
		return n
	case c > 0:
		if r := n.right.delete(k); r != n.right {
			return n.with(n.left, r)
		}
		return n
	case n.left == nil:
		return n.right
	case n.right == nil:
		return n.left
	}
	next := n.right
	for next.left != nil {
		next = next.left
	}
	return next.with(n.left, n.right.delete(next.key))
}
