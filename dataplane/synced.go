package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A Synced is a connection or a template as directors tell each other of it.
type Synced struct {
	Key conntrack.Key
	// Server and Port are where it goes, and Method is how its packets get there. Port is
	// 0 for a template of all ports.
	Server frame.Addr
	Port   uint16
	Method Method
	State  conntrack.State
	// Inactive says that it counts as an inactive connection, whatever its state;
	// NoOutput that only the client's half is seen; BySync that the one who tells of it
	// was told of it, too.
	Inactive, NoOutput, BySync bool
	Mark                       uint32 // firewall mark; 0: none
	Timeout                    uint32 // seconds; 0: as the receiver has it for the state
}
