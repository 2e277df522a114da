package memory

import (
	"cmp"
	"io/fs"
	"iter"
	"path"
	"strings"
)

// groups are the control groups of the process, of the file system whose root is files:
// their controllers, none for version 2, and their paths (cgroups(7)).
func groups(files fs.FS) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		text, err := fs.ReadFile(files, "proc/self/cgroup")
		if err != nil {
			return
		}
		for line := range strings.Lines(string(text)) {
			// HIERARCHY:CONTROLLERS:PATH
			_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
			if controllers, group, found := strings.Cut(rest, ":"); found && !yield(controllers, group) {
				return
			}
		}
	}
}

// A least is the least of the limits that it was given.
type least[T cmp.Ordered] struct {
	limit T
	ok    bool // there was one
}

// of gives l the limits in the files of this name, as parse reads them, of a group and
// those above it. In a container the path may be that of the host, which is not there:
// then the root of the mount is its group.
func (l *least[T]) of(files fs.FS, mount, group, name string, parse func(text string) (T, bool)) {
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		text, err := fs.ReadFile(files, path.Join(mount, dir, name))
		if n, has := parse(string(text)); err == nil && has && (!l.ok || n < l.limit) {
			l.limit, l.ok = n, true
		}
		if dir == "/" {
			return
		}
	}
}
