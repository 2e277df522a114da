package ladder

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A measurement drives a turn of a live rung from the client and measures it.
type measurement func(ctx context.Context, s *site, t time.Duration) ([]float64, error)

// A clientSide runs in the client's namespace while the server runs.
type clientSide func(ctx context.Context, s *site, v *server, t time.Duration) ([]float64, error)

// fromClient is f as a measurement, on a thread of its own.
func fromClient(f clientSide) measurement {
	return onThreads(anywhere, f)
}

// apart is fromClient where the forwarder has the last CPU to itself, and client
// and server share another one: with one request under way they never work at
// the same time.
func apart(f clientSide) measurement {
	return func(ctx context.Context, s *site, t time.Duration) ([]float64, error) {
		if s.pid != 0 {
			if err := pinProcess(s.pid); err != nil {
				return nil, err
			}
		}
		return onThreads(func(f func() error) error { return pinnedTo(1, f) }, f)(ctx, s, t)
	}
}

// anywhere runs f on a thread of its own.
func anywhere(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f()
}

// onThreads is f as a measurement, client and server each on threads of run.
func onThreads(run func(func() error) error, f clientSide) measurement {
	return func(ctx context.Context, s *site, t time.Duration) (got []float64, err error) {
		v, err := serve(s, run)
		if err != nil {
			return nil, err
		}
		err = s.Clients[0].Do(func() error {
			return run(func() (err error) {
				got, err = f(ctx, s, v, t)
				return err
			})
		})
		return got, errors.Join(err, v.close())
	}
}

// bulkSize is how much is written and read at a time, in bytes; as iperf3 does.
const bulkSize = 128 << 10

// bulk sends by one TCP connection and measures what the server receives, in
// Gb/s of payload.
func bulk(ctx context.Context, s *site, v *server, t time.Duration) ([]float64, error) {
	c, err := connect(s.target)
	if err != nil {
		return nil, err
	}
	defer c.close()
	buf := make([]byte, bulkSize)
	buf[0] = sinkRequest
	send := func(t time.Duration) error {
		for end := time.Now().Add(t); time.Now().Before(end); {
			if err := c.write(buf); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	if err := send(t / 5); err != nil { // the window opens
		return nil, err
	}
	before, begin := v.received.Load(), time.Now()
	if err := send(t); err != nil {
		return nil, err
	}
	return []float64{float64(v.received.Load()-before) * 8 / time.Since(begin).Seconds() / 1e9}, nil
}

// The pacing of the latency rungs.
const (
	pause    = time.Millisecond // longer than a worker polls before it sleeps
	loadRate = 125_000_000      // 1 Gb/s
)

// A pacing is how requests follow each other.
type pacing struct {
	pause time.Duration // between an answer and the next request
	load  int           // bytes per second of a stream beside them; 0: none
}

// latencyMetrics are the metrics of pacing.latency.
func latencyMetrics() []Metric {
	return []Metric{{Name: "/p50", Unit: "µs", Less: true}, {Name: "/p99", Unit: "µs", Less: true}, {Name: "/p99.9", Unit: "µs", Less: true}}
}

// latency sends one request after the other by one connection and measures
// percentiles of the time to the answer, in µs.
func (p pacing) latency(ctx context.Context, s *site, _ *server, t time.Duration) ([]float64, error) {
	if p.load > 0 {
		stop, err := startLoad(s, p.load)
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	c, err := connect(s.target)
	if err != nil {
		return nil, err
	}
	defer c.close()
	buf := make([]byte, requestSize)
	var took []time.Duration
	began, longest := time.Now(), 10*t // on a busy machine it may take longer until there are enough
	for warm := began.Add(t / 5); ; {
		begin := time.Now()
		if err := c.exchange(buf); err != nil {
			return nil, err
		}
		end := time.Now()
		if begin.After(warm) {
			took = append(took, end.Sub(begin))
		}
		if over := end.Sub(began); over > t+t/5 && len(took) >= minRequests || over > longest {
			break
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if p.pause > 0 {
			wait := unix.NsecToTimespec(p.pause.Nanoseconds())
			// An interrupted pause is a shorter one.
			_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &wait, nil)
		}
	}
	if len(took) < minRequests {
		return nil, fmt.Errorf("only %d requests in %s: too few for a percentile", len(took), longest)
	}
	slices.Sort(took)
	micros := func(i int) float64 { return float64(took[i].Nanoseconds()) / 1e3 }
	n := len(took)
	return []float64{micros(n / 2), micros(n * 99 / 100), micros(n * 999 / 1000)}, nil
}

// minRequests is the least number of requests in a turn. With fewer than a thousand the
// last percentile is the longest time.
const minRequests = 20

// startLoad sends by a connection of its own at rate bytes per second, until
// stop is called, which waits for its end.
func startLoad(s *site, rate int) (stop func(), err error) {
	c, err := connect(s.target)
	if err != nil {
		return nil, err
	}
	// TCP paces by itself (tcp(7), SO_MAX_PACING_RATE in socket(7)).
	if err := unix.SetsockoptInt(int(c), unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE, rate); err != nil {
		c.close()
		return nil, fmt.Errorf("pace the load: %w", err)
	}
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		buf := make([]byte, bulkSize)
		buf[0] = sinkRequest
		for !over.Load() && c.write(buf) == nil {
		}
	}()
	return func() {
		over.Store(true)
		<-done
		c.close()
	}, nil
}

const (
	dialers   = 8   // connections that are under way at a time
	mostTurns = 100 // of a measurement in which no connection ends
)

// connections makes connections with one request each, eight at a time, and
// measures how many in a second. On a busy machine it takes as many times t as the
// first one needs.
func connections(ctx context.Context, s *site, _ *server, t time.Duration) ([]float64, error) {
	client := s.Clients[0]
	// Room for the connections in TIME_WAIT.
	for key, value := range map[string]string{"net.ipv4.ip_local_port_range": "1024 65000", "net.ipv4.tcp_tw_reuse": "1"} {
		if err := client.Sysctl(key, value); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var done atomic.Uint64
	failed := make(chan error, dialers)
	for range dialers {
		go func() {
			failed <- client.Do(func() error { // locks the thread, too
				buf := make([]byte, requestSize)
				for ctx.Err() == nil {
					if err := once(s, buf); err != nil {
						return err
					}
					done.Add(1)
				}
				return nil
			})
		}()
	}
	time.Sleep(t / 5) // warm up
	before, begin := done.Load(), time.Now()
	var n uint64
	for turns := 0; n == 0 && turns < mostTurns; turns++ {
		time.Sleep(t)
		n = done.Load() - before
	}
	took := time.Since(begin)
	err := ctx.Err()
	cancel()
	for range dialers {
		err = errors.Join(err, <-failed)
	}
	return []float64{float64(n) / took.Seconds()}, err
}

// once is one connection with one request.
func once(s *site, buf []byte) error {
	c, err := connect(s.target)
	if err != nil {
		return err
	}
	defer c.close()
	return c.exchange(buf)
}
