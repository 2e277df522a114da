// Package policyroute owns policy routing: the list of every number that this
// program gives to the kernel (numbers.go), rules and routes as plain values, and
// Set and Clean, which make the kernel's rules and routes of one Owner what they
// should be.
//
// Each feature has its own numbers, so that two features on one host never touch
// each other's rules and routes.
package policyroute
