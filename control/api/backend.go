package api

import "context"

// A Backend is a director as Handler asks it. A nil part is answered by "not
// supported". All methods may be called from several goroutines.
type Backend struct {
	Viewer    Viewer
	Inspector Inspector
	Admin     Admin
	Reloader  Reloader
	Planner   Planner
	Events    Events
	Syncer    Syncer
}

// A Viewer shows the director's state.
type Viewer interface {
	// Status is the state now. The caller may change it.
	Status() *Status
	// Service is a service of the Status alone; nil: there is none. The caller may
	// change it.
	Service(ServiceKey) *Service
}

// An Inspector looks into the director.
type Inspector interface {
	// Explain says what would become of a client's next packet.
	Explain(Question) (*Explained, error)
	// Persistence says what binds a client to its servers.
	Persistence(Question) (*Persistence, error)
	// Trace begins a trace. It is ErrBusy where there is one already.
	Trace(TraceQuestion) (TraceSource, error)
}

// A TraceSource is a trace at work.
type TraceSource interface {
	// Next waits for frames, or for the end of ctx, which is an error.
	Next(ctx context.Context) ([]TraceLine, error)
	// Close ends the trace.
	Close()
}

// A Reloader reads the configuration again.
type Reloader interface {
	// Reload returns when the configuration is in force. An error means that it
	// was refused as a whole, and the last good one stays.
	Reload(ctx context.Context) (*Reloaded, error)
}

// Reloaded is the outcome of a reload.
type Reloaded struct {
	Changes  []string `json:"changes"`  // a line each
	Problems []string `json:"problems"` // what of the configuration cannot be served
}

// Events are a director's news.
type Events interface {
	// Subscribe gives the events after the one with this ID, as far as they are
	// known; empty: from now on.
	Subscribe(after string) EventSource
}

// An EventSource is a subscription.
type EventSource interface {
	// Next waits for events, or for the end of ctx, which is an error.
	Next(ctx context.Context) ([]Event, error)
	// Close ends the subscription.
	Close()
}
