package ladder

import (
	"fmt"
	"io"
	"strings"
)

// Columns of the table; with the spaces between them 80.
const (
	rungWidth, candidateWidth, valueWidth, unitWidth = 26, 20, 10, 9
	spreadWidth, ratioWidth                          = 4, 6
)

// WriteText writes the report as a table of 80 columns.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, l := range r.Conditions.lines() {
		fmt.Fprintf(&b, "%-8s %s\n", l[0], wrap(l[1], 71, 9))
	}
	fmt.Fprintf(&b, "\n%-*s %-*s %*s %-*s %*s %*s\n", rungWidth, "rung", candidateWidth, "candidate", valueWidth, "median",
		unitWidth, "", spreadWidth, "±%", ratioWidth, "ratio")
	last := ""
	for i := range r.Rows {
		row := &r.Rows[i]
		name := row.Rung
		if name == last {
			name = ""
		} else {
			b.WriteString(strings.Repeat("─", 80) + "\n")
		}
		last = row.Rung
		if row.Needs != "" {
			fmt.Fprintf(&b, "%-*s %-*s   needs %s\n", rungWidth, name, candidateWidth, row.Candidate, row.Needs)
			continue
		}
		fmt.Fprintf(&b, "%-*s %-*s %*s %-*s %*.0f %*s\n", rungWidth, name, candidateWidth, row.Candidate, valueWidth, Number(row.Median),
			unitWidth, row.Unit, spreadWidth, min(100*row.Spread(), 999), ratioWidth, row.ratio())
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n%s\n", wrap(n, 80, 0))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ratio is the ratio in at most six letters.
func (r *Row) ratio() string {
	switch {
	case r.Ratio == 0:
		return "–"
	case r.Ratio >= 100:
		return fmt.Sprintf("%.0f", r.Ratio)
	case r.Ratio < 0.1:
		return fmt.Sprintf("%.3f", r.Ratio)
	}
	return fmt.Sprintf("%.2f", r.Ratio)
}

// Number is v with about three digits of meaning, in groups of three.
func Number(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 1000:
		return fmt.Sprintf("%.1f", v)
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// wrap breaks s into lines of at most width letters, the later ones indented.
func wrap(s string, width, indent int) string {
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(s) {
		switch {
		case i == 0:
		case n+1+len([]rune(word)) > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += len([]rune(word))
	}
	return b.String()
}
