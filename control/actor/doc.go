// Package actor holds the interfaces of the director's actors, which do the work
// of its loop. Only the loop calls them, one at a time. Each gets its whole desired
// state and does the missing parts; only the Engine gets changes instead. A call
// that fails may have done a part of its work, and is made again later.
//
// Package actortest has a fake of each.
package actor
