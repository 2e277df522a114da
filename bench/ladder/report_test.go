package ladder

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"html"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sampleReport() *Report {
	return &Report{
		Conditions: Conditions{CPU: "Zuse Z3 <relays> & tape", CPUs: 1, Kernel: "Linux 6.18.0", Go: "go1.26.0", Commit: "0123456789ab+",
			Command: "lvsdr bench --rungs path/hit,path/new,path/persistent,live --flows 10000,1000000", Runs: 5, Batch: 64,
			LoadBefore: "0.10", LoadAfter: "1.50", Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: 61.4},
		Rows: []Row{
			{Rung: "path/persistent/1M/uniform", Candidate: "NewPacket + map", Unit: "ns/frame", Median: 1234.5, Runs: []float64{1000, 1234.5, 1500}, Ratio: 1},
			{Rung: "path/persistent/1M/uniform", Candidate: "a name of 20 letters", Unit: "ns/frame", Median: 98.76, Runs: []float64{98, 98.76, 99}, Ratio: 12.5},
			{Rung: "path/persistent/1M/uniform", Candidate: "quick", Unit: "ns/frame", Median: 3.21, Runs: []float64{3, 3.21, 99}, Ratio: 384.6},
			{Rung: "live/small", Candidate: "direct", Unit: "frames/s", Median: 12345678, Runs: []float64{12345678}, Ratio: 0.0123},
			{Rung: "workers/hit/1M", Candidate: "1 worker", Unit: "frames/s", Median: 9876543, Runs: []float64{9876543}, Ratio: 1},
			{Rung: "workers/hit/1M", Candidate: "2 workers", Unit: "frames/s", Needs: "2 CPUs"},
			{Rung: "live/small/lost", Candidate: "direct", Unit: "%", Median: 0, Runs: []float64{0}},
		},
		Notes: []string{"haproxy is not installed and was not measured. " + strings.Repeat("More words. ", 10)},
	}
}

func TestTheTableIsTheGoldenOne(t *testing.T) {
	const golden = "testdata/table.golden"
	var b bytes.Buffer
	if err := sampleReport().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for line := range strings.Lines(b.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// All names there are fit into the table.
func TestNamesFitTheColumns(t *testing.T) {
	o := Options{Flows: []int{10_000_000}, Live: Live{Lvsdr: "x", Naive: []string{"x"}, HAProxy: "x"}}
	rungs, err := Rungs(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rungs {
		for _, m := range r.Metrics {
			if len(r.Name+m.Name) > rungWidth || len([]rune(m.Unit)) > unitWidth {
				t.Errorf("%s%s in %s is too long", r.Name, m.Name, m.Unit)
			}
		}
		for _, s := range r.Candidates {
			if len(s.Name) > candidateWidth {
				t.Errorf("%s is too long", s.Name)
			}
		}
	}
}

func TestThePageStandsAlone(t *testing.T) {
	var b bytes.Buffer
	r := sampleReport()
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := html.UnescapeString(b.String())
	for _, bad := range []string{"http:", "https:", "src=", "<script", "<link", "url(", "@import"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if strings.Contains(b.String(), r.Conditions.CPU) {
		t.Error("text is not escaped")
	}
	bars := 0
	for _, row := range r.Rows {
		value := Number(row.Median)
		if row.Needs != "" {
			value = "needs " + row.Needs
		} else {
			bars++
		}
		if !strings.Contains(page, row.Rung) || !strings.Contains(page, row.Candidate) || !strings.Contains(page, value) {
			t.Errorf("the page lacks %+v", row)
		}
	}
	if n := strings.Count(page, "<rect "); n != bars {
		t.Errorf("%d bars, want %d", n, bars)
	}
	d := xml.NewDecoder(&b)
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta"}, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("tags do not match: %v", err)
		}
	}
}

func TestJSONKeepsTheReport(t *testing.T) {
	var b bytes.Buffer
	want := sampleReport()
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestConditionsAreKnown(t *testing.T) {
	o, err := Options{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	c := conditions(&o)
	for name, v := range map[string]string{"CPU": c.CPU, "kernel": c.Kernel, "load": c.LoadBefore, "command": c.Command, "Go": c.Go} {
		if v == "" || v == unknown && name != "CPU" { // some machines have no name for it
			t.Errorf("%s is %q", name, v)
		}
	}
}
