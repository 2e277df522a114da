package memory

import (
	"io/fs"
	"strconv"
	"strings"
)

// CPUs is the least share of CPUs, 1.5 for one and a half, that the control groups allow
// the process: cpu.max of version 2 (Documentation/admin-guide/cgroup-v2.rst). files is
// the root of the file system. False: there is no limit.
func CPUs(files fs.FS) (cpus float64, limited bool) {
	var l least[float64]
	for controllers, group := range groups(files) {
		if controllers == "" {
			l.of(files, "sys/fs/cgroup", group, "cpu.max", parseQuota)
		}
	}
	return l.limit, l.ok
}

// parseQuota reads "QUOTA PERIOD", in µs; QUOTA may be max.
func parseQuota(text string) (cpus float64, ok bool) {
	f := strings.Fields(text)
	if len(f) != 2 {
		return 0, false
	}
	quota, err := strconv.ParseUint(f[0], 10, 64) // "max" is none
	period, perr := strconv.ParseUint(f[1], 10, 64)
	if err != nil || perr != nil || period == 0 {
		return 0, false
	}
	return float64(quota) / float64(period), true
}
