package ipvsadm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"lvsdr/control/api"
)

// maxLine bounds a line of -R, in bytes.
const maxLine = 64 << 10

// restore carries out commands, one a line, with or without the word ipvsadm
// before it. What the director refuses is told and passed over; what is no
// legal command, a list of a service that does not exist, the help and the
// version end it, as with ipvsadm. The exit code is the last line's.
//
// Edits are sent together as long as more lines have arrived already, so that a
// long file costs a few requests, and a line that is typed is carried out at
// once.
func (i *Interpreter) restore(ctx context.Context, out *strings.Builder, in io.Reader) error {
	if in == nil {
		return nil
	}
	r := &restoring{i: i, ctx: ctx, out: out, lines: bufio.NewReaderSize(in, maxLine)}
	for !r.ended && r.failure == nil {
		args, err := r.next()
		if err != nil {
			break
		}
		r.line(args)
	}
	r.send()
	switch {
	case r.failure != nil:
		return r.failure
	case len(r.told) == 0 && r.exit == ExitOK:
		return nil
	}
	return &refusal{r.exit, strings.Join(r.told, "\n")}
}

// restoring is a -R under way.
type restoring struct {
	i       *Interpreter
	ctx     context.Context
	out     *strings.Builder
	lines   *bufio.Reader
	pending []api.Edit
	told    []string // what was printed on standard error, a line each
	exit    int      // of the last line
	ended   bool
	failure error // of the director
}

// next is the next line that is not blank. io.EOF: there is none.
func (r *restoring) next() ([]string, error) {
	for {
		if r.lines.Buffered() == 0 {
			r.send()
		}
		line, cut, err := r.lines.ReadLine()
		if err == nil && cut {
			err = fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				r.send()
				r.done(misuse("read commands: " + err.Error()))
			}
			return nil, err
		}
		args := strings.Fields(string(line))
		if len(args) > 0 && args[0] == "ipvsadm" {
			args = args[1:]
		}
		if len(args) > 0 {
			return args, nil
		}
	}
}

// line carries out one line, or keeps it until send.
func (r *restoring) line(args []string) {
	q, err := r.i.parse(args)
	if err == nil && q.command == restore {
		q, err = nil, r.i.tryHelp()
	}
	var e *api.Edit
	if err == nil {
		e, err = q.edit()
	}
	switch {
	case err == nil && e != nil:
		r.pending = append(r.pending, *e)
		return
	case err == nil:
		r.send()
		err = r.i.show(r.ctx, r.out, q)
		r.ended = err != nil || q.command&(help|version) != 0
	default:
		r.send()
		r.ended = q == nil || exitCode(err) == ExitUsage
	}
	r.done(err)
}

// send carries out the edits that were kept.
func (r *restoring) send() {
	if len(r.pending) == 0 || r.failure != nil {
		return
	}
	refused, err := r.i.Admin.Edit(r.ctx, r.pending)
	r.pending = nil
	if r.failure = err; err != nil {
		return
	}
	for _, err := range refused {
		r.done(err)
	}
}

// done notes how a line ended.
func (r *restoring) done(err error) {
	r.exit = exitCode(err)
	if err != nil && err.Error() != "" {
		r.told = append(r.told, err.Error())
	}
}
