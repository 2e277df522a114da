package main

import (
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"lvsdr/control/memory"
)

const (
	autoSpin = "auto"
	// usualSpin is how long a worker watches for frames by default.
	usualSpin = 100 * time.Microsecond
	// maxSpin is the longest time that a worker watches for frames.
	maxSpin = 10 * time.Millisecond
)

// usableCPUs is how many CPUs the process may use: those of its affinity, and of its
// control groups, in the file system files.
func usableCPUs(files fs.FS) float64 {
	n := float64(runtime.NumCPU())
	if quota, limited := memory.CPUs(files); limited {
		n = min(n, quota)
	}
	return n
}

// parseSpin reads --spin, as afpacket.Config has it, for that many CPUs. On a single CPU
// the frames come from threads that wait while a worker watches.
func parseSpin(s string, cpus float64) (time.Duration, error) {
	switch {
	case s == "adaptive":
		return 0, nil
	case s == autoSpin && cpus <= 1:
		return -1, nil
	case s == autoSpin:
		return usualSpin, nil
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil || d < 0 || d > maxSpin:
		return 0, fmt.Errorf("--spin %s: not auto, adaptive or a time from 0 to %s, such as 100us", s, maxSpin)
	case d == 0:
		return -1, nil
	}
	return d, nil
}
