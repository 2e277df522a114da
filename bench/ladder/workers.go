package ladder

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// mostWorkers is how many workers the rung "workers" goes up to.
const mostWorkers = 2

// workerRungs are hits by one worker and by several of the same director, each
// with a CPU and a share of the flows of its own. They are measured in
// wall-clock time, because waiting for one another is part of it. The same number
// of independent directors shows the machine's limit: two of its CPUs may be
// halves of one core.
func workerRungs(o *Options) []Rung {
	var rungs []Rung
	for _, flows := range o.Flows {
		r := Rung{Name: "workers/hit/" + count(flows), Metrics: []Metric{{Unit: "frames/s"}}}
		for n := range mostWorkers {
			r.Candidates = append(r.Candidates, workersCandidate(n+1, flows, o.Batch, runtime.NumCPU(), newWorkers))
		}
		apart := workersCandidate(mostWorkers, flows, o.Batch, runtime.NumCPU(), newDirectors)
		apart.Name = fmt.Sprintf("%d directors", mostWorkers)
		r.Candidates = append(r.Candidates, apart)
		rungs = append(rungs, r)
	}
	return rungs
}

// A crew makes n drivers, each with as many flows of its own.
type crew func(n, flows, batch int) ([]*driver, error)

func workersCandidate(n, flows, batch, cpus int, c crew) Candidate {
	s := Candidate{Name: fmt.Sprintf("%d workers", n), Run: func(ctx context.Context, t time.Duration) ([]float64, error) {
		rate, err := c.hit(ctx, n, flows, batch, t)
		return []float64{rate}, err
	}}
	if n == 1 {
		s.Name = "1 worker"
	}
	s.Needs = lacking(n, cpus)
	return s
}

// lacking says that a machine of so many CPUs has fewer than n, or is empty.
func lacking(n, cpus int) string {
	if n > cpus {
		return fmt.Sprintf("%d CPUs", n)
	}
	return ""
}

// newDirectors is the crew of n directors with a worker each.
func newDirectors(n, flows, batch int) ([]*driver, error) {
	var all []*driver
	for i := range n {
		one, err := newWorkers(1, flows, batch)
		if err != nil {
			return nil, err
		}
		one[0].first = uint32(i * flows)
		all = append(all, one[0])
	}
	return all, nil
}

// newWorkers is the crew of one director's workers.
func newWorkers(n, flows, batch int) ([]*driver, error) {
	setup := DefaultSetup(n * flows * 105 / 100)
	d, err := newPlane(setup, n)
	if err != nil {
		return nil, err
	}
	var all []*driver
	for i := range n {
		dr := driverOf(newWorker(d, i), setup, batch)
		dr.first = uint32(i * flows)
		all = append(all, dr)
	}
	return all, nil
}

// hit is how many segments of established connections n of the crew forward in
// a second, together.
func (c crew) hit(ctx context.Context, n, flows, batch int, t time.Duration) (float64, error) {
	share := flows / n
	workers, err := c(n, share, batch)
	if err != nil {
		return 0, err
	}
	rates, errs := make([]float64, n), make([]error, n)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i, dr := range workers {
		done.Go(func() {
			isReady := sync.OnceFunc(ready.Done)
			defer isReady() // nobody waits for one that could not begin
			errs[i] = pinnedTo(i, func() error {
				err := dr.establish(ctx, share)
				isReady()
				<-start
				if err != nil {
					return err
				}
				rates[i], err = dr.hit(ctx, Uniform(share), t)
				return err
			})
		})
	}
	ready.Wait()
	runtime.GC()
	close(start)
	done.Wait()
	sum := 0.0
	for i, r := range rates {
		sum += r
		errs = append(errs, workers[i].close())
	}
	return sum, errors.Join(errs...)
}

// hit is how many segments of the flows picked are forwarded in a second, over
// about t of wall-clock time.
func (dr *driver) hit(ctx context.Context, pick *Flows, t time.Duration) (float64, error) {
	if err := dr.warmed(); err != nil {
		return 0, err
	}
	frames, begin := 0, time.Now()
	set := func(i int) { dr.f.Set(i, dr.first+pick.Next(), flagACK) }
	for time.Since(begin) < t || frames == 0 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		for end := frames + chunk; frames < end; {
			frames += dr.forwardBatch(set)
		}
	}
	return float64(frames) / time.Since(begin).Seconds(), dr.check()
}
