package ladder

import (
	"math/rand/v2"
	"slices"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/frametest"
)

// A generated frame is the one that a builder makes of scratch, byte by byte,
// whatever forwarding did to its predecessor.
func TestGeneratedFramesAreThoseABuilderMakes(t *testing.T) {
	s := DefaultSetup(0)
	f := NewFrames(s, 1)
	r := rand.New(rand.NewPCG(1, 1))
	names := map[uint8]string{flagSYN: "S", flagACK: "A", flagRST: "R"}
	for range 2000 {
		flow, flags := r.Uint32N(NumFlows), []uint8{flagSYN, flagACK, flagRST}[r.IntN(3)]
		f.Set(0, flow, flags)
		got := f.Batch()[0]
		want := slowFrame(s, flow, names[flags])
		if !slices.Equal(got, want) {
			t.Fatalf("flow %d:\n got %s\nwant %s\n got %x\nwant %x", flow, frametest.Describe(got), frametest.Describe(want), got, want)
		}
		for i := range used {
			got[i] ^= byte(r.Uint32())
		}
	}
}

// All segments of connections that were opened are hits, and nothing else.
func TestTheDirectorTakesEveryGeneratedFrame(t *testing.T) {
	const flows = 5000
	dr, err := newDriver(NewDirector, DefaultSetup(2*flows), 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := dr.establish(t.Context(), flows); err != nil {
		t.Fatal(err)
	}
	before := dr.c.(Counter).Reasons()
	if err := dr.each(t.Context(), flows, flagACK); err != nil {
		t.Fatal(err)
	}
	after := dr.c.(Counter).Reasons()
	if n := after[dataplane.Hit.String()] - before[dataplane.Hit.String()]; n != flows {
		t.Errorf("%d hits of %d frames: %v", n, flows, after)
	}
	if n := after[dataplane.Scheduled.String()]; n != flows || len(after) != 2 {
		t.Errorf("%d connections were scheduled, want %d: %v", n, flows, after)
	}
	if err := dr.check(); err != nil {
		t.Error(err)
	}
}

func TestSettingAFrameAllocatesNothing(t *testing.T) {
	f := NewFrames(DefaultSetup(0), 1)
	flow := uint32(0)
	if n := testing.AllocsPerRun(1000, func() { f.Set(0, flow, flagACK); flow += 977 }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The candidates do the same to a frame, but for the choice of a server.
func TestCandidatesForwardAlike(t *testing.T) {
	s := DefaultSetup(1 << 14)
	var all []Forwarder
	for _, f := range []Factory{NewDirector, NewNaive, NewParser, NewLRU} {
		c, err := f(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	r := rand.New(rand.NewPCG(2, 2))
	in := NewFrames(s, 1)
	forwarded := 0
	for range 5000 {
		in.Set(0, r.Uint32N(300), []uint8{flagSYN, flagACK}[r.IntN(2)])
		var want []byte
		for i, c := range all {
			f := slices.Clone(in.Batch()[0])
			n := c.Forward([][]byte{f}, firstMoment)
			if n == 0 && !slices.Equal(f, in.Batch()[0]) {
				t.Fatalf("%s changed a frame it does not forward", c.Name())
			}
			if n == 1 && !s.isServer(frame.DstMAC(f)) {
				t.Fatalf("%s sent a frame to %s", c.Name(), frame.DstMAC(f))
			}
			if i == 0 {
				want = f[6:]
				forwarded += n
				continue
			}
			if !slices.Equal(f[6:], want) {
				t.Fatalf("%s made\n%x, %s made\n%x", c.Name(), f[6:], all[0].Name(), want)
			}
		}
	}
	if forwarded < 4000 || forwarded == 5000 {
		t.Errorf("%d frames of 5000 were forwarded", forwarded)
	}
}
