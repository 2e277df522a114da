package site

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"

	"lvsdr/control/hostnet"
	"lvsdr/dataplane/frame"
)

// A vip is the state of a virtual address. It is there as long as a service has
// the address.
//
//	          ┌──────── no place any more ────────┐
//	          ▼                                   │
//	service ▶ no place ── HostChanged ──▶ placed ─┤
//	          ▲                             │ ▲   │
//	          │                    Activate │ │ Activate, false
//	          │                             ▼ │   │
//	          └──── no place any more ───── active
type vip struct {
	place hostnet.Place
	lack
	active bool
	away   bool // VRRP has it elsewhere: it does not count that it is active
}

// here reports whether v is active, and VRRP does not have it elsewhere.
func (v vip) here() bool { return v.active && !v.away }

// A lack is the reason why an address has no place; the zero lack: it has one.
type lack struct {
	err  string
	down string // the problem with the link that is down, if that is the reason
}

// lackOf is the lack that err explains.
func lackOf(err error) lack {
	var down *hostnet.DownError
	if errors.As(err, &down) {
		return lack{err.Error(), (&hostnet.DownError{Link: down.Link}).Error()}
	}
	return lack{err: err.Error()}
}

// provesDR reports whether a real server can be asked at the address from here: it
// has a place, and this host does not have it itself.
func (v vip) provesDR() bool { return v.place.Link.Index != 0 && v.place.Local == "" }

// A place is where real servers are reached. It is not changed once servers have
// it, and they share it where it is the same: nil is the place of an address that
// is of no server.
type place struct {
	hostnet.Place
	lack
	direct lack // why Direct Routing does not reach it, where other methods do
}

// ok reports whether p is a place indeed.
func (p *place) ok() bool { return p != nil && p.err == "" }

// here reports whether p is this host.
func (p *place) here() bool { return p.ok() && p.Local != "" }

// remote reports whether p is another host.
func (p *place) remote() bool { return p.ok() && p.Local == "" }

// A neighbour is the MAC address that a real server has on an interface.
type neighbour struct {
	ifindex int
	mac     frame.MAC
}

func (e HostChanged) apply(s *State) ([]Notice, error) {
	old := *s
	s.host = hostOrNone(e.Host)
	s.placeVIPs()
	changed := s.placeServers(false)
	s.seeLinks()
	if changed {
		return s.reconsider(&old), nil
	}
	return nil, nil
}

func (e Activate) apply(s *State) ([]Notice, error) {
	if e.VIP.IsValid() {
		s.activate(e.VIP, e.Active)
		return nil, nil
	}
	for addr := range s.vips.All() {
		s.activate(addr, e.Active)
	}
	return nil, nil
}

// activate makes a virtual address active, or no more, if it has a place.
func (s *State) activate(addr netip.Addr, active bool) {
	if v, ok := s.vips.Get(addr); ok && v.err == "" {
		v.active = active
		s.vips = s.vips.Put(addr, v)
	}
}

func (e Neighbour) apply(s *State) ([]Notice, error) {
	// It may have been under way when the server moved to another interface.
	if p := s.reached(e.Addr); p.ok() && p.Link.Index == e.Ifindex && !p.Gateway.IsValid() {
		s.setMAC(e.Addr, neighbour{e.Ifindex, e.MAC})
	}
	s.setGateway(gateway{e.Addr, e.Ifindex}, e.MAC)
	return nil, nil
}

// ifname is the interface on which VIPs are received; empty: the one on whose
// network each is.
func (s *State) ifname() string {
	if s.options.Interface != "" {
		return s.options.Interface
	}
	return s.plan.config.Global.DefaultInterface
}

// placeVIPs finds the places of the virtual addresses anew.
func (s *State) placeVIPs() {
	for addr := range s.vips.All() {
		s.placeVIP(addr)
	}
}

// placeVIP finds the place of the virtual address addr.
func (s *State) placeVIP(addr netip.Addr) {
	v, _ := s.vips.Get(addr)
	at, err := s.host.VIP(addr, cmp.Or(s.options.Interface, s.plan.routers.interfaceOf(addr), s.ifname()))
	if err != nil && !s.keeps(v.place) {
		v = vip{lack: lackOf(err)}
	} else if err == nil {
		v.place, v.lack = at, lack{}
	}
	v.away = s.away(addr)
	s.vips = s.vips.Put(addr, v)
	s.seeLink(v.place.Link)
}

// isVIP reports whether addr is a virtual address, of the file or of ipvsadm.
func (s *State) isVIP(addr netip.Addr) bool {
	if s.plan.inFile(addr) {
		return true
	}
	if _, served := s.vips.Get(addr); !served {
		return false
	}
	for service := range s.servicesAt(addr) {
		if service.Owner == Runtime {
			return true
		}
	}
	return false
}

