package uml

import (
	"os"
	"testing"

	"lvsdr/bench/netns"
)

func TestMain(m *testing.M) { os.Exit(Main(func() int { return netns.RunTests(m) })) }
