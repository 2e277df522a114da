package main_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"lvsdr/bench/ladder"
	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame/build"
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
		measured := slices.ContainsFunc(rungs, func(r string) bool { return strings.HasPrefix(w, r) })
		if measured != seen[w] {
			t.Errorf("a number for %s: %v, want %v", w, seen[w], measured)
		}
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), "live/connections") {
		t.Errorf("page: %v, %q", err, b)
	}
}

// A benchCase is a command line and what comes of it.
type benchCase struct {
	name   string
	args   []string
	code   int
	stdout string
	stderr string
}

func checkBench(t *testing.T, cases []benchCase) {
	t.Helper()
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			do := lvsdr
			if test.code == 2 { // it measures nothing
				do = verb
			}
			r := do(t, append([]string{"bench"}, test.args...)...)
			if r.code != test.code || !strings.Contains(r.stdout, test.stdout) || !strings.Contains(r.stderr, test.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d, %q, %q", r.code, r.stdout, r.stderr, test.code, test.stdout, test.stderr)
			}
		})
	}
}

func TestBenchCommandLine(t *testing.T) {
	t.Parallel()
	checkBench(t, []benchCase{
		{"the list measures nothing", []string{"--list", "--flows", "10000"}, 0, "path/hit/10k/zipf\n", ""},
		{"the list without live rungs", []string{"--list", "--live=false", "--rungs", "parse"}, 0, "parse\n", ""},
		{"a rung that does not exist", []string{"--rungs", "nothing"}, 2, "", `there is no rung "nothing"`},
		{"too few flows", []string{"--flows", "7"}, 2, "", "7 flows: want 4096"},
		{"a flat zipf law", []string{"--zipf", "1"}, 2, "", "exponent of 1: want more than 1"},
		{"more than all frames", []string{"--new-share", "2"}, 2, "", "share of new connections of 2: want"},
		{"no such baseline", []string{"--baseline", "nobody"}, 2, "", `no rung has a candidate "nobody"`},
		{"a capture that is not there", []string{"--pcap", "/nowhere/x.pcap"}, 2, "", "/nowhere/x.pcap"},
		{"a table", []string{"--rungs", "parse", "--time", "1ns", "--runs", "1"}, 0, "LayerParser", "1/1 parse ..."},
		{"another baseline", []string{"--rungs", "parse", "--time", "1ns", "--runs", "1", "--baseline", "lvsdr"}, 0, "\nparse                      lvsdr ", ""},
	})
}

// The frames of a capture are a rung of their own, and the page shows it
// beside others.
func TestBenchMeasuresACapture(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pcap, page := filepath.Join(dir, "a.pcap"), filepath.Join(dir, "report.html")
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, flags := range []string{"S", "A", "AP", "AF"} {
		f := build.TCP{Src: netip.MustParseAddrPort("192.0.2.1:5000"), Dst: netip.MustParseAddrPort("198.51.100.7:443"), Flags: flags}.Bytes()
		if err := w.WritePacket(gopacket.CaptureInfo{CaptureLength: len(f), Length: len(f)}, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(pcap, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	r := lvsdr(t, "bench", "--pcap", pcap, "--rungs", "path/capture,workers,memory", "--flows", "4096", "--runs", "1", "--time", "1ns", "--html", page)
	if r.code != 0 || !strings.Contains(r.stdout, "path/capture") {
		t.Fatalf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<h2>path/capture</h2>", "<h2>workers/hit/4096</h2>", "<h2>memory/IPv6/16384</h2>", "LayerParser &#43; LRU"} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page lacks %s:\n%s", want, html)
		}
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
