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

// A course drives a candidate with generated frames.
type course struct {
	setup Setup
	c     Candidate
	f     *Frames
	first uint32 // flow: the others are counted from it
	now   int64

	offered, forwarded uint64
}

// newCourse makes a candidate and frames for it.
func newCourse(factory Factory, s Setup, batch int) (*course, error) {
	c, err := factory(s)
	if err != nil {
		return nil, err
	}
	return courseOf(c, s, batch), nil
}

// courseOf makes frames for c.
func courseOf(c Candidate, s Setup, batch int) *course {
	return &course{setup: s, c: c, f: NewFrames(s, batch), now: firstMoment}
}

// close ends the candidate.
func (co *course) close() error { return end(co.c) }

// turn forwards one batch; set makes frame i.
func (co *course) turn(set func(i int)) int {
	b := co.f.Batch()
	for i := range b {
		set(i)
	}
	co.offered += uint64(len(b))
	co.forwarded += uint64(co.c.Forward(b, co.now))
	return len(b)
}

// each forwards one segment, or a few more, of each flow below n, unless ctx is
// done before.
func (co *course) each(ctx context.Context, n int, flags uint8) error {
	for flow := 0; flow < n && ctx.Err() == nil; {
		co.turn(func(i int) {
			co.f.Set(i, co.first+uint32(flow%n), flags)
			flow++
		})
	}
	return ctx.Err()
}

// establish opens the connections of all flows below n.
func (co *course) establish(ctx context.Context, n int) error {
	if err := co.each(ctx, n, flagSYN); err != nil {
		return err
	}
	return co.each(ctx, n, flagACK)
}

// warmed ends warming up: what comes now is checked by itself.
func (co *course) warmed() error {
	if err := co.check(); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	co.offered, co.forwarded = 0, 0
	return nil
}

// check says whether the frames were forwarded, and the last ones to real
// servers. One in a thousand may be missing: a table with bounded buckets, of
// known size, has no room for a few connections long before it is full, and
// their later segments have none either.
func (co *course) check() error {
	if lost := co.offered - co.forwarded; lost > co.offered/1000 {
		return fmt.Errorf("%s forwarded %d of %d frames: %v", co.c.Name(), co.forwarded, co.offered, co.reasons())
	}
	wrong := 0
	for _, f := range co.f.Batch() {
		if !co.setup.isServer(frame.DstMAC(f)) || frame.SrcMAC(f) != co.setup.MAC {
			wrong++
		}
	}
	if wrong > 1+len(co.f.Batch())/100 {
		return fmt.Errorf("%s sent %d of the last %d frames nowhere: %v", co.c.Name(), wrong, len(co.f.Batch()), co.reasons())
	}
	return nil
}

// reasons is what the candidate says about the frames.
func (co *course) reasons() any {
	if k, ok := co.c.(Counter); ok {
		return k.Reasons()
	}
	return "it gives no reasons"
}