// placeServers finds the places of all real servers, and reports whether one of
// the file has got a place, or has lost it. On the same host as before it leaves
// those that have one where they are.
func (s *State) placeServers(sameHost bool) (changed bool) {
	for addr := range s.places.All() {
		if _, inFile := s.plan.servers[addr]; !inFile {
			s.placeServer(addr) // or forgets it
		}
	}
	last := &place{} // of the server before, which is on the same network as a rule
	for _, addr := range s.plan.addrs {
		was := s.place(addr)
		if sameHost && was.ok() && !was.Gateway.IsValid() && was.MAC == s.plan.macs[addr] && !s.isVIP(addr) {
			continue
		}
		is := s.findServer(addr)
		if was != nil && *was == is {
			last = was
			continue
		}
		if *last != is {
			last = &is
		}
		s.setPlace(addr, last)
		changed = changed || was.moves(&is)
	}
	s.placeStrangers()
	return changed
}

// placeServer finds the place of a real server, or forgets it if it is none any
// more. It reports whether a server of the file has got a place, or has lost it.
func (s *State) placeServer(addr netip.Addr) (changed bool) {
	_, inFile := s.plan.servers[addr]
	if a, _ := s.runtime.Get(addr); !inFile && a.servers == 0 {
		s.setPlace(addr, nil)
		return false
	}
	was, is := s.place(addr), s.findServer(addr)
	if was == nil || *was != is {
		s.setPlace(addr, &is)
		s.seeLink(is.Link)
	}
	return inFile && was.moves(&is)
}

// moves reports whether a server that was at p and is at o may be served now, or no more.
func (p *place) moves(o *place) bool {
	return p.ok() != o.ok() || p.ok() && p.direct != o.direct
}

// place is the place of the real server addr, as it was found.
func (s *State) place(addr netip.Addr) *place {
	p, _ := s.places.Get(addr)
	return p
}

// findServer finds the place of a real server.
func (s *State) findServer(addr netip.Addr) place {
	at, err := s.serverPlace(addr)
	var behind *hostnet.RouterError
	routed := errors.As(err, &behind) && s.ways(addr).routed
	if routed {
		at = behind.Place
	}
	if mac, given := s.plan.macs[addr]; given {
		at.MAC = mac // it counts more than the kernel's entry
		at.Gateway = netip.Addr{}
	}
	if err == nil {
		return place{Place: at}
	}
	if was := s.place(addr); was.ok() && s.keeps(was.Place) {
		return *was
	}
	if routed {
		return place{Place: at, direct: lackOf(err)}
	}
	return place{lack: lackOf(err)}
}

// serverPlace is where a real server is reached.
func (s *State) serverPlace(addr netip.Addr) (hostnet.Place, error) {
	switch {
	case s.isVIP(addr):
		return hostnet.Place{}, fmt.Errorf("%v is a virtual address; give the server's own", addr)
	case addr.Is6() && addr.IsLinkLocalUnicast():
		return hostnet.Place{}, errors.New("a link-local address; give one of the whole network")
	}
	at, err := s.host.Server(addr)
	if at.Local != "" && s.options.LocalInterface == "" {
		return hostnet.Place{}, fmt.Errorf("%v is an address of this host, to which packets get only where clients on this host are served; "+
			"do without --local-clients=false", addr)
	}
	return at, err
}

// setPlace puts the real server addr at p; nil: it is none any more. Without a
// place, on another link or behind another gateway, its MAC address is not known, unless
// that of the gateway is.
func (s *State) setPlace(addr netip.Addr, p *place) {
	old, was := s.place(addr), s.reached(addr)
	s.lead(p, 1)
	s.lead(old, -1)
	s.missing -= s.lacksMAC(addr)
	if p == nil {
		s.places = s.places.Delete(addr)
	} else {
		s.places = s.places.Put(addr, p)
	}
	s.missing += s.lacksMAC(addr)
	s.leave(addr, was)
	if at, ok := p.gateway(); ok {
		g, _ := s.gateways.Get(at)
		s.setMAC(addr, neighbour{at.link, g.mac})
	}
}

// setMAC notes the MAC address of the real server addr; a zero one is not known.
func (s *State) setMAC(addr netip.Addr, n neighbour) {
	s.missing -= s.lacksMAC(addr)
	if n.mac == (frame.MAC{}) {
		s.macs = s.macs.Delete(addr)
	} else {
		s.macs = s.macs.Put(addr, n)
	}
	s.missing += s.lacksMAC(addr)
}

// lacksMAC is 1 for a real server that has a place on another host but no MAC address.
func (s *State) lacksMAC(addr netip.Addr) int {
	if _, known := s.macs.Get(addr); known || !s.place(addr).remote() {
		return 0
	}
	return 1
}
