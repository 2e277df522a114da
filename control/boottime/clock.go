package boottime

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A Clock tells the time since boot. Its methods may be called from any
// goroutine.
type Clock struct {
	start time.Time // a reading of the monotonic clock
	// offset has to be added to the time since start, ns. It only
	// grows: by the time the host was suspended.
	offset atomic.Int64
	read   func() (int64, error) // the host's clock, ns
}

// New makes a Clock that reads the host's.
func New() (*Clock, error) { return newClock(hostClock) }

func newClock(read func() (int64, error)) (*Clock, error) {
	c := &Clock{start: time.Now(), read: read}
	now, err := read()
	if err != nil {
		return nil, err
	}
	c.offset.Store(now)
	return c, nil
}

// hostClock is CLOCK_BOOTTIME.
func hostClock() (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, fmt.Errorf("read CLOCK_BOOTTIME: %w", err)
	}
	return ts.Nano(), nil
}

// Now is the time since boot in nanoseconds. It never runs backwards, and costs
// as much as time.Since.
func (c *Clock) Now() int64 { return c.offset.Load() + int64(time.Since(c.start)) }

// leastSleep is the shortest difference between the clocks that is taken for a
// suspended host, ns: reading two clocks one after the other makes smaller ones.
const leastSleep = int64(10 * time.Millisecond)

// Refresh looks whether the host was suspended; one goroutine calls it about
// once a second. It returns how long the host slept since the last call.
func (c *Clock) Refresh() time.Duration {
	before := c.Now()
	boot, err := c.read()
	if err != nil || boot-before < leastSleep {
		return 0
	}
	// That is too much if the goroutine had to wait between the two readings.
	// The difference to a reading made afterwards is never too much.
	slept := boot - c.Now()
	if slept < leastSleep {
		return 0
	}
	c.offset.Add(slept)
	return time.Duration(slept)
}

// Time is the wall clock's time at the moment at.
func (c *Clock) Time(at int64) time.Time { return time.Now().Add(time.Duration(at - c.Now())) }
