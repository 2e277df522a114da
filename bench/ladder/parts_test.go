package ladder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestNumbersHaveThreeDigitsOfMeaning(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 0.041: "0.04", 9.994: "9.99", 10: "10.0", 99.96: "100.0", 999.94: "999.9", 1000: "1 000", 12345.6: "12 346",
		1e6: "1 000 000", 1234567890: "1 234 567 890"} {
		if got := Number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		v := math.Pow(10, 9*r.Float64())
		s := Number(v)
		var back float64
		if _, err := fmt.Sscan(strings.ReplaceAll(s, " ", ""), &back); err != nil || math.Abs(back-v) > v/100+0.006 {
			t.Fatalf("%v is written %q, which is %v, %v", v, s, back, err)
		}
		if len(s) > valueWidth+4 {
			t.Fatalf("%v is written %q", v, s)
		}
	}
}

func TestRatiosTakeSixLetters(t *testing.T) {
	for ratio, want := range map[float64]string{0: "–", 1: "1.00", 0.5: "0.50", 0.1: "0.10", 0.0994: "0.099", 0.001: "0.001", 99.99: "99.99", 100: "100", 12345: "12345"} {
		row := Row{Ratio: ratio}
		if got := row.ratio(); got != want || len([]rune(got)) > ratioWidth {
			t.Errorf("%v: %q, want %q", ratio, got, want)
		}
	}
}

// Wrapping changes blanks only, and no line is longer than it may be unless a
// word is.
func TestWrappingChangesBlanksOnly(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		var words []string
		for range r.IntN(30) {
			words = append(words, strings.Repeat("ä", 1+r.IntN(12)))
		}
		text, width, indent := strings.Join(words, " "), 10+r.IntN(40), r.IntN(9)
		got := wrap(text, width, indent)
		if strings.Join(strings.Fields(got), " ") != text {
			t.Fatalf("%q became %q", text, got)
		}
		for i, line := range strings.Split(got, "\n") {
			if i > 0 && !strings.HasPrefix(line, strings.Repeat(" ", indent)) {
				t.Fatalf("line %d of %q is not indented by %d", i+1, got, indent)
			}
			line = strings.TrimSpace(line)
			if n := len([]rune(line)); n > width && strings.Contains(line, " ") {
				t.Fatalf("a line of %d, wider than %d: %q", n, width, line)
			}
		}
	}
}

// ratioSlow states the ratio as its comment reads.
func ratioSlow(base, v []float64, less bool) float64 {
	var all []float64
	for i := range v {
		times := v[i] / base[i]
		if less {
			times = base[i] / v[i]
		}
		all = append(all, times)
	}
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

func TestRatiosAreTheMedianOverTheTurns(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 300 {
		n := 1 + r.IntN(9)
		base, v := make([]float64, n), make([]float64, n)
		for i := range n {
			base[i], v[i] = 1+r.Float64()*9, 1+r.Float64()*9
		}
		for _, less := range []bool{true, false} {
			if got, want := ratio(base, v, less), ratioSlow(base, v, less); math.Abs(got-want) > 1e-12 {
				t.Fatalf("%v beside %v, less %v: %v, want %v", v, base, less, got, want)
			}
		}
		if got := ratio(base, base, n%2 == 0); got != 1 {
			t.Fatalf("the baseline is %v times as good as itself", got)
		}
	}
	if ratio(nil, []float64{1}, true) != 0 || ratio([]float64{0}, []float64{1}, false) != 0 || ratio([]float64{1}, []float64{0}, true) != 0 {
		t.Error("something is compared with nothing")
	}
	if s := (&Row{Runs: []float64{1, 3}, Median: 2}).Spread(); s != 0.5 {
		t.Errorf("the spread of 1 to 3 is %v", s)
	}
	if s := (&Row{Runs: []float64{0, 3}}).Spread(); s != 0 {
		t.Errorf("the spread around 0 is %v", s)
	}
}

func TestRungsAreChosenByTheFirstPartsOfTheirNames(t *testing.T) {
	names := func(wanted ...string) string {
		rungs, err := Rungs(short(wanted...))
		if err != nil {
			return err.Error()
		}
		var all []string
		for _, r := range rungs {
			all = append(all, r.Name)
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct {
		law    string
		wanted []string
		want   string
	}{
		{"a whole name", []string{"parse"}, "parse"},
		{"first parts", []string{"path/hit"}, "path/hit/4096/uniform path/hit/4096/zipf"},
		{"in the ladder's order, whatever the order of asking", []string{"parse", "generator"}, "generator parse"},
		{"each once", []string{"path/hit/4096", "path/hit"}, "path/hit/4096/uniform path/hit/4096/zipf"},
		{"parts are whole", []string{"path/hi"}, `there is no rung "path/hi"`},
		{"one that is not there spoils all", []string{"parse", "x"}, `there is no rung "x"`},
	} {
		if got := names(c.wanted...); got != c.want {
			t.Errorf("%s: %s, want %s", c.law, got, c.want)
		}
	}
	all := strings.Fields(names())
	if !slices.Contains(all, "memport") || slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, "live") || s == "path/capture" }) {
		t.Errorf("all that needs neither a lab nor a capture: %v", all)
	}
}

