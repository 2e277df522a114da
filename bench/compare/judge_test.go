package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/ladder"
)

// runs are those of a program that takes cost for everything, with noise up to
// the given part of it, and now and then a turn that the machine spoiled.
func runs(r *rand.Rand, n int, cost, noise float64) []ladder.Report {
	var all []ladder.Report
	for i := range n {
		v := func() float64 {
			c := cost * (1 + noise*(2*r.Float64()-1))
			if i == n/2 {
				c *= 3
			}
			return c
		}
		var rows []ladder.Row
		for _, row := range []ladder.Row{
			{Rung: "path/hit/1M/uniform", Candidate: "NewPacket + map", Unit: "ns/frame", Median: 1000 * v()},
			{Rung: "path/hit/1M/uniform", Candidate: "lvsdr", Unit: "ns/frame", Median: 100 * v()},
			{Rung: "workers/hit/1M", Candidate: "2 workers", Unit: "frames/s", Median: 1e7 / v()},
		} {
			row.Runs = []float64{row.Median}
			rows = append(rows, row)
		}
		all = append(all, ladder.Report{Rows: rows})
	}
	return all
}

func TestARegressionIsFound(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		got := Judge(runs(r, 7, 1, 0.05), runs(r, 7, 1.25, 0.05), 1.1)
		if worse := got.Worse(); !slices.Equal(worse, []string{"path/hit/1M/uniform lvsdr", "workers/hit/1M 2 workers"}) {
			t.Fatalf("seed %d: worse %q, %+v", seed, worse, got.Lines)
		}
		for _, l := range got.Lines {
			if math.Abs(l.Ratio-1.25) > 0.1 {
				t.Fatalf("seed %d: %+v, want a ratio of about 1.25", seed, l)
			}
		}
	}
}

func TestNoiseIsNoRegression(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		for _, cost := range []float64{0.5, 1} { // a better one is none either
			if worse := Judge(runs(r, 7, 1, 0.05), runs(r, 7, cost, 0.05), 1.1).Worse(); len(worse) > 0 {
				t.Fatalf("seed %d, cost %g: worse %q", seed, cost, worse)
			}
		}
	}
}

// The bound itself is allowed.
func TestTheBoundIsTheLastThatIsAllowed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	one, two := runs(r, 3, 1, 0), runs(r, 3, 2, 0)
	if worse := Judge(one, two, 2).Worse(); len(worse) != 0 {
		t.Errorf("%q", worse)
	}
	if worse := Judge(one, two, 1.99).Worse(); len(worse) != 2 {
		t.Errorf("%q", worse)
	}
}

// The others in lvsdr's rungs are not judged.
func TestOnlyOurOwnCandidatesAreJudged(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	old, new := runs(r, 3, 1, 0), runs(r, 3, 1, 0)
	for i := range new {
		new[i].Rows[0].Median *= 10
	}
	got := Judge(old, new, 1.1)
	if len(got.Worse()) != 0 || len(got.Lines) != 2 {
		t.Errorf("%+v", got)
	}
}

// A loss of nothing that becomes a loss of something has no ratio.
func TestBareNumbersAreNotJudged(t *testing.T) {
	row := func(v float64) []ladder.Report {
		return []ladder.Report{{Rows: []ladder.Row{{Rung: "live/small/lost", Candidate: "lvsdr run", Unit: "%", Median: v, Runs: []float64{v}, Bare: true}}}}
	}
	for _, now := range []float64{0, 1} {
		if got := Judge(row(0), row(now), 1.1); len(got.Lines) != 1 || len(got.Worse()) != 0 {
			t.Errorf("0 then %g: %+v", now, got)
		}
	}
}

func TestLiveRungsAreMeasuredWhereTheyAreNamed(t *testing.T) {
	for rungs, want := range map[string]bool{"parse": false, "live/small": true, "path,live": true} {
		o := Options{Rungs: strings.Split(rungs, ",")}
		if got := slices.Contains(o.args(), "--live=true"); got != want {
			t.Errorf("%s: live rungs measured: %v", rungs, got)
		}
	}
}

// What one program does not have, or has no number for, is said and not judged.
func TestWhatOneProgramHasAloneIsANote(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	old, new := runs(r, 3, 1, 0), runs(r, 3, 1, 0)
	for i := range new {
		new[i].Rows[1].Rung = "path/other"
		new[i].Rows[2].Runs = nil
	}
	got := Judge(old, new, 1.1)
	want := []string{"path/hit/1M/uniform lvsdr: the old program alone has it.", "workers/hit/1M 2 workers: the old program alone has it.",
		"path/hit/1M/uniform NewPacket + map: the new program alone has it.", "path/other lvsdr: the new program alone has it."}
	if !slices.Equal(got.Notes[:2], want[:2]) || !slices.Contains(got.Notes, want[3]) || len(got.Lines) != 0 {
		t.Errorf("%q", got.Notes)
	}
}

// What the ladder calls better is better here.
func TestUnitsAreReadAsTheLadderDoes(t *testing.T) {
	rungs, err := ladder.Rungs(ladder.Options{Live: ladder.Live{Lvsdr: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rungs {
		for _, m := range r.Metrics {
			if grows := ratio(1, 2, m.Unit) > 1; grows != m.Less {
				t.Errorf("%s%s, in %s: 2 instead of 1 is worse: %v", r.Name, m.Name, m.Unit, grows)
			}
		}
	}
}

func TestTheTableFits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	report := Judge(runs(r, 7, 1, 0.1), runs(r, 7, 3, 0.1), 1.1)
	var b strings.Builder
	if err := report.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if n := strings.Count(b.String(), "!\n"); n != 2 {
		t.Errorf("%d lines are marked, want 2:\n%s", n, b.String())
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"negative pairs":        {Pairs: -1},
		"a bound below nothing": {Bound: -1},
		"no bound at all":       {Bound: math.NaN()},
		"no such program":       {Old: "/nowhere/lvsdr", New: "/nowhere/lvsdr"},
		"not lvsdr":             {Old: "/bin/true", New: "/bin/true"},
		"one that fails":        {Old: "/bin/false", New: "/bin/false"},
	} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
