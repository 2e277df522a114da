package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// dest is a real server of one service, or what is left of one after its
// removal: it is kept while entries refer to it, so that it can come back.
type dest struct {
	scheduler.Dest
	ref          conntrack.DestRef
	method       Method
	tunnel       Tunnel
	tunnelled    Method   // the last that was a tunnel; tunnel is its own, also when the method is another now
	in           *service // nil: removed, or a stranger
	stranger     bool     // in no service: a message of another director named it
	upper, lower int
	templates    int
	refs         int // entries that go to it
	listed       int // where it is in Director.byAddr
	servicePort  uint16
	answers      bool // it is among Director.answerers

	mac    frame.MAC
	link   Link
	local  bool
	path   *path    // to its address
	told   told     // to clients about its tunnel
	hop    *hop     // as published
	others [4]*hop  // by ways, for connections made before its method was edited; see hopFor
	totals *Traffic // in its record
	// repeated counts SYNs that clients sent again, of connections of which nothing but
	// SYNs came. Director.mu guards it.
	repeated uint64
}

// setNeighbour notes whether frames can be sent to d.
func (d *dest) setNeighbour(n neighbour) {
	d.mac, d.link, d.local, d.path = n.mac, n.link, n.local, n.path
	if d.forwarding().Tunnels() && n.link.Source == (frame.Addr{}) {
		d.mac = frame.MAC{} // without a source there is no outer header
	}
	d.Unreachable = d.mac == frame.MAC{} && !d.local
	d.Changed()
}

// forwarding is how packets get to d: one on this host gets them as under Direct, whatever
// its method.
func (d *dest) forwarding() Method {
	if d.local {
		return Direct
	}
	return d.method
}

// refuses reports whether d is this host, and nothing leads to its stack.
func (d *dest) refuses() bool { return d.local && d.mac == frame.MAC{} }

// removed reports whether d was removed from its service, or forgotten since.
func (d *dest) removed() bool { return d == nil || d.in == nil && !d.stranger }

// bind counts a new entry for d.
func (d *dest) bind(e *conntrack.Entry) {
	d.refs++
	if e.Template() {
		d.templates++
	} else {
		d.Inactive++ // a new entry is inactive until its first state
	}
	d.overload()
	d.Changed()
}

// unbind takes the count of e back.
func (d *dest) unbind(e *conntrack.Entry) {
	d.refs--
	switch {
	case e.Template():
		d.templates--
	case e.Active():
		d.Active--
	default:
		d.Inactive--
	}
	d.relieve()
	d.Changed()
}

// single counts an entry that lasts for one packet: it may reach the upper
// threshold, and its end may pass the lower one, like those of any other.
func (d *dest) single() {
	d.Inactive++
	d.overload()
	d.Inactive--
	d.relieve()
	d.Changed()
}

// overload sets the overload flag where the upper threshold is reached.
func (d *dest) overload() {
	if d.upper > 0 && d.Active+d.Inactive >= d.upper {
		d.Overloaded = true
	}
}

// relieve clears the overload flag where the lower threshold, or 3/4 of the
// upper one, is passed.
func (d *dest) relieve() {
	n := d.Active + d.Inactive
	switch {
	case d.lower > 0:
		if n < d.lower {
			d.Overloaded = false
		}
	case n*4 < d.upper*3 || d.upper == 0:
		d.Overloaded = false
	}
}

// configure takes over c's weight and thresholds.
func (d *dest) configure(c ServerConfig, t Tunables) {
	raised := c.Upper > d.upper
	d.Weight, d.upper, d.lower = c.Weight, c.Upper, c.Lower
	if c.Weight > 0 {
		d.LastWeight = c.Weight
	}
	switch {
	case !t.LateThresholds:
		d.relieve()
		d.overload()
	case raised || c.Upper == 0:
		d.Overloaded = false
	}
}
