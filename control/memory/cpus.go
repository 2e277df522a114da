package memory

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// CPUs is the least share of CPUs, 1.5 for one and a half, that the control groups allow
// the process: cpu.max of version 2 (Documentation/admin-guide/cgroup-v2.rst). files is
// the root of the file system. False: there is no limit.
func CPUs(files fs.FS) (cpus float64, limited bool) {
	groups, err := fs.ReadFile(files, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(groups)) {
		group, v2 := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !v2 {
			continue
		}
		// In a container the path may be that of the host, as in least.
		for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
			if n, has := readQuota(files, path.Join("sys/fs/cgroup", dir, "cpu.max")); has && (!limited || n < cpus) {
				cpus, limited = n, true
			}
			if dir == "/" {
				break
			}
		}
	}
	return cpus, limited
}

// readQuota reads "QUOTA PERIOD", in µs; QUOTA may be max.
func readQuota(files fs.FS, name string) (cpus float64, ok bool) {
	b, err := fs.ReadFile(files, name)
	f := strings.Fields(string(b))
	if err != nil || len(f) != 2 {
		return 0, false
	}
	quota, err := strconv.ParseUint(f[0], 10, 64) // "max" is none
	period, perr := strconv.ParseUint(f[1], 10, 64)
	if err != nil || perr != nil || period == 0 {
		return 0, false
	}
	return float64(quota) / float64(period), true
}
