package keepalived

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The lines of data blocks: addresses, peers and what is
// tracked. keepalived leaves out a line that it does not understand.

// lineBlocks makes words that open blocks of such lines; line judges one.
func lineBlocks(list string, line func(*reader, *Node)) []word {
	ws := dataBlocks(list)
	for i := range ws {
		ws[i].block.line = line
	}
	return ws
}

// fields are all words of a data line.
func (n *Node) fields() []string { return append([]string{n.Keyword}, n.Args...) }

// lineTest is a function for lineBlocks: it reports what test finds in the words
// of a line.
func lineTest(test valueTest) func(*reader, *Node) {
	return func(r *reader, n *Node) {
		if n.HasBlock {
			r.add(n, Warning, "takes no block in braces")
		}
		if err := test(n.fields()); err != nil {
			r.add(n, Warning, "%v, and keepalived leaves the line out or a part of it", err)
		}
	}
}

// prefixed is the address of ADDR or ADDR/LENGTH and the length, that of one host
// if none is written.
func prefixed(s string) (netip.Addr, int, error) {
	text, length, ok := strings.Cut(s, "/")
	a, err := parseIP(text)
	if err != nil || !ok || length == "" {
		return a, a.BitLen(), err
	}
	if err := integers(0, int64(a.BitLen()))([]string{length}); err != nil {
		return a, 0, fmt.Errorf("prefix length: %w", err)
	}
	bits := 0
	_, err = fmt.Sscan(length, &bits)
	return a, bits, err
}

// addressOptions are the options of an address line with a value, and those
// without one, whose test is nil.
var addressOptions = map[string]valueTest{
	"dev": isText, "label": isLabel, "brd": isBroadcast, "broadcast": isBroadcast, "scope": isScope, "peer": isIP,
	"preferred_lft": isLifetime, "track_group": isText,
	"home": nil, "-nodad": nil, "mngtmpaddr": nil, "noprefixroute": nil, "autojoin": nil, "no_track": nil, "use_vmac": nil, "optimistic": nil,
}

// isAddressLine tests ADDR[/LENGTH] and its options.
func isAddressLine(args []string) error {
	a, bits, err := prefixed(args[0])
	if err != nil {
		return err
	}
	for i := 1; i < len(args); i++ {
		test, known := addressOptions[args[i]]
		if !known {
			return fmt.Errorf("%q is no option of an address", args[i])
		}
		if test == nil {
			continue
		}
		value := args[i+1:]
		if err := test(value); err != nil {
			return fmt.Errorf("%s: %w", args[i], err)
		}
		switch {
		case args[i] == "dev" && slices.Contains(value[1:], "dev"):
			return errors.New("dev is there twice")
		case strings.HasPrefix(args[i], "br") && !a.Is4():
			return fmt.Errorf("an IPv6 address has no broadcast address")
		case strings.HasPrefix(args[i], "br") && isIP(value) != nil && bits > 30:
			return fmt.Errorf("prefix length %d is too long for a broadcast address", bits)
		}
		i++
	}
	return nil
}

func isLabel(args []string) error {
	const longest = 15 // IFNAMSIZ-1
	if err := isText(args); err != nil {
		return err
	}
	if len(args[0]) > longest {
		return fmt.Errorf("%s is longer than %d bytes", args[0], longest)
	}
	return nil
}

func isBroadcast(args []string) error {
	if len(args) > 0 && (args[0] == "+" || args[0] == "-") {
		return nil
	}
	return isIP(args)
}

func isScope(args []string) error {
	if len(args) > 0 && slices.Contains([]string{"global", "nowhere", "host", "link", "site"}, args[0]) {
		return nil
	}
	if integers(0, 255)(args) != nil {
		return fmt.Errorf("%s is no scope", strings.Join(args[:min(len(args), 1)], ""))
	}
	return nil
}

func isLifetime(args []string) error {
	if len(args) > 0 && args[0] == "forever" {
		return nil
	}
	return integers(0, 1<<32-1)(args)
}

// isPeerLine tests ADDR [min_ttl N] [max_ttl N].
func isPeerLine(args []string) error {
	if err := isIP(args); err != nil {
		return err
	}
	for i := 1; i < len(args); i += 2 {
		if args[i] != "min_ttl" && args[i] != "max_ttl" {
			return fmt.Errorf("%q is no option of a peer", args[i])
		}
		if err := integers(0, 255)(args[i+1:]); err != nil {
			return fmt.Errorf("%s: %w", args[i], err)
		}
	}
	return nil
}

// tracked tests NAME [weight N [reverse]], where a weight is at most most.
func tracked(most int64, reverse bool) valueTest {
	return func(args []string) error {
		if len(args) > 1 && args[1] != "weight" {
			return fmt.Errorf("%q is not understood", args[1])
		}
		if len(args) == 1 {
			return nil
		}
		if err := integers(-most, most)(args[2:]); err != nil {
			return fmt.Errorf("weight: %w", err)
		}
		if len(args) > 3 && (args[3] != "reverse" || !reverse) {
			return fmt.Errorf("%q is not understood", args[3])
		}
		return nil
	}
}

// trackBlocks are the blocks of what an instance or a group of them tracks.
func trackBlocks() []word {
	return append(inUse(slices.Concat(
		lineBlocks("track_interface", lineTest(tracked(maxTrackWeight, true))),
		lineBlocks("track_script", lineTest(tracked(maxTrackWeight, true))),
		lineBlocks("track_file", lineTest(tracked(maxTrackWeight+1, true))),
		lineBlocks("track_process", lineTest(tracked(maxTrackWeight+1, true))),
	)), because(noBFD, declinedBlocks("track_bfd", lineTest(tracked(maxTrackWeight, true))))...)
}

// noBFD is why BFD is left out.
const noBFD = "BFD is not spoken here: track an interface, a route, or a script that asks the neighbour"

// declinedBlocks are lineBlocks of words that are left out.
func declinedBlocks(list string, line func(*reader, *Node)) []word {
	ws := lineBlocks(list, line)
	for i := range ws {
		ws[i].status = declined
	}
	return ws
}
