// Package script runs the programs that an administrator names in the
// configuration: checks and notifications. A program that hangs, forks, fills its
// output or does not exist costs its caller no more than the time it allows.
//
// A program runs in a process group of its own, which is killed as a whole. What it
// prints is read to the end and kept up to a limit. It has the rights of this process:
// after package privileges has reduced them, those are CAP_NET_RAW and CAP_NET_ADMIN,
// and a program of another user cannot be started.
package script
