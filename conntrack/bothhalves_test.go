package conntrack_test

import (
	"strings"
	"testing"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// The client's half of the kernel's table for connections both halves of which are seen:
// a column for each state, as they are numbered.
const bothHalves = `
    NO ES SS SR FW TW CL CW LA LI SA
SYN SR ES ES SR SR SR SR SR SR SR SR
FIN CL CW SS TW TW TW CL CW LA LI TW
ACK ES ES SS ES FW TW CL CW CL LI ES
RST CL CL CL SR CL CL CL CL LA LI SR
-   CL CL CL CL CL CL CL CL CL CL CL`

func TestTheClientsHalfWhereBothAreSeen(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(bothHalves), "\n")
	names := strings.Fields(lines[0])
	state := map[string]conntrack.State{}
	for i, n := range names {
		state[n] = conntrack.State(i)
	}
	flags := map[string]uint8{"SYN": frame.SYN, "FIN": frame.FIN, "ACK": frame.ACK, "RST": frame.RST, "-": 0}
	for _, line := range lines[1:] {
		words := strings.Fields(line)
		for i, want := range words[1:] {
			f := flags[words[0]]
			if got := conntrack.NextTCPBoth(conntrack.State(i), conntrack.ClientsHalf, f, false); got != state[want] {
				t.Errorf("%s in %s: %s, want %s", words[0], names[i], got, want)
			}
			// RST goes before SYN, that before FIN, and that before ACK.
			if words[0] == "RST" && conntrack.NextTCPBoth(conntrack.State(i), conntrack.ClientsHalf, f|frame.SYN|frame.FIN|frame.ACK, false) != state[want] ||
				words[0] == "SYN" && conntrack.NextTCPBoth(conntrack.State(i), conntrack.ClientsHalf, f|frame.FIN|frame.ACK, false) != state[want] ||
				words[0] == "FIN" && conntrack.NextTCPBoth(conntrack.State(i), conntrack.ClientsHalf, f|frame.ACK, false) != state[want] {
				t.Errorf("%s with lesser flags in %s is not as without", words[0], names[i])
			}
		}
	}
}
