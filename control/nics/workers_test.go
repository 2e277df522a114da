package nics

import (
	"strings"
	"testing"
)

func TestOnlyAsManyWorkersAsMakeSense(t *testing.T) {
	for _, c := range []struct {
		law     string
		n, cpus int
		says    string // "": they are accepted
	}{
		{"one is enough", 1, 1, ""},
		{"as many as there are CPUs", 64, 64, ""},
		{"more than there are CPUs are of no use, and do no harm", 16, 2, ""},
		{"many more do", 17, 2, "each of the 2 CPUs gain nothing, more than 16 are refused"},
		{"a thousand on a small host", 1000, 2, "256 at most, and more than one for each of the 2 CPUs"},
		{"as many as a fan-out group takes", 256, 128, ""},
		{"more than a fan-out group takes", 257, 512, "256 at most"},
		{"none", 0, 2, "at least one"},
		{"less than none", -3, 2, "-3 is too few: at least one"},
	} {
		err := CheckWorkers(c.n, c.cpus)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", c.law, err, c.says)
		}
	}
}
