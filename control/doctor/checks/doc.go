// Package checks judges the known facts of a host: small functions, one file for
// each theme, that take settings, frames and answers as data and give findings.
//
// A Director is the host of a director, of which the network can be asked too; a
// RealServer is a real server, whose settings are all there is. Both have one
// function Examine, which makes the checks in their order and hands the results
// of each to those that need them.
package checks
