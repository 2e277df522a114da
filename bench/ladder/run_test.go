package ladder

import (
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/scheduler"
)

// short are options under which a turn is one chunk.
func short(rungs ...string) Options {
	return Options{Rungs: rungs, Flows: []int{MinFlows}, Runs: 1, Time: 1}
}

func TestEveryRungMeasuresSomething(t *testing.T) {
	o := short()
	o.Capture = &Capture{Frames: [][]byte{slowFrame(DefaultSetup(0), 1, "S"), slowFrame(DefaultSetup(0), 1, "A")}, Proto: 6, VIP: [4]byte{10, 0, 0, 1}, Port: 80}
	var progress strings.Builder
	o.Progress = &progress
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	rungs := map[string]int{}
	for _, row := range r.Rows {
		rungs[row.Rung]++
		if raceEnabled && strings.HasPrefix(row.Rung, "memory/") {
			continue // most of it is the detector's, and goes as it likes
		}
		if row.Needs == "" && (row.Median <= 0 || row.Ratio <= 0 || len(row.Runs) != 1) {
			t.Errorf("%+v", row)
		}
	}
	want := map[string]int{"generator": 1, "parse": 3, "lookup/4096": 3, "path/hit/4096/uniform": 4, "path/hit/4096/zipf": 4, "path/new/4096": 4,
		"path/persistent/4096": 4, "path/mixed/4096/uniform": 4, "path/mixed/4096/zipf": 4, "path/synflood/4096": 4, "path/capture": 4, "methods/hit/4096": len(ways()),
		"pick/10": len(scheduler.Names()), "pick/100": len(scheduler.Names()), "pick/1000": len(scheduler.Names()), "schedule/1000": len(loadSchedulers), "workers/hit/4096": 3,
		"memory/IPv4/16384": 3, "memory/IPv6/16384": 3, "pause/4096/p99.9": 4, "pause/4096/max": 4, "memport": 2}
	for name, n := range want {
		if rungs[name] != n {
			t.Errorf("rung %s has %d candidates, want %d", name, rungs[name], n)
		}
		if name = strings.TrimSuffix(strings.TrimSuffix(name, "/p99.9"), "/max"); !strings.Contains(progress.String(), " "+name+" .") {
			t.Errorf("progress says nothing of %s", name)
		}
	}
	if len(rungs) != len(want) {
		t.Errorf("rungs %v", rungs)
	}
}

// long is much where the environment has LVSDR_LONG=1, as in a step of its own of
// .ci/run, and less where it has not.
func long[T any](less, much T) T {
	if os.Getenv("LVSDR_LONG") != "" {
		return much
	}
	return less
}

// A lazy candidate forwards every second frame.
type lazy struct{ Forwarder }

func (l lazy) Forward(frames [][]byte, now int64) int {
	return l.Forwarder.Forward(frames[:len(frames)/2], now)
}

// A liar says that it has forwarded everything, and touches nothing.
type liar struct{}

func (liar) Name() string                          { return "liar" }
func (liar) Forward(frames [][]byte, _ int64) int  { return len(frames) }
func makeLiar(Setup) (Forwarder, error)            { return liar{}, nil }
func makeNothing(s Setup) (c Forwarder, err error) { return nil, errors.New("nothing") }

func TestARunThatMeasuresDropsFails(t *testing.T) {
	o := short("path/hit")
	o.Forwarders = []Factory{func(s Setup) (Forwarder, error) {
		c, err := NewDirector(s)
		return lazy{c}, err
	}}
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "forwarded") {
		t.Errorf("dropping half of the frames: %v", err)
	}
	o.Forwarders = []Factory{makeLiar}
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("forwarding nothing: %v", err)
	}
	o.Forwarders = []Factory{makeNothing}
	if _, err := Run(t.Context(), o); err == nil {
		t.Error("a factory's error was not seen")
	}
}

