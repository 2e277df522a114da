package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/bench/compare"
)

func newBenchCompare() *cobra.Command {
	var o compare.Options
	var json bool
	cmd := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Measure two builds against each other and fail if the new one is slower",
		Long: `compare runs two builds of lvsdr in turn, pair by pair (AB BA AB ...), and prints
for each rung how much more time the new one takes: the median over the pairs,
and half of their range. It exits with 1 if a median is above the bound, and
with 2 if there was nothing to judge.

  lvsdr bench compare ./lvsdr-old ./lvsdr --rungs path/hit --pairs 9`,
		Args: arguments("OLD NEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Old, o.New, o.Progress = args[0], args[1], cmd.ErrOrStderr()
			return runCompare(cmd.Context(), cmd.OutOrStdout(), o, json)
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&o.Rungs, "rungs", compare.DefaultRungs(), "rungs to measure, by `NAME,...` or the first parts of names")
	fl.IntSliceVar(&o.Flows, "flows", []int{10_000, 1_000_000}, "table sizes")
	fl.IntVar(&o.Pairs, "pairs", 7, "turns of each build")
	fl.Float64Var(&o.Bound, "bound", 1.1, "greatest ratio allowed: 1.1 is a tenth more time")
	fl.DurationVar(&o.Time, "time", 200*time.Millisecond, "length of a candidate's turn")
	fl.BoolVar(&json, "json", false, "print JSON")
	return cmd
}

func runCompare(ctx context.Context, out io.Writer, o compare.Options, json bool) error {
	r, err := compare.Run(ctx, o)
	if err != nil {
		return exitError{usageCode, err}
	}
	write := r.WriteText
	if json {
		write = r.WriteJSON
	}
	if err := write(out); err != nil {
		return err
	}
	if worse := r.Worse(); len(worse) > 0 {
		return exitError{1, fmt.Errorf("the new build takes more than %g times as long: %s", o.Bound, strings.Join(worse, ", "))}
	}
	return nil
}
