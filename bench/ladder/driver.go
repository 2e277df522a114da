package ladder

import (
	"context"
	"fmt"

	"lvsdr/dataplane/frame"
)

// The virtual clock of the in-process rungs, in nanoseconds.
const (
	firstMoment = int64(1e9)
	generation  = int64(100e9) // longer than a half-open connection lives
)

// A driver drives a forwarder with generated frames.
type driver struct {
	setup Setup
	c     Forwarder
	f     *Frames
	first uint32 // flow: the others are counted from it
	now   int64

	offered, forwarded uint64
}

// newDriver makes a forwarder and frames for it.
func newDriver(factory Factory, s Setup, batch int) (*driver, error) {
	c, err := factory(s)
	if err != nil {
		return nil, err
	}
	return driverOf(c, s, batch), nil
}

// driverOf makes frames for c.
func driverOf(c Forwarder, s Setup, batch int) *driver {
	return &driver{setup: s, c: c, f: NewFrames(s, batch), now: firstMoment}
}

// close ends the forwarder.
func (dr *driver) close() error { return end(dr.c) }

// forwardBatch forwards one batch; set makes frame i.
func (dr *driver) forwardBatch(set func(i int)) int {
	b := dr.f.Batch()
	for i := range b {
		set(i)
	}
	dr.offered += uint64(len(b))
	dr.forwarded += uint64(dr.c.Forward(b, dr.now))
	return len(b)
}

// each forwards one segment, or a few more, of each flow below n, unless ctx is
// done before.
func (dr *driver) each(ctx context.Context, n int, flags uint8) error {
	for flow := 0; flow < n && ctx.Err() == nil; {
		dr.forwardBatch(func(i int) {
			dr.f.Set(i, dr.first+uint32(flow%n), flags)
			flow++
		})
	}
	return ctx.Err()
}

// establish opens the connections of all flows below n.
func (dr *driver) establish(ctx context.Context, n int) error {
	if err := dr.each(ctx, n, flagSYN); err != nil {
		return err
	}
	return dr.each(ctx, n, flagACK)
}

// warmed ends the warm-up: the frames from now on are checked by themselves.
func (dr *driver) warmed() error {
	if err := dr.check(); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	dr.offered, dr.forwarded = 0, 0
	return nil
}

// check says whether the frames were forwarded, and the last ones to real
// servers. One in a thousand may be missing: a table with bounded buckets, of
// known size, has no room for a few connections long before it is full, and
// their later segments have none either.
func (dr *driver) check() error {
	if lost := dr.offered - dr.forwarded; lost > dr.offered/1000 {
		return fmt.Errorf("%s forwarded %d of %d frames: %v", dr.c.Name(), dr.forwarded, dr.offered, dr.reasons())
	}
	wrong := 0
	for _, f := range dr.f.Batch() {
		if !dr.setup.isServer(frame.DstMAC(f)) || frame.SrcMAC(f) != dr.setup.MAC {
			wrong++
		}
	}
	if wrong > 1+len(dr.f.Batch())/100 {
		return fmt.Errorf("%s sent %d of the last %d frames nowhere: %v", dr.c.Name(), wrong, len(dr.f.Batch()), dr.reasons())
	}
	return nil
}

// reasons returns the forwarder's own account of the frames.
func (dr *driver) reasons() any {
	if k, ok := dr.c.(Counter); ok {
		return k.Reasons()
	}
	return "it gives no reasons"
}
