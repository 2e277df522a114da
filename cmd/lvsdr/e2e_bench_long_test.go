//go:build long

package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/ladder"
	"lvsdr/bench/netns"
)

// Every live rung has a number for every candidate, and the program leaves the
// page it was asked for. The plain run has two of the rungs.
func TestBenchMeasuresLiveTraffic(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	page := filepath.Join(t.TempDir(), "report.html")
	rungs := []string{"generator", "live/connections"}
	if long() {
		rungs[1] = "live"
	}
	r := lvsdr(t, "bench", "--rungs", strings.Join(rungs, ","), "--runs", "1", "--time", "40ms", "--json", "--html", page)
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
		if row.Needs == "" && row.Median <= 0 && row.Unit != "%" && row.Rung != "live/small/loss<1%" { // on a busy machine some are lost at any rate
			t.Errorf("%+v", row)
		}
	}
	want := []string{"generator frames", "live/small naive forwarder", "live/small generator alone", "live/small lvsdr", "live/small/offered lvsdr",
		"live/small/lost lvsdr", "live/small/loss<1% lvsdr", "live/small/cpu naive forwarder", "live/small/cpu lvsdr", "live/idle/cpu lvsdr", "live/idle/memory lvsdr"}
	tcp := []string{"direct", "lvsdr"}
	for _, tool := range []struct{ program, candidate string }{{"nft", "nftables"}, {"haproxy", "haproxy"}} {
		if _, err := exec.LookPath(tool.program); err == nil {
			tcp = append(tcp, tool.candidate)
		} else if !slices.ContainsFunc(report.Notes, func(n string) bool { return strings.Contains(n, tool.program+" was not found") }) {
			t.Errorf("nothing says why %s is not among the candidates: %q", tool.candidate, report.Notes)
		}
	}
	if slices.Contains(tcp, "nftables") {
		want = append(want, "live/small nftables")
	}
	for _, c := range tcp {
		want = append(want, "live/bulk "+c, "live/connections "+c)
		for _, rung := range []string{"latency", "latency-paused", "latency-loaded"} {
			want = append(want, "live/"+rung+"/p50 "+c, "live/"+rung+"/p99 "+c, "live/"+rung+"/p99.9 "+c)
		}
	}
	for _, w := range want {
		measured := slices.ContainsFunc(rungs, func(r string) bool { return strings.HasPrefix(w, r) })
		if measured != seen[w] {
			t.Errorf("a number for %s: %v, want %v", w, seen[w], measured)
		}
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), "live/connections") {
		t.Errorf("page: %v, %q", err, b)
	}
}

// A build is as good as itself; a bound that nothing keeps is broken, and the
// message names the rung.
func TestBenchCompareJudgesTwoBuilds(t *testing.T) {
	t.Parallel()
	self := os.Getenv(binaryEnv)
	tiny := []string{"compare", self, self, "--rungs", "parse", "--pairs", "2", "--time", "1ns"}
	checkBench(t, []benchCase{
		{"within the bound", append(tiny, "--bound", "1e9"), 0, "\nparse                      lvsdr ", "2 pairs ...."},
		{"above the bound", append(tiny, "--bound", "1e-9"), 1, "!\n", "parse lvsdr"},
		{"as JSON", append(tiny, "--bound", "1e-9", "--json"), 1, `"worse": true`, "parse lvsdr"},
		{"a rung that does not exist", append(tiny, "--rungs", "nothing"), 2, "", `there is no rung "nothing"`},
		{"no such program", []string{"compare", self, "/nowhere/lvsdr", "--rungs", "parse", "--time", "1ns"}, 2, "", "/nowhere/lvsdr"},
		{"another program", []string{"compare", self, "/bin/true", "--rungs", "parse", "--time", "1ns"}, 2, "", "is it lvsdr?"},
		{"one program", []string{"compare", self}, 2, "", "want OLD NEW; one argument is given"},
	})
}
