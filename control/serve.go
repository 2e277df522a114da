package control

import (
	"context"
	"time"

	"lvsdr/control/site"
)

// answerPatience is how long the first answers of real servers about their MAC addresses are waited for
// before all that is not needed to forward frames.
const answerPatience = 3 * time.Millisecond

// serve has frames served before everything else: each millisecond of a start after a crash
// is one in which clients are not answered. It has the engine, guards and ports follow the first State,
// asks for the real servers' MAC addresses, and takes the answers that come at once; the
// first turn does the rest.
func (l *loop) serve(ctx context.Context) {
	l.readHost()
	ch := l.compare()
	l.lowest()
	l.converge.serve(l.state, &ch)
	patience := time.NewTimer(l.patience)
	defer patience.Stop()
	for l.patience > 0 && l.state.MissingMACs() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-patience.C:
			l.takeAnswers()
			return
		case <-l.box.ready:
			l.takeAnswers()
		}
	}
}

// takeAnswers applies the messages that wait, and tells the engine of MAC addresses in them.
func (l *loop) takeAnswers() {
	for _, m := range l.box.take() {
		l.handle(m)
	}
	ch := site.Compare(l.compared, l.state)
	if ch.VIPs || ch.Targets {
		l.await()
	}
	l.compared, l.unviewed = l.state, l.unviewed || ch.Problems
	l.converge.note(&ch)
	l.converge.change(l.state, &ch)
}

// serve is the first part of converge, of a start.
func (c *converger) serve(s *site.State, ch *site.Changes) {
	c.note(ch)
	c.setAddresses(s)
	c.setRouting(s)
	if len(c.guarded) == 0 { // a successor was told
		for _, g := range c.actors.Guard.Standing() {
			c.guarded[g] = true // until the first turn: to remove some takes the kernel tens of milliseconds
		}
	}
	c.raiseGuards(s)
	c.change(s, ch)
	if s.Masquerades() { // if not, none come, and what a process before this one has left does no harm
		c.setAnswers(s)
	}
	c.tellInterfaces(s)
	c.receive(s)
	c.resolve(s)
}
