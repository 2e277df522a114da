package site

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"lvsdr/control/hostnet"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// The methods of this file say what the actors around the director are to have:
// each the whole of it, in a fixed order. Compare says which of them may have
// changed.

// A VIP is a virtual address that has a place.
type VIP struct {
	Addr   netip.Addr
	Place  hostnet.Place
	Active bool                 // it is answered for, and its packets are taken
	Ready  bool                 // it is, or VRRP has it elsewhere
	Router *keepalived.Instance // see State.Router
	Down   bool                 // its link is down: it is not answered for
}

// VIPs are the virtual addresses that have a place.
func (s *State) VIPs() []VIP {
	return slices.Collect(s.placedVIPs())
}

func (s *State) placedVIPs() iter.Seq[VIP] {
	return func(yield func(VIP) bool) {
		for addr, v := range s.vips.All() {
			if v.err == "" && !yield(VIP{Addr: addr, Place: v.place, Active: v.here(), Ready: v.active, Router: s.Router(addr), Down: s.links[v.place.Link.Index] != ""}) {
				return
			}
		}
	}
}

// Own are the addresses that are the director's own.
func (s *State) Own() []frame.Addr {
	var all []frame.Addr
	for v := range s.placedVIPs() {
		all = append(all, frame.AddrFrom(v.Addr))
	}
	return all
}

// A Guard keeps this host's kernel from a virtual address on an interface.
type Guard struct {
	VIP       netip.Addr
	Interface string
}

// Guards returns the VIPs that this host's kernel must not see packets of.
func (s *State) Guards() []Guard {
	var all []Guard
	for v := range s.placedVIPs() {
		if v.Router != nil && s.away(v.Addr) {
			continue // this host may be a real server of the master
		}
		all = append(all, Guard{v.Addr, v.Place.Link.Name})
		if s.options.LocalInterface != "" {
			all = append(all, Guard{v.Addr, s.options.LocalInterface})
		}
	}
	return all
}

// A NIC is an interface by which frames come and go.
type NIC struct {
	Link hostnet.Link
	VIPs []netip.Addr // active ones, whose packets are taken here
	// Sources are the servers whose answers are taken, and with Errors all ICMP errors are.
	Sources []netip.Addr
	Errors  bool
	// Own are this host's addresses on the interface, of each family one, if it has any.
	Own [2]netip.Addr
}

// NICs are the interfaces of all virtual addresses and real servers, by index.
func (s *State) NICs() []NIC {
	nics := map[int]*NIC{}
	add := func(l hostnet.Link) *NIC {
		if nics[l.Index] == nil {
			nics[l.Index] = &NIC{Link: l}
		}
		return nics[l.Index]
	}
	own := func(n *NIC, a netip.Addr) {
		switch {
		case a.Is4():
			n.Own[0] = a
		case a.Is6():
			n.Own[1] = a
		}
	}
	for v := range s.placedVIPs() {
		n := add(v.Place.Link)
		if own(n, v.Place.Source); v.Active {
			n.VIPs = append(n.VIPs, v.Addr)
		}
	}
	for t := range s.targets() {
		own(add(t.Link), t.Source)
	}
	var all []NIC
	sources, errors := s.sources(), s.minded()
	for _, n := range nics {
		n.Sources, n.Errors = sources, errors
		all = append(all, *n)
	}
	slices.SortFunc(all, func(a, b NIC) int { return cmp.Compare(a.Link.Index, b.Link.Index) })
	return all
}

// A Target is a real server, or a gateway that leads to some, whose MAC address is wanted.
type Target struct {
	Addr   netip.Addr
	Link   hostnet.Link
	Source netip.Addr // this host's own address there; the zero Addr: none
	MAC    frame.MAC  // as it is given; zero: it is to be asked for
	Down   bool       // its link is down: it is not asked, and stays as it is
}

// Targets are the real servers and strangers that have a place on another host, and the
// gateways in place of those behind them.
func (s *State) Targets() []Target { return slices.Collect(s.targets()) }

func (s *State) targets() iter.Seq[Target] {
	return func(yield func(Target) bool) {
		led := map[gateway]bool{}
		for addr, p := range s.places.All() {
			if !p.remote() {
				continue
			}
			if at, ok := p.gateway(); ok {
				self := s.place(at.addr)
				if led[at] || self.ok() && self.Link.Index == at.link {
					continue // it is a target already
				}
				led[at], addr = true, at.addr
			}
			if !yield(s.target(addr, p)) {
				return
			}
		}
		for addr, p := range s.strangers.All() {
			if p.ok() && s.place(addr) == nil && !led[gateway{addr, p.Link.Index}] && !yield(s.target(addr, p)) {
				return
			}
		}
	}
}

func (s *State) target(addr netip.Addr, p *place) Target {
	return Target{addr, p.Link, p.Source, p.MAC, s.links[p.Link.Index] != ""}
}

// A Hop is how a real server is reached.
type Hop struct {
	Addr netip.Addr
	MAC  frame.MAC // of the server or its gateway; zero: it is not known, or the server has no place
	Link hostnet.Link
	// Source is this host's address on the way there; the zero Addr: it has none.
	Source netip.Addr
	// Local says that the server is this host: Link and MAC are not the State's to know.
	Local bool
}

