package ladder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// idleFactor is how much longer than other live turns one of idling is: little
// happens, and that now and then.
const idleFactor = 3

// idleMetrics are the metrics of idle.
func idleMetrics() []Metric {
	return []Metric{{Name: "/cpu", Unit: "%", Less: true, Bare: true}, {Name: "/memory", Unit: "MB", Less: true}}
}

// idle sends nothing and measures what part of a CPU the process takes, in per
// cent, and the memory that is its own, in MB.
func idle(ctx context.Context, s *site, t time.Duration) ([]float64, error) {
	t *= idleFactor
	if err := pass(ctx, t/5); err != nil { // what starting up left to do
		return nil, err
	}
	before, err := processTime(s.pid)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := pass(ctx, t); err != nil {
		return nil, err
	}
	after, err := processTime(s.pid)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	bytes, err := resident(s.pid)
	if err != nil {
		return nil, err
	}
	return []float64{100 * float64(after-before) / float64(took), float64(bytes) / 1e6}, nil
}

// pass lets time pass.
func pass(ctx context.Context, t time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(t):
		return nil
	}
}

// processTime is the CPU time of all threads of a process that still live, from
// proc_pid_task(5) and Documentation/scheduler/sched-stats.rst in Linux. Those of
// Go programs and HAProxy stay.
func processTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err == nil && len(files) == 0 {
		err = errors.New("no such process, or no schedstat in this kernel")
	}
	var total time.Duration
	for _, name := range files {
		b, rerr := os.ReadFile(name)
		var ran time.Duration // nanoseconds, the first number
		if rerr == nil {
			_, rerr = fmt.Sscan(string(b), &ran)
		}
		if errors.Is(rerr, os.ErrNotExist) {
			continue // the thread has ended
		}
		err = errors.Join(err, rerr)
		total += ran
	}
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	return total, nil
}

// resident is the memory of a process that lies in RAM, in bytes: VmRSS of
// proc_pid_status(5).
func resident(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(b)) {
		var kib uint64
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, err := fmt.Sscan(rest, &kib)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("read the memory of process %d: no VmRSS in its status", pid)
}
