package api

import (
	"context"
	"iter"
)

// An EditOp is the operation of an Edit.
type EditOp string

// The edits. Those of a service need its key alone but for AddService and
// EditService; of DelServer the server's address and port count.
const (
	AddService  EditOp = "add-service"
	EditService EditOp = "edit-service" // all but its key and servers
	DelService  EditOp = "del-service"  // with its servers
	Flush       EditOp = "flush"        // removes all services
	AddServer   EditOp = "add-server"
	EditServer  EditOp = "edit-server"
	DelServer   EditOp = "del-server"
	// A drained server has weight 0 whatever its checks and reloads bring, and once
	// it is removed it stays so, until that is undone or the server is edited.
	DrainServer   EditOp = "drain-server"
	UndrainServer EditOp = "undrain-server"
	Zero          EditOp = "zero" // the counters of a service; without a key of all
	SetTimeouts   EditOp = "set-timeouts"
	// A daemon is started as Daemon says, and stopped by its role.
	StartDaemon EditOp = "start-daemon"
	StopDaemon  EditOp = "stop-daemon"
)

// An Edit is a change of what the director does.
type Edit struct {
	Op       EditOp        `json:"op"`
	Service  ServiceConfig `json:"service,omitzero"`
	Server   ServerConfig  `json:"server,omitzero"`
	Timeouts Timeouts      `json:"timeouts,omitzero"`
	Daemon   Daemon        `json:"daemon,omitzero"`
}

// Admin is the part of a director that ipvsadm uses. Its methods may be called from
// several goroutines.
type Admin interface {
	// Edit carries out edits in their order and returns the refusal of each,
	// nil for those that were done. What is refused changes nothing, and what
	// comes after it is done all the same. The second error means that it is
	// not known what was done.
	Edit(ctx context.Context, edits []Edit) ([]error, error)

	// Services are the services of the keys, or all, with their servers newest
	// first: the scheduler's order. A key that is not there is ErrNoService.
	// After an error nothing follows.
	Services(ctx context.Context, keys ...ServiceKey) iter.Seq2[Service, error]

	// Conns are the connections and templates, in no order. After an error
	// nothing follows.
	Conns(ctx context.Context) iter.Seq2[Conn, error]

	// Timeouts are those in force.
	Timeouts(ctx context.Context) (Timeouts, error)

	// Daemons are the daemons of connection sync that run, the master first.
	Daemons(ctx context.Context) ([]Daemon, error)
}
