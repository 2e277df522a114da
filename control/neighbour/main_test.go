package neighbour

import (
	"os"
	"testing"

	"lvsdr/bench/netns"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }
