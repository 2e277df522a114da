package ladder

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// requests is how many requests in a second eight connections get answered that stay open,
// each with one request under way.
func requests(ctx context.Context, s *site, _ *server, t time.Duration) ([]float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var done atomic.Uint64
	failed := make(chan error, dialers)
	for range dialers {
		go func() {
			failed <- s.Clients[0].Do(func() error { // locks the thread, too
				c, err := connect(s.target)
				if err != nil {
					return err
				}
				defer c.close()
				buf := make([]byte, requestSize)
				for ctx.Err() == nil {
					if err := c.exchange(buf); err != nil {
						return err
					}
					done.Add(1)
				}
				return nil
			})
		}()
	}
	err := pass(ctx, t/5) // warm up
	before, begin := done.Load(), time.Now()
	err = errors.Join(err, pass(ctx, t))
	n, took := done.Load()-before, time.Since(begin)
	cancel()
	for range dialers {
		err = errors.Join(err, <-failed)
	}
	return []float64{float64(n) / took.Seconds()}, err
}
