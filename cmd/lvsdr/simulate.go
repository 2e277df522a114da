package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"lvsdr/bench/scenario"
)

func newSimulate() *cobra.Command {
	return &cobra.Command{
		Use:   "simulate FILE...",
		Short: "Play scenarios through the director's core on a virtual clock",
		Long: `simulate plays scenario files (one JSON object a line: services, edits, packets,
pauses; - is standard input) through the core that also serves live traffic,
and writes the same lines with the decisions filled in: for each packet the real
server, or the answer and its reason. docs/simulate.md describes the
format.`,
		Args: arguments("FILE..."),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := bufio.NewWriter(cmd.OutOrStdout())
			for _, name := range args {
				if err := simulate(name, cmd.InOrStdin(), out); err != nil {
					return err
				}
			}
			return out.Flush()
		},
	}
}

func simulate(name string, in io.Reader, out io.Writer) error {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	ops, err := scenario.Read(name, in)
	if err != nil {
		return exitError{usageCode, err}
	}
	if err := scenario.Play(ops); err != nil {
		return exitError{usageCode, fmt.Errorf("%s: %w", name, err)}
	}
	return scenario.Write(out, ops)
}
