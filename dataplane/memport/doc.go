// Package memport is a [dataplane.NIC] in memory, for tests and benchmarks of
// what stands on a NIC: frames are fed in and what was sent is collected, or
// only counted.
package memport
