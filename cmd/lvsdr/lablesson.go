package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"lvsdr/bench/lesson"
	"lvsdr/bench/netlab"
)

func newLabLesson() *cobra.Command {
	f := labFlags{topology: netlab.NewTopology()}
	var list bool
	cmd := &cobra.Command{
		Use:   "lesson NUMBER|all",
		Short: "Teach one of five problems of LVS Direct Routing, and its remedy",
		Long: `lesson builds a lab, shows one of five common problems of
LVS in Direct Routing mode, explains it, applies the remedy and makes the same
requests again. Its numbers come from captured frames. --list names the
lessons, all teaches all of them, each in a lab of its own. It exits with 0 only
if the problem showed and the remedy helped (docs/lessons.md).`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return lesson.List(cmd.OutOrStdout())
			}
			if len(args) != 1 {
				return exitError{usageCode, usageError{cmd, errors.New("one lesson is needed, or all; --list names them")}}
			}
			numbers, err := lesson.Numbers(args[0])
			if err != nil {
				return exitError{usageCode, usageError{cmd, err}}
			}
			return f.show(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context, o lesson.Options) (err error) {
				for _, n := range numbers {
					if ctx.Err() == nil {
						err = errors.Join(err, lesson.Teach(ctx, o, n))
					}
				}
				return err
			})
		},
	}
	cmd.Flags().AddFlag(f.topology.Flags().Lookup("ipv6"))
	f.addPcap(cmd)
	completes(cmd, first(lessonNumbers))
	cmd.Flags().BoolVar(&list, "list", false, "list the lessons")
	return cmd
}
