package ladder

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// lasting is how many connections are hit in the rung "pause" while the others
// expire.
const lasting = MinFlows

// Sweeping as `lvsdr run` does it: a tenth of the table ten times a second.
const (
	sweepParts    = 10
	sweepInterval = time.Second / sweepParts
)

// garbageInterval is how often the collector is made to run.
const garbageInterval = 10 * time.Millisecond

// mostCalls bounds the memory for the times taken.
const mostCalls = 1 << 22

// pauseRung is how long one call of the director takes at worst, while as many
// connections as there are in the largest table expire at once and the
// collector runs. Each turn lasts until all could expire, a second at least: the
// longest of more calls would be longer.
func pauseRung(o *Options) Rung {
	flows := slices.Max(o.Flows)
	candidate := func(name string, p disturbance) Candidate {
		p.flows, p.batch = flows, o.Batch
		needs := ""
		if p.expiry { // the sweeper needs a CPU too
			needs = lacking(2, runtime.NumCPU())
		}
		return Candidate{Name: name, Needs: needs, Run: func(ctx context.Context, t time.Duration) (v []float64, err error) {
			err = pinned(func() error {
				v, err = p.run(ctx, t)
				return err
			})
			return v, err
		}}
	}
	return Rung{Name: "pause/" + count(flows), Metrics: []Metric{{Name: "/p99.9", Unit: "µs", Less: true}, {Name: "/max", Unit: "µs", Less: true}},
		Candidates: []Candidate{
			candidate("hits alone", disturbance{}),
			candidate("expiry", disturbance{expiry: true}),
			candidate("garbage", disturbance{garbage: true}),
			candidate("garbage and expiry", disturbance{garbage: true, expiry: true}),
		}}
}

// A disturbance runs beside the hits.
type disturbance struct {
	flows, batch    int
	garbage, expiry bool
}

// run is the 99.9th percentile and the longest of the times that the director
// took for a batch, in µs.
func (p disturbance) run(ctx context.Context, t time.Duration) (_ []float64, err error) {
	setup := DefaultSetup((p.flows + lasting) * 105 / 100)
	d, err := newPlane(setup, 1)
	if err != nil {
		return nil, err
	}
	dr := driverOf(newWorker(d, 0), setup, p.batch)
	defer func() { err = errors.Join(err, dr.close()) }() // after the disturbance has ended
	if err := p.fill(ctx, dr); err != nil {
		return nil, err
	}
	runtime.GC()
	around, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	swept := make(chan struct{})
	if p.expiry {
		dr.now += generation
		now := dr.now
		beside.Go(func() { sweepOnce(around, d, now); close(swept) })
	} else {
		close(swept)
	}
	if p.garbage {
		beside.Go(func() { makeGarbage(around) })
	}
	took, err := dr.timeCalls(ctx, max(t, sweepParts*sweepInterval), swept)
	if err != nil {
		return nil, err
	}
	if n := numConns(d); p.expiry && n > lasting {
		return nil, fmt.Errorf("%d connections of %d did not expire in time", n-lasting, p.flows)
	}
	slices.Sort(took)
	µs := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	return []float64{µs(took[(len(took)-1)*999/1000]), µs(took[len(took)-1])}, nil
}

// fill makes the connections that last and those that are to expire.
func (p disturbance) fill(ctx context.Context, dr *driver) error {
	if err := dr.establish(ctx, lasting); err != nil {
		return err
	}
	dr.first = lasting
	if err := dr.each(ctx, p.flows, flagSYN); err != nil {
		return err
	}
	dr.first = 0
	return dr.warmed()
}

// timeCalls is how long each call took, over t and until swept is closed.
func (dr *driver) timeCalls(ctx context.Context, t time.Duration, swept <-chan struct{}) ([]time.Duration, error) {
	took, pick, begin := make([]time.Duration, 0, mostCalls), Uniform(lasting), time.Now()
	for isDone := false; !isDone && len(took) < mostCalls; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := dr.f.Batch()
		for i := range b {
			dr.f.Set(i, pick.Next(), flagACK)
		}
		before := time.Now()
		dr.forwarded += uint64(dr.c.Forward(b, dr.now))
		after := time.Now()
		took = append(took, after.Sub(before))
		dr.offered += uint64(len(b))
		select {
		case <-swept:
			isDone = after.Sub(begin) >= t
		default:
		}
	}
	return took, dr.check()
}

// sweepOnce sweeps the table of d once.
func sweepOnce(ctx context.Context, d *plane, now int64) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	share := (d.Chunks() + sweepParts - 1) / sweepParts
	for range sweepParts {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		d.SweepBeside(now, share, func(ns int64) { time.Sleep(time.Duration(ns)) })
	}
}

// makeGarbage makes garbage with pointers in it and has it collected, again and
// again.
func makeGarbage(ctx context.Context) {
	tick := time.NewTicker(garbageInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		heap := make([][]byte, 4096)
		for i := range heap {
			heap[i] = make([]byte, 512)
		}
		runtime.GC() // with all of it alive
		runtime.KeepAlive(heap)
	}
}

// numConns is how many the servers of d have.
func numConns(d *plane) int {
	n := 0
	for _, s := range d.Services() {
		for _, rs := range s.Servers {
			n += rs.Active + rs.Inactive
		}
	}
	return n
}
