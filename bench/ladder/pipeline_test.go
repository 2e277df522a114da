package ladder

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lvsdr/dataplane"
)

// The pipelines remember alike: whatever comes when, they forward the same
// frames to the same servers.
func TestPipelinesDecideAlike(t *testing.T) {
	for _, persistence := range []time.Duration{0, 50 * time.Second} {
		s := DefaultSetup(1 << 14)
		s.Persistence = persistence
		var all []Expirer
		for _, f := range []Factory{NewParser, NewNaive, NewLRU} {
			c, err := f(s)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c.(Expirer))
		}
		r, in, now := rand.New(rand.NewPCG(3, 3)), NewFrames(s, 1), firstMoment
		for range long(5000, 20_000) {
			in.Set(0, r.Uint32N(200), []uint8{flagSYN, flagSYN, flagSYN, flagACK, flagRST}[r.IntN(5)])
			now += r.Int64N(1e9)
			var want string
			for i, c := range all {
				if now/1e9%10 == 0 {
					c.Expire(now)
				}
				f := bytes.Clone(in.Batch()[0])
				got := fmt.Sprintf("%d %x", c.Forward([][]byte{f}, now), f)
				if i == 0 {
					want = got
				}
				if got != want {
					t.Fatalf("%s: %s; %s: %s", c.Name(), got, all[0].Name(), want)
				}
			}
		}
	}
}

// An Expirer forgets a SYN after 60 s and a connection never.
func TestExpirersForgetHalfOpenConnectionsAlone(t *testing.T) {
	const n = 1000
	for _, f := range []Factory{NewNaive, NewParser, NewLRU, NewDirector} {
		dr, err := newDriver(f, DefaultSetup(2*n), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := dr.each(t.Context(), 2*n, flagSYN); err != nil {
			t.Fatal(err)
		}
		if err := dr.each(t.Context(), n, flagACK); err != nil { // the first half
			t.Fatal(err)
		}
		forwarded := func(flow int) bool {
			dr.f.Set(0, uint32(flow), flagACK)
			return dr.c.Forward(dr.f.Batch(), dr.now) == 1
		}
		dr.now += 59e9
		dr.c.(Expirer).Expire(dr.now)
		if !forwarded(n) {
			t.Errorf("%s has forgotten a SYN after 59 s", dr.c.Name())
		}
		dr.now += generation
		dr.c.(Expirer).Expire(dr.now)
		for flow := range 2 * n {
			if forwarded(flow) != (flow <= n) {
				t.Fatalf("%s, %s later: flow %d is known: %v", dr.c.Name(), time.Duration(generation), flow, flow > n)
			}
		}
	}
}

// What expired gives its memory back.
func TestExpiredConnectionsLeaveTheTable(t *testing.T) {
	c, err := NewLRU(DefaultSetup(1 << 14))
	if err != nil {
		t.Fatal(err)
	}
	dr := driverOf(c, DefaultSetup(0), 1)
	if err := dr.each(t.Context(), 1000, flagSYN); err != nil {
		t.Fatal(err)
	}
	table := c.(*lruPipeline).conns
	if n := table.Len(); n != 1000 {
		t.Errorf("%d connections of 1000", n)
	}
	dr.now += generation
	c.(Expirer).Expire(dr.now)
	if n := table.Len(); n != 0 {
		t.Errorf("%d connections live on", n)
	}
}

// An LRU table whose shards evict one by one still holds what it is to hold,
// and a hit allocates nothing.
func TestTheLRUTableHoldsItsLimit(t *testing.T) {
	for _, flows := range []int{20_000, 300_000} {
		dr, err := newDriver(NewLRU, DefaultSetup(flows), dataplane.MaxBatch)
		if err != nil {
			t.Fatal(err)
		}
		if err := dr.establish(t.Context(), flows); err != nil {
			t.Fatal(err)
		}
		if dr.offered != dr.forwarded {
			t.Errorf("of %d flows: %d of %d frames were forwarded", flows, dr.forwarded, dr.offered)
		}
		pick := Uniform(flows)
		if n := testing.AllocsPerRun(10, func() { dr.forwardBatch(func(i int) { dr.f.Set(i, pick.Next(), flagACK) }) }); n != 0 {
			t.Errorf("%v allocations in a batch", n)
		}
	}
}
