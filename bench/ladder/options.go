package ladder

import (
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"lvsdr/dataplane"
)

// MinFlows is the least number of flows in Options.
const MinFlows = 4096

// mostZipf is an exponent with which one flow has nearly all frames.
const mostZipf = 10

// Options say what is measured. The zero value of a field means its default.
type Options struct {
	// Rungs are the rungs to measure, by name, or by the first parts of their
	// names ("path", "path/hit"). Default: all.
	Rungs []string
	// Flows are the table sizes of the rungs that have one, each at least
	// MinFlows. Ten million need several GB. Default 10 000 and 1 000 000.
	Flows []int
	// Batch is how many frames are forwarded at a time, 1 to 256. Default 64.
	Batch int
	// NewShare is the part of the frames that begin a connection in the mixed
	// rungs, above 0 and at most 1. Default NewShare, 1/16.
	NewShare float64
	// Zipf is the exponent of the zipf rungs, above 1: see Zipf. Default
	// ZipfExponent, 1.1.
	Zipf float64
	// Runs is how many turns each candidate gets. Default 5.
	Runs int
	// Time is how long an in-process turn measures. A live one takes five
	// times as long. Default 200 ms.
	Time time.Duration
	// Forwarders are measured in the path rungs beside ours.
	Forwarders []Factory
	// Baseline is the candidate that the others are compared with, in the rungs
	// that have it. Default: the first of each rung.
	Baseline string
	// Capture, if there is one, adds the rung "path/capture".
	Capture *Capture
	// Live adds the live rungs, if it says which program lvsdr is.
	Live Live
	// Progress gets a line for each rung, with a dot for each turn; nil: nobody
	// is told.
	Progress io.Writer
}

// Live holds the needs of the live rungs.
type Live struct {
	// Lvsdr is the path of the program; empty: there are no live rungs.
	Lvsdr string
	// Naive are its arguments to be a naive forwarder on an interface; see
	// ForwardNaively. NaiveArgs are added to them.
	Naive []string
	// HAProxy is the path of haproxy; empty: it is not measured.
	HAProxy string
	// Nft is the path of nft; empty: the kernel's forwarding is not measured.
	Nft string
	// Offload is why this kernel does not forward established flows for the director;
	// empty: it does.
	Offload string
}

// FindLive finds the programs for the live rungs on this host, with lvsdr the path of
// the program and naive its arguments to be a naive forwarder: haproxy and nft
// are looked for in PATH, and the kernel is asked for a BPF program.
func FindLive(lvsdr string, naive ...string) Live {
	l := Live{Lvsdr: lvsdr, Naive: naive}
	if path, err := exec.LookPath("haproxy"); err == nil {
		l.HAProxy = path
	}
	if path, err := exec.LookPath("nft"); err == nil {
		l.Nft = path
	}
	if err := offloadProblem(); err != nil {
		l.Offload = err.Error()
	}
	return l
}

// complete fills in the defaults and checks what was given.
func (o Options) complete() (Options, error) {
	if len(o.Flows) == 0 {
		o.Flows = []int{10_000, 1_000_000}
	}
	if o.Batch == 0 {
		o.Batch = 64
	}
	if o.NewShare == 0 {
		o.NewShare = NewShare
	}
	if o.Zipf == 0 {
		o.Zipf = ZipfExponent
	}
	if o.Runs == 0 {
		o.Runs = 5
	}
	if o.Time == 0 {
		o.Time = 200 * time.Millisecond
	}
	for _, n := range o.Flows {
		if n < MinFlows || n > NumFlows/4 {
			return o, fmt.Errorf("%d flows: want %d to %d", n, MinFlows, NumFlows/4)
		}
	}
	if o.Batch < 1 || o.Batch > dataplane.MaxBatch {
		return o, fmt.Errorf("batch of %d: want 1 to %d", o.Batch, dataplane.MaxBatch)
	}
	if !(o.NewShare > 0 && o.NewShare <= 1) {
		return o, fmt.Errorf("share of new connections of %g: want more than 0 and at most 1", o.NewShare)
	}
	if !(o.Zipf > 1 && o.Zipf <= mostZipf) {
		return o, fmt.Errorf("exponent of %g: want more than 1 and at most %d", o.Zipf, mostZipf)
	}
	if o.Runs < 1 || o.Time < 0 {
		return o, fmt.Errorf("%d runs of %s: want at least one, and some time", o.Runs, o.Time)
	}
	return o, nil
}

// Rungs are the rungs that o asks for, from the bottom up.
func Rungs(o Options) ([]Rung, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	all, err := allRungs(&o)
	if err != nil {
		return nil, err
	}
	if len(o.Rungs) == 0 {
		return all, nil
	}
	wanted := map[int]bool{}
	for _, name := range o.Rungs {
		known := false
		for i, r := range all {
			if r.Name == name || strings.HasPrefix(r.Name, name+"/") {
				wanted[i], known = true, true
			}
		}
		if !known {
			return nil, fmt.Errorf("there is no rung %q", name)
		}
	}
	var rungs []Rung
	for i, r := range all {
		if wanted[i] {
			rungs = append(rungs, r)
		}
	}
	return rungs, nil
}

// allRungs are all there are, from the bottom up.
func allRungs(o *Options) ([]Rung, error) {
	makers, err := newMakers(append([]Factory{NewLRU, NewNaive, NewParser, NewDirector}, o.Forwarders...))
	if err != nil {
		return nil, err
	}
	all := append([]Rung{generatorRung(o), parseRung(o)}, lookupRungs(o)...)
	all = append(append(all, pathRungs(o, makers)...), methodRungs(o)...)
	if o.Capture != nil {
		all = append(all, captureRung(o, makers))
	}
	all = append(all, workerRungs(o)...)
	all = append(append(all, pauseRung(o)), memoryRungs(o)...)
	all = append(append(all, pickRungs()...), scheduleRung(o), portRung(o))
	if o.Live.Lvsdr != "" {
		all = append(all, liveRungs(&o.Live)...)
	}
	return all, putFirst(all, o.Baseline)
}

// putFirst makes the candidate of that name the baseline, where there is one.
func putFirst(rungs []Rung, name string) error {
	if name == "" {
		return nil
	}
	known := false
	for _, r := range rungs {
		i := slices.IndexFunc(r.Candidates, func(s Candidate) bool { return s.Name == name })
		if i < 0 {
			continue
		}
		known = true
		s := r.Candidates[i]
		copy(r.Candidates[1:], r.Candidates[:i])
		r.Candidates[0] = s
	}
	if !known {
		return fmt.Errorf("no rung has a candidate %q", name)
	}
	return nil
}
