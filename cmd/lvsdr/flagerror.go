package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// A rewording replaces a text of the flag package about a value.
type rewording struct {
	from *regexp.Regexp
	to   string
}

// rewordings are for values of numbers, times and switches.
func rewordings() []rewording {
	return []rewording{
		{regexp.MustCompile(`strconv\.\w+: parsing ".*": value out of range`), "the number is too great"},
		{regexp.MustCompile(`strconv\.ParseBool: parsing ".*": invalid syntax`), "want true or false"},
		{regexp.MustCompile(`strconv\.ParseFloat: parsing ".*": invalid syntax`), "want a number"},
		{regexp.MustCompile(`strconv\.\w+: parsing ".*": invalid syntax`), "want a whole number"},
		{regexp.MustCompile(`time: missing unit in duration ".*"`), "the unit is missing; want a time such as 5s, 3m or 200ms"},
		{regexp.MustCompile(`time: (invalid duration|unknown unit) .*`), "want a time such as 5s, 3m or 200ms"},
	}
}

// plainFlagError is an error of the command line in plain English. The flag package
// passes on the words of the functions that it calls.
func plainFlagError(err error) error {
	text := err.Error()
	for _, r := range rewordings() {
		text = r.from.ReplaceAllLiteralString(text, r.to)
	}
	if text == err.Error() {
		return err
	}
	return errors.New(strings.TrimSpace(text))
}

// arguments wants those that usage names: [NAME] may be left away, NAME... stands
// for one or more.
func arguments(usage string) cobra.PositionalArgs {
	least, most := 0, 0
	for name := range strings.FieldsSeq(usage) {
		most++
		if !strings.HasPrefix(name, "[") {
			least++
		}
		if strings.HasSuffix(name, "...") {
			most = math.MaxInt
		}
	}
	return func(cmd *cobra.Command, args []string) error {
		n := len(args)
		if n >= least && n <= most {
			return nil
		}
		given := map[int]string{0: "nothing is given", 1: "one argument is given"}[n]
		if given == "" {
			given = fmt.Sprintf("%d arguments are given", n)
		}
		return exitError{usageCode, usageError{cmd, fmt.Errorf("want %s; %s", usage, given)}}
	}
}
