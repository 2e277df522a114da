package api

import (
	"fmt"
	"io"
	"time"
)

// An EventKind says what has happened.
type EventKind string

// The events.
const (
	ServerUp       EventKind = "server-up"
	ServerDown     EventKind = "server-down"
	ServiceUp      EventKind = "service-up"      // it has a server again
	ServiceDown    EventKind = "service-down"    // it has none any more
	ServiceChanged EventKind = "service-changed" // it or its servers were edited, made or removed
	ConfigReloaded EventKind = "config-reloaded"
	ConfigRefused  EventKind = "config-refused" // the last good configuration stays in force
	ProblemFound   EventKind = "problem"
	ProblemGone    EventKind = "problem-gone"
	RoleChanged    EventKind = "role"
	EventsLost     EventKind = "lost" // the subscriber did not read them in time, or they are too old
)

// An Event is one of a director's news.
type Event struct {
	ID      string    `json:"id,omitempty"` // names it among those of one start; a Feed fills it in
	Time    time.Time `json:"time"`
	Kind    EventKind `json:"kind"`
	Service string    `json:"service,omitempty"` // as ServiceKey.String
	Server  string    `json:"server,omitempty"`  // address and port
	Text    string    `json:"text,omitempty"`    // why, or what, for people
	Lost    uint64    `json:"lost,omitempty"`    // of EventsLost: how many
}

// WriteText writes the event as a line.
func (e *Event) WriteText(w io.Writer) error {
	line := e.Time.Local().Format("15:04:05.000") + " " + string(e.Kind)
	for _, word := range []string{e.Service, e.Server} {
		if word != "" {
			line += " " + word
		}
	}
	if e.Lost > 0 {
		line += fmt.Sprintf(" %d events", e.Lost)
	}
	if e.Text != "" {
		line += ": " + e.Text
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
