package check

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLinkDown is wrapped by errors about an attempt that failed because the interface was
// down by which it leaves. They wrap ErrNotMade too.
var ErrLinkDown = errors.New("link down")

// Links know which interfaces are down.
type Links interface {
	// Down is why the interface with this index cannot be used, or could not at some
	// moment after since; empty: it could.
	Down(index int, since time.Time) string
}

// OnLink is a probe of a server behind one interface of this host. An attempt that fails
// while that is down is not made: it says nothing about the server.
type OnLink struct {
	Probe
	Ifindex int
	Links   Links
}

var _ Stepped = OnLink{}

func (p OnLink) lane() lane { return laneOf(p.Probe) }

func (p OnLink) watched() string { return watchedBy(p.Probe) }

// Check is the probe's, but for its failures while the interface is down.
func (p OnLink) Check(ctx context.Context) Result { return p.CheckStep(ctx, 0) }

// CheckStep is Check of a step.
func (p OnLink) CheckStep(ctx context.Context, step int) Result {
	start := time.Now()
	res := attempt(ctx, p.Probe, step)
	if res.Err == nil || ctx.Err() == context.Canceled {
		return res
	}
	if why := p.Links.Down(p.Ifindex, start); why != "" {
		return Result{Err: fmt.Errorf("%w: %w", ErrNotMade, linkDown(why))}
	}
	return res
}

// A linkDown is an ErrLinkDown that reads as it says.
type linkDown string

func (e linkDown) Error() string     { return string(e) }
func (e linkDown) Is(err error) bool { return err == ErrLinkDown }
