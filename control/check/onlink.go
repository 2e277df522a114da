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

var (
	_ Stepped    = OnLink{}
	_ connecting = OnLink{}
)

func (p OnLink) lane() lane { return laneOf(p.Probe) }

func (p OnLink) watched() string { return watchedBy(p.Probe) }

// Check is the probe's, but for its failures while the interface is down.
func (p OnLink) Check(ctx context.Context) Result { return p.CheckStep(ctx, 0) }

// CheckStep is Check of a step.
func (p OnLink) CheckStep(ctx context.Context, step int) Result {
	start := time.Now()
	res := attempt(ctx, p.Probe, step)
	if ctx.Err() == context.Canceled {
		return res
	}
	return p.excuse(res, start)
}

// target is that of the probe inside.
func (p OnLink) target() (target, bool) {
	if c, ok := p.Probe.(connecting); ok {
		return c.target()
	}
	return target{}, false
}

func (p OnLink) verdict(err error, begun time.Time) Result {
	return p.excuse(p.Probe.(connecting).verdict(err, begun), begun)
}

// excuse is res, unless the interface was down since the attempt's start.
func (p OnLink) excuse(res Result, start time.Time) Result {
	if res.Err == nil {
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
