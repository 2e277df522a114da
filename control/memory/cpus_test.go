package memory

import (
	"testing"
	"testing/fstest"
)

func TestTheLeastShareOfCPUsOfTheControlGroupsCounts(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  float64 // 0: no limit
	}{
		{"no control groups", nil, 0},
		{"no limit", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 0},
		{"half a CPU", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"}, 0.5},
		{"two CPUs, one above", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "200000 100000\n",
			"sys/fs/cgroup/a/cpu.max": "10000 10000\n"}, 1},
		{"a limit above alone", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5},
		{"a container that sees the host's path", map[string]string{"proc/self/cgroup": "0::/docker/1\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1},
		{"version 1 beside it", map[string]string{"proc/self/cgroup": "4:cpu,cpuacct:/a\n0::/b\n", "sys/fs/cgroup/b/cpu.max": "300000 100000\n",
			"sys/fs/cgroup/a/cpu.max": "1 100000\n"}, 3},
		{"nonsense", map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "x y\n", "sys/fs/cgroup/cpu.max": "100 0\n"}, 0},
		{"one word", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000\n"}, 0},
	} {
		files := fstest.MapFS{}
		for name, text := range c.files {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, limited := CPUs(files); got != c.want || limited != (c.want != 0) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, limited, c.want)
		}
	}
}
