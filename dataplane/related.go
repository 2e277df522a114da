package dataplane

import "lvsdr/dataplane/frame"

// related sends an ICMP error, such as "fragmentation needed" from a router
// between a server and its client, to the server of the connection that it
// quotes, also after that was removed from its service. Timers and states stay.
// With ScheduleICMP one about no connection makes one.
func (d *Director) related(t *Table, s *Scratch, p *Packet, now int64) Reason {
	if !d.serves(t, p.header.Kind == frame.IPv6) {
		return ICMPIgnored
	}
	e, at := d.find(s.shard, &p.flow.key, p.flow.id.Hash, now)
	defer s.shard.unlock(at)
	var ds *dest
	if e != nil {
		ds = d.destOf(e)
	} else {
		if !t.tunables.ScheduleICMP {
			return ICMPIgnored
		}
		var reason Reason
		if ds, _, reason = d.schedule(t, s, p, now); ds == nil {
			return reason
		}
	}
	switch {
	case ds == nil:
		return ServerRemoved
	case ds.stranger:
		return p.routeToStranger(t, ds, Related)
	case ds.local:
		return ICMPIgnored
	case ds.in != nil: // what a removed one gets is not counted
		n := p.length()
		ds.totals.Add(n)
		ds.in.totals.Add(n)
	}
	return p.routeTo(ds.hop, Related)
}
