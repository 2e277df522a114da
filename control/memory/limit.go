package memory

import (
	"io/fs"
	"strconv"
	"strings"
)

// Limit is the least memory limit, in bytes, of the control groups that the process is
// in: of version 2, or of the memory controller of version 1 (cgroups(7),
// Documentation/admin-guide/cgroup-v2.rst). files is the root of the file system. False:
// there is none.
func Limit(files fs.FS) (bytes uint64, ok bool) {
	var l least[uint64]
	for controllers, group := range groups(files) {
		switch {
		case controllers == "":
			l.of(files, "sys/fs/cgroup", group, "memory.max", parseLimit)
		case strings.Contains(","+controllers+",", ",memory,"):
			l.of(files, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes", parseLimit)
		}
	}
	return l.limit, l.ok
}

// unlimited bounds the limits: version 1 gives a greater number where there is none.
const unlimited = 1 << 62

func parseLimit(text string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	return n, err == nil && n < unlimited // "max" is none
}
