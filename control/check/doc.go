// Package check finds out which real servers work. It has three layers:
//
//   - checker, a pure state machine: outcomes and the time go in, up or down and
//     the time of the next attempt come out (checker.go);
//   - Probe, one attempt against one server, one kind a file: TCP, which connects
//     to the real server's own address as keepalived does; DR, which sends the
//     connection to the real server's MAC address with the virtual address as IP
//     destination; and Pair, which does both and names the difference;
//   - Runner, which runs many probes on the schedules of their checkers, reports
//     what changes for each check, and keeps the state of what a new
//     configuration did not change.
//
// Which checks make a real server, and what they do to its weight, is not known
// here; package health decides that.
//
// Meanings and defaults of the settings are those of keepalived.conf(5).
package check
