package nics

import (
	"maps"

	"lvsdr/dataplane"
)

// Stats are the counters by interface, since New, those of ports that are closed
// by now included.
func (n *NICs) Stats() map[string]dataplane.NICStats {
	s := n.state.Load()
	all := maps.Clone(s.closed)
	for _, g := range s.groups {
		all[g.name] = add(all[g.name], g.stats())
	}
	return all
}

// stats sums up the ports of an interface.
func (g *group) stats() dataplane.NICStats {
	var sum dataplane.NICStats
	for _, p := range g.ports {
		sum = add(sum, p.Stats())
	}
	return sum
}

func add(a, b dataplane.NICStats) dataplane.NICStats {
	a.Received += b.Received
	a.Missed += b.Missed
	a.MissedSYN += b.MissedSYN
	a.Truncated += b.Truncated
	a.Sent += b.Sent
	a.SentXDP += b.SentXDP
	a.SendFull += b.SendFull
	a.SendError += b.SendError
	return a
}
