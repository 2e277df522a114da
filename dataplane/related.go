package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// related sends an ICMP error, such as "fragmentation needed" from a router
// between a server and its client, to the server of the connection that it
// quotes, also after that was removed from its service. Timers and states stay.
// With ScheduleICMP one about no connection makes one.
func (d *Director) related(t *Table, s *Scratch, p *Packet, now int64) Reason {
	if !d.serves(t, p.header.Kind == frame.IPv6) {
		return ICMPIgnored
	}
	e, at := d.find(s.shard, &p.flow.id, &p.flow.key, now)
	defer s.shard.unlock(at)
	var ds *dest
	if e != nil {
		ds = d.destOf(e)
	} else {
		if !t.tunables.ScheduleICMP {
			return ICMPIgnored
		}
		var reason Reason
		if ds, e, reason = d.schedule(t, s, p, now); ds == nil {
			return reason
		}
	}
	switch {
	case ds == nil:
		return ServerRemoved
	case ds.stranger:
		return p.routeToStranger(t, ds, e, Related)
	case ds.refuses():
		return ICMPIgnored
	case ds.in != nil: // what a removed one gets is not counted
		n := p.length()
		ds.totals.Add(n)
		ds.in.totals.Add(n)
	}
	return d.relate(p, ds, e)
}

// relate sends p, an ICMP error, to ds, the server of connection e. One that is translated
// must be right, since its checksum is made anew.
func (d *Director) relate(p *Packet, ds *dest, e *conntrack.Entry) Reason {
	to := d.hopFor(ds, e)
	if to.method == Masquerade {
		p.masquerade(ds, p.flow.key.VirtualPort, e != nil && e.Controlled())
		if !p.Partial && !frame.L4ChecksumOK(p.Data, &p.header) {
			return BadChecksum
		}
	}
	return p.routeTo(to, Related)
}
