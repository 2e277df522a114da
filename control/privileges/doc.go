// Package privileges takes from a process what a director does not need, so that a
// fault in it costs no more than its network.
package privileges
