package check

import (
	"context"
	"fmt"
)

// A Pair checks a real server on its own address first and then by Direct
// Routing, so that the commonest fault of an LVS-DR installation, a real
// server that does not have the virtual address, is told from a server that
// is down.
type Pair struct {
	Own Probe // of the server's own address
	DR  DR
}

var _ Stepped = Pair{}

// Check makes both attempts, one after the other, in the time of one; the weight
// comes from the first. If only
// the second fails the error says so: "real server 192.168.1.11 answers on its
// own address but not for VIP 192.168.1.100:80: is the VIP on its loopback,
// and does the server listen on it? (connect 192.168.1.100:80 at 192.168.1.11:
// connection refused)".
func (p Pair) Check(ctx context.Context) Result { return p.CheckStep(ctx, 0) }

// CheckStep is Check, where the first attempt is that of a step.
func (p Pair) CheckStep(ctx context.Context, step int) Result {
	own := attempt(ctx, p.Own, step)
	if own.Err != nil {
		return own
	}
	dr := p.DR.Check(ctx)
	switch {
	case dr.Err == nil:
		return own
	case dr.Outcome() == NotMade || ctx.Err() == context.Canceled:
		return dr
	}
	return Result{Err: fmt.Errorf("real server %s answers on its own address but not for VIP %s: "+
		"is the VIP on its loopback, and does the server listen on it? (%w)", p.DR.RS, p.DR.VIP, dr.Err)}
}

// Kind joins the kinds of both probes.
func (p Pair) Kind() string { return p.Own.Kind() + " + " + p.DR.Kind() }

// String joins the names of both probes.
func (p Pair) String() string { return p.Own.String() + " and " + p.DR.String() }
