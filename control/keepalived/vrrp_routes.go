package keepalived

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// isRouteLine tests what keepalived refuses in most files: an address that is
// none, and old words.
func isRouteLine(args []string) error {
	kinds := []string{"unicast", "local", "broadcast", "anycast", "multicast", "throw", "unreachable", "prohibit", "blackhole", "nat"}
	destination := false
	for i := 0; i < len(args); i++ {
		switch word := args[i]; {
		case i == 0 && slices.Contains(kinds, word):
		case word == "to":
		case slices.Contains([]string{"src", "via", "from"}, word):
			if i++; i == len(args) {
				return fmt.Errorf("%s: %w", word, errMissing)
			}
			if args[i] == "inet" || args[i] == "inet6" {
				i = min(i+1, len(args)-1)
			}
			if _, _, err := prefixed(args[i]); err != nil {
				return fmt.Errorf("%s: %w", word, err)
			}
		case word == "gw":
			return errors.New("gw is an old word: write via")
		case word == "or":
			return errors.New("or is an old word: write nexthop")
		case !destination:
			if _, _, err := prefixed(word); err != nil && word != "default" {
				return err
			}
			destination = true
		case i > 0 && isIP(args[i:]) != nil && !isRouteWord(word) && !isRouteWord(args[i-1]):
			return fmt.Errorf("%q is no word of a route", word)
		}
	}
	return nil
}

// isRouteWord reports whether s is a word of a route that has a value or is one.
func isRouteWord(s string) bool {
	return slices.Contains(strings.Fields(`table tos dsfield metric priority preference scope dev oif onlink protocol mtu lock hoplimit
		advmss rtt rttvar reordering window cwnd ssthresh realms rto_min initcwnd initrwnd features quickack congctl pref ttl-propagate
		fastopen_no_cookie nexthop weight as encap vrf no_track track_group add append type`), s)
}

// isRuleLine tests the addresses of a rule, and that it does something.
func isRuleLine(args []string) error {
	acts := false
	for i := 0; i < len(args); i++ {
		switch word := args[i]; word {
		case "from", "to":
			if i++; i == len(args) {
				return fmt.Errorf("%s: %w", word, errMissing)
			}
			if _, _, err := prefixed(args[i]); err != nil && args[i] != "all" && args[i] != "default" && args[i] != "any" {
				return fmt.Errorf("%s: %w", word, err)
			}
		case "table", "lookup", "goto", "realms":
			acts = true
			i++
		case "blackhole", "prohibit", "unreachable", "nop":
			acts = true
		case "pref":
			return errors.New("pref is not known: write preference")
		}
	}
	if !acts {
		return errors.New("the rule does nothing: a table is missing")
	}
	return nil
}
