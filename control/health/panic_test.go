package health

import "testing"

func TestPanicIsAShareOfTheServers(t *testing.T) {
	for _, c := range []struct {
		threshold, up, all int
		want               bool
	}{
		{0, 0, 4, false}, {50, 2, 4, false}, {50, 1, 4, true}, {51, 2, 4, true}, {100, 3, 4, true}, {100, 4, 4, false},
		{50, 0, 0, false}, {1, 0, 1, true}, {1, 1, 100, false}, {33, 1, 3, false}, {34, 1, 3, true},
	} {
		if got := Panics(c.threshold, c.up, c.all); got != c.want {
			t.Errorf("%d of %d with threshold %d: %v", c.up, c.all, c.threshold, got)
		}
	}
}
