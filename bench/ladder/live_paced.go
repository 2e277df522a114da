package ladder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// pacedRates are the rates of the paced rungs, in frames per second.
var pacedRates = []int{1000, 10_000, 100_000}

// steadyMetrics are the metrics of steady.
func steadyMetrics() []Metric {
	return []Metric{{Name: "/cpu", Unit: "%", Less: true, Bare: true}, {Name: "/offered", Unit: "frames/s", Bare: true}, {Name: "/lost", Unit: "%", Less: true, Bare: true}}
}

// paced sends 60-byte UDP frames one by one at that rate, by chance and whatever becomes
// of them, and measures what part of a CPU the forwarder and the kernel on its behalf
// take, beside the rest of steady.
func paced(rate int) measurement {
	return steady{rate: rate, warmUp: 1. / 5, send: pace, busy: func(s *site) (time.Duration, error) { return processTime(s.pid) }}.measure
}

// A steady measurement sends frames of one flow at a rate that the forwarder keeps up with, and measures
// what part of a CPU is busy with them, in per cent; how many frames were offered in a
// second; and which part does not reach the real server's interface. The server's
// kernel only counts them.
type steady struct {
	rate   int     // frames per second
	warmUp float64 // part of the turn's length for which frames are sent before, so that the forwarder adapts
	// send sends for a time, and says how many.
	send func(ctx context.Context, w io.Writer, rate int, t time.Duration) (sent uint64, err error)
	busy func(*site) (time.Duration, error) // CPU time until now
}

func (m steady) measure(ctx context.Context, s *site, t time.Duration) (got []float64, err error) {
	end, err := s.sink()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	return got, s.Clients[0].Do(func() error { // locks the thread, too
		c, err := openDatagrams(s.target)
		if err != nil {
			return err
		}
		defer c.close()
		return pinnedTo(1, func() error { // the forwarder has the last CPU
			if _, err := m.send(ctx, c, m.rate, time.Duration(m.warmUp*float64(t))); err != nil {
				return err
			}
			got, err = m.turn(ctx, s, c, t)
			return err
		})
	})
}

// turn is measure once all is prepared.
func (m steady) turn(ctx context.Context, s *site, w io.Writer, t time.Duration) ([]float64, error) {
	frames, err := settled(s, noFrames)
	if err != nil {
		return nil, err
	}
	before, err := m.busy(s)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	sent, err := m.send(ctx, w, m.rate, t)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	after, err := m.busy(s)
	if err != nil {
		return nil, err
	}
	arrived, err := settled(s, frames)
	if err != nil {
		return nil, err
	}
	lost := sample{offered: sent, arrived: arrived - frames}.lost()
	return []float64{100 * float64(after-before) / float64(took), float64(sent) / took.Seconds(), 100 * lost}, nil
}

// shortSleep is how much earlier than its time a sleep ends, since the kernel adds to it.
const shortSleep = 100 * time.Microsecond

// pace sends for t, each frame at its time, and says how many. Times between frames
// are of the exponential distribution.
func pace(ctx context.Context, w io.Writer, rate int, t time.Duration) (sent uint64, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	payload, random := make([]byte, smallPayload), rand.New(rand.NewPCG(1, uint64(rate)))
	due := 0.0 // of the next frame, seconds
	for begin := time.Now(); ctx.Err() == nil; {
		since := time.Since(begin)
		if since >= t {
			break
		}
		if ahead := time.Duration(due*1e9) - since; ahead > 0 {
			if ahead > 2*shortSleep {
				wait := unix.NsecToTimespec((ahead - shortSleep).Nanoseconds())
				_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &wait, nil) // an interrupted one is shorter
			}
			continue
		}
		if _, err := w.Write(payload); err != nil {
			return sent, fmt.Errorf("send to the director: %w", err)
		}
		sent++
		due += random.ExpFloat64() / float64(rate)
	}
	return sent, ctx.Err()
}
