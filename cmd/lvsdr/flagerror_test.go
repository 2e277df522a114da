package main

import (
	"strings"
	"testing"
)

// An error of the command line names the flag, the value, and what is wanted; it does
// not name functions.
func TestErrorsOfTheCommandLineAreInPlainEnglish(t *testing.T) {
	for _, c := range []struct {
		line, want string
	}{
		{"run --workers x", `invalid argument "x" for "--workers" flag: want a whole number`},
		{"run --workers 99999999999999999999", `invalid argument "99999999999999999999" for "--workers" flag: the number is too great`},
		{"run --resume 5", `invalid argument "5" for "--resume" flag: the unit is missing; want a time such as 5s, 3m or 200ms`},
		{"run --resume soon", `invalid argument "soon" for "--resume" flag: want a time such as 5s, 3m or 200ms`},
		{"run --resume 5y", `invalid argument "5y" for "--resume" flag: want a time such as 5s, 3m or 200ms`},
		{"run --xdp=maybe", `invalid argument "maybe" for "--xdp" flag: want true or false`},
		{"run --conn-limit 1.5", `invalid argument "1.5" for "--conn-limit" flag: want a whole number`},
		{"run --nothing", "unknown flag: --nothing"},
		{"lab --clients x", `invalid argument "x" for "--clients" flag: want a whole number`},
		{"lab --weights a,b", `invalid argument "a,b" for "--weights" flag: want a whole number`},
		{"doctor --timeout 1", `invalid argument "1" for "--timeout" flag: the unit is missing; want a time such as 5s, 3m or 200ms`},
		{"doctor --port x", `invalid argument "x" for "--port" flag: want a whole number`},
		{"explain 10.0.0.1", "want CLIENT SERVICE; one argument is given"},
		{"explain", "want CLIENT SERVICE; nothing is given"},
		{"simulate", "want FILE...; nothing is given"},
		{"why-sticky", "want CLIENT [SERVICE]; nothing is given"},
		{"why-sticky a b c", "want CLIENT [SERVICE]; 3 arguments are given"},
		{"bench --zipf x", `invalid argument "x" for "--zipf" flag: want a number`},
	} {
		root := newRoot()
		root.SetArgs(strings.Fields(c.line))
		err := root.Execute()
		if err == nil {
			t.Errorf("%s: no error", c.line)
			continue
		}
		got, help, _ := strings.Cut(err.Error(), "\ntry `lvsdr ")
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.line, got, c.want)
		}
		if verb, _, _ := strings.Cut(c.line, " "); help != verb+" --help`" {
			t.Errorf("%s: it says to try %q", c.line, help)
		}
	}
}

// Help shows no default that is none.
func TestHelpShowsNoEmptyDefaults(t *testing.T) {
	for _, cmd := range newRoot().Commands() {
		if usage := cmd.UsageString(); strings.Contains(usage, "(default [])") || strings.Contains(usage, "(default )") {
			t.Errorf("lvsdr %s --help:\n%s", cmd.Name(), usage)
		}
	}
}
