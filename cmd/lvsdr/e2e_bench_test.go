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
		if row.Median <= 0 && row.Unit != "%" && row.Rung != "live/small/loss<1%" { // on a busy machine some are lost at any rate
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
		if !seen[w] {
			t.Errorf("no number for %s", w)
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
