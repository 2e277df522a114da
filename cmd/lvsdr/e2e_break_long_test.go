//go:build long

package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lvsdr/bench/netns"
)

// rs1 gets no connection and so shows nothing.
func TestLabBreakSaysThatASymptomDoesNotShow(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	r := runLab(t, tmp, "break", "rs-without-vip", "--weights", "0,1")
	if r.code != 1 || !strings.Contains(r.stdout, "WRONG: the symptom does not show: ") {
		t.Errorf("code %d:\n%s", r.code, r.stdout)
	}
	wantNoTrace(t, tmp)
}

func TestLabBreakHoldsTheBrokenLab(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	r := runLab(t, tmp, "break", "rs-without-vip", "--hold", "--", "sh", "-c",
		binary()+" status && "+binary()+" lab shell rs1 -- cat /proc/net/fib_trie; exit 7")
	_, after, _ := strings.Cut(r.stdout, "The symptom shows: ")
	if r.code != 7 || !strings.Contains(after, "tcp 192.168.1.100:8080") || !strings.Contains(after, "192.168.1.11\n") || strings.Contains(after, "-- 192.168.1.100") {
		t.Errorf("code %d:\n%s\n%s", r.code, r.stdout, r.stderr)
	}
	wantNoTrace(t, tmp)
}

// A fault that puts something else in the director's place left no configuration
// behind, so that `lvsdr doctor` in the broken lab ended with 3, and asked the
// director of the machine for its state.
func TestABrokenLabWithoutADirectorKeepsItsConfiguration(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	r := runLab(t, tmp, "break", "checksum-offload", "--hold", "--", "sh", "-c",
		binary()+" run -t; echo code $?; "+binary()+" status; echo $LVSDR_CONFIG; exec "+binary()+" doctor --passive --timeout 100ms")
	_, after, _ := strings.Cut(r.stdout, "The symptom shows: ")
	for _, want := range []string{"code 0\n", tmp, "/keepalived.conf\n", "of this director"} {
		if !strings.Contains(after, want) {
			t.Errorf("no %q", want)
		}
	}
	if r.code == 3 || !strings.Contains(r.stderr, "no director answers at "+tmp) || t.Failed() {
		t.Errorf("code %d:\n%s\n%s", r.code, r.stdout, r.stderr)
	}
	wantNoTrace(t, tmp)
}

func TestLabsOfEveryShapeWork(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	file := filepath.Join(t.TempDir(), "site")
	if err := os.WriteFile(file, []byte("two-armed\nclients 2 # of them\nweights 3,1\nmtu 1400\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range part(2, []struct{ args, want string }{
		{"--two-armed --ipv6 --scheduler rr", "reaches rs3 "},
		{"--routed --topology " + file, "client2  rs"},
		{"--routed --weights 2,1", "leaves router eth0 "},
		{"--persistence 60 --servers 2", "600 requests, persistence_timeout 60"},
		{"--scheduler lc --servers 1", "rs1  weight 1"},
	}) {
		r := runLab(t, tmp, strings.Fields(c.args)...)
		if r.code != 0 || !strings.Contains(r.stdout, c.want) || !strings.HasSuffix(r.stdout, "All as it should be.\n") {
			t.Errorf("%s: code %d, want %q in:\n%s\n%s", c.args, r.code, c.want, r.stdout, r.stderr)
		}
	}
	r := runLab(t, tmp, "--topology", file+"2")
	if r.code != 2 || !strings.Contains(r.stderr, file+"2") {
		t.Errorf("a topology that does not exist: code %d, %s", r.code, r.stderr)
	}
	wantNoTrace(t, tmp)
}

// A lab that is killed cannot clean up. The kernel ends its processes and with
// them its namespaces; its files go with the next start, and only its.
func TestTheNextLabRemovesWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	for _, test := range part(1, []struct {
		name  string
		whole bool // the process that entered the world and all that it started
	}{{"the process that was started", false}, {"all of its processes", true}}) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tmp := shortDir(t)
			killLab(t, tmp, test.whole)
			await(t, "the processes of the lab to be gone", func() bool { return len(processes(t, tmp)) == 0 })
			if left, err := os.ReadDir(tmp); err != nil || len(left) == 0 {
				t.Fatalf("the killed lab left nothing, so this proves nothing: %v", err)
			}
			held := filepath.Join(tmp, "lvsdr-lab-held")
			release, err := netns.HoldDir(held)
			if err != nil {
				t.Fatal(err)
			}
			if r := runLab(t, tmp); r.code != 0 {
				t.Errorf("the next lab: code %d, %s", r.code, r.stderr)
			}
			if _, err := os.Stat(held); err != nil {
				t.Errorf("a folder that is in use is gone: %v", err)
			}
			if err := release(); err != nil {
				t.Error(err)
			}
			wantNoTrace(t, tmp)
		})
	}
}

// The captures that are kept have comments, and the symptom is marked in them.
func TestLabBreakShowsTheSymptomAndKeepsCaptures(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp, dir := shortDir(t), t.TempDir()
	r := runLab(t, tmp, "break", "rs-wrong-port", "--routed", "--two-armed", "--weights", "1,1", "--pcap", dir)
	for _, want := range []string{"rs-wrong-port: ", "Before: 24 of 24 requests were answered (rs1 12, rs2 12).", "After:  12 of 24",
		"leaves rs1 ", "TCP RST ACK", "connection refused", "The symptom shows: rs1 refused 12 connections"} {
		if !strings.Contains(strings.ReplaceAll(r.stdout, "\n", " "), want) {
			t.Errorf("no %q", want)
		}
	}
	if r.code != 0 || r.stderr != "" {
		t.Errorf("code %d, stderr %q", r.code, r.stderr)
	}
	for name, want := range map[string]string{
		"before/director-eth1.pcapng": "the director passes TCP SYN on to ",
		"before/rs1-eth0.pcapng":      "an answer as the VIP: TCP SYN ACK from rs1, not by the director",
		"after/rs1-eth0.pcapng":       "symptom: an answer as the VIP: TCP RST ACK from rs1",
		"after/all.pcapng":            "symptom: ",
		"after/router-eth2.pcapng":    "",
		"after/client1-eth0.pcapng":   "",
	} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s: %v, no %q", name, err, want)
		}
	}
	if t.Failed() {
		t.Log(r.stdout)
	}
	wantNoTrace(t, tmp)
}
