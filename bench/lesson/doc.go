// Package lesson makes the output of `lvsdr lab`: a lab at work (Demo), the five
// problems that everyone meets with Direct Routing and their remedies (Teach), and
// labs that are broken in common ways (Break). Every statement is checked against
// captured frames, and a result that is not as expected is an error.
package lesson

import (
	"io"

	"lvsdr/bench/netlab"
)

// Options say what a lab is like and where it is shown.
type Options struct {
	Out      io.Writer
	Width    int    // of the screen that Out is, in columns; 0: lines have no end
	Binary   string // path of lvsdr, for the director
	Topology *netlab.Topology
	Pcap     string // folder for captures of every interface; empty: none are kept
}