func TestDefaultsFillWhatWasNotGiven(t *testing.T) {
	o, err := Options{}.complete()
	if err != nil || !slices.Equal(o.Flows, []int{10_000, 1_000_000}) || o.Batch != 64 || o.Runs != 5 || o.Time != 200*time.Millisecond || o.NewShare != NewShare || o.Zipf != ZipfExponent {
		t.Errorf("%+v, %v", o, err)
	}
	given := Options{Flows: []int{5000}, Batch: 1, Runs: 1, Time: 1, NewShare: 1, Zipf: 2}
	if o, err := given.complete(); err != nil || o.Flows[0] != 5000 || o.Batch != 1 || o.Runs != 1 || o.Time != 1 || o.NewShare != 1 || o.Zipf != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	for want, o := range map[string]Options{
		"4095 flows: want 4096 to 67108864":                               {Flows: []int{MinFlows - 1}},
		"batch of 257: want 1 to 256":                                     {Batch: 257},
		"share of new connections of 1.5: want more than 0 and at most 1": {NewShare: 1.5},
		"exponent of 11: want more than 1 and at most 10":                 {Zipf: 11},
		"-1 runs of 200ms: want at least one, and some time":              {Runs: -1},
		"5 runs of -1ns: want at least one, and some time":                {Time: -1},
	} {
		if _, err := o.complete(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestCPUsAreTakenFromTheTop(t *testing.T) {
	set := func(cpus ...int) (s unix.CPUSet) {
		for _, c := range cpus {
			s.Set(c)
		}
		return s
	}
	for _, c := range []struct {
		cpus        []int
		first, last int
	}{{[]int{0}, 0, 0}, {[]int{0, 1}, 0, 1}, {[]int{3, 7, 64, 130}, 3, 130}, {[]int{1023}, 1023, 1023}, {nil, 1023, 0}} {
		s := set(c.cpus...)
		if firstCPU(s) != c.first || lastCPU(s) != c.last {
			t.Errorf("%v: first %d, last %d", c.cpus, firstCPU(s), lastCPU(s))
		}
	}
	if s := only(65); s.Count() != 1 || !s.IsSet(65) {
		t.Errorf("one CPU: %v", s)
	}
	var before, during, after unix.CPUSet
	read := func(s *unix.CPUSet) {
		if err := unix.SchedGetaffinity(0, s); err != nil {
			t.Error(err)
		}
	}
	done := make(chan struct{})
	go func() { // on a thread of its own
		defer close(done)
		if err := pinned(func() error { read(&during); return nil }); err != nil {
			t.Error(err)
		}
	}()
	<-done
	read(&before)
	gone := errors.New("gone")
	if err := pinned(func() error { return gone }); !errors.Is(err, gone) {
		t.Errorf("an error in between: %v", err)
	}
	read(&after)
	if during.Count() != 1 && during != before {
		t.Errorf("bound to %d CPUs", during.Count())
	}
	if before != after {
		t.Error("the thread stays bound")
	}
}

// A loop is measured by whole chunks, rests between them, and is ended once.
func TestALoopIsDoneByChunks(t *testing.T) {
	steps, rests := 0, 0
	l := &loop{step: func() int { steps++; return 64 }, rest: func() { rests++ }, check: func() error { return nil }}
	if ns, err := l.measure(t.Context(), 1); err != nil || ns < 0 || steps != rests*chunk/64 || rests == 0 {
		t.Errorf("%v ns, %v: %d steps, %d rests", ns, err, steps, rests)
	}
	lost := errors.New("frames were lost")
	l.check = func() error { return lost }
	if _, err := l.measure(t.Context(), 1); !errors.Is(err, lost) {
		t.Errorf("a check that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.measure(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := l.close(lost); err != lost {
		t.Errorf("without an end: %v", err)
	}
	bad := errors.New("bad end")
	l.end = func() error { return bad }
	if err := l.close(lost); !errors.Is(err, lost) || !errors.Is(err, bad) {
		t.Errorf("with an end: %v", err)
	}
	if end(3) != nil || end(closer{bad}) != bad {
		t.Error("what can be closed is not, or what cannot is")
	}
}

type closer struct{ err error }

func (c closer) Close() error { return c.err }

// The bars of a page are as long as their numbers, beside the longest.
func TestBarsOfAPageAreToScale(t *testing.T) {
	r := sampleReport()
	if most := r.most("live/small/lost"); most != 1 {
		t.Errorf("of zeroes alone the most is %v", most)
	}
	if most := r.most("path/persistent/1M/uniform"); most != 1234.5 {
		t.Errorf("the most is %v", most)
	}
	name := filepath.Join(t.TempDir(), "r.html")
	if err := r.WritePage(name); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(name)
	if err != nil || !bytes.Contains(page, []byte(`width="1000"`)) || !bytes.Contains(page, []byte(`width="80"`)) {
		t.Errorf("%v: no bar of 1234.5, or of 98.76 beside it", err)
	}
	if err := r.WritePage(filepath.Join(name, "below")); err == nil {
		t.Error("a page was written below a file")
	}
	for _, write := range []func(*Report) error{
		func(r *Report) error { return r.WriteText(full{}) }, func(r *Report) error { return r.WriteHTML(full{}) }, func(r *Report) error { return r.WriteJSON(full{}) },
	} {
		if err := write(r); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("on a full disk: %v", err)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, unix.ENOSPC }

func TestNotesSayWhatIsNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	l := FindLive("/x/lvsdr", "naive", "eth0")
	if l.HAProxy != "" || l.Nft != "" || l.Lvsdr != "/x/lvsdr" || !slices.Equal(l.Naive, []string{"naive", "eth0"}) {
		t.Errorf("%+v", l)
	}
	dir := t.TempDir()
	for _, name := range []string{"haproxy", "nft"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	if l := FindLive("x"); l.HAProxy != filepath.Join(dir, "haproxy") || l.Nft != filepath.Join(dir, "nft") {
		t.Errorf("%+v", l)
	}
}
