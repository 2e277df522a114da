package control

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"lvsdr/dataplane"
)

// sweepInterval is how often a tenth of the connection table is swept; less
// often while many connections end.
const sweepInterval = 100 * time.Millisecond

// sweep ends connections whose time is up, and does each second what second
// says, until ctx ends. It holds gate meanwhile.
func sweep(ctx context.Context, d *dataplane.Director, gate *sync.Mutex, now func() int64, second func()) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	share := (d.Chunks() + 9) / 10
	for turn := 1; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		gate.Lock()
		if ctx.Err() != nil { // a successor has the table
			gate.Unlock()
			return nil
		}
		if turn%10 == 0 {
			second()
			d.Defend(now(), rand.Uint64)
		}
		d.SweepBeside(now(), share, func(ns int64) {
			if ctx.Err() == nil {
				time.Sleep(time.Duration(ns))
			}
		})
		gate.Unlock()
	}
}
