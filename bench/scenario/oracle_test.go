package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestKernelDecisions replays what a real kernel's IPVS decided, recorded in
// testdata, and wants every decision, every entry and every count equal.
func TestKernelDecisions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded scenarios: %v", err)
	}
	for _, file := range files {
		want := readFile(t, file)
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			got := readFile(t, file)
			if err := Play(got); err != nil {
				t.Fatal(err)
			}
			diffs := compare(want, got)
			if other := otherKernel(t, want); other != nil && len(diffs) > 0 {
				diffs = compare(other, got)
			}
			if len(diffs) > 0 {
				t.Errorf("%d differences:\n%s", len(diffs), strings.Join(diffs[:min(len(diffs), 8)], "\n"))
			}
		})
	}
}

// otherKernel is the scenario as the second kernel played it; nil: as the first did.
func otherKernel(t *testing.T, ops []*Op) []*Op {
	t.Helper()
	other, differs := slices.Clone(ops), false
	for i, op := range ops {
		if len(op.Alt) == 0 {
			continue
		}
		alt := *op
		alt.Result = Result{}
		if err := json.Unmarshal(op.Alt, &alt); err != nil {
			t.Fatal(err)
		}
		other[i], differs = &alt, true
	}
	if !differs {
		return nil
	}
	return other
}

func readFile(t *testing.T, name string) []*Op {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ops, err := Read(name, f)
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

// compare lists the differences of two plays of a scenario. Expiry times may
// differ by a second, those of templates by six, and entries about to be reaped
// do not count: the kernel's timers are coarse.
func compare(want, got []*Op) []string {
	if want[0].Check == "distribution" {
		return compareShares(want, got)
	}
	var diffs []string
	for i, w := range want {
		g := got[i]
		if slices.Contains(flaws[want[0].Name], i+1) {
			continue
		}
		diff := func(what string, w, g any) {
			if a, b := text(w), text(g); a != b {
				diffs = append(diffs, fmt.Sprintf("operation %d (%s at %d ms): %s: the kernel says %s, we say %s", i+1, text(want[i].Packet), want[i].TMs, what, a, b))
			}
		}
		diff("time", w.TMs, g.TMs)
		diff("exit", w.Exit, g.Exit)
		diff("err", w.Err, g.Err)
		diff("ipvsadm", w.IPVSAdm, g.IPVSAdm)
		if slices.Contains(otherOrder, w.IPVSAdm) {
			diff("text", ordered(w.Text), ordered(g.Text))
		} else {
			diff("text", w.Text, g.Text)
		}
		r, x := g.Result, w.Result
		r.Reason = ""
		if r.Out, x.Out = comparable(w.Out, g.Out); len(x.Out) > 0 {
			r.TTLOut, x.TTLOut = 0, 0 // Out says it, and right where the families of a tunnel differ
		}
		diff("result", x, r)
		diff("services", sorted(w.Services), sorted(g.Services))
		if w.Op == "conns" {
			a, b := alive(w.Conns), alive(g.Conns)
			align(a, b)
			diff("conns", a, b)
		}
	}
	return diffs
}

// flaws are lines of recordings that show a flaw of the kernel, which is no law: it leaves
// the pseudo header out when it checks an ICMPv6 error of a masqueraded server itself, finds
// it wrong and drops it.
var flaws = map[string][]int{"nat-ipv6": {37, 38, 39}}

// compareShares lists the servers whose shares of the packets differ by more than
// chance makes likely: a scheduler that draws is compared so.
func compareShares(want, got []*Op) []string {
	shares := func(ops []*Op) (n int, by map[string]float64) {
		by = map[string]float64{}
		for _, op := range ops {
			if op.Op == "pkt" {
				n++
				by[op.To]++
			}
		}
		return n, by
	}
	n, w := shares(want)
	_, g := shares(got)
	var diffs []string
	for to := range maps.Keys(g) {
		if _, ok := w[to]; !ok {
			diffs = append(diffs, fmt.Sprintf("%v packets to %s, where the kernel sends none", g[to], to))
		}
	}
	for to := range w {
		// Four times the standard deviation of the difference of two fair draws.
		if d, most := math.Abs(w[to]-g[to]), 4*math.Sqrt(float64(n)/2); d > most {
			diffs = append(diffs, fmt.Sprintf("%v of %d packets to %s, the kernel sends %v", g[to], n, to, w[to]))
		}
	}
	return diffs
}

// comparable are the frames that left but for what may differ: identifications that are the
// sender's to choose, source ports of GUE, and the bytes themselves.
func comparable(want, got []Out) (g, w []Out) {
	w, g = slices.Clone(want), slices.Clone(got)
	for i := range w {
		if i < len(g) {
			forgive(&w[i], &g[i])
		}
	}
	for i := range g {
		g[i].Hex = ""
	}
	return g, w
}

func forgive(w, g *Out) {
	w.Hex = ""
	if w.ID == "other" {
		g.ID = "other"
	}
	if w.Proto == "gue" && g.Proto == "gue" {
		w.SPort, g.SPort = 0, 0
	}
	if w.Inner != nil && g.Inner != nil {
		inner, ours := *w.Inner, *g.Inner
		forgive(&inner, &ours)
		w.Inner, g.Inner = &inner, &ours
	}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// sorted orders services; their servers' order is part of the decision.
func sorted(s []ServiceDump) []ServiceDump {
	s = append([]ServiceDump{}, s...)
	slices.SortFunc(s, func(a, b ServiceDump) int { return strings.Compare(key(a), key(b)) })
	return s
}

func key(s ServiceDump) string { return fmt.Sprint(s.FWMark, s.Proto, s.VIP, s.Port) }

// alive leaves out what is being reaped, and sorts.
func alive(cs []Conn) []Conn {
	cs = slices.DeleteFunc(append([]Conn{}, cs...), func(c Conn) bool { return c.Expires == 0 })
	slices.SortFunc(cs, compareConns)
	return cs
}

// align forgives differences of expiry within the tolerance.
func align(want, got []Conn) {
	for i := range min(len(want), len(got)) {
		tolerance := int64(1)
		if want[i].SPort == 0 {
			tolerance = 6
		}
		if d := want[i].Expires - got[i].Expires; d >= -tolerance && d <= tolerance {
			got[i].Expires = want[i].Expires
		}
	}
}

func TestReadNamesTheLineThatCannotBeRead(t *testing.T) {
	for name, in := range map[string]string{
		"x:1: ":                  "",
		"x:2: ":                  "{\"op\":\"scenario\",\"schema\":1}\n{\"op\":",
		"x:1: a scenario begins": "{\"op\":\"pkt\"}",
	} {
		_, err := Read("x", strings.NewReader(in))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%q: error %v, want one that begins with %q", in, err, name)
		}
	}
}

// otherOrder are the listings that the kernel gives in the order of its hash
// tables. Ours are sorted, so only what they list is compared: every service
// with its servers, and every connection.
var otherOrder = []string{"-Ln --nosort", "-Lnc", "-Lnc --persistent-conn"}

// ordered sorts the lines of a listing behind its header, but leaves servers, in
// their order, behind their service.
func ordered(lines []string) []string {
	var blocks []string
	for _, line := range lines {
		if strings.HasPrefix(line, "  ->") && len(blocks) > 0 {
			blocks[len(blocks)-1] += "\n" + line
		} else {
			blocks = append(blocks, line)
		}
	}
	slices.Sort(blocks[1:])
	return blocks
}
