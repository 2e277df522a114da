package ladder

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// A Row is the result of one candidate in one metric.
type Row struct {
	Rung      string    `json:"rung"`
	Candidate string    `json:"candidate"`
	Unit      string    `json:"unit"`
	Median    float64   `json:"median"`
	Runs      []float64 `json:"runs"` // in the order of the turns; empty: see Needs
	// Ratio is how many times as good as the baseline the candidate was, the
	// median over the turns: above 1, it was better. 0: there is none.
	Ratio float64 `json:"ratio,omitempty"`
	// Bare is that of the Metric.
	Bare bool `json:"bare,omitempty"`
	// Needs names the resource this measurement needs and the machine lacks.
	Needs string `json:"needs,omitempty"`
}

// Spread is how far the turns were apart: half of the range, as a part of the
// median.
func (r *Row) Spread() float64 {
	if r.Median == 0 {
		return 0
	}
	return (slices.Max(r.Runs) - slices.Min(r.Runs)) / 2 / r.Median
}

// A Report is the result of a run.
type Report struct {
	Conditions Conditions `json:"conditions"`
	Rows       []Row      `json:"rows"`
	Notes      []string   `json:"notes,omitempty"` // what was left out, and why
}

// liveFactor is how much longer than others a turn of a live rung is.
const liveFactor = 5

// Run measures the rungs o asks for. On an error, also when ctx is done, the
// report holds the rungs that were measured until then.
func Run(ctx context.Context, o Options) (*Report, error) {
	rungs, err := Rungs(o)
	if err != nil {
		return nil, err
	}
	o, err = o.complete()
	if err != nil {
		return nil, err
	}
	r := &Report{Conditions: conditions(&o)}
	defer r.Conditions.end()
	for i := range rungs {
		rows, err := o.measure(ctx, &rungs[i], fmt.Sprintf("%d/%d", i+1, len(rungs)))
		if err != nil {
			return r, fmt.Errorf("%s: %w", rungs[i].Name, err)
		}
		r.Rows = append(r.Rows, rows...)
	}
	if slices.ContainsFunc(rungs, func(r Rung) bool { return r.Live }) {
		r.Notes = append(r.Notes, o.Live.notes()...)
	}
	return r, nil
}

// measure gives all candidates of a rung their turns.
func (o *Options) measure(ctx context.Context, rung *Rung, place string) ([]Row, error) {
	t := o.Time
	if rung.Live {
		t *= liveFactor
	}
	// values[metric][candidate][turn]
	values := make([][][]float64, len(rung.Metrics))
	for m := range values {
		values[m] = make([][]float64, len(rung.Candidates))
	}
	progress := o.Progress
	if progress == nil {
		progress = io.Discard
	}
	fmt.Fprintf(progress, "%s %s ", place, rung.Name)
	defer fmt.Fprintln(progress)
	for range o.Runs {
		for i, s := range rung.Candidates {
			if s.Needs != "" {
				continue
			}
			got, err := s.Run(ctx, t)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
			fmt.Fprint(progress, ".")
			for m, v := range got {
				values[m][i] = append(values[m][i], v)
			}
		}
	}
	var rows []Row
	for m, metric := range rung.Metrics {
		for i, s := range rung.Candidates {
			if len(values[m][i]) == 0 && s.Needs == "" { // it has no such number
				continue
			}
			row := Row{Rung: rung.Name + metric.Name, Candidate: s.Name, Unit: metric.Unit, Runs: values[m][i], Bare: metric.Bare, Needs: s.Needs}
			if s.Needs == "" {
				row.Median = Median(values[m][i])
			}
			if !metric.Bare && s.Needs == "" && rung.Candidates[0].Needs == "" {
				row.Ratio = ratio(values[m][0], values[m][i], metric.Less)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// Median is the middle of v, or the mean of the two in the middle.
func Median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// ratio is how many times as good as base v was, the median over the turns. 0:
// there is nothing to compare with.
func ratio(base, v []float64, less bool) float64 {
	if len(base) == 0 {
		return 0
	}
	var all []float64
	for i := range v {
		better, worse := v[i], base[i]
		if less {
			better, worse = worse, better
		}
		if worse == 0 {
			return 0
		}
		all = append(all, better/worse)
	}
	return Median(all)
}
