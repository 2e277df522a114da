package memory

import (
	"testing"
	"testing/fstest"

	"lvsdr/dataplane/afpacket"
)

func TestTheLeastLimitOfTheControlGroupsCounts(t *testing.T) {
	const v1Max = "9223372036854771712\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  uint64 // 0: none
	}{
		{"no control groups", nil, 0},
		{"version 2, no limit", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 0},
		{"version 2, its own limit", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1000\n",
			"sys/fs/cgroup/a/memory.max": "max\n"}, 1000},
		{"version 2, a smaller limit above", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1000\n",
			"sys/fs/cgroup/a/memory.max": "500\n"}, 500},
		{"version 2, a limit above alone", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "500\n"}, 500},
		{"version 2 in a container, whose group is the root", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "700\n"}, 700},
		{"version 2 in a container that sees the host's path", map[string]string{"proc/self/cgroup": "0::/docker/1234\n", "sys/fs/cgroup/memory.max": "700\n"}, 700},
		{"version 1, no limit", map[string]string{"proc/self/cgroup": "4:memory:/x\n0::/\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": v1Max}, 0},
		{"version 1", map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/y\n4:memory:/x\n0::/\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "4096\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": v1Max}, 4096},
		{"version 1 with several controllers in one", map[string]string{"proc/self/cgroup": "4:cpu,memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "4096"}, 4096},
		{"another controller's path is not looked at", map[string]string{"proc/self/cgroup": "4:cpu:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "4096"}, 0},
		{"lines that are none", map[string]string{"proc/self/cgroup": "\nx\n:\n0:\n", "sys/fs/cgroup/memory.max": "1"}, 0},
		{"a limit that is no number", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "much\n"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, text := range c.files {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got, ok := Limit(files); got != c.want || ok != (c.want != 0) {
				t.Errorf("%d, %v; want %d", got, ok, c.want)
			}
		})
	}
}

func TestATableIsMadeAsLargeAsFits(t *testing.T) {
	for _, c := range []struct {
		wanted int
		bytes  uint64
		want   int
	}{
		{1 << 20, 1 << 40, 1 << 20},
		{1 << 20, Rest + Entry<<20, 1 << 20},
		{1 << 20, Rest + Entry<<20 - 1, 1<<20 - 1},
		{1 << 20, Rest + Entry*1000, 1000},
		{1 << 20, Rest + Entry - 1, 0},
		{1 << 20, Rest, 0},
		{1 << 20, 0, 0},
		{0, 1 << 40, 0},
	} {
		if got := Fit(c.wanted, c.bytes); got != c.want {
			t.Errorf("of %d wanted, %d fit in %d bytes; want %d", c.wanted, got, c.bytes, c.want)
		}
	}
}

// The kernel does not count rings among the memory of a control group (they are
// allocated without __GFP_ACCOUNT, net/packet/af_packet.c); the estimate does.
func TestTheRestHasRoomForTheRingsOfFourInterfaces(t *testing.T) {
	if rings := 4 * (afpacket.RingBytes + afpacket.SYNRingBytes); rings > Rest/2 {
		t.Errorf("rings of %d MiB, the rest is %d MiB", rings>>20, Rest>>20)
	}
}

func FuzzLimit(f *testing.F) {
	f.Add("4:memory:/x\n0::/a\n", "1000\n")
	f.Fuzz(func(t *testing.T, groups, limit string) {
		files := fstest.MapFS{"proc/self/cgroup": {Data: []byte(groups)}, "sys/fs/cgroup/memory.max": {Data: []byte(limit)},
			"sys/fs/cgroup/memory/memory.limit_in_bytes": {Data: []byte(limit)}}
		if n, ok := Limit(files); ok && n >= unlimited || !ok && n != 0 {
			t.Errorf("%d, %v", n, ok)
		}
	})
}