// What cannot forget has no turn where connections are made again and again.
func TestOnlyExpirersMeetNewConnections(t *testing.T) {
	o := short("path")
	o.Forwarders = []Factory{makeLiar}
	rungs, err := Rungs(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rungs {
		has := slices.ContainsFunc(r.Candidates, func(s Candidate) bool { return s.Name == "liar" })
		needs := strings.Contains(r.Name, "new") || strings.Contains(r.Name, "persistent") || strings.Contains(r.Name, "mixed")
		if has == needs {
			t.Errorf("%s: has the liar: %v", r.Name, has)
		}
	}
}

func TestCandidatesTakeTurns(t *testing.T) {
	var order []string
	candidate := func(name string, v float64) Candidate {
		return Candidate{Name: name, Run: func(context.Context, time.Duration) ([]float64, error) {
			order = append(order, name)
			return []float64{v * float64(len(order))}, nil
		}}
	}
	o, err := Options{Runs: 3}.complete()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := o.measure(t.Context(), &Rung{Name: "r", Metrics: []Metric{{Unit: "ns", Less: true}}, Candidates: []Candidate{candidate("A", 6), candidate("B", 3)}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "ABABAB" {
		t.Errorf("order %s", got)
	}
	// A: 6 18 30, B: 6 12 18, ratios 1, 1.5, 1.67.
	if rows[0].Median != 18 || rows[0].Ratio != 1 || rows[1].Median != 12 || rows[1].Ratio != 1.5 || rows[1].Spread() != 0.5 {
		t.Errorf("%+v", rows)
	}
}

// A number that a candidate does not have has no row, and one that the baseline
// does not have has no ratio.
func TestSubjectsMayLackTheLastNumbers(t *testing.T) {
	candidate := func(name string, v ...float64) Candidate {
		return Candidate{Name: name, Run: func(context.Context, time.Duration) ([]float64, error) { return v, nil }}
	}
	o, err := Options{Runs: 2}.complete()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := o.measure(t.Context(), &Rung{Name: "r", Metrics: []Metric{{Unit: "ns"}, {Name: "/b", Unit: "ns"}}, Candidates: []Candidate{candidate("A", 1), candidate("B", 2, 3)}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 || rows[1].Ratio != 2 || rows[2].Candidate != "B" || rows[2].Rung != "r/b" || rows[2].Median != 3 || rows[2].Ratio != 0 {
		t.Errorf("%+v", rows)
	}
}

// Without the CPUs for it a candidate says what it needs, and the others have
// their numbers.
func TestWhatAMachineLacksIsNoNumber(t *testing.T) {
	o := short()
	o.Runs, o.Batch = 2, 1
	r := Rung{Name: "workers", Metrics: []Metric{{Unit: "frames/s"}}, Candidates: []Candidate{workersCandidate(1, MinFlows, 64, 1, newWorkers), workersCandidate(2, MinFlows, 64, 1, newWorkers)}}
	rows, err := o.measure(t.Context(), &r, "")
	if err != nil {
		t.Fatal(err)
	}
	if rows[0].Median <= 0 || rows[0].Needs != "" || rows[1].Median != 0 || rows[1].Ratio != 0 || rows[1].Needs != "2 CPUs" || len(rows[1].Runs) != 0 {
		t.Errorf("%+v", rows)
	}
}

func TestTheBaselineCanBeChosen(t *testing.T) {
	o := short("path/hit", "generator")
	o.Baseline = "LayerParser + map"
	rungs, err := Rungs(o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"frames", "LayerParser + map, LayerParser + LRU, NewPacket + map, lvsdr", "LayerParser + map, LayerParser + LRU, NewPacket + map, lvsdr"}
	for i, r := range rungs {
		var names []string
		for _, s := range r.Candidates {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, ", "); got != want[i] {
			t.Errorf("%s: %s, want %s", r.Name, got, want[i])
		}
	}
}

func TestMedian(t *testing.T) {
	if Median([]float64{3, 1, 2}) != 2 || Median([]float64{4, 1, 2, 3}) != 2.5 || Median([]float64{7}) != 7 {
		t.Error("the median is not the middle")
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"too few flows":      {Flows: []int{MinFlows - 1}},
		"too many flows":     {Flows: []int{NumFlows}},
		"batch too large":    {Batch: 257},
		"negative batch":     {Batch: -1},
		"negative runs":      {Runs: -1},
		"no such rung":       {Rungs: []string{"path/hi"}},
		"live without lab":   {Rungs: []string{"live"}},
		"no new connections": {NewShare: -0.1},
		"more than all new":  {NewShare: 1.1},
		"no share at all":    {NewShare: math.NaN()},
		"a flat zipf law":    {Zipf: 1},
		"no such baseline":   {Baseline: "nobody"},
	} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := short("parse")
	o.Time = time.Hour
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
