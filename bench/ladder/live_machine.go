package ladder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machineTick is how often the machine rungs send.
const machineTick = time.Millisecond

// machine sends 60-byte UDP frames of one flow, a few every millisecond and asleep between, and
// measures what part of a CPU the whole machine is busy: the sender, whoever
// forwards, and both kernels; and the rest of steady. What forwarding costs is the
// difference to the candidate that forwards nothing.
func machine(rate int) measurement {
	return steady{rate: rate, warmUp: 1. / 2, send: tick, busy: func(*site) (time.Duration, error) { return busyTime() }}.measure
}

// tick sends for t, every millisecond what is due by then, and says how many.
func tick(ctx context.Context, w io.Writer, rate int, t time.Duration) (sent uint64, err error) {
	payload := make([]byte, smallPayload)
	for begin := time.Now(); ctx.Err() == nil; {
		since := time.Since(begin)
		if since >= t {
			break
		}
		for due := uint64(math.Ceil(since.Seconds() * float64(rate))); sent < due; sent++ {
			if _, err := w.Write(payload); err != nil {
				return sent, fmt.Errorf("send to the director: %w", err)
			}
		}
		wait := unix.NsecToTimespec(machineTick.Nanoseconds())
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &wait, nil) // an interrupted one is shorter
	}
	return sent, ctx.Err()
}

// busyTime is how long all CPUs of the machine were busy, in sum, since a moment in the past: the
// time that passed, less that in which they were idle. The kernel measures idle time, and counts
// busy time in ticks alone, between which a sender that sleeps a millisecond may hide.
func busyTime() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, fmt.Errorf("read the time: %w", err)
	}
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of the machine: %w", err)
	}
	cpus, idle, err := parseIdle(string(b))
	return time.Duration(cpus*now.Nano()) - idle, err
}

// userTick is the unit of /proc/stat: USER_HZ is 100 on all architectures that Go has.
const userTick = 10 * time.Millisecond

// parseIdle reads proc_stat(5): how many CPUs there are, and how long they were idle, waited for
// input and output, or were taken by other guests (steal), in sum.
func parseIdle(stat string) (cpus int64, idle time.Duration, err error) {
	for line := range strings.Lines(stat) {
		fields := strings.Fields(line)
		if len(fields) < 9 || !strings.HasPrefix(fields[0], "cpu") || fields[0] == "cpu" {
			continue
		}
		cpus++
		for _, k := range []int{4, 5, 8} {
			n, err := strconv.ParseInt(fields[k], 10, 64)
			if err != nil {
				return 0, 0, fmt.Errorf("read the CPU time of the machine: %w", err)
			}
			idle += time.Duration(n) * userTick
		}
	}
	if cpus == 0 {
		return 0, 0, errors.New("read the CPU time of the machine: no such line in /proc/stat")
	}
	return cpus, idle, nil
}
