// Package memory knows how much memory the process may use: a connection table that
// does not fit lets a director start, and has it killed by the first flood.
package memory
