package ladder

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"os"
)

//go:embed report.html
var page string

// A bar is a row as the page shows it.
type bar struct {
	Candidate, Value, Unit, Ratio, Spread string
	Needs                                 string // instead of numbers
	Width                                 int    // of 1000
	Baseline                              bool
}

// A chart is the rows of one rung.
type chart struct {
	Rung string
	Bars []bar
}

// WriteHTML writes the report as one page that needs nothing else: no script,
// no style, font or picture from elsewhere.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("report").Parse(page)
	if err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	var charts []chart
	for i := range r.Rows {
		row := &r.Rows[i]
		first := len(charts) == 0 || charts[len(charts)-1].Rung != row.Rung
		if first {
			charts = append(charts, chart{Rung: row.Rung})
		}
		c := &charts[len(charts)-1]
		c.Bars = append(c.Bars, bar{Candidate: row.Candidate, Value: Number(row.Median), Unit: row.Unit, Ratio: row.ratio(),
			Spread: fmt.Sprintf("%.0f", 100*row.Spread()), Width: int(1000 * row.Median / r.most(row.Rung)), Baseline: first, Needs: row.Needs})
	}
	return t.Execute(w, map[string]any{"Conditions": r.Conditions.lines(), "Charts": charts, "Notes": r.Notes})
}

// WritePage writes the page to a file of that name.
func (r *Report) WritePage(name string) error {
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o666)
}

// most is the greatest number of a rung, or 1 if they are all 0.
func (r *Report) most(rung string) float64 {
	most := 0.0
	for i := range r.Rows {
		if r.Rows[i].Rung == rung {
			most = max(most, r.Rows[i].Median)
		}
	}
	if most == 0 {
		return 1
	}
	return most
}

// WriteJSON writes the report as JSON, indented.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
