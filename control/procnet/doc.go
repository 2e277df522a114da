// Package procnet reads tables of /proc/net: the TCP and UDP sockets and the
// packet sockets of a network namespace.
package procnet
