package api

import (
	"context"
	"net/netip"
)

// The roles of daemons of connection sync.
const (
	SyncMaster = "master" // sends the director's connections
	SyncBackup = "backup" // takes those of others
)

// A Daemon is a daemon of connection sync. In an edit what is absent, but for Role and
// Interface, gets its default.
type Daemon struct {
	Role      string     `json:"role"` // SyncMaster or SyncBackup
	Interface string     `json:"interface,omitempty"`
	SyncID    int        `json:"sync_id,omitempty"`    // 0 to 255; a backup with 0 takes all messages
	MaxLen    int        `json:"max_length,omitempty"` // of messages, bytes
	Group     netip.Addr `json:"group,omitzero"`       // multicast
	Port      uint16     `json:"port,omitempty"`       // UDP
	TTL       int        `json:"ttl,omitempty"`
}

// Daemons are the daemons of connection sync that run, the master first; see Admin.
func (c *Client) Daemons(ctx context.Context) ([]Daemon, error) {
	all, err := get[[]Daemon](ctx, c, "/v1/daemons", nil)
	if err != nil {
		return nil, err
	}
	return *all, nil
}
