package nics

// Ask asks all workers whether they still work. It waits for nothing.
func (n *NICs) Ask() {
	for _, g := range n.state.Load().groups {
		for _, w := range g.members {
			w.Ask()
		}
	}
}

// Answered reports whether all workers have worked since they were asked. Those of an
// interface that has failed do not count: it is opened anew.
func (n *NICs) Answered() bool {
	for _, g := range n.state.Load().groups {
		if g.failed.Load() {
			continue
		}
		for _, w := range g.members {
			if !w.Answered() {
				return false
			}
		}
	}
	return true
}
