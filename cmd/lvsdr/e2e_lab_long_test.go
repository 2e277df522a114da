//go:build long

package main_test

import (
	"testing"

	"lvsdr/bench/netns"
)

func TestAnInterruptedLabLeavesNothing(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	for _, test := range part(2, []struct {
		name, at string
		group    bool // as a terminal does it, the whole process group
	}{
		{"while it is built", "The lab", false},
		{"with requests under way, by a terminal", "600 requests", true},
		{"with a packet under way", "The way of one packet", true},
		{"with requests under way", "600 requests", false},
		{"during a reload", "60 requests", false},
	}) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for range 20 {
				if interruptLab(t, test.at, test.group) {
					return
				}
			}
			t.Error("the interrupt came too late each time")
		})
	}
}
