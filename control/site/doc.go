// Package site computes the desired state of a director and of everything around
// it: events go in, the next State comes out, and Compare lists what to do about
// the difference. It is pure: it opens nothing and knows no clock; a moment
// is an argument.
//
// The model is keepalived beside kernel IPVS. The director's content is a Table
// of virtual services with their real servers. It has two sources: the file, with
// the health of its servers, and ipvsadm. Nothing is ever compared with what the
// director happens to have:
//
//	file ─┐
//	      ├─▶ wish (old) ─┐
//	health┘   wish (new) ─┴─ differences ─▶ ┐
//	                                        ├─▶ Table ─ Diff(old, new) ─▶ edits of the director
//	ipvsadm ───────────── edits ──────────▶ ┘
//
// What ipvsadm added or changed therefore stays until it is changed again, until
// the file, or the health of a server of the file, changes that very thing, or
// until a flush.
//
// A State never changes; the next one shares with it all that stays as it was.
// An event costs what it changes, times the logarithm of what there is.
package site
