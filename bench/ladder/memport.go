package ladder

import (
	"context"
	"errors"
	"fmt"

	"lvsdr/dataplane"
	"lvsdr/dataplane/memport"
)

// portFlows is how many flows the memory port repeats.
const portFlows = 4096

// portRung is a worker on a port in memory, which copies each frame once, and
// the port without a director.
func portRung(o *Options) Rung {
	return Rung{Name: "memport", Metrics: perFrame, Candidates: []Candidate{
		inProcess("port alone", func(context.Context) (*loop, error) { return startPort(o.Batch, nil) }),
		inProcess("lvsdr", func(context.Context) (*loop, error) {
			s := DefaultSetup(portFlows * 2)
			d, err := newPlane(s, 1)
			if err != nil {
				return nil, err
			}
			return startPort(o.Batch, d)
		}),
	}}
}

func startPort(batch int, d *plane) (*loop, error) {
	f := NewFrames(DefaultSetup(0), portFlows)
	b := dataplane.NewBatch()
	p := memport.New(memport.Config{Capacity: portFlows, Batch: batch, Repeat: true})
	var scratch *dataplane.Scratch
	if d != nil {
		scratch = d.NewScratch(0)
	}
	for i := range portFlows { // the SYNs
		f.Set(i, uint32(i), flagSYN)
		if d != nil {
			b.Packets = append(b.Packets[:0], dataplane.Packet{Data: f.Batch()[i]})
			d.Process(scratch, b, firstMoment)
		}
		f.Set(i, uint32(i), flagACK)
	}
	if n := p.Feed(f.Batch()...); n != portFlows {
		return nil, fmt.Errorf("only %d frames found room in the port", n)
	}
	var failed error
	var done uint64
	step := func() int {
		if failed != nil {
			return chunk // check tells
		}
		err := p.Recv(b)
		if d != nil {
			d.Process(scratch, b, firstMoment)
		}
		failed = errors.Join(err, p.Send(b))
		done += uint64(len(b.Packets))
		return len(b.Packets)
	}
	w := &loop{step: step, check: func() error {
		if sent := p.Stats().Sent; d != nil && sent != done {
			return fmt.Errorf("%d of %d frames were sent: %v", sent, done, d.Counters().Map())
		}
		return failed
	}}
	if d != nil {
		w.end = d.memory.Free
	}
	return w, nil
}
