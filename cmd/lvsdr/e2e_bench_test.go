package main_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"lvsdr/dataplane/frame/build"
)

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
