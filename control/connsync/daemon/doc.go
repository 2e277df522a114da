// Package daemon says which daemons of connection sync run, and how, as ipvsadm
// starts, stops and lists them: a master, which sends the director's connections, and
// a backup, which takes those of others. It is pure: the sockets are in syncnet.
package daemon
