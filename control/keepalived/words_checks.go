package keepalived

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const noStandIn = "a real server without another check is always taken as up: give it a TCP_CHECK"

// bfdChecker is BFD_CHECK, which is read and not made: keepalived's bfd_instance is left to it.
func bfdChecker() []word {
	return []word{{name: "BFD_CHECK", status: missing, max: anyArgs, why: noStandIn, set: (*reader).beginCheck, end: (*reader).endBFDCheck,
		block: &block{name: "BFD_CHECK", words: names(later, "name alpha")}}}
}

func (r *reader) endBFDCheck(n *Node) {
	name := n.last("name")
	switch {
	case name == nil || len(name.Args) != 1:
		r.add(n, Error, "needs the name of a bfd_instance; the check is left out")
	case !r.vrrp.tracked["track_bfd"][name.Args[0]]:
		r.add(name, Error, "no bfd_instance before it is called %s; the check is left out", name.Args[0])
	}
	r.dropCheck(n)
}

// oldRetryWords are the words of old releases for retry in TCP_CHECK, where
// keepalived does not know them.
func oldRetryWords() []word {
	return because("write `retry` in its place", names(refused, "nb_get_retry nb_sock_retry"))
}

// noSNMP is the reason for words about SNMP.
const noSNMP = "there is no SNMP: `lvsdr run --metrics` and `lvsdr status --json` tell the same"

// labelWords are words of services and real servers that have no effect.
func labelWords() []word {
	needed := func(args []string) error {
		if len(args) == 0 {
			return errors.New("a value is missing")
		}
		return nil
	}
	return because(noSNMP, []word{{name: "snmp_name", status: noEffect, max: anyArgs, set: valid(needed)}})
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
