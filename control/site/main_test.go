package site

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain has fewer random cases under the race detector, unless the command line
// says how many: a State has one owner, so that the detector only repeats what the
// plain run finds in all of them.
func TestMain(m *testing.M) {
	if raceEnabled {
		if err := flag.Set("rapid.checks", "20"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
