// Package ladder measures directors, rung by rung: parsing alone, the
// connection table alone, the whole path of a frame, several workers, the
// longest pause, memory, a port in memory, and live traffic between network
// namespaces. Every rung has several candidates, the first of which is the
// baseline that the others are compared with.
//
// # How it measures
//
// The candidates of a rung take turns (A B C A B C ...), so that a change in
// the machine's load affects all of them, and every turn begins with a candidate
// made anew. A Row is the median over the turns; its ratio is the median of
// the ratios within each turn. In-process rungs run on a thread that is locked
// and bound to one CPU, and count its CPU time; what the garbage collector does
// on other CPUs for a candidate that allocates is not counted. The rungs
// "workers" and "pause" measure wall-clock time.
//
// The frames of in-process rungs are written just before they are forwarded,
// as a network card would do, on the same CPU: that is part of every number,
// and the rung "generator" says how much.
//
// A turn in which frames were dropped that should have been forwarded is an
// error, not a number.
//
// # A pipeline of your own
//
// Implement Forwarder, write a Factory for it and put it in Options.Forwarders:
// it gets its turns in every rung below "path/".
package ladder
