package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"lvsdr/control/ruleset"
)

// unsaidCode is the exit code of import-marks where lines cannot say all.
const unsaidCode = 3

// maxRules is how much of a rule set is read, in bytes.
const maxRules = 16 << 20

func newImportMarks() *cobra.Command {
	return &cobra.Command{
		Use:   "import-marks FILE",
		Short: "Print netfilter's rules that set firewall marks as lines of keepalived.conf",
		Long: `import-marks reads the text of "nft list ruleset", iptables-save or ip6tables-save
(- is standard input) and prints lvsdr_mark lines for global_defs, which give the
same packets the same marks. What such lines cannot say it reports with the line
number. Exit codes: 0 the lines say all, 1 the file cannot be read or is no rule
set, 3 something is not said.`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readRules(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			r, err := ruleset.Read(text)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return printMarks(cmd, args[0], r)
		},
	}
}

// readRules is the text of a file.
func readRules(name string, in io.Reader) (string, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxRules+1))
	if err == nil && len(text) > maxRules {
		err = fmt.Errorf("%s: more than %d bytes", name, maxRules)
	}
	return string(text), err
}

// printMarks prints the lines, and on standard error what they do not say.
func printMarks(cmd *cobra.Command, name string, r *ruleset.Result) error {
	out, errs := cmd.OutOrStdout(), cmd.ErrOrStderr()
	if len(r.Marks) > 0 {
		fmt.Fprintln(out, "global_defs {")
		last := 0
		for _, m := range r.Marks {
			if m.Line != last {
				fmt.Fprintf(out, "    # %s:%d\n", name, m.Line)
			}
			last = m.Line
			fmt.Fprintf(out, "    %s\n", m)
		}
		fmt.Fprintln(out, "}")
	}
	for _, m := range r.Remarks {
		fmt.Fprintf(errs, "%s:%d: not said: %s\n", name, m.Line, m.Text)
	}
	fmt.Fprintf(errs, "%s: %d lines, %d rules not said, %d rules that set no mark\n", name, len(r.Marks), len(r.Remarks), r.Others)
	if len(r.Remarks) > 0 {
		return exitError{code: unsaidCode}
	}
	return nil
}
