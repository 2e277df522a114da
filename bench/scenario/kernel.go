package scenario

import (
	"lvsdr/control/api"
	"lvsdr/dataplane"
)

// A Kernel forwards frames of established connections in the place of a director, as
// dataplane/offload has it do.
type Kernel interface {
	// Forward forwards a frame that came in by an interface at now, and then has edited it;
	// or it leaves it to the director, counted or not (dataplane.Packet.Counted).
	Forward(f []byte, in int32, now int64) (forwards, counted bool)
	// Sent is told of each batch of the director.
	dataplane.Follower
	// Tick is called after each operation.
	Tick(now int64)
}

// PlayBeside is Play with a Kernel beside the director, which beside makes.
func PlayBeside(ops []*Op, beside func(*dataplane.Director) Kernel) error {
	return playWith(ops, func(a api.Admin) api.Admin { return a }, beside)
}

// forwarded has the kernel, and then the director process a frame. It reports whether the
// kernel forwards it; else the batch says what the director does.
func (p *player) forwarded(op *Op, f []byte) bool {
	counted := false
	if p.kernel != nil {
		var done bool
		if done, counted = p.kernel.Forward(f, p.batch.In, p.now); done {
			return true
		}
	}
	p.batch.Packets = append(p.batch.Packets[:0], dataplane.Packet{Data: f, Mark: op.Mark, Partial: op.SumOK, Counted: counted})
	p.d.Process(p.scratch, p.batch, p.now)
	if p.kernel != nil {
		p.kernel.Sent(p.batch, p.now)
	}
	return false
}
