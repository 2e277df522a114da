// Package drroute sends connections of this host to a virtual address through
// the real server of the caller's choice, as clients' frames go in Direct
// Routing. Checks use it.
package drroute
