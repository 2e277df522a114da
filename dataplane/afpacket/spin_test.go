package afpacket

import (
	"math"
	"math/rand"
	"testing"
	"time"

	"lvsdr/bench/netns"
)

func TestAFixedSpinnerWatchesAQuickExchangeEveryTime(t *testing.T) {
	s := spinner{fixed: true}
	for i := range 1000 {
		if s.due() || !s.want() {
			t.Fatalf("did not spin at chance %d though every spin paid", i)
		}
		s.done(true)
	}
}

func TestRareFramesSpinOneTimeInSixtyFour(t *testing.T) {
	s := spinner{fixed: true}
	spins := 0
	for range 64 * 100 {
		if s.want() {
			spins++
			s.done(false)
		}
	}
	if spins < 100 || spins > 110 {
		t.Fatalf("%d spins in 6400 chances, want about 100", spins)
	}
}

func TestOneHitRestoresSpinning(t *testing.T) {
	s := spinner{fixed: true}
	for range 1000 {
		if s.want() {
			s.done(false)
		}
	}
	chances := 0
	for !s.want() {
		chances++
	}
	s.done(true)
	if chances > 63 || !s.want() {
		t.Fatalf("spun again after %d chances, and then again: %v", chances, s.want())
	}
}

// A traffic says when the next frame comes, after one that was forwarded at now.
type traffic func(now float64) float64

// exchange is of a client that sends the next request once it has the answer, the network
// and the server taking rtt µs.
func exchange(rtt float64) traffic { return func(now float64) float64 { return now + rtt } }

// paced are frames that come every gap µs, whatever becomes of them.
func paced(gap float64) traffic {
	next := 0.0
	return func(float64) float64 {
		next += gap
		return next
	}
}

// random are frames that come by chance, every gap µs on average.
func random(gap float64, seed int64) traffic {
	r, next := rand.New(rand.NewSource(seed)), 0.0
	return func(float64) float64 {
		next += gap * r.ExpFloat64()
		return next
	}
}

// A bench is a NIC with one worker on a clock of its own, which counts µs.
type bench struct {
	spinner  spinner
	now      float64
	next     float64 // when the next frame comes
	frames   uint64
	watched  float64 // µs spent in watching
	chances  int     // empty rings
	sleeping int     // of these, how many led to a sleep
}

// What a sleep and a wake-up take, and how long a ring is watched, µs.
const (
	wakeUp   = 50
	spinTime = 250
)

// run has the worker forward what comes, for a time in seconds.
func (b *bench) run(t traffic, seconds float64) {
	end := b.now + seconds*1e6
	b.next = max(b.next, t(b.now))
	for b.now < end {
		if b.next <= b.now { // it is there
			b.frames++
			b.now += 0.2
			b.next = t(b.now)
			continue
		}
		b.chances++
		if b.spinner.due() {
			b.spinner.next(int64(b.now*1e3), b.frames)
		}
		if b.spinner.want() {
			hit := b.next <= b.now+spinTime
			spun := min(b.next-b.now, spinTime)
			b.watched += spun
			b.now += spun
			if b.spinner.done(hit); hit {
				continue
			}
		}
		b.sleeping++
		b.now = b.next + wakeUp
	}
}

// share is the part of the time in which the ring was watched, since then.
func (b *bench) share(watched, since float64) float64 {
	return (b.watched - watched) / (b.now - since)
}

// Where each frame is the answer to the last, and comes sooner for being watched for, nearly all
// are: fewer than one in a hundred waits for a wake-up.
func TestAnExchangeIsWatched(t *testing.T) {
	for _, rtt := range []float64{5, 20, 40, 90} {
		var b bench
		b.run(exchange(rtt), 1)
		chances, sleeping := b.chances, b.sleeping
		b.run(exchange(rtt), 5)
		if slow := float64(b.sleeping-sleeping) / float64(b.chances-chances); slow > 0.01 {
			t.Errorf("in an exchange of %v µs %.1f %% of the frames wait for a wake-up, want at most 1 %%", rtt, 100*slow)
		}
	}
}

// Soon is a few hundred frames.
func TestAnExchangeIsWatchedSoon(t *testing.T) {
	var b bench
	b.run(exchange(30), 0.03)
	if !b.spinner.watching {
		t.Errorf("it is not watched for after %d frames", b.frames)
	}
}

// The first frames of a trial of watching may come too late; those behind them count.
func TestATrialForgivesItsFirstMisses(t *testing.T) {
	for misses, want := range map[int]bool{0: true, 3: true, grace: true, grace + 1: false} {
		var s spinner
		for now := int64(0); !s.trial; now += 100 {
			if s.want() {
				t.Fatal("watched before the first trial")
			}
			if s.due() {
				s.next(now, uint64(now)/100)
			}
		}
		for range misses {
			if !s.want() {
				t.Fatal("the trial watches for some of its frames alone")
			}
			s.done(false)
		}
		if s.want() != want {
			t.Errorf("after %d misses the trial watches: %v, want %v", misses, !want, want)
		}
	}
}

// Frames that come anyway are hardly ever watched for, however many, paced or by
// chance: the CPU is left to others.
func TestFramesThatComeAnywayAreNotWatchedFor(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for name, gap := range map[string]float64{"1 k/s": 1000, "5 k/s": 200, "10 k/s": 100, "11 k/s": 90, "30 k/s": 33, "100 k/s": 10, "500 k/s": 2} {
		for seed := range int64(2) {
			for kind, traffic := range map[string]traffic{"paced": paced(gap), "random": random(gap, seed)} {
				var b bench
				b.run(traffic, 1)
				watched, since := b.watched, b.now
				b.run(traffic, 6)
				if share := b.share(watched, since); share > 0.05 {
					t.Errorf("%s of %s are watched for %.1f %% of the time, want at most 5 %%", kind, name, 100*share)
				}
			}
		}
	}
}

// An idle NIC watches for one in 64 of its rare frames at most.
func TestRareFramesCostNothing(t *testing.T) {
	var b bench
	b.run(random(50e3, 1), 2000) // 20 a second
	if share := b.share(0, 0); share > 1e-4 {
		t.Errorf("the ring is watched for %.3f %% of the time", 100*share)
	}
}

// What the spinner knows is tried again: traffic that turns into another is
// treated as that one within two seconds.
func TestTheSpinnerFollowsTheTraffic(t *testing.T) {
	var b bench
	quick := func() traffic { return exchange(40) }
	steady := func() traffic {
		next := b.now
		return func(float64) float64 {
			next += 50
			return next
		}
	}
	for turn := range 6 {
		traffic, watching := quick(), true
		if turn%2 == 1 {
			traffic, watching = steady(), false
		}
		b.next = 0
		b.run(traffic, 2)
		watched, since := b.watched, b.now
		b.run(traffic, 3)
		if share := b.share(watched, since); share > 0.5 != watching {
			t.Errorf("turn %d: the ring is watched for %.0f %% of the time", turn, 100*share)
		}
	}
}

// A spinner survives clocks that stand still, and counters of any size.
func TestAnEpochWithoutTime(t *testing.T) {
	var s spinner
	for i := range uint64(10000) {
		if s.due() {
			s.next(int64(time.Hour), math.MaxUint64-10000+i)
		}
		if s.want() {
			s.done(i%3 == 0)
		}
		if math.IsNaN(s.rate) || math.IsInf(s.rate, 0) {
			t.Fatalf("a rate of %v", s.rate)
		}
	}
}
