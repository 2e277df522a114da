package hostnet

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"lvsdr/dataplane/frame"
)

// A Link is a network interface.
type Link struct {
	Name  string
	Index int       // from 1; 0 means that there is none
	MAC   frame.MAC // zero where it has none, as lo has none that counts
	MTU   int       // bytes of an IP packet
	Up    bool      // administratively
	Kind  string    // as ip -d link shows it: veth, bridge, …; empty for a device
}

// Ethernet refuses links whose frames the director cannot rewrite, and those
// that are down.
func (l Link) Ethernet() error {
	if l.MAC == (frame.MAC{}) {
		return fmt.Errorf("interface %s is not an Ethernet interface; Direct Routing rewrites MAC addresses", l.Name)
	}
	if !l.Up {
		return &DownError{Link: l}
	}
	return nil
}

// wire reports whether frames of others can come in by the link: lo and dummies
// only hold addresses.
func (l Link) wire() bool { return l.MAC != (frame.MAC{}) && l.Kind != Loopback && l.Kind != "dummy" }

// A Place is a link on which an address is reached. Places can be compared with ==.
type Place struct {
	Link Link
	// Gateway is the router that leads to a real server; the zero Addr: none is
	// needed.
	Gateway netip.Addr
	// Source is the host's own address there, of the same family; the zero Addr
	// where it has none.
	Source netip.Addr
	// MAC is that of a real server, or of its gateway, where it is given, by a permanent
	// neighbour entry; zero: it is to be asked for.
	MAC frame.MAC
	// Local is the name of the interface of this host that has the address; empty: none.
	// A VIP may be there where the kernel can be kept from it (Snapshot.HidesLocal). This
	// host's own packets to such a VIP stay here: local clients and checks by Direct
	// Routing cannot use it.
	Local string
	// Warning says what an operator should know of a place that works; empty:
	// nothing.
	Warning string
}

// VIP is where a virtual address is received: on the interface of the given
// name, or, if that is empty, on the one that has the address or whose network
// it is in.
func (s *Snapshot) VIP(addr netip.Addr, ifname string) (Place, error) {
	local, here := s.local(addr)
	if here && !s.HidesLocal {
		return Place{}, fmt.Errorf("%s is configured on this host, whose kernel would answer for it too; remove it: %s", addr, local.remedy())
	}
	link, source, err := s.vipLink(addr, ifname, local)
	if err == nil {
		err = link.Ethernet()
	}
	if err != nil {
		return Place{}, err
	}
	p := Place{Link: link, Source: source, Local: local.ifname}
	if here {
		p.Warning = fmt.Sprintf("%s is configured on this host (on %s); its kernel is kept from what comes in for it, but clients on this host end here, "+
			"and real servers are not checked by Direct Routing for it; it is not needed: %s", addr, local.ifname, local.remedy())
	}
	return p, nil
}

// vipLink is the link of a VIP and the host's own address there.
func (s *Snapshot) vipLink(addr netip.Addr, ifname string, local localAddr) (Link, netip.Addr, error) {
	if ifname != "" {
		link, ok := s.LinkByName(ifname)
		if !ok {
			return Link{}, netip.Addr{}, fmt.Errorf("interface %s: no such network interface", ifname)
		}
		return link, s.source(link.Index, addr), nil
	}
	if link, ok := s.LinkByName(local.ifname); ok && link.wire() {
		return link, s.source(link.Index, addr), nil
	}
	const name = "name its interface with -i IFACE or default_interface in global_defs"
	r := s.lookup(addr, s.aside)
	switch {
	case r == nil:
		return Link{}, netip.Addr{}, s.unreachable(addr, name)
	case r.Type != Unicast:
		return Link{}, netip.Addr{}, fmt.Errorf("the route to %s is %s; %s", addr, r.Type, name)
	case r.Gateway.IsValid():
		return Link{}, netip.Addr{}, s.offLink(addr, "", name)
	}
	return s.onLink(r, addr)
}

// A RouterError is why Direct Routing does not reach a real server: it is behind a
// gateway.
type RouterError struct {
	Place Place // where other methods reach it
	err   error
}

// Error says what to do about it.
func (e *RouterError) Error() string { return e.err.Error() }

// Unwrap is a DownError where the server may as well be on a link that is down.
func (e *RouterError) Unwrap() error { return e.err }

// Server is where a real server is reached without a gateway. Where there is one, the
// error is a RouterError. A server that is this host itself is on no link.
func (s *Snapshot) Server(addr netip.Addr) (Place, error) {
	if at, here := s.local(addr); here {
		return Place{Local: at.ifname, Source: addr}, nil
	}
	r := s.lookup(addr, nil)
	switch {
	case r == nil:
		return Place{}, s.unreachable(addr, onLinkRemedy(addr))
	case r.Type != Unicast:
		return Place{}, fmt.Errorf("the route to %s is %s; remove it: ip route del %s %s", addr, r.Type, r.Type, r.To)
	case r.Gateway.IsValid():
		return Place{}, s.routed(r, addr)
	}
	link, source, err := s.onLink(r, addr)
	if err == nil {
		err = link.Ethernet()
	}
	if err != nil {
		return Place{}, err
	}
	return Place{Link: link, Source: source, MAC: s.static(link, addr)}, nil
}

