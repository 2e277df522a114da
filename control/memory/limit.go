package memory

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Limit is the least memory limit, in bytes, of the control groups that the process is
// in: of version 2, or of the memory controller of version 1 (cgroups(7),
// Documentation/admin-guide/cgroup-v2.rst). files is the root of the file system. False:
// there is none.
func Limit(files fs.FS) (bytes uint64, ok bool) {
	groups, err := fs.ReadFile(files, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(groups)) {
		// HIERARCHY:CONTROLLERS:PATH
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, found := strings.Cut(rest, ":")
		if !found {
			continue
		}
		var mount, name string
		switch {
		case controllers == "":
			mount, name = "sys/fs/cgroup", "memory.max"
		case strings.Contains(","+controllers+",", ",memory,"):
			mount, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		if n, has := least(files, mount, group, name); has && (!ok || n < bytes) {
			bytes, ok = n, true
		}
	}
	return bytes, ok
}

// least is the least limit of a group and those above it. In a container the path may
// be that of the host, which is not there: then the root of the mount is its group.
func least(files fs.FS, mount, group, name string) (bytes uint64, ok bool) {
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		if n, has := read(files, path.Join(mount, dir, name)); has && (!ok || n < bytes) {
			bytes, ok = n, true
		}
		if dir == "/" {
			return bytes, ok
		}
	}
}

// unlimited bounds the limits: version 1 gives a greater number where there is none.
const unlimited = 1 << 62

func read(files fs.FS, name string) (uint64, bool) {
	b, err := fs.ReadFile(files, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil && n < unlimited // "max" is none
}
