package afpacket

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane"
)

// batchOf is a batch of n frames, of which the listed ones are SYNs.
func batchOf(n int, syns ...int) []dataplane.Packet {
	pkts := make([]dataplane.Packet, n)
	syn, ack := segment("S", false, 0), segment("A", false, 0)
	for i := range pkts {
		if pkts[i].Data = ack; slices.Contains(syns, i) {
			pkts[i].Data = syn
		}
	}
	return pkts
}

func TestALoadIsHeavyAfterManyFramesWithFewSYNs(t *testing.T) {
	for _, c := range []struct {
		law                string
		batch, syns, until int // frames and SYNs of each batch; the batch that is reported, 0: none
	}{
		{"single frames", 1, 0, heavyFrames},
		{"full batches", 256, 0, heavyFrames / 256},
		{"batches that do not divide the number", 100, 0, heavyFrames/100 + 1},
		{"a SYN less than one in 64", 256, 3, heavyFrames / 256},
		{"one in 64", 256, 4, 0},
		{"a flood", 256, 200, 0},
	} {
		var l load
		first, reports := 0, 0
		for i := 1; i <= 10*heavyFrames/c.batch; i++ {
			l.syns += c.syns
			if l.heavy(c.batch) {
				if reports++; first == 0 {
					first = i
				}
			}
		}
		if first != c.until || c.until > 0 && reports < 9 {
			t.Errorf("%s: the first of %d reports after batch %d, want %d", c.law, reports, first, c.until)
		}
	}
}

// Each report is about its own frames.
func TestSYNsCountForTheFramesTheyCameWith(t *testing.T) {
	var l load
	l.syns = heavyFrames
	if l.heavy(heavyFrames) {
		t.Error("SYNs alone are a heavy load with few SYNs")
	}
	if !l.heavy(heavyFrames) {
		t.Error("the next frames, all of them no SYNs, are none")
	}
}

func TestAFloodIsSeenInAFewBatches(t *testing.T) {
	all := make([]int, 256)
	for i := range all {
		all[i] = i
	}
	for _, c := range []struct {
		law    string
		batch  []dataplane.Packet
		within int // batches; 0: never
	}{
		{"SYNs alone", batchOf(256, all...), 1},
		{"SYNs alone, in single frames", batchOf(1, 0), floodScore / synScore},
		{"SYNs alone, in batches smaller than what is looked at", batchOf(2, 0, 1), 2},
		{"no SYN", batchOf(256), 0},
		{"no frame", nil, 0},
		{"SYNs among them that are not looked at", batchOf(256, 1, 2, 70, 130), 0},
	} {
		var l load
		seen := 0
		for i := 1; i <= 1000 && seen == 0; i++ {
			if l.flooded(c.batch) {
				seen = i
			}
		}
		if seen != c.within {
			t.Errorf("%s: seen in batch %d, want %d", c.law, seen, c.within)
		}
	}
}

// Frames that come in any order: a third of them SYNs is seen soon, one in 200 is not.
func TestTheShareOfSYNsDecides(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for _, c := range []struct {
		oneIn, batches int
		want           bool
	}{{3, 20, true}, {6, 200, true}, {200, 1000, false}, {1000, 1000, false}} {
		var l load
		seen := 0
		for i := 1; i <= c.batches && seen == 0; i++ {
			pkts := batchOf(256)
			for j := range pkts {
				if rng.IntN(c.oneIn) == 0 {
					pkts[j].Data = segment("S", true, 0)
				}
			}
			if l.flooded(pkts) {
				seen = i
			}
		}
		if (seen > 0) != c.want {
			t.Errorf("one SYN in %d frames: seen in batch %d of %d", c.oneIn, seen, c.batches)
		}
	}
}

func TestOnlyFramesThatComeFastAreAHeavyLoad(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, c := range []struct {
		law   string
		gap   time.Duration // between reports
		flood time.Duration // of the last flood, before the first report; 0: never
		want  int           // the report that is believed, 0: none
	}{
		{"the second of two in short", heavyWithin - 1, 0, 2},
		{"reports that are too far apart", heavyWithin, 0, 0},
		{"a flood a moment ago", heavyWithin / 2, time.Nanosecond, int(hookedFor/(heavyWithin/2)) + 1},
		{"a flood long ago", heavyWithin / 2, time.Minute, 2},
	} {
		r := hookRule{}
		if c.flood > 0 {
			r.since = start.Add(-c.flood)
		}
		got := 0
		for i := 1; i <= 100 && got == 0; i++ {
			if r.heavy(start.Add(time.Duration(i-1) * c.gap)) {
				got = i
			}
		}
		if got != c.want {
			t.Errorf("%s: report %d, want %d", c.law, got, c.want)
		}
	}
}

func TestFewFramesAreACalm(t *testing.T) {
	var r hookRule
	total := uint64(0)
	for i, n := range []uint64{1_000_000, calmFrames, calmFrames - 1, 0, 500_000, 0} {
		total += n
		if got := r.calm(total); got != (n < calmFrames) {
			t.Errorf("look %d, %d frames: calm is %v", i, n, got)
		}
	}
}

// isSYN tells what the kernel's filter tells, and also of frames that have their tag.
func TestTheWorkerTellsASYNAsTheKernelDoes(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	seen := map[bool]int{}
	for n := range 20_000 {
		f := segment([]string{"S", "A", "SA", "S", "R"}[n%5], rng.IntN(2) == 0, rng.IntN(60))
		for range rng.IntN(4) {
			f[rng.IntN(min(len(f), 80))] = byte(rng.Uint32())
		}
		if rng.IntN(3) == 0 {
			f = f[:rng.IntN(len(f))]
		}
		want := begins(f)
		if got := isSYN(f); got != want {
			t.Fatalf("a SYN: %v, want %v: % x", got, want, f)
		}
		seen[want]++
		if len(f) < 14 || f[12] == 0x81 {
			continue
		}
		for _, tpid := range [][]byte{{0x81, 0}, {0x88, 0xa8}} {
			tagged := slices.Concat(f[:12], tpid, []byte{0x60, 0x64}, f[12:])
			if got := isSYN(tagged); got != want {
				t.Fatalf("with a tag a SYN: %v, want %v: % x", got, want, tagged)
			}
		}
	}
	if seen[true] < 1000 || seen[false] < 1000 {
		t.Errorf("cases: %v", seen)
	}
}

func FuzzIsSYN(f *testing.F) {
	for _, b := range [][]byte{segment("S", false, 0), segment("S", true, 0), segment("SA", false, 0), segment("S", true, 60)} {
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		got := isSYN(b)
		if len(b) < 14 || b[12] != 0x81 && b[12] != 0x88 {
			if got != begins(b) {
				t.Fatalf("taken for a SYN: %v, it is one: %v", got, begins(b))
			}
		}
		if !bytes.Equal(b, before) {
			t.Fatal("the frame was changed")
		}
	})
}

func TestLookingAtABatchAllocatesNothing(t *testing.T) {
	var l load
	pkts := batchOf(256, 10, 20, 63)
	if n := testing.AllocsPerRun(100, func() {
		l.flooded(pkts)
		l.heavy(len(pkts))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
