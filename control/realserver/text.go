package realserver

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteText writes what Start or Stop did, for people.
func (r *Report) WriteText(out io.Writer) error {
	w := textWriter{out: out}
	if len(r.Notes) == 0 && len(r.Outcomes) == 0 {
		w.printf("%s: nothing to do\n", r.VIP)
		return w.err
	}
	w.printf("%s:\n", r.VIP)
	for _, n := range r.Notes {
		w.printf("  note: %s\n", n)
	}
	for _, o := range r.Outcomes {
		w.printf("  %s\n", o)
	}
	return w.err
}

// WriteText writes the status, for people.
func (s *Status) WriteText(out io.Writer) error {
	verdict := "in place"
	if !s.InPlace {
		verdict = "not in place"
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	w := textWriter{out: table}
	w.printf("%s: %s\n", s.VIP, verdict)
	for _, n := range s.Notes {
		w.printf("  note: %s\n", n)
	}
	for _, i := range s.Items {
		state, by := "ok", "not set by lvsdr"
		if !i.OK {
			state = "want " + i.Want
		}
		if i.Ours {
			by = "set by lvsdr, was " + i.Was
		}
		w.printf("  %s\t%s\t%s\t%s\n", i.Item, i.Is, state, by)
	}
	if w.err != nil {
		return w.err
	}
	return table.Flush()
}

// OK reports whether everything is in place.
func (s *Status) OK() bool { return s.InPlace }

// A textWriter keeps the first error.
type textWriter struct {
	out io.Writer
	err error
}

func (w *textWriter) printf(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format, args...)
	}
}
