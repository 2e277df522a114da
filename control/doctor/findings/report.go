package findings

import (
	"cmp"
	"slices"
)

// A Report is the outcome of an examination.
type Report struct {
	Place    string    `json:"place"`  // "director" or "real server"
	Worst    Severity  `json:"worst"`  // among the findings
	Checks   []string  `json:"checks"` // what was examined
	Findings []Finding `json:"findings"`
}

// The exit codes of a report.
const (
	ExitHealthy = 0 // nothing above Info
	ExitWarning = 1
	ExitError   = 2
	ExitNotRun  = 3 // there is no report: usage, privileges
)

// ExitCode is ExitHealthy, ExitWarning or ExitError.
func (r *Report) ExitCode() int { return int(r.Worst) }

// Add takes in what a check has found.
func (r *Report) Add(title string, found []Finding) {
	r.Checks = append(r.Checks, title)
	r.Findings = append(r.Findings, found...)
	for _, f := range found {
		r.Worst = max(r.Worst, f.Severity)
	}
}

// Sort puts the worst findings first, those of one severity in the order in which
// they were added.
func (r *Report) Sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
}
