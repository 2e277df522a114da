package api

import (
	"math"
	"testing"

	"golang.org/x/sys/unix"
)

func TestConnectionsTakeAQuarterOfTheDescriptorsAtMost(t *testing.T) {
	for _, c := range []struct {
		descriptors uint64
		want        int
	}{
		{0, 2}, {7, 2}, {8, 2}, {16, 4}, {64, 16}, {256, 64}, {512, 128}, {1024, 128}, {1 << 20, 128}, {math.MaxUint64, 128},
	} {
		if got := connLimit(c.descriptors); got != c.want {
			t.Errorf("of %d: %d connections, want %d", c.descriptors, got, c.want)
		}
	}
}

// The soft limit is the hard one, without a line of ours.
func TestTheSoftLimitOfDescriptorsIsRaised(t *testing.T) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Cur+1 < l.Max && l.Max < 1<<20 || descriptors() != l.Cur {
		t.Errorf("soft limit %d, hard limit %d, taken as %d", l.Cur, l.Max, descriptors())
	}
}
