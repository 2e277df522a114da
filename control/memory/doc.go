// Package memory knows how much memory the process may use: a connection table that
// does not fit lets a director start, and has it killed by the first flood. It also
// knows what the same control groups allow of the CPUs.
package memory