// hop is how the real server addr is reached; one without a place has neither MAC
// address nor link.
func (s *State) hop(addr netip.Addr) Hop {
	h := Hop{Addr: addr}
	if p := s.reached(addr); p.here() {
		h.Local = true
	} else if p.ok() {
		n, _ := s.macs.Get(addr)
		h.MAC, h.Link, h.Source = n.mac, p.Link, p.Source
	}
	return h
}

// OwnHops are those of the real servers on this host.
func (s *State) OwnHops() []Hop {
	var all []Hop
	for addr, p := range s.places.All() {
		if p.here() {
			all = append(all, s.hop(addr))
		}
	}
	return all
}

// MissingMACs is how many real servers on other hosts have a place but no MAC address.
func (s *State) MissingMACs() int { return s.missing }

// A Check is a health check that is to be made.
type Check struct {
	ID     string // names the check; unique
	Server string // names the real server, which is up when all its checks are
	Spec   *keepalived.Check
	// DR is the way on which the server must also answer, for the check to be
	// good; nil: it is not asked for that.
	DR      *DRPath
	Ifindex int  // of the interface by which the server is reached
	LogAll  bool // every failure is logged
	// Suspended says that the check waits, because VRRP has the addresses of its services
	// elsewhere.
	Suspended bool
}

// A DRPath is a connection to a virtual service by way of one real server.
type DRPath struct {
	VIP     netip.AddrPort
	Server  netip.Addr
	Ifindex int // of the interface by which the server is reached
}

// Checks are the checks of the real servers of the file that have a place. Of
// services that share a check, the first one at whose address the server can be
// asked proves Direct Routing.
func (s *State) Checks() []Check {
	global := &s.plan.config.Global
	var all []Check
	for _, p := range s.plan.probed {
		at := s.place(p.addr)
		if !at.reaches(p.config.Method) {
			continue
		}
		for _, c := range p.checks {
			check := Check{ID: c.id, Server: p.name, Spec: c.source, Ifindex: at.Link.Index, LogAll: global.LogAllFailures, Suspended: s.suspended(p)}
			if s.options.DRChecks && global.DRCheck && p.config.Method == dataplane.Direct && at.remote() {
				check.DR = s.drPath(p, c.source, at.Link.Index)
			}
			all = append(all, check)
		}
	}
	return all
}

// drPath is the way on which p, reached by an interface, can be asked what check
// c asks; nil: there is none.
func (s *State) drPath(p *probed, c *keepalived.Check, ifindex int) *DRPath {
	for _, i := range p.of {
		for vip := range s.plan.asks(p, c, s.plan.services[i]) {
			if v, _ := s.vips.Get(vip); v.provesDR() {
				return &DRPath{netip.AddrPortFrom(vip, c.ConnectPort), p.addr, ifindex}
			}
		}
	}
	return nil
}

// Problems lists services and servers that cannot be served as configured, with the remedy.
func (s *State) Problems() []string {
	all := s.linkProblems()
	down := map[string]*[2]int{} // virtual addresses and servers that wait for a link, by its problem
	waits := func(l lack, kind int) bool {
		if l.down == "" {
			return false
		}
		if down[l.down] == nil {
			down[l.down] = new([2]int)
		}
		down[l.down][kind]++
		return true
	}
	var rest []string
	for addr, v := range s.vips.All() {
		if text := cmp.Or(v.err, v.place.Warning); text != "" && !waits(v.lack, 0) {
			rest = append(rest, fmt.Sprintf("%s: %s", s.mentionVIP(addr), text))
		}
	}
	for addr, p := range s.places.All() {
		switch {
		case !p.ok() && !waits(p.lack, 1):
			rest = append(rest, fmt.Sprintf("%s is left out: %s", s.mentionServer(addr), p.err))
		case p.ok() && p.direct.err != "" && s.ways(addr).direct:
			rest = append(rest, fmt.Sprintf("%s is left out where its method is DR: %s", s.mentionServer(addr), p.direct.err))
		}
	}
	for _, text := range slices.Sorted(maps.Keys(down)) {
		all = append(all, fmt.Sprintf("%s; virtual addresses that wait for it: %d, real servers: %d", text, down[text][0], down[text][1]))
	}
	return append(append(append(all, rest...), s.unmarked()...), append(s.ignoring(), s.refused...)...)
}

// ignoring are the services that ignore health, a line each.
func (s *State) ignoring() (all []string) {
	if s.panicked == 0 {
		return nil
	}
	for _, f := range s.plan.services {
		if d, _ := s.demands.Get(f.key()); d.panics {
			all = append(all, fmt.Sprintf("%s: less than %d %% of the real servers are up, so all are used (lvsdr_panic_threshold)", f.source.Name(), f.source.PanicThreshold))
		}
	}
	return all
}

// mentionVIP says where a virtual address comes from.
func (s *State) mentionVIP(addr netip.Addr) string {
	if i, ok := s.plan.vips[addr]; ok {
		vs := s.plan.sources[i]
		return fmt.Sprintf("%v: virtual_server %s", vs.Pos, vs.Name())
	}
	for m := range s.plan.marks.at(addr) {
		return fmt.Sprintf("%v: %v", m.Pos, m)
	}
	return fmt.Sprintf("virtual address %v of ipvsadm", addr)
}

// mentionServer says where a real server's address comes from.
func (s *State) mentionServer(addr netip.Addr) string {
	if m, ok := s.plan.servers[addr]; ok {
		return s.plan.describe(m)
	}
	return fmt.Sprintf("real server %v of ipvsadm", addr)
}
