package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"lvsdr/bench/ladder"
)

// A Line is the result for one candidate of one rung.
type Line struct {
	Rung      string  `json:"rung"`
	Candidate string  `json:"candidate"`
	Unit      string  `json:"unit"`
	Old       float64 `json:"old"` // medians over the pairs
	New       float64 `json:"new"`
	// Ratios are how much more the new program takes than the old one, pair by
	// pair: 1.1 is a tenth more time for the same work, so is a rate of 1/1.1.
	// Ratio is their median.
	Ratios []float64 `json:"ratios"`
	Ratio  float64   `json:"ratio"`
	Worse  bool      `json:"worse"` // Ratio is above the bound, and the number is no bare one
}

// Spread is half of the range between the least and the greatest ratio.
func (l *Line) Spread() float64 { return (slices.Max(l.Ratios) - slices.Min(l.Ratios)) / 2 }

// A Report is the result of a comparison.
type Report struct {
	Old   string  `json:"old"` // programs
	New   string  `json:"new"`
	Bound float64 `json:"bound"`
	Lines []Line  `json:"lines"`
	// Notes say which numbers only one of the programs has.
	Notes []string `json:"notes,omitempty"`
}

// Worse names the rungs that have become worse than the bound allows.
func (r *Report) Worse() []string {
	var all []string
	for i := range r.Lines {
		if l := &r.Lines[i]; l.Worse {
			all = append(all, l.Rung+" "+l.Candidate)
		}
	}
	return all
}

// A place is a candidate of a rung.
type place struct{ rung, candidate string }

// Judge compares the runs of two programs pair by pair; the first of old
// belongs to the first of new. Bare numbers, such as a loss in per cent, are shown
// and not judged. In a rung that compares lvsdr with others only
// lvsdr is judged, because a change of lvsdr does not concern the others.
func Judge(old, new []ladder.Report, bound float64) *Report {
	a, b := series(old), series(new)
	r := &Report{Bound: bound}
	for _, p := range order(old) {
		if !ours(p, a) {
			continue
		}
		if len(b[p]) != len(a[p]) {
			r.Notes = append(r.Notes, fmt.Sprintf("%s %s: the old program alone has it.", p.rung, p.candidate))
			continue
		}
		l := Line{Rung: p.rung, Candidate: p.candidate, Unit: a[p][0].Unit}
		var olds, news []float64
		for i := range a[p] {
			was, is := a[p][i].Median, b[p][i].Median
			olds, news = append(olds, was), append(news, is)
			l.Ratios = append(l.Ratios, ratio(was, is, l.Unit))
		}
		l.Old, l.New, l.Ratio = ladder.Median(olds), ladder.Median(news), ladder.Median(l.Ratios)
		l.Worse = l.Ratio > bound && !b[p][0].Bare
		r.Lines = append(r.Lines, l)
	}
	for _, p := range order(new) {
		if _, known := a[p]; !known && ours(p, b) {
			r.Notes = append(r.Notes, fmt.Sprintf("%s %s: the new program alone has it.", p.rung, p.candidate))
		}
	}
	return r
}

// series are the rows of all runs, by place; those without a number are left
// out.
func series(runs []ladder.Report) map[place][]ladder.Row {
	all := map[place][]ladder.Row{}
	for _, run := range runs {
		for _, row := range run.Rows {
			if len(row.Runs) > 0 {
				p := place{row.Rung, row.Candidate}
				all[p] = append(all[p], row)
			}
		}
	}
	return all
}

// order are the places with a number, as they come in the runs.
func order(runs []ladder.Report) []place {
	var all []place
	seen := map[place]bool{}
	for _, run := range runs {
		for _, row := range run.Rows {
			if p := (place{row.Rung, row.Candidate}); !seen[p] && len(row.Runs) > 0 {
				all, seen[p] = append(all, p), true
			}
		}
	}
	return all
}

// ours reports whether p is lvsdr, or there is no lvsdr in its rung.
func ours(p place, all map[place][]ladder.Row) bool {
	const name = "lvsdr"
	if strings.HasPrefix(p.candidate, name) {
		return true
	}
	for other := range all {
		if other.rung == p.rung && strings.HasPrefix(other.candidate, name) {
			return false
		}
	}
	return true
}

// ratio is how much more the new one takes. Units per second are rates, of
// which more is better; of all others less is.
func ratio(old, new float64, unit string) float64 {
	if strings.HasSuffix(unit, "/s") {
		old, new = new, old
	}
	if old == 0 && new == 0 {
		return 1
	}
	return new / old
}

// WriteText writes the report as a table of 80 columns. A line that ends in !
// is worse than the bound.
func (r *Report) WriteText(w io.Writer) error {
	const format = "%-26s %-18s %10s %10s %6s %4s"
	var b strings.Builder
	fmt.Fprintf(&b, "old %s\nnew %s\n\n"+format+"\n", r.Old, r.New, "rung", "candidate", "old", "new", "ratio", "±")
	last := ""
	for i := range r.Lines {
		l := &r.Lines[i]
		rung, mark := l.Rung, ""
		if rung == last {
			rung = ""
		}
		last = l.Rung
		if l.Worse {
			mark = "!"
		}
		fmt.Fprintf(&b, format+"%s\n", rung, l.Candidate, ladder.Number(l.Old), ladder.Number(l.New),
			fmt.Sprintf("%.2f", l.Ratio), fmt.Sprintf("%.2f", min(l.Spread(), 9.99)), mark)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "%s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON writes the report as JSON, indented.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
