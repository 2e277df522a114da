// Package lock makes a process the only director of its network namespace: two would
// fight over VIPs, rules and interfaces.
package lock