// routed is the error of a real server to which the route r leads by a gateway.
func (s *Snapshot) routed(r *Route, addr netip.Addr) error {
	if err := s.down(addr); err != nil {
		return err
	}
	link, source, err := s.onLink(r, r.Gateway)
	if err == nil {
		err = link.Ethernet()
	}
	if err != nil {
		return err
	}
	if source.Is4() != addr.Is4() || source.IsLinkLocalUnicast() { // the gateway has an address of that kind
		source = s.source(link.Index, addr)
	}
	return &RouterError{Place: Place{Link: link, Gateway: r.Gateway, Source: source, MAC: s.static(link, r.Gateway)},
		err: s.offLink(addr, ", and Direct Routing cannot cross a router", onLinkRemedy(addr)+", or reach it by lvs_method TUN")}
}

// onLinkRemedy says how a real server comes to be on a network of this host.
func onLinkRemedy(addr netip.Addr) string {
	return fmt.Sprintf("put it on a common network, or give this host an address or an on-link route there: ip route add %s/%d dev IFACE", addr, addr.BitLen())
}

// onLink is the link of a route without a gateway, and the host's own address
// there.
func (s *Snapshot) onLink(r *Route, addr netip.Addr) (Link, netip.Addr, error) {
	link, ok := s.Link(r.Link)
	if !ok {
		return Link{}, netip.Addr{}, fmt.Errorf("the route to %s is by interface %d, which is gone", addr, r.Link)
	}
	if r.Source.IsValid() && !s.Virtual[r.Source] {
		return link, r.Source, nil
	}
	return link, s.source(link.Index, addr), nil
}

// unreachable is the error of an address to which no route leads.
func (s *Snapshot) unreachable(addr netip.Addr, remedy string) error {
	if err := cmp.Or(s.down(addr), s.lost(addr, remedy)); err != nil {
		return err
	}
	return fmt.Errorf("find the interface of %s: no route leads there; %s", addr, remedy)
}

// offLink is the error of an address that is behind a gateway; why says what is
// wrong with that.
func (s *Snapshot) offLink(addr netip.Addr, why, remedy string) error {
	if err := cmp.Or(s.down(addr), s.lost(addr, remedy)); err != nil {
		return err
	}
	return fmt.Errorf("%s is not on a network of this host%s; %s", addr, why, remedy)
}

// down is an error if addr is on the network of a link that is down: its routes
// are gone, so that the default route is found instead.
func (s *Snapshot) down(addr netip.Addr) error {
	for _, a := range s.Addrs {
		if link, ok := s.Link(a.Link); ok && !link.Up && a.Prefix.Contains(addr) {
			return &DownError{Addr: addr, Link: link}
		}
	}
	return nil
}

// lost is an error if addr is of IPv6 and one link alone is down on which it could
// be: the kernel removes the addresses and routes of IPv6 from a link that goes
// down, so that nothing tells any more whose network addr is in.
func (s *Snapshot) lost(addr netip.Addr, remedy string) error {
	if !addr.Is6() {
		return nil
	}
	var found error
	for _, link := range s.Links {
		switch {
		case link.Up || !link.wire() || s.hasIPv6(link.Index):
			continue
		case found != nil:
			return nil // any of them
		}
		found = &DownError{Addr: addr, Link: link, Lost: true, Remedy: remedy}
	}
	return found
}

// hasIPv6 reports whether a link has an address of IPv6.
func (s *Snapshot) hasIPv6(link int) bool {
	return slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a.Link == link && a.Prefix.Addr().Is6() })
}

// A localAddr is how this host has an address.
type localAddr struct {
	ifname string
	addr   netip.Prefix // zero: by a route
	route  netip.Prefix
}

// remedy is the command that takes the address away.
func (l localAddr) remedy() string {
	if l.addr.IsValid() {
		return fmt.Sprintf("ip addr del %s dev %s", l.addr, l.ifname)
	}
	return fmt.Sprintf("ip route del local %s dev %s", l.route, l.ifname)
}

// local reports whether addr is an address of this host.
func (s *Snapshot) local(addr netip.Addr) (localAddr, bool) {
	if a, ok := s.find().addrs[addr]; ok {
		link, _ := s.Link(a.Link)
		return localAddr{ifname: link.Name, addr: a.Prefix}, true
	}
	if r := s.lookup(addr, nil); r != nil && r.Type == Local {
		link, _ := s.Link(r.Link)
		return localAddr{ifname: link.Name, route: r.To}, true
	}
	return localAddr{}, false
}

// aside reports whether a route only says that this host has the address, or
// leads to no network at all.
func (s *Snapshot) aside(r *Route) bool {
	link, ok := s.Link(r.Link)
	return r.Type == Local || ok && r.Type == Unicast && !r.Gateway.IsValid() && !link.wire()
}

// source is the host's own address on a link from which it sends to addr: one
// whose network has addr; else the first that is not alone in its network; else
// the first. A link-local one is only for a link-local addr.
func (s *Snapshot) source(link int, addr netip.Addr) netip.Addr {
	best, rank := netip.Addr{}, 0
	for _, a := range s.find().onLink[link] {
		own := a.Prefix.Addr()
		if a.Tentative || own.Is4() != addr.Is4() || own == addr || s.Virtual[own] || own.IsLinkLocalUnicast() != addr.IsLinkLocalUnicast() {
			continue
		}
		r := 1
		switch {
		case a.Prefix.Contains(addr) && !a.Deprecated:
			r = 4
		case !a.Prefix.IsSingleIP() && !a.Deprecated:
			r = 3
		case !a.Deprecated:
			r = 2
		}
		if r > rank {
			best, rank = own, r
		}
	}
	return best
}
