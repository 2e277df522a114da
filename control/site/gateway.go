package site

import (
	"cmp"
	"net/netip"

	"lvsdr/control/site/tree"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A gateway is a router that leads to real servers. All of them have its MAC address.
type gateway struct {
	addr netip.Addr
	link int
}

// Compare is for tree.Map.
func (g gateway) Compare(o gateway) int {
	return cmp.Or(cmp.Compare(g.link, o.link), g.addr.Compare(o.addr))
}

// A guided holds the MAC address of a gateway and the number of servers that it leads to.
type guided struct {
	mac     frame.MAC // zero: not known
	servers int       // real servers that it leads to, at least 1
}

type gateways = tree.Map[gateway, guided]

// gateway is the router that leads to p; false: none is needed.
func (p *place) gateway() (gateway, bool) {
	if !p.ok() || !p.Gateway.IsValid() {
		return gateway{}, false
	}
	return gateway{p.Gateway, p.Link.Index}, true
}

// lead counts one more server behind the gateway of p, or one less.
func (s *State) lead(p *place, n int) {
	at, ok := p.gateway()
	if !ok {
		return
	}
	g, _ := s.gateways.Get(at)
	if g.servers += n; g.servers == 0 {
		s.gateways = s.gateways.Delete(at)
	} else {
		s.gateways = s.gateways.Put(at, g)
	}
}

// setGateway notes the MAC address of a gateway, for all servers behind it.
func (s *State) setGateway(at gateway, mac frame.MAC) {
	g, leads := s.gateways.Get(at)
	if !leads || g.mac == mac {
		return
	}
	g.mac = mac
	s.gateways = s.gateways.Put(at, g)
	for addr, p := range s.places.All() {
		if is, ok := p.gateway(); ok && is == at {
			s.setMAC(addr, neighbour{at.link, mac})
		}
	}
}

// The ways in which servers with one address are reached.
type ways struct {
	direct bool // some by Direct Routing, which cannot cross a router
	routed bool // some by another method
}

// with is w and the way of one more server.
func (w ways) with(m dataplane.Method) ways {
	return ways{w.direct || m == dataplane.Direct, w.routed || m != dataplane.Direct}
}

// An added counts the servers that ipvsadm added with one address.
type added struct{ servers, routed int }

// ways are those of the servers with the address addr, of the file and of ipvsadm.
func (s *State) ways(addr netip.Addr) ways {
	w := s.plan.ways[addr]
	a, _ := s.runtime.Get(addr)
	return ways{w.direct || a.servers > a.routed, w.routed || a.routed > 0}
}

// placed reports whether the real server addr can be reached by a method.
func (s *State) placed(addr netip.Addr, m dataplane.Method) bool { return s.place(addr).reaches(m) }

// reaches reports whether a real server at p can be reached by a method.
func (p *place) reaches(m dataplane.Method) bool { return p.ok() && p.lackFor(m).err == "" }

// lackFor is why a real server at p cannot be reached by a method.
func (p *place) lackFor(m dataplane.Method) lack {
	if p.err == "" && m == dataplane.Direct {
		return p.direct
	}
	return p.lack
}
