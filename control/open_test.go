package control

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"lvsdr/conntrack"
	"lvsdr/control/memory"
)

// A table that a flood could not fill without the process being killed is made smaller,
// unless its size was asked for.
func TestTheTableFitsIntoTheMemoryThatThereIs(t *testing.T) {
	const small = memory.Rest + memory.Entry*100_000
	for _, c := range []struct {
		name    string
		limit   uint64 // 0: none
		asked   int
		workers int
		want    int
		says    string // in the log; empty: nothing
	}{
		{"no limit", 0, 0, 0, conntrack.DefaultLimit, ""},
		{"a limit that is large enough", 1 << 40, 0, 0, conntrack.DefaultLimit, ""},
		{"a small limit", small, 0, 0, 100_000, "is made smaller"},
		{"a limit below all else", 1 << 20, 0, 4, 4 * conntrack.MinLimit, "is made smaller"},
		{"a size that fits", small, 50_000, 0, 50_000, ""},
		{"a size that does not", small, 200_000, 0, 200_000, "fits=100000"},
		{"a size without a limit", 0, 200_000, 0, 200_000, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{"proc/self/cgroup": {Data: []byte("0::/\n")}}
			if c.limit > 0 {
				files["sys/fs/cgroup/memory.max"] = &fstest.MapFile{Data: fmt.Append(nil, c.limit)}
			}
			var log bytes.Buffer
			o := &Options{ConnLimit: c.asked, Workers: c.workers, Log: slog.New(slog.NewTextHandler(&log, nil))}
			if got := o.tableLimit(files); got != c.want {
				t.Errorf("%d entries, want %d", got, c.want)
			}
			if c.says == "" && log.Len() > 0 || !strings.Contains(log.String(), c.says) {
				t.Errorf("log %q, want %q", &log, c.says)
			}
		})
	}
}
