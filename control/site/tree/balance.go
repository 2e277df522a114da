package tree

// delta is how many times the entries of its sibling a subtree may have; ratio
// decides between a single and a double rotation.
const (
	delta = 3
	ratio = 2
)

// join is n's entry over l and r, which are in balance.
func (n *node[K, V]) join(l, r *node[K, V]) *node[K, V] {
	return &node[K, V]{n.key, n.value, l, r, 1 + l.count() + r.count()}
}

// with is n's entry over l and r, in balance again after one entry came or went.
//
//	single:     n                r         double:     n                 m
//	           ╱ ╲              ╱ ╲                   ╱ ╲              ╱   ╲
//	          l   r     ▶      n   c                 l   r     ▶      n     r
//	             ╱ ╲          ╱ ╲                       ╱ ╲          ╱ ╲   ╱ ╲
//	            b   c        l   b                     m   c        l   b b'  c
func (n *node[K, V]) with(l, r *node[K, V]) *node[K, V] {
	switch small, great := l.count(), r.count(); {
	case small+great <= 1:
		return n.join(l, r)
	case great > delta*small:
		if m := r.left; m.count() >= ratio*r.right.count() {
			return m.join(n.join(l, m.left), r.join(m.right, r.right))
		}
		return r.join(n.join(l, r.left), r.right)
	case small > delta*great:
		if m := l.right; m.count() >= ratio*l.left.count() {
			return m.join(l.join(l.left, m.left), n.join(m.right, r))
		}
		return l.join(l.left, n.join(l.right, r))
	}
	return n.join(l, r)
}
