// Package script runs the programs that an administrator names in the
// configuration: checks and notifications. A program that hangs, forks, fills its
// output or does not exist costs its caller no more than the time it allows.
//
// A program runs in a process group of its own, which is killed as a whole. What it
// prints is read to the end and kept up to a limit. It has the rights of this process, or,
// as another user, none beside that user's: to start and to kill it this process needs
// CAP_SETUID, CAP_SETGID and CAP_KILL.
package script
