package neighbour

import (
	"fmt"

	"lvsdr/dataplane/frame"
)

// An Event tells the log about the entry for a real server.
type Event struct {
	Place
	Was frame.MAC // what the kernel's entry said last
	MAC frame.MAC // what it was set back to
	// Times is how often it was since the last Event about this place.
	Times uint64
	// Err is why it could not be set back, if it could not; Times is 0 then.
	Err error
}

// Text is e as a sentence.
func (e *Event) Text() string {
	if e.Err != nil {
		return fmt.Sprintf("real server %s: the host's neighbour entry could not be set back to %s", e.Addr, e.MAC)
	}
	return fmt.Sprintf("real server %s: the host's neighbour entry said %s, set back to %s", e.Addr, e.Was, e.MAC)
}
