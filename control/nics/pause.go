package nics

import "time"

// Pause has all workers rest, when they have done what they have taken, and keeps their ports: what comes waits
// there. It returns the moment, in nanoseconds of CLOCK_REALTIME, before which everything was done. Set must not be
// called until Resume.
func (n *NICs) Pause() (cut int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range n.state.Load().groups {
		for _, p := range g.ports {
			p.Stop()
		}
	}
	cut = time.Now().UnixNano()
	for _, g := range n.state.Load().groups {
		g.workers.Wait()
		for _, p := range g.ports {
			if at, ok := p.Oldest(); ok {
				cut = min(cut, at)
			}
		}
	}
	return cut
}

// Resume has the workers go on after Pause.
func (n *NICs) Resume() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range n.state.Load().groups {
		if g.failed.Load() {
			continue // the next Set opens it anew
		}
		for i, p := range g.ports {
			p.Start()
			g.workers.Go(func() { n.work(g, g.members[i]) })
		}
	}
}
