package ipvsadm

import (
	"context"
	"errors"
	"io"
	"strings"

	"lvsdr/control/api"
)

// The exit codes.
const (
	ExitOK      = 0
	ExitList    = 1   // the service to be listed does not exist
	ExitUsage   = 2   // refused by ipvsadm itself
	ExitRefused = 255 // refused by the director, or not understood at all
)

// An Interpreter runs commands on a director. Its fields are set before the
// first Run and not changed; Run may be called from several goroutines.
type Interpreter struct {
	// Admin is the director: one in this process (package director), or a
	// running one (api.Client).
	Admin api.Admin

	// Names reads names of hosts and ports, and finds them for listings
	// without -n. The zero Names knows none: everything is numeric.
	Names Names

	// Name is the program's name in its own messages; empty: ipvsadm.
	Name string
}

// A Result is the output and exit code of a command.
type Result struct {
	Exit int
	Out  string // standard output
	Err  string // standard error
}

// A refusal is a command that is not carried out.
type refusal struct {
	exit int
	text string
}

// Error returns the text for standard error.
func (r *refusal) Error() string { return r.text }

// misuse is a refusal by ipvsadm itself.
func misuse(text string) error { return &refusal{ExitUsage, text} }

// Run carries out one command. args are the arguments without the program's
// name; none at all lists the services. stdin is read by -R only and may be nil
// for all other commands. What is refused changes nothing; of -R, the lines
// that are not refused are carried out.
func (i *Interpreter) Run(ctx context.Context, args []string, stdin io.Reader) Result {
	var out strings.Builder
	err := i.run(ctx, &out, args, stdin)
	r := Result{Out: out.String()}
	if r.Exit = exitCode(err); err != nil && err.Error() != "" {
		r.Err = err.Error() + "\n"
	}
	return r
}

// exitCode is that of a command that ended with err.
func exitCode(err error) int {
	var why *refusal
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &why):
		return why.exit
	}
	return ExitRefused
}

func (i *Interpreter) run(ctx context.Context, out *strings.Builder, args []string, stdin io.Reader) error {
	if len(args) == 0 {
		args = []string{"--list"}
	}
	q, err := i.parse(args)
	switch {
	case err != nil:
		return err
	case q.command == restore:
		return i.restore(ctx, out, stdin)
	}
	e, err := q.edit()
	switch {
	case err != nil:
		return err
	case e == nil:
		return i.show(ctx, out, q)
	}
	refused, err := i.Admin.Edit(ctx, []api.Edit{*e})
	if err != nil {
		return err
	}
	return refused[0]
}

// show prints what a legal request that edits nothing asks for.
func (i *Interpreter) show(ctx context.Context, out *strings.Builder, q *request) error {
	switch q.command {
	case help:
		i.help(out)
	case version:
		out.WriteString(versionLine)
	case list:
		return i.list(ctx, out, q)
	case save:
		return i.save(ctx, out, q)
	}
	return nil
}

// tryHelp is the answer to what is not understood at all.
func (i *Interpreter) tryHelp() error {
	name := i.Name
	if name == "" {
		name = "ipvsadm"
	}
	return &refusal{ExitRefused, "Try `" + name + " -h' or '" + name + " --help' for more information."}
}
