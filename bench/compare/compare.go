// Package compare measures two builds of lvsdr against each other on the rungs
// of bench/ladder. The builds take turns, AB BA AB ..., each as a process of
// its own, so that a change in the machine's mood hits both; and what is
// judged is the median over the pairs.
package compare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"lvsdr/bench/ladder"
)

// Options say what is compared. The zero value of a field means its default.
type Options struct {
	// Old and New are the paths of the programs.
	Old, New string
	// Rungs are those of ladder.Options; both programs must know them. Live ones are
	// measured if they are named. Default: parse, lookup and path.
	Rungs []string
	// Flows are those of ladder.Options.
	Flows []int
	// Pairs is how many turns each program gets. Default 7.
	Pairs int
	// Bound is the ratio above which a rung has become worse: 1.1 is a tenth
	// more time. Default 1.1.
	Bound float64
	// Time is that of ladder.Options. Default 200 ms.
	Time time.Duration
	// Progress gets a line that says how far it is; nil: nobody is told.
	Progress io.Writer
}

// DefaultRungs are measured when none are named: what a frame goes through.
func DefaultRungs() []string { return []string{"parse", "lookup", "path"} }

// complete fills in the defaults and checks what was given.
func (o Options) complete() (Options, error) {
	if len(o.Rungs) == 0 {
		o.Rungs = DefaultRungs()
	}
	if o.Pairs == 0 {
		o.Pairs = 7
	}
	if o.Bound == 0 {
		o.Bound = 1.1
	}
	if o.Time == 0 {
		o.Time = 200 * time.Millisecond
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Pairs < 1 || !(o.Bound > 0) || o.Time < 0 {
		return o, fmt.Errorf("%d pairs of %s with a bound of %g: want at least one, some time, and a bound above 0", o.Pairs, o.Time, o.Bound)
	}
	return o, nil
}

// args is the command line of one turn.
func (o *Options) args() []string {
	live := slices.ContainsFunc(o.Rungs, func(r string) bool { return strings.HasPrefix(r, "live") })
	args := []string{"bench", "--json", "--live=" + strconv.FormatBool(live), "--runs", "1", "--time", o.Time.String(),
		"--rungs", strings.Join(o.Rungs, ",")}
	if len(o.Flows) > 0 {
		var all []string
		for _, n := range o.Flows {
			all = append(all, strconv.Itoa(n))
		}
		args = append(args, "--flows", strings.Join(all, ","))
	}
	return args
}

// Run gives both programs their turns and judges what they measured.
func Run(ctx context.Context, o Options) (*Report, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	var runs [2][]ladder.Report // of the old one, of the new one
	fmt.Fprintf(o.Progress, "%d pairs ", o.Pairs)
	defer fmt.Fprintln(o.Progress)
	for pair := range o.Pairs {
		for turn := range 2 {
			which := (pair + turn) % 2
			r, err := measure(ctx, []string{o.Old, o.New}[which], o.args())
			if err != nil {
				return nil, err
			}
			runs[which] = append(runs[which], *r)
			fmt.Fprint(o.Progress, ".")
		}
	}
	report := Judge(runs[0], runs[1], o.Bound)
	report.Old, report.New = o.Old, o.New
	if len(report.Lines) == 0 {
		return nil, fmt.Errorf("%s and %s have no rung of %s in common", o.Old, o.New, strings.Join(o.Rungs, ", "))
	}
	return report, nil
}

// measure is one turn of one program.
func measure(ctx context.Context, program string, args []string) (*ladder.Report, error) {
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, errors.Join(fmt.Errorf("run %s: %w", cmd, err), lastLine(complaint.String()))
	}
	var r ladder.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("read what %s printed: %w; is it lvsdr?", cmd, err)
	}
	return &r, nil
}

// lastLine returns the last line of a program's output as an error, or nil.
func lastLine(s string) error {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil
	}
	return errors.New(s[strings.LastIndexByte(s, '\n')+1:])
}
