// Package tree is an ordered map that never changes: Put and Delete give
// another map, which shares with the old one all but the path to the entry. A
// copy costs nothing, an edit O(log n), and Diff only what differs, because it
// passes over what two maps share.
//
// It is a weight-balanced search tree: no subtree has more than delta times the
// entries of its sibling (Adams, Functional Pearls: Efficient sets, 1993, with
// the parameters 3 and 2 that Hirai and Yamamoto proved right in 2011).
package tree
