package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lvsdr/bench/ladder"
	"lvsdr/bench/netlab"
)

// Every live rung has a number for every candidate, and the program leaves the
// page it was asked for.
func TestBenchMeasuresLiveTraffic(t *testing.T) {
	netlab.Require(t)
	page := filepath.Join(t.TempDir(), "report.html")
	r := lvsdr(t, "bench", "--rungs", "live,generator", "--runs", "1", "--time", "40ms", "--json", "--html", page)
	if r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	var report ladder.Report
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	seen := map[string]bool{}
	for _, row := range report.Rows {
		seen[row.Rung+" "+row.Candidate] = true
		if row.Median <= 0 && row.Unit != "%" {
			t.Errorf("%+v", row)
		}
	}
	for _, want := range []string{"generator frames", "live/small naive forwarder", "live/small generator alone", "live/small lvsdr", "live/small/lost lvsdr",
		"live/latency/p50 direct", "live/latency/p50 lvsdr", "live/latency/p99 lvsdr", "live/bulk direct", "live/bulk lvsdr",
		"live/connections direct", "live/connections lvsdr"} {
		if !seen[want] {
			t.Errorf("no number for %s", want)
		}
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), "live/connections") {
		t.Errorf("page: %v, %q", err, b)
	}
}

func TestBenchCommandLine(t *testing.T) {
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{"the list measures nothing", []string{"--list", "--flows", "10000"}, 0, "path/hit/10k/zipf\n", ""},
		{"the list without live rungs", []string{"--list", "--live=false", "--rungs", "parse"}, 0, "parse\n", ""},
		{"a rung that does not exist", []string{"--rungs", "nothing"}, 2, "", `there is no rung "nothing"`},
		{"too few flows", []string{"--flows", "7"}, 2, "", "7 flows: want 4096"},
		{"a capture that is not there", []string{"--pcap", "/nowhere/x.pcap"}, 2, "", "/nowhere/x.pcap"},
		{"a table", []string{"--rungs", "parse", "--time", "1ns", "--runs", "1"}, 0, "LayerParser", "1/1 parse ..."},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := lvsdr(t, append([]string{"bench"}, test.args...)...)
			if r.code != test.code || !strings.Contains(r.stdout, test.stdout) || !strings.Contains(r.stderr, test.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d, %q, %q", r.code, r.stdout, r.stderr, test.code, test.stdout, test.stderr)
			}
		})
	}
}

// A build is as good as itself; a bound that nothing keeps is broken, and the
// message names the rung.
func TestBenchCompareJudgesTwoBuilds(t *testing.T) {
	self := os.Getenv(binaryEnv)
	tiny := []string{"bench", "compare", self, self, "--rungs", "parse", "--pairs", "2", "--time", "1ns"}
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{"within the bound", append(tiny, "--bound", "1e9"), 0, "\nparse                      lvsdr ", "2 pairs ...."},
		{"above the bound", append(tiny, "--bound", "1e-9"), 1, "!\n", "parse lvsdr"},
		{"as JSON", append(tiny, "--bound", "1e-9", "--json"), 1, `"worse": true`, "parse lvsdr"},
		{"a rung that does not exist", append(tiny, "--rungs", "nothing"), 2, "", `there is no rung "nothing"`},
		{"no such program", []string{"bench", "compare", self, "/nowhere/lvsdr", "--rungs", "parse", "--time", "1ns"}, 2, "", "/nowhere/lvsdr"},
		{"another program", []string{"bench", "compare", self, "/bin/true", "--rungs", "parse", "--time", "1ns"}, 2, "", "is it lvsdr?"},
		{"one program", []string{"bench", "compare", self}, 2, "", "accepts 2 arg(s)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := lvsdr(t, test.args...)
			if r.code != test.code || !strings.Contains(r.stdout, test.stdout) || !strings.Contains(r.stderr, test.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d, %q, %q", r.code, r.stdout, r.stderr, test.code, test.stdout, test.stderr)
			}
		})
	}
}
