package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lvsdr/control/keepalived"
)

func newCheck() *cobra.Command {
	var f runFlags
	var unused bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say of every word of a keepalived.conf whether it is used",
		Long: `check prints each word of a configuration, and of the files it includes, with
file, line and column: used, not used yet, without effect, or unknown, with what may
be meant. The reports that "lvsdr run -t" makes follow on standard error, and the exit
code is the one of that: 0 for a good file, 5 for a mistake, 2 if a value is missing,
6 if scripts would run without enable_script_security, 1 if it cannot be read.`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.config, f.workers = args[0], 1 // no worker will run
			o, err := f.options()
			if err != nil {
				return err
			}
			uses, err := keepalived.Survey(f.config, o)
			if err != nil {
				return exitError{keepalived.ExitFatal, withRemedy(err)}
			}
			out := cmd.OutOrStdout()
			for _, u := range uses {
				if unused && u.Standing == keepalived.Used {
					continue
				}
				fmt.Fprintf(out, "%v:%d: %v: %s\n", u.Pos, u.Column, u.Standing, useText(&u))
			}
			return f.testConfig(cmd.Context(), out, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&unused, "unused", false, "leave out the words that are used")
	cmd.Flags().StringVar(&f.configID, "config-id", "", "`ID` that selects lines beginning with @ID (the host's name)")
	cmd.Flags().StringVar(&f.persistence, "persistence-default", "", "persistence of services that do not mention it: off or `SECONDS`")
	return cmd
}

// useText is a word with the block it is in, and what there is to say about it.
func useText(u *keepalived.Use) string {
	text := u.Keyword
	if u.Block != "" {
		text += " in " + u.Block
	}
	if u.Why != "" {
		text += "; " + u.Why
	}
	return text
}
