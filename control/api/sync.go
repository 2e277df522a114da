package api

import (
	"context"
	"net/netip"
	"time"
)

// A Syncer shares connections with other directors.
type Syncer interface {
	// Sync is how that stands.
	Sync() *Sync
}

// Sync is how connection sync stands. Its counters begin with the director.
type Sync struct {
	Daemons  []Daemon     `json:"daemons"` // that run
	Sent     SyncSent     `json:"sent"`
	Received SyncReceived `json:"received"`
	Peers    []SyncPeer   `json:"peers"` // the one heard last first
	Join     *SyncJoin    `json:"join,omitempty"`
	Digest   *SyncDigest  `json:"digest,omitempty"`
}

// SyncSent counts what the master daemon has sent.
type SyncSent struct {
	Messages uint64 `json:"messages"`
	Entries  uint64 `json:"entries"`
	Bytes    uint64 `json:"bytes"`
	Lost     uint64 `json:"lost"` // entries that were to be sent, and were not
}

// SyncReceived counts what the backup daemon has received.
type SyncReceived struct {
	Messages        uint64 `json:"messages"`
	Entries         uint64 `json:"entries"`
	Foreign         uint64 `json:"foreign"`         // messages with another syncid
	Malformed       uint64 `json:"malformed"`       // messages refused in whole or in part
	Unauthenticated uint64 `json:"unauthenticated"` // messages not by one who knows the secret
	Stale           uint64 `json:"stale"`           // messages that were sent before
	Dropped         uint64 `json:"dropped"`         // messages that came too fast
	Made            uint64 `json:"made"`            // entries, as the rest
	Updated         uint64 `json:"updated"`
	Replaced        uint64 `json:"replaced"` // made in place of one to another server
	Ignored         uint64 `json:"ignored"`  // about the end of a connection that goes to another server here
	Refused         uint64 `json:"refused"`  // no room
}

// A SyncPeer is a master that the backup daemon hears.
type SyncPeer struct {
	Address  netip.Addr `json:"address"`
	Heard    time.Time  `json:"heard"` // its last message
	Messages uint64     `json:"messages"`
	Numbered bool       `json:"numbered"` // its messages have numbers: it is a director of this kind
	Lost     uint64     `json:"lost"`     // messages of those with numbers
	Lag      float64    `json:"lag"`      // seconds from when its last message was sent, by both clocks
}

// The states of a SyncJoin and of a SyncDigest.
const (
	SyncWaiting = "waiting" // for a director that can be asked
	SyncRunning = "running"
	SyncDone    = "done"
	SyncFailed  = "failed" // it is tried again
	SyncUnknown = "unknown"
	SyncAgreed  = "agreed"
	SyncDiffers = "differs"
)

// A SyncJoin says how the backup daemon got the table of another director.
type SyncJoin struct {
	State   string    `json:"state"`
	Peer    string    `json:"peer,omitempty"`
	Time    time.Time `json:"time,omitzero"` // when it ended
	Entries int       `json:"entries"`
	Seconds float64   `json:"seconds"`
	Error   string    `json:"error,omitempty"`
}

// A SyncDigest says whether two directors have the same connections.
type SyncDigest struct {
	State   string    `json:"state"`
	Peer    string    `json:"peer,omitempty"`
	Time    time.Time `json:"time,omitzero"`
	Entries int       `json:"entries"` // that were compared
	Differ  int       `json:"differ"`  // that only one of both has, and has had for a while
	Error   string    `json:"error,omitempty"`
}

// Sync is how connection sync stands.
func (c *Client) Sync(ctx context.Context) (*Sync, error) { return get[Sync](ctx, c, "/v1/sync", nil) }
