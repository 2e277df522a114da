package api

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// An Offload says what the kernel forwards in the director's place.
type Offload struct {
	// Problem is why it forwards nothing though it should.
	Problem string            `json:"problem,omitempty"`
	Hooks   map[string]string `json:"hooks"` // tcx or clsact, by interface
	// Exits are the interfaces by which frames leave, where they are to go to the peers of those: why they do not; "": they do.
	Exits   map[string]string `json:"exits,omitempty"`
	Flows   int               `json:"flows"`    // connections that the kernel forwards, or is about to
	Packets uint64            `json:"packets"`  // that it has forwarded
	Begun   uint64            `json:"begun"`    // connections handed over
	Ended   uint64            `json:"ended"`    // connections taken back, or over
	Forced  uint64            `json:"forced"`   // of those begun, before all of their packets were out
	Full    uint64            `json:"full"`     // attempts to hand over for which the table was full
	Refused uint64            `json:"failures"` // attempts to hand over, or to take back, that the kernel refused
	Adopted int               `json:"adopted"`  // connections that it had gone on forwarding when the director began
	// Pinned is the folder in which all that outlives the director; empty: it does not. Unpinned is why
	// it does not, or why nothing of the director before was gone on with.
	Pinned   string `json:"pinned"`
	Unpinned string `json:"unpinned,omitempty"`
}

// writeText writes o as lines of the status.
func (o *Offload) writeText(w io.Writer) {
	if o.Problem != "" {
		return // it is among the problems
	}
	var at []string
	for _, name := range slices.Sorted(maps.Keys(o.Hooks)) {
		at = append(at, name+" by "+o.Hooks[name])
	}
	fmt.Fprintf(w, "offload on %s: %d connections, %d packets forwarded by the kernel; %d handed over, %d of them forced, %d taken back\n",
		strings.Join(at, ", "), o.Flows, o.Packets, o.Begun, o.Forced, o.Ended)
	for _, name := range slices.Sorted(maps.Keys(o.Exits)) {
		if why := o.Exits[name]; why == "" {
			fmt.Fprintf(w, "frames by %s go to its peer, past its queue\n", name)
		} else {
			fmt.Fprintf(w, "frames by %s do not go to a peer: %s\n", name, why)
		}
	}
	if o.Adopted > 0 {
		fmt.Fprintf(w, "offload taken over: %d connections\n", o.Adopted)
	}
	if o.Unpinned != "" {
		fmt.Fprintf(w, "offload and a killed director: %s\n", o.Unpinned)
	}
	if o.Full+o.Refused > 0 {
		fmt.Fprintf(w, "not offloaded: %d for want of room, %d that the kernel refused\n", o.Full, o.Refused)
	}
}
