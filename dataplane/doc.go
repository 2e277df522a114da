// Package dataplane is the director's core: it decides about frames. Process
// takes a batch from a NIC, finds or makes the connection of every frame,
// rewrites the MAC addresses of those that go to a real server and prepares
// the answers that are owed to clients. The same Process serves live workers,
// simulation, fuzzing and benchmarks: it knows neither sockets nor clocks.
// Every moment is an argument: nanoseconds of CLOCK_BOOTTIME, or of a virtual
// clock.
package dataplane
