package ladder

import (
	"context"
	"fmt"

	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// pickRungs compare the schedulers, each choosing among the same servers with
// different weights and connection counts, which change with each choice: a connection
// begins at the server chosen, and the one of openPicks choices before ends. rr is
// the baseline. The weights are
// above the connection counts, or ovf would find no server.
func pickRungs() []Rung {
	var rungs []Rung
	for _, n := range []int{10, 100, 1000} {
		r := Rung{Name: fmt.Sprintf("pick/%d", n), Metrics: []Metric{{Unit: "ns", Less: true}}}
		for _, name := range scheduler.Names() {
			s := inProcess(name, func(context.Context) (*loop, error) { return startPick(name, n) })
			if name == "rr" {
				r.Candidates = append([]Candidate{s}, r.Candidates...)
				continue
			}
			r.Candidates = append(r.Candidates, s)
		}
		rungs = append(rungs, r)
	}
	return rungs
}

// openPicks is how many of the connections chosen last are open.
const openPicks = 256

// A picker chooses servers, and counts their connections.
type picker struct {
	scheduler.Scheduler
	dests []*scheduler.Dest
	open  [openPicks]*scheduler.Dest // a ring
	at    int
	none  int // how often none was fit
}

// pick chooses for f.
func (p *picker) pick(f *scheduler.Flow) {
	i := p.Pick(p.dests, f)
	if i < 0 {
		p.none++
		return
	}
	d := p.dests[i]
	d.Active++
	d.Changed()
	if old := p.open[p.at]; old != nil {
		old.Active--
		old.Changed()
	}
	p.open[p.at] = d
	p.at = (p.at + 1) % openPicks
}

func startPick(name string, n int) (*loop, error) {
	var dests []*scheduler.Dest
	for i := range n {
		dests = append(dests, &scheduler.Dest{Addr: frame.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), Port: 80,
			Weight: 200 + i%7*10, Active: 100 + i*31%17, Inactive: i * 13 % 23})
	}
	s, err := scheduler.New(name, dests)
	if err != nil {
		return nil, err
	}
	p := &picker{Scheduler: s, dests: dests}
	f := scheduler.Flow{Src: frame.AddrFrom4([4]byte{100}), Dst: frame.AddrFrom4([4]byte{10, 0, 0, 1}), DstPort: 80, Now: firstMoment}
	step := func() int {
		for i := range uint16(64) {
			f.SrcPort = i
			f.Src[15] += 37
			p.pick(&f)
		}
		return 64
	}
	return &loop{step: step, check: func() error {
		if p.none > 0 {
			return fmt.Errorf("%s found no server %d times", name, p.none)
		}
		return nil
	}}, nil
}
