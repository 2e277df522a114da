// Package sessiontest compares sessions of ipvsadm that were played with those
// that were recorded with a kernel. That kernel also masquerades and
// tunnels; lines that have to do with those are left out of the comparison.
package sessiontest
