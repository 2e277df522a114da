package ladder

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machineTick is how often the machine rungs send.
const machineTick = time.Millisecond

// machineMetrics are the metrics of machine.
func machineMetrics() []Metric {
	return []Metric{{Name: "/cpu", Unit: "%", Less: true, Bare: true}, {Name: "/offered", Unit: "frames/s", Bare: true}, {Name: "/lost", Unit: "%", Less: true, Bare: true}}
}

// machine sends 60-byte UDP frames of one flow, a few every millisecond and asleep between, and
// measures what part of a CPU the whole machine is busy, in per cent: the sender, whoever
// forwards, and both kernels; how many frames were offered in a second; and which part is
// lost. What forwarding costs is the difference to the candidate that forwards nothing.
func machine(rate int) measurement {
	return func(ctx context.Context, s *site, t time.Duration) ([]float64, error) {
		if err := disown(s.Servers[0]); err != nil {
			return nil, err
		}
		var got []float64
		return got, s.Clients[0].Do(func() error { // locks the thread, too
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.target))
			if err != nil {
				return fmt.Errorf("send to the director: %w", err)
			}
			defer func() { _ = c.Close() }() // what it sent is sent
			return pinnedTo(1, func() error {
				if _, err := tick(ctx, c, rate, t/2); err != nil { // warm up
					return err
				}
				got, err = s.measureMachine(ctx, c, rate, t)
				return err
			})
		})
	}
}

// measureMachine is machine once all is prepared.
func (s *site) measureMachine(ctx context.Context, c *net.UDPConn, rate int, t time.Duration) ([]float64, error) {
	frames, err := settled(s, noFrames)
	if err != nil {
		return nil, err
	}
	busy, err := busyTime()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	sent, err := tick(ctx, c, rate, t)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	after, err := busyTime()
	if err != nil {
		return nil, err
	}
	arrived, err := settled(s, frames)
	if err != nil {
		return nil, err
	}
	lost := sample{offered: sent, arrived: arrived - frames}.lost()
	return []float64{100 * float64(after-busy) / float64(took), float64(sent) / took.Seconds(), 100 * lost}, nil
}

// tick sends for t, every millisecond what is due by then, and says how many.
func tick(ctx context.Context, c *net.UDPConn, rate int, t time.Duration) (sent uint64, err error) {
	payload := make([]byte, smallPayload)
	for begin := time.Now(); ctx.Err() == nil; {
		since := time.Since(begin)
		if since >= t {
			break
		}
		for due := uint64(math.Ceil(since.Seconds() * float64(rate))); sent < due; sent++ {
			if _, err := c.Write(payload); err != nil {
				return sent, fmt.Errorf("send to the director: %w", err)
			}
		}
		wait := unix.NsecToTimespec(machineTick.Nanoseconds())
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &wait, nil) // an interrupted one is shorter
	}
	return sent, ctx.Err()
}

// busyTime is how long all CPUs of the machine were busy, in sum, since it started.
func busyTime() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of the machine: %w", err)
	}
	return parseBusy(string(b))
}

// userTick is the unit of /proc/stat: USER_HZ is 100 on all architectures that Go has.
const userTick = 10 * time.Millisecond

// parseBusy reads proc_stat(5): user, nice, system, idle, iowait, irq and softirq time. What
// other guests took of the machine (steal), and idle time, is not busy.
func parseBusy(stat string) (time.Duration, error) {
	var user, nice, system, idle, wait, irq, softirq int64
	first, _, _ := strings.Cut(stat, "\n")
	if _, err := fmt.Sscanf(first, "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq); err != nil {
		return 0, errors.New("read the CPU time of the machine: no such line in /proc/stat")
	}
	return time.Duration(user+nice+system+irq+softirq) * userTick, nil
}
