// Package hostnet is what a host knows about its networks, as data: links,
// addresses and routes, and the answer to where an address is.
package hostnet
