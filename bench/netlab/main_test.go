package netlab

import (
	"io"
	"os"
	"testing"

	"lvsdr/bench/netns"
)

// echoEnv makes the test binary copy its standard input to its standard output
// instead of testing, so that the tests have a program to start.
const echoEnv = "NETLAB_TEST_ECHO"

func TestMain(m *testing.M) {
	if os.Getenv(echoEnv) != "" {
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(netns.RunTests(m))
}
