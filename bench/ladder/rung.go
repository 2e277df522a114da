package ladder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A Metric is one number that a rung measures.
type Metric struct {
	Name string // what is added to the rung's name; empty: nothing
	Unit string // at most 9 letters
	// Less says that less is better.
	Less bool
	// Bare gives no ratio: the number may well be 0.
	Bare bool
}

// A Rung is one comparison.
type Rung struct {
	Name    string // with slashes, from the general to the particular
	Metrics []Metric
	// Candidates are compared; the first is the baseline.
	Candidates []Candidate
	// Live says that the rung needs a world (netns.Inside).
	Live bool
}

// A Candidate is one of the things that a rung compares.
type Candidate struct {
	Name string
	// Needs names the resource that the candidate needs and this machine lacks. If it is not empty it
	// is reported instead of numbers.
	Needs string
	// Run is one turn: it makes everything anew, warms it up and measures for
	// about the given time. The numbers are those of Rung.Metrics; the last of
	// them may be missing.
	Run func(ctx context.Context, t time.Duration) ([]float64, error)

	start func(context.Context) (*loop, error) // of an in-process candidate; Run is made of it
}

// A loop is a candidate made ready.
type loop struct {
	step  func() int   // does a batch and returns how many units that was
	rest  func()       // called between steps, not timed, at least after every chunk units; may be nil
	check func() error // asked at the end: was all done that was to be done?
	end   func() error // gives back what the collector does not; may be nil
}

// end closes what can be closed.
func end(v any) error {
	if c, ok := v.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// close ends l, for which err is known.
func (l *loop) close(err error) error {
	if l.end == nil {
		return err
	}
	return errors.Join(err, l.end())
}

// chunk is how many units are done between two readings of the clock.
const chunk = 2048

// measure is the time that one unit of l takes, in nanoseconds, over about t.
// It is CPU time of the calling thread, to which the caller is locked: what
// other programs did on its CPU meanwhile does not count, and neither does
// what the collector did on others.
func (l *loop) measure(ctx context.Context, t time.Duration) (float64, error) {
	var total int
	var took time.Duration
	for took < t && ctx.Err() == nil {
		units := 0
		begin, err := threadTime()
		if err != nil {
			return 0, err
		}
		for units < chunk {
			units += l.step()
		}
		end, err := threadTime()
		if err != nil {
			return 0, err
		}
		took += end - begin
		total += units
		if l.rest != nil {
			l.rest()
		}
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return float64(took.Nanoseconds()) / float64(total), l.check()
}

// threadTime is the CPU time the calling thread has used.
func threadTime() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("read the thread's clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// inProcess is a candidate that is measured on one CPU.
func inProcess(name string, start func(context.Context) (*loop, error)) Candidate {
	return Candidate{Name: name, start: start, Run: func(ctx context.Context, t time.Duration) (v []float64, err error) {
		err = pinned(func() error {
			w, err := start(ctx)
			if err != nil {
				return err
			}
			runtime.GC() // what earlier turns left behind is not this one's
			ns, err := w.measure(ctx, t)
			v = []float64{ns}
			return w.close(err)
		})
		return v, err
	}}
}

// pinned runs f on a thread of its own, bound to the last CPU there is, where
// the kernel allows that.
func pinned(f func() error) error { return pinnedTo(0, f) }

// pinnedTo is pinned to the CPU that has nth CPUs behind it.
func pinnedTo(nth int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		return fmt.Errorf("read CPU affinity: %w", err)
	}
	left := old
	for range nth {
		left.Clear(lastCPU(left))
	}
	one := only(lastCPU(left))
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return f()
	}
	defer func() { _ = unix.SchedSetaffinity(0, &old) }() // was in force a moment ago
	return f()
}

// lastCPU is the highest CPU in s: interrupts tend to be at the lowest.
func lastCPU(s unix.CPUSet) int {
	for cpu := len(s)*64 - 1; cpu > 0; cpu-- {
		if s.IsSet(cpu) {
			return cpu
		}
	}
	return 0
}

// only is the set of one CPU.
func only(cpu int) unix.CPUSet {
	var s unix.CPUSet
	s.Set(cpu)
	return s
}

// firstCPU is the lowest CPU in s.
func firstCPU(s unix.CPUSet) int {
	cpu := 0
	for !s.IsSet(cpu) && cpu < len(s)*64-1 {
		cpu++
	}
	return cpu
}
