package api

import "golang.org/x/sys/unix"

// minConns is how many connections are taken however few descriptors there are: one of a
// person, and one of a program.
const minConns = 2

// connLimit is how many connections may be open at once where the process may have so
// many descriptors: at most a quarter of them, so that health checks find some.
func connLimit(descriptors uint64) int {
	return int(min(maxConns, max(descriptors/4, minConns)))
}

// descriptors is how many descriptors this process may have. The Go runtime has raised
// the soft limit to the hard one.
func descriptors() uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return maxConns
	}
	return l.Cur
}
