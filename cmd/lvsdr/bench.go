package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/bench/ladder"
	"lvsdr/bench/netns"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	ladder.Options
	pcap, html       string
	json, list, live bool
}

func newBench() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this director and others side by side, from parsing to live traffic",
		Long: `bench measures lvsdr and pipelines made of gopacket and a Go map, rung by rung:
parsing, the connection table, the whole path of a frame, the schedulers, and,
between network namespaces of its own, live traffic. It prints medians of
alternating runs and the ratio to the first candidate of each rung.
docs/performance.md says what the columns mean.

The live rungs need the privileges of ` + "`lvsdr lab`" + `; --live=false skips them.

  lvsdr bench --list                     what there is, and measure nothing
  lvsdr bench --rungs path/hit,lookup    these alone
  lvsdr bench --rungs live --html r.html live traffic, as a page too`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), cmd.Flags().Changed("live") || cmd.Flags().Changed("rungs"))
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.Rungs, "rungs", nil, "rungs to measure, by `NAME,...` or the first parts of names (default all)")
	fl.IntSliceVar(&f.Flows, "flows", []int{10_000, 1_000_000}, "table sizes; 10000000 needs several GB")
	fl.IntVar(&f.Batch, "batch", 64, "frames forwarded at a time, 1 to 256")
	fl.Float64Var(&f.NewShare, "new-share", ladder.NewShare, "part of the frames that begin a connection, in path/mixed")
	fl.Float64Var(&f.Zipf, "zipf", ladder.ZipfExponent, "exponent of the zipf rungs, more than 1: the greater, the more frames of few flows")
	fl.IntVar(&f.Runs, "runs", 5, "turns of each candidate")
	fl.DurationVar(&f.Time, "time", 200*time.Millisecond, "length of a turn; of a live one, five times that")
	fl.StringVar(&f.Baseline, "baseline", "", "`CANDIDATE` that the others are compared with (default the first of each rung)")
	fl.StringVar(&f.pcap, "pcap", "", "add a rung with the frames of a pcap or pcapng `FILE`")
	fl.BoolVar(&f.live, "live", true, "measure live traffic too")
	fl.BoolVar(&f.list, "list", false, "list the rungs without measuring")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.StringVar(&f.html, "html", "", "write a page to `FILE` as well")
	cmd.AddCommand(newBenchCompare(), newBenchForwarder())
	return cmd
}

// newBenchForwarder is the naive forwarder of the live rungs, as a process of
// its own.
func newBenchForwarder() *cobra.Command {
	return &cobra.Command{
		Use:    "forwarder IN OUT VIP:PORT ADDR=MAC...",
		Short:  "Run the naive forwarder that bench compares with",
		Hidden: true,
		Args:   cobra.MinimumNArgs(4),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ladder.ForwardNaively(cmd.Context(), cmd.OutOrStdout(), args)
		},
	}
}

// run measures. Unless live rungs were asked for, they are left out where a
// world is refused.
func (f *benchFlags) run(ctx context.Context, out, progress io.Writer, asked bool) error {
	o, err := f.options(progress)
	if err != nil {
		return exitError{usageCode, err}
	}
	rungs, err := ladder.Rungs(o)
	if err != nil {
		return exitError{usageCode, err}
	}
	if f.list {
		for _, r := range rungs {
			fmt.Fprintln(out, r.Name)
		}
		return nil
	}
	if !slices.ContainsFunc(rungs, func(r ladder.Rung) bool { return r.Live }) {
		return f.measure(ctx, out, o)
	}
	err = in(ctx, netns.ReexecPrivileged, func() error { return f.measure(ctx, out, o) })
	if !errors.Is(err, netns.ErrRefused) || asked {
		return err
	}
	fmt.Fprintf(progress, "without live rungs: %v\n", err)
	o.Live = ladder.Live{}
	return f.measure(ctx, out, o, "Live traffic was not measured: the kernel refused the namespaces.")
}

// options returns the options that the flags give.
func (f *benchFlags) options(progress io.Writer) (o ladder.Options, err error) {
	o = f.Options
	o.Progress = progress
	if f.pcap != "" {
		if o.Capture, err = ladder.OpenCapture(f.pcap); err != nil {
			return o, err
		}
	}
	if !f.live {
		return o, nil
	}
	self, err := thisProgram()
	if err != nil {
		return o, err
	}
	o.Live = ladder.FindLive(self, "bench", "forwarder")
	return o, nil
}

// measure measures and writes the report; also the part of one that was
// measured before something went wrong.
func (f *benchFlags) measure(ctx context.Context, out io.Writer, o ladder.Options, notes ...string) error {
	r, err := ladder.Run(ctx, o)
	if r == nil {
		return err
	}
	r.Notes = append(r.Notes, notes...)
	write := r.WriteText
	if f.json {
		write = r.WriteJSON
	}
	err = errors.Join(err, write(out))
	if f.html != "" {
		err = errors.Join(err, r.WritePage(f.html))
	}
	return err
}
