// Package director is the administration of a dataplane.Director in the same
// process, in the types of the control interface: edits go straight into the
// engine, listings come out of it with counters as the kernel sums them up.
// The scenarios use it, and the running director for its listings.
package director
