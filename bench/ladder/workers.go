package ladder

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"lvsdr/dataplane"
)

// mostWorkers is how many workers the rung "workers" goes up to.
const mostWorkers = 2

// workerRungs are hits by one worker and by several of the same director, each
// with a CPU and a share of the flows of its own. They are measured by the
// clock on the wall, because waiting for one another is part of it.
func workerRungs(o *Options) []Rung {
	var rungs []Rung
	for _, flows := range o.Flows {
		r := Rung{Name: "workers/hit/" + count(flows), Metrics: []Metric{{Unit: "frames/s"}}}
		for n := range mostWorkers {
			r.Subjects = append(r.Subjects, workersSubject(n+1, flows, o.Batch, runtime.NumCPU()))
		}
		rungs = append(rungs, r)
	}
	return rungs
}

func workersSubject(n, flows, batch, cpus int) Subject {
	s := Subject{Name: fmt.Sprintf("%d workers", n), Run: func(ctx context.Context, t time.Duration) ([]float64, error) {
		rate, err := hitTogether(ctx, n, flows, batch, t)
		return []float64{rate}, err
	}}
	if n == 1 {
		s.Name = "1 worker"
	}
	if n > cpus {
		s.Needs = fmt.Sprintf("%d CPUs", n)
	}
	return s
}

// newWorkers makes a director and n workers of it, each with as many flows of
// its own.
func newWorkers(n, flows, batch int) (*dataplane.Director, []*course, error) {
	setup := DefaultSetup(n * flows * 105 / 100)
	d, err := newDataplane(setup, n)
	if err != nil {
		return nil, nil, err
	}
	var all []*course
	for i := range n {
		co := courseOf(newWorker(d, i), setup, batch)
		co.first = uint32(i * flows)
		all = append(all, co)
	}
	return d, all, nil
}

// hitTogether is how many segments of established connections n workers of a
// director forward in a second, together.
func hitTogether(ctx context.Context, n, flows, batch int, t time.Duration) (float64, error) {
	share := flows / n
	_, workers, err := newWorkers(n, share, batch)
	if err != nil {
		return 0, err
	}
	rates, errs := make([]float64, n), make([]error, n)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i, co := range workers {
		done.Go(func() {
			isReady := sync.OnceFunc(ready.Done)
			defer isReady() // nobody waits for one that could not begin
			errs[i] = pinnedTo(i, func() error {
				err := co.establish(ctx, share)
				isReady()
				<-start
				if err != nil {
					return err
				}
				rates[i], err = co.hit(ctx, Uniform(share), t)
				return err
			})
		})
	}
	ready.Wait()
	runtime.GC()
	close(start)
	done.Wait()
	sum := 0.0
	for _, r := range rates {
		sum += r
	}
	return sum, errors.Join(errs...)
}

// hit is how many segments of the flows picked are forwarded in a second, over
// about t, by the clock on the wall.
func (co *course) hit(ctx context.Context, pick *Flows, t time.Duration) (float64, error) {
	if err := co.warmed(); err != nil {
		return 0, err
	}
	frames, begin := 0, time.Now()
	set := func(i int) { co.f.Set(i, co.first+pick.Next(), flagACK) }
	for time.Since(begin) < t || frames == 0 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		for end := frames + chunk; frames < end; {
			frames += co.turn(set)
		}
	}
	return float64(frames) / time.Since(begin).Seconds(), co.check()
}
