package site

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain says how many random cases there are, unless the command line does: more
// where the environment has LVSDR_LONG=1, as in a step of its own of .ci/run, and
// fewer under the race detector, which only repeats what the plain run finds in all
// of them, since a State has one owner.
func TestMain(m *testing.M) {
	cases := "40"
	switch {
	case raceEnabled:
		cases = "20"
	case os.Getenv("LVSDR_LONG") != "":
		cases = "300"
	}
	if err := flag.Set("rapid.checks", cases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
