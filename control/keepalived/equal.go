package keepalived

import (
	"slices"

	"lvsdr/control/ask"
)

// Equal reports whether v and o mean the same, wherever they are in a file.
func (v *VirtualServer) Equal(o *VirtualServer) bool {
	return v == o || v.Addr == o.Addr && v.Port == o.Port && v.Protocol == o.Protocol && v.Mark == o.Mark && v.IPv6 == o.IPv6 &&
		v.Scheduler == o.Scheduler && v.Method == o.Method && v.SchedFlags == o.SchedFlags && v.OPS == o.OPS &&
		v.Persistence == o.Persistence && v.Granularity == o.Granularity &&
		v.Timing == o.Timing && v.Weight == o.Weight && v.InhibitOnFailure == o.InhibitOnFailure && v.Omega == o.Omega && v.HASuspend == o.HASuspend && v.Alert == o.Alert && v.QuorumUp == o.QuorumUp && v.QuorumDown == o.QuorumDown &&
		v.PanicThreshold == o.PanicThreshold && v.Quorum == o.Quorum && v.Hysteresis == o.Hysteresis && v.SorryServer == o.SorryServer &&
		slices.EqualFunc(v.RealServers, o.RealServers, (*RealServer).Equal)
}

// Equal reports whether r and o mean the same, wherever they are in a file.
func (r *RealServer) Equal(o *RealServer) bool {
	return r == o || r.Addr == o.Addr && r.Port == o.Port && r.Method == o.Method && r.Weight == o.Weight && r.Upper == o.Upper && r.Lower == o.Lower && r.MAC == o.MAC && r.Alert == o.Alert &&
		r.InhibitOnFailure == o.InhibitOnFailure && r.SlowStart == o.SlowStart && r.Passive == o.Passive && r.Damping == o.Damping && r.NotifyUp == o.NotifyUp && r.NotifyDown == o.NotifyDown && r.Timing == o.Timing &&
		slices.EqualFunc(r.Checks, o.Checks, (*Check).Equal)
}

// Equal reports whether c and o mean the same, wherever they are in a file.
func (c *Check) Equal(o *Check) bool {
	if c == o {
		return true
	}
	x, y := *c, *o
	x.Pos, y.Pos = Pos{}, Pos{}
	x.Ask, y.Ask = nil, nil
	return x == y && ask.Same(c.Ask, o.Ask)
}
