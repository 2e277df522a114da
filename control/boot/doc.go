// Package boot tells which boot of the host and which network namespace this is: what was noted in another one
// says nothing about the host as it is now.
package boot
