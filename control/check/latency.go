package check

import (
	"cmp"
	"slices"
	"time"
)

// numBounds is the number of bounds of a Latency.
const numBounds = 12

// LatencyBounds are the upper bounds of a Latency's buckets, the least first. The last
// bucket has none.
func LatencyBounds() [numBounds]time.Duration {
	const ms = time.Millisecond
	return [numBounds]time.Duration{ms, 2500 * time.Microsecond, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms,
		time.Second, 2500 * ms, 5 * time.Second}
}

// A Latency is how long the attempts of one kind of probe took that had one outcome, since
// the Runner was made.
type Latency struct {
	Kind    string // of the probe
	Outcome Outcome
	Count   uint64
	Sum     time.Duration
	Buckets [numBounds + 1]uint64 // attempts by LatencyBounds, each in one bucket
}

// add counts an attempt.
func (l *Latency) add(took time.Duration) {
	bounds := LatencyBounds()
	at, _ := slices.BinarySearch(bounds[:], took)
	l.Count++
	l.Sum += took
	l.Buckets[at]++
}

// A latencyKey names a Latency.
type latencyKey struct {
	kind    string
	outcome Outcome
}

// took counts an attempt. r.mu is held.
func (r *Runner) took(kind string, o Outcome, d time.Duration) {
	k := latencyKey{kind, o}
	l := r.latencies[k]
	if l == nil {
		l = &Latency{Kind: kind, Outcome: o}
		r.latencies[k] = l
	}
	l.add(d)
}

// Latencies are how long attempts took, sorted by kind and outcome.
func (r *Runner) Latencies() []Latency {
	r.mu.Lock()
	all := make([]Latency, 0, len(r.latencies))
	for _, l := range r.latencies {
		all = append(all, *l)
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b Latency) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Outcome, b.Outcome)) })
	return all
}
