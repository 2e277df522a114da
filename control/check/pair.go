package check

import (
	"context"
	"fmt"
	"strings"
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
// comes from the first. If only the second fails the error says so:
// "192.168.1.11 answers, but not for VIP 192.168.1.100:80: connection refused; is
// the VIP on its loopback?".
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
	return Result{Err: &onlyOwn{p.DR, dr.Err}}
}

// An onlyOwn is the error of a real server that answers on its own address and not
// by Direct Routing. It names each address once, since it stands in a line of the
// log behind the names of the server and of its service.
type onlyOwn struct {
	dr  DR
	err error // of the check by Direct Routing
}

func (e *onlyOwn) Error() string {
	cause := strings.TrimPrefix(e.err.Error(), e.dr.attempt()+": ")
	return fmt.Sprintf("%s answers, but not for VIP %s: %s; is the VIP on its loopback?", e.dr.RS, e.dr.VIP, cause)
}

func (e *onlyOwn) Unwrap() error { return e.err }

// Kind joins the kinds of both probes.
func (p Pair) Kind() string { return p.Own.Kind() + " + " + p.DR.Kind() }

// String joins the names of both probes.
func (p Pair) String() string { return p.Own.String() + " and " + p.DR.String() }
