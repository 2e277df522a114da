package ladder

import "context"

// generatorRung measures the cost of writing the frames, which is part of all path
// rungs.
func generatorRung(o *Options) Rung {
	return Rung{Name: "generator", Metrics: perFrame, Candidates: []Candidate{inProcess("frames", func(context.Context) (*loop, error) {
		f, pick := NewFrames(DefaultSetup(0), o.Batch), Uniform(o.Flows[0])
		return &loop{step: func() int {
			for i := range f.Batch() {
				f.Set(i, pick.Next(), flagACK)
			}
			return len(f.Batch())
		}, check: func() error { return nil }}, nil
	})}}
}
