package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lvsdr/bench/fault"
	"lvsdr/bench/lesson"
	"lvsdr/bench/netlab"
	"lvsdr/bench/netlab/shell"
)

func newLabBreak() *cobra.Command {
	var f labFlags
	var list, stay bool
	cmd := &cobra.Command{
		Use:   "break FAULT [-- COMMAND...]",
		Short: "Break the lab in one of the common ways and show the symptoms",
		Long: `break builds the lab, shows that it works, introduces a fault, and shows its effect
in captured frames. --list names the faults. It exits with 0 only if the lab was
healthy before and the symptom showed afterwards.

With --hold the broken lab stays, to practise finding the fault: until the shell
on the director ends (lab shell HOST joins), or the command after --, which runs
there and whose exit code break returns.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return listFaults(cmd.OutOrStdout())
			}
			flt, req, err := breakArgs(args, cmd.ArgsLenAtDash())
			if err == nil && len(req.Command) > 0 && !stay {
				err = errors.New("a command needs --hold")
			}
			if err != nil {
				return exitError{usageCode, usageError{cmd, err}}
			}
			if !stay {
				return f.show(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context, o lesson.Options) error {
					return lesson.Break(ctx, o, flt, nil)
				})
			}
			ctx, stop := shell.Context(cmd.Context())
			defer stop()
			return f.show(ctx, cmd.OutOrStdout(), func(ctx context.Context, o lesson.Options) error {
				return lesson.Break(ctx, o, flt, func(s *netlab.Site) error { return hold(ctx, s, req) })
			})
		},
	}
	f.add(cmd)
	completes(cmd, first(faults))
	f.addPcap(cmd)
	cmd.Flags().BoolVar(&list, "list", false, "list the faults")
	cmd.Flags().BoolVar(&stay, "hold", false, "keep the broken lab, with a shell on the director")
	return cmd
}

// listFaults writes a line for each fault.
func listFaults(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range fault.All() {
		fmt.Fprintf(w, "%s\t%s\n", f.Name, f.Summary)
	}
	return w.Flush()
}

// breakArgs reads FAULT [-- COMMAND...].
func breakArgs(args []string, dash int) (fault.Fault, shell.Request, error) {
	req := shell.Request{Host: "director"}
	if dash >= 0 {
		req.Command = args[dash:]
		args = args[:dash]
	}
	if len(args) != 1 {
		return fault.Fault{}, req, errors.New("one fault is needed; --list names them")
	}
	f, err := fault.Find(args[0])
	return f, req, err
}
