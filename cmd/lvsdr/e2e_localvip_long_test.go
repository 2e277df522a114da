//go:build long

package main_test

import (
	"testing"

	"lvsdr/bench/netlab"
)

// Scripts for IPVS put the VIP on the director, on lo or on its interface. It
// works, with a warning, at a start, at a reload and at any time between: the
// host's kernel answers neither ARP nor neighbour solicitations nor segments.
func TestTheVIPMayStandOnTheDirector(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		name, ifname string
		spec         netlab.Spec
	}{
		{"IPv4 on lo", "lo", netlab.Spec{}},
		{"IPv4 on the interface", netlab.Ifname, netlab.Spec{}},
		{"IPv6 on lo", "lo", netlab.Spec{Net: net6}},
		{"IPv6 on the interface", netlab.Ifname, netlab.Spec{Net: net6}},
	} {
		for k, when := range []string{"before the start", "at a reload", "while running"} {
			if i%3 != k && !long() { // each place, and each moment
				continue
			}
			t.Run(c.name+" "+when, func(t *testing.T) { t.Parallel(); testLocalVIP(t, c.ifname, c.spec, when) })
		}
	}
}
