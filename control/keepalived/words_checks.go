package keepalived

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The checks that are not made yet. Their words are read all the same, so that a mistake in
// them is found.

const noStandIn = "a real server without another check is always taken as up: give it a TCP_CHECK"

// otherCheckers are the blocks of those checks.
func otherCheckers() []word {
	return []word{
		missingCheck("FILE_CHECK", "track_file", names(later, "track_file weight dynamic")),
		missingCheck("BFD_CHECK", "name", names(later, "name alpha")),
	}
}

// missingCheck is a check that is not made yet; needed is the word that it is
// nothing without, empty if there is none.
func missingCheck(name, needed string, words []word) word {
	end := func(r *reader, n *Node) {
		if needed != "" && !slices.ContainsFunc(n.Children, func(c *Node) bool { return c.Keyword == needed && len(c.Args) > 0 }) {
			r.add(n, Error, "%s is missing; the check is left out", needed)
		}
		r.dropCheck(n)
	}
	return word{name: name, status: missing, max: anyArgs, why: noStandIn, set: (*reader).beginCheck, end: end, block: &block{name: name, words: words}}
}

// oldRetryWords are the words of old releases for retry in TCP_CHECK, where
// keepalived does not know them.
func oldRetryWords() []word {
	return because("write `retry` in its place", names(refused, "nb_get_retry nb_sock_retry"))
}

// labelWords are words of services and real servers that have no effect yet.
func labelWords() []word {
	needed := func(args []string) error {
		if len(args) == 0 {
			return errors.New("a value is missing")
		}
		return nil
	}
	return []word{
		{name: "smtp_alert", status: later, max: anyArgs, set: valid(isBool)},
		{name: "snmp_name", status: later, max: anyArgs, set: valid(needed)},
	}
}

// because is ws with a reason for the report about them.
func because(why string, ws []word) []word {
	for i := range ws {
		ws[i].why = why
	}
	return ws
}

// valid is a set function for a word that has no effect: it reports values that
// keepalived does not take.
func valid(test func(args []string) error) func(*reader, *Node) {
	return func(r *reader, n *Node) {
		if err := test(n.Args); err != nil {
			r.add(n, Warning, "%v, and keepalived leaves the line out", err)
		}
	}
}

// numbers tests the first value, which is needed: a whole number from lo to hi.
func numbers(lo, hi uint32) func([]string) error {
	return func(args []string) error {
		if len(args) == 0 {
			return errors.New("a value is missing")
		}
		_, err := parseNumber(args[0], lo, hi)
		return err
	}
}

// isBool tests the first value, which may be absent.
func isBool(args []string) error {
	if len(args) == 0 {
		return nil
	}
	_, err := parseBool(args[0])
	return err
}

// oneOf tests the first value, which is needed.
func oneOf(list ...string) func([]string) error {
	return func(args []string) error {
		if len(args) == 0 {
			return errors.New("a value is missing")
		}
		if !slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, args[0]) }) {
			return fmt.Errorf("%q is none of %s", args[0], strings.Join(list, ", "))
		}
		return nil
	}
}

// oneOfExactly is oneOf where upper and lower case count.
func oneOfExactly(list ...string) func([]string) error {
	return func(args []string) error {
		if err := oneOf(list...)(args); err != nil || slices.Contains(list, args[0]) {
			return err
		}
		return fmt.Errorf("%q is none of %s: upper and lower case count", args[0], strings.Join(list, ", "))
	}
}

// areHexDigits tests all values.
func areHexDigits(args []string) error {
	for _, s := range args {
		for i := 0; i < len(s); i++ {
			if hexDigit(s[i]) < 0 {
				return fmt.Errorf("%q is not hexadecimal", s)
			}
		}
	}
	return nil
}
