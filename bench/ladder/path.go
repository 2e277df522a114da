package ladder

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// persistence is that of the persistent rung: longer than any run's virtual
// time between two connections of a client.
const persistence = 10 * 24 * time.Hour

// NewShare is the part of the frames that begin a connection in the mixed
// rungs, unless Options say otherwise.
const NewShare = 1. / 16

// perFrame is the metric of in-process rungs.
var perFrame = []Metric{{Unit: "ns/frame", Less: true}}

// A kind is a sort of traffic.
type kind struct {
	name   string
	expire bool // needs an Expirer
	zipf   bool // is measured with Zipf's law as well
	start  func(context.Context, Factory, trafficSpec) (*loop, error)
}

// A trafficSpec is the size of a kind of traffic.
type trafficSpec struct {
	flows, batch int
	newShare     float64
	pick         func() *Flows // among the flows, the same for all turns
}

// kinds are the sorts of traffic of the whole path.
func kinds() []kind {
	return []kind{
		{name: "hit", zipf: true, start: startHit},
		{name: "new", expire: true, start: startNew},
		{name: "persistent", expire: true, start: startPersistent},
		{name: "mixed", expire: true, zipf: true, start: startMixed},
		{name: "synflood", start: startFlood},
	}
}

// pathRungs are the whole path of a frame through the candidates.
func pathRungs(o *Options, makers []maker) []Rung {
	var rungs []Rung
	for _, k := range kinds() {
		for _, flows := range o.Flows {
			name := fmt.Sprintf("path/%s/%s", k.name, count(flows))
			uniform := trafficSpec{flows: flows, batch: o.Batch, newShare: o.NewShare, pick: func() *Flows { return Uniform(flows) }}
			if !k.zipf {
				rungs = append(rungs, Rung{Name: name, Metrics: perFrame, Candidates: k.candidates(makers, uniform)})
				continue
			}
			zipf := uniform
			drawn := sync.OnceValue(func() *Flows { return Zipf(flows, o.Zipf) })
			zipf.pick = func() *Flows { return drawn().Again() }
			rungs = append(rungs,
				Rung{Name: name + "/uniform", Metrics: perFrame, Candidates: k.candidates(makers, uniform)},
				Rung{Name: name + "/zipf", Metrics: perFrame, Candidates: k.candidates(makers, zipf)})
		}
	}
	return rungs
}

// candidates are the candidates that can take this traffic.
func (k kind) candidates(makers []maker, spec trafficSpec) []Candidate {
	var all []Candidate
	for _, m := range makers {
		if !k.expire || m.expirer {
			all = append(all, inProcess(m.name, func(ctx context.Context) (*loop, error) { return k.start(ctx, m.make, spec) }))
		}
	}
	return all
}

// A maker is a Factory and what its forwarders are like.
type maker struct {
	name    string
	expirer bool
	make    Factory
}

// newMakers makes a forwarder of each factory to look at it.
func newMakers(factories []Factory) ([]maker, error) {
	var all []maker
	for _, f := range factories {
		c, err := f(DefaultSetup(0))
		if err != nil {
			return nil, err
		}
		_, ok := c.(Expirer)
		all = append(all, maker{name: c.Name(), expirer: ok, make: f})
		if err := end(c); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// startHit is segments of established connections.
func startHit(ctx context.Context, f Factory, s trafficSpec) (*loop, error) {
	dr, err := newDriver(f, DefaultSetup(s.flows*105/100), s.batch)
	if err != nil {
		return nil, err
	}
	if err := dr.establish(ctx, s.flows); err != nil {
		return nil, err
	}
	pick := s.pick()
	set := func(i int) { dr.f.Set(i, pick.Next(), flagACK) }
	return &loop{step: func() int { return dr.forwardBatch(set) }, check: dr.check, end: dr.close}, dr.warmed()
}

// startNew is a new connection with each frame. When there are as many as
// there are flows they expire, and memory is used again.
func startNew(ctx context.Context, f Factory, s trafficSpec) (*loop, error) {
	return startFresh(ctx, f, s, DefaultSetup(2*s.flows))
}

// startPersistent is a new connection of a known client with each frame.
func startPersistent(ctx context.Context, f Factory, s trafficSpec) (*loop, error) {
	setup := DefaultSetup(2*s.flows + 2*s.flows/flowsPerClient)
	setup.Persistence = persistence
	return startFresh(ctx, f, s, setup)
}

func startFresh(ctx context.Context, f Factory, s trafficSpec, setup Setup) (*loop, error) {
	dr, err := newDriver(f, setup, s.batch)
	if err != nil {
		return nil, err
	}
	g := generations{driver: dr, size: s.flows}
	if err := dr.each(ctx, s.flows, flagSYN); err != nil {
		return nil, err
	}
	if err := dr.warmed(); err != nil {
		return nil, err
	}
	g.end()
	set := func(i int) { dr.f.Set(i, g.flow(), flagSYN) }
	return &loop{step: func() int { return dr.forwardBatch(set) }, rest: g.rest, check: dr.check, end: dr.close}, nil
}

// startMixed is segments of established connections, and now and then a new
// one.
func startMixed(ctx context.Context, f Factory, s trafficSpec) (*loop, error) {
	dr, err := newDriver(f, DefaultSetup(2*s.flows+s.flows/20), s.batch)
	if err != nil {
		return nil, err
	}
	if err := dr.establish(ctx, s.flows); err != nil {
		return nil, err
	}
	g := generations{driver: dr, size: s.flows}
	pick, due := s.pick(), 0.
	set := func(i int) {
		if due += s.newShare; due >= 1 {
			due--
			dr.f.Set(i, uint32(s.flows)+g.flow(), flagSYN)
			return
		}
		dr.f.Set(i, pick.Next(), flagACK)
	}
	return &loop{step: func() int { return dr.forwardBatch(set) }, rest: g.rest, check: dr.check, end: dr.close}, dr.warmed()
}

// startFlood is SYNs that are never followed up, each of a flow not seen
// before, into a table that is full of them.
func startFlood(ctx context.Context, f Factory, s trafficSpec) (*loop, error) {
	dr, err := newDriver(f, DefaultSetup(s.flows), s.batch)
	if err != nil {
		return nil, err
	}
	if err := dr.each(ctx, dr.setup.Limit, flagSYN); err != nil {
		return nil, err
	}
	next := uint32(dr.setup.Limit)
	set := func(i int) {
		dr.f.Set(i, next, flagSYN)
		next++
	}
	return &loop{step: func() int { return dr.forwardBatch(set) }, check: dr.check, end: dr.close}, dr.warmed()
}

// generations gives the numbers of new flows, and lets all of them expire
// before they are used again.
type generations struct {
	*driver
	size int
	used int
}

func (g *generations) flow() uint32 {
	g.used++
	return uint32(g.used - 1)
}

// rest is called at least once in a chunk of frames.
func (g *generations) rest() {
	if g.used+chunk+len(g.f.Batch()) > g.size {
		g.end()
	}
}

// end lets the half-open connections expire.
func (g *generations) end() {
	g.now += generation
	g.c.(Expirer).Expire(g.now)
	g.used = 0
}

// count is n in few letters.
func count(n int) string {
	switch {
	case n >= 1e6 && n%1e6 == 0:
		return fmt.Sprintf("%dM", n/1e6)
	case n >= 1e3 && n%1e3 == 0:
		return fmt.Sprintf("%dk", n/1e3)
	}
	return fmt.Sprint(n)
}
