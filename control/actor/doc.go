// Package actor names what the director's loop has others do: its actors, as
// interfaces. The loop alone calls them, one at a time. Each is told its whole
// wish, of which it does what is missing; the Engine alone is told what changes.
// A call that fails may have done a part of its wish, and is made again later.
//
// Package actortest has a fake of each.
package actor
