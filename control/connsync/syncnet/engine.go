package syncnet

import (
	"iter"

	"lvsdr/dataplane"
)

// An Engine is the director whose connections are synchronised. Its methods may be called
// from several goroutines.
type Engine interface {
	// Follow tells of what other directors are to be told, from now on.
	Follow() Feed
	// Take takes what another director told.
	Take([]dataplane.Synced) Taken
	// All are the connections and templates that there are, told or not. Packets come between any two of its steps.
	All() iter.Seq[dataplane.Synced]
	// SetBackup says whether a backup daemon runs.
	SetBackup(runs bool)
	// Tunables are those in force.
	Tunables() Tunables
}

// A Feed gives the entries that other directors are to be told of, to one goroutine.
type Feed interface {
	// Read gives the next entries, as many as fit into buf, and how many were lost
	// because nobody read them in time.
	Read(buf []dataplane.Synced) (n int, lost uint64)
	Stop()
}

// Tunables are the sysctls net.ipv4.vs.sync_* that are about messages and sockets.
type Tunables struct {
	Version  int // of messages: 1 or 0
	Ports    int // from the daemon's on; a backup listens at all
	QueueMax int // messages that wait to be sent; 0: defaultQueue
	SockSize int // of the sockets' buffers, bytes; 0: as the host has it
}

// Taken counts what became of entries that were told.
type Taken = dataplane.SyncTaken
