package ipvsadm

import (
	"errors"
	"io"
	"strings"

	"lvsdr/dataplane"
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
	Director *dataplane.Director

	// Now is the director's clock, in monotonic nanoseconds.
	Now func() int64

	// Counters are the counters and rates to list; nil lists the director's
	// own at this moment, and no rates. The caller that makes one ticks it.
	Counters *Estimator

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

// unsupported is a refusal of what the tool can say and this director cannot do.
func unsupported(what string) error { return &refusal{ExitRefused, what + " is not supported"} }

// otherMethod is a refusal of a forwarding method.
func otherMethod(what string) error {
	return &refusal{ExitRefused, what + " is not supported: this director does Direct Routing (-g) only"}
}

// Run carries out one command. args are the arguments without the program's
// name; none at all lists the services. stdin is read by -R only and may be nil
// for all other commands. What is refused changes nothing; of -R, the lines
// that are not refused are carried out.
func (i *Interpreter) Run(args []string, stdin io.Reader) Result {
	var out strings.Builder
	return result(&out, i.run(&out, args, stdin))
}

// result returns the text to print, with the exit code of err.
func result(out *strings.Builder, err error) Result {
	r := Result{Out: out.String()}
	if err == nil {
		return r
	}
	r.Exit, r.Err = ExitRefused, err.Error()
	var why *refusal
	switch {
	case errors.As(err, &why):
		r.Exit = why.exit
	case errors.Is(err, dataplane.ErrScheduler): // wraps the scheduler's own words
		r.Err = dataplane.ErrScheduler.Error()
	}
	if r.Err != "" {
		r.Err += "\n"
	}
	return r
}

func (i *Interpreter) run(out *strings.Builder, args []string, stdin io.Reader) error {
	if len(args) == 0 {
		args = []string{"--list"}
	}
	q, err := i.parse(args)
	if err != nil {
		return err
	}
	if q.command == restore {
		return i.restore(out, stdin)
	}
	return i.do(out, q)
}

// do carries out a legal request other than restore.
func (i *Interpreter) do(out *strings.Builder, q *request) error {
	switch q.command {
	case help:
		i.help(out)
		return nil
	case version:
		out.WriteString(versionLine)
		return nil
	case list:
		return i.list(out, q)
	case save:
		i.save(out, q)
		return nil
	}
	return i.edit(q)
}

// tryHelp is the answer to what is not understood at all.
func (i *Interpreter) tryHelp() error {
	name := i.Name
	if name == "" {
		name = "ipvsadm"
	}
	return &refusal{ExitRefused, "Try `" + name + " -h' or '" + name + " --help' for more information."}
}
