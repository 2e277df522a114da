package ask

import (
	"math"
	"testing"
)

// What keepalived 2.2.7 makes of a file, measured.
func TestParseFile(t *testing.T) {
	for text, want := range map[string]int32{
		"": 0, "x": 0, "0": 0, "3\n": 3, "-20\n": -20, "  8": 8, "4x": 4, "5 6": 5, "+7": 7, "\n\t9": 9, "-": 0, "--1": 0, "1-1": 1,
		"2147483647": math.MaxInt32, "2147483648": math.MaxInt32, "-2147483648": math.MinInt32, "-99999999999999999999": math.MinInt32,
	} {
		if got := ParseFile(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

// The weights that keepalived 2.2.7 gave servers of weight 100, measured; down is -1.
func TestTheNumberOfAFileChangesAWeight(t *testing.T) {
	const down = -1
	numbers := []int32{0, 1, 3, -2, -20, 1000}
	for _, c := range []struct {
		f    File
		want [6]int64
	}{
		{File{Weight: 1}, [6]int64{100, 101, 103, 98, 80, 1100}},
		{File{Weight: 10}, [6]int64{100, 110, 130, 80, 0, 10100}},
		{File{Weight: -5}, [6]int64{100, 95, 85, 110, 200, 0}},
		{File{Weight: 2, Reverse: true}, [6]int64{100, 98, 94, 104, 140, 0}},
		{File{Weight: 1000}, [6]int64{100, 1100, 3100, 0, 0, 1000100}},
		{File{}, [6]int64{100, down, down, down, down, down}},
		{File{Reverse: true}, [6]int64{down, 100, 100, 100, 100, 100}},
	} {
		for i, n := range numbers {
			add, err := c.f.Judge(n)
			got := max(100+add, 0)
			if err != nil {
				got = down
			}
			if got != c.want[i] {
				t.Errorf("%v with %d: %d, want %d", &c.f, n, got, c.want[i])
			}
		}
	}
	for n, weight := range map[int32]int32{math.MinInt32: 1, math.MaxInt32: -5} {
		if add, err := (&File{Path: "/f", Weight: weight}).Judge(n); err == nil {
			t.Errorf("%d times %d is %d", n, weight, add)
		}
	}
	if add, err := (&File{Weight: 10}).Judge(math.MaxInt32); add != math.MaxInt32 || err != nil {
		t.Errorf("the greatest is %d, %v", add, err)
	}
}

func TestTheTextOfAFileTellsAllOfIt(t *testing.T) {
	for want, f := range map[string]File{
		`file "/a" weight 1`:                              {Path: "/a", Weight: 1},
		`file "/a" weight -2 reverse init_file overwrite`: {Path: "/a", Weight: -2, Reverse: true, Init: true, Overwrite: true},
		`file "/a" weight 0 init_file -5`:                 {Path: "/a", Init: true, Value: -5},
	} {
		if got := f.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
