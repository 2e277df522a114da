package checks

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"lvsdr/control/doctor/findings"
)

// A Progress is told of each check that was made, and what it found.
type Progress func(title string, found []findings.Finding)

// An examination collects what the checks of a host find.
type examination struct {
	ctx    context.Context
	report *findings.Report
	tell   Progress
	err    error // that of ctx, at the first check that was not made to its end
}

func begin(ctx context.Context, place string, tell Progress) *examination {
	return &examination{ctx: ctx, report: &findings.Report{Place: place, Findings: []findings.Finding{}}, tell: tell}
}

// add takes in what the check with this title has found. After the end of the
// context nothing is added.
func (e *examination) add(title string, found []findings.Finding) {
	if e.err == nil && e.ctx.Err() != nil {
		e.err = fmt.Errorf("examine the %s: %w", title, e.ctx.Err())
	}
	if e.err != nil {
		return
	}
	e.report.Add(title, found)
	if e.tell != nil {
		e.tell(title, found)
	}
}

// end is the report.
func (e *examination) end() (*findings.Report, error) {
	if e.err != nil {
		return nil, e.err
	}
	e.report.Sort()
	return e.report, nil
}

// parallel is how many addresses are asked about at a time.
const parallel = 16

// each runs f for every item, at most parallel at a time, and gives the results
// in the order of the items.
func each[T, R any](items []T, f func(T) R) []R {
	all := make([]R, len(items))
	places := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, item := range items {
		wg.Go(func() {
			places <- struct{}{}
			all[i] = f(item)
			<-places
		})
	}
	wg.Wait()
	return all
}

// eachFinding is each for functions that give findings, which it joins.
func eachFinding[T any](items []T, f func(T) []findings.Finding) []findings.Finding {
	return slices.Concat(each(items, f)...)
}

// notTested says that a question could not be asked.
func notTested(about string, err error) []findings.Finding {
	return []findings.Finding{{Name: findings.NotTested, Severity: findings.Warning, About: about,
		Text: "this could not be tested from here", Evidence: []string{err.Error()},
		Remedy: "look at the state of the interface (ip -s link), then run the doctor again"}}
}
