// Package build makes frames: what clients send in simulations and benchmarks,
// what explain and doctor ask with, and what tests put in. The headers are
// written by gopacket, so that package frame is checked by code that shares
// nothing with it.
//
// A builder is a struct literal and a call:
//
//	f := build.TCP{Src: client, Dst: vip, Flags: "S"}.Bytes()
//	f = build.UDP{Src: client, Dst: vip, IP: build.IP{TTL: 1}}.Bytes()
//
// The addresses choose between IPv4 and IPv6. What is wrong with a literal, such
// as addresses of different families, is a mistake of the caller and panics.
// Lengths and checksums are right unless a field says otherwise. Frames come
// without Ethernet padding unless Pad is set, and belong to the caller.
package build
