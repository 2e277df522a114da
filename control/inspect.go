package control

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"

	"lvsdr/control/api"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// anyPort is the first port that is tried for a client of any port.
const anyPort = 40000

// explain says what would become of a client's next packet.
func (m *manager) explain(q api.Question) (*api.Explained, error) {
	switch {
	case !q.VIP.IsValid():
		return nil, errors.New("explain wants a client and a service")
	case !q.Client.IsValid() || q.Client.Is4() != q.VIP.Is4():
		return nil, fmt.Errorf("%s and %s are not of one address family", q.Client, q.VIP)
	case q.Protocol == "":
		q.Protocol = m.usualProtocol(q)
	}
	proto, err := frame.ParseServiceProto(q.Protocol)
	if err != nil {
		return nil, err
	}
	used := map[uint16]bool{}
	for _, c := range m.director.ClientConns(frame.AddrFrom(q.Client), m.now()) {
		if k := c.Key; k.Virtual == frame.AddrFrom(q.VIP) && k.VirtualPort == q.Port && k.Proto == proto {
			used[k.ClientPort] = true
		}
	}
	anew := q.ClientPort == 0
	if anew {
		for q.ClientPort = anyPort; used[q.ClientPort] && q.ClientPort != anyPort-1; q.ClientPort++ {
		}
	}
	x, err := m.explainPacket(q, proto, true)
	if err == nil && x.Connection != nil {
		first := x
		if x, err = m.explainPacket(q, proto, false); err == nil && proto == frame.ProtoTCP && closing(x.Connection) {
			x.Anew = first
		}
	}
	if err != nil {
		return nil, err
	}
	x.AnyPort, x.Connections = anew, len(used)
	return x, nil
}

// usualProtocol is that of the service at a port, TCP where there are several
// or none.
func (m *manager) usualProtocol(q api.Question) string {
	for _, p := range []frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP} {
		for _, s := range m.director.Services() {
			if s.Config.Key == (dataplane.ServiceKey{Proto: p, Addr: frame.AddrFrom(q.VIP), Port: q.Port}) {
				return p.String()
			}
		}
	}
	return frame.ProtoTCP.String()
}

// closing reports whether a connection of TCP comes to its end.
func closing(e *api.Entry) bool {
	return !slices.Contains([]string{"ESTABLISHED", "SYN_RECV", "SYN_SENT"}, e.State)
}

// explainPacket explains the first packet of a connection, or a later one.
func (m *manager) explainPacket(q api.Question, proto frame.Proto, first bool) (*api.Explained, error) {
	data, what := probe(q, proto, first)
	d, err := m.director.Explain(dataplane.Packet{Data: data, Partial: true}, m.now())
	if err != nil {
		return nil, fmt.Errorf("explain: %w", err)
	}
	x := &api.Explained{Protocol: q.Protocol, Client: q.Client.String(), ClientPort: q.ClientPort,
		Address: q.VIP.String(), Port: q.Port, Packet: what, OurVIP: d.Ours,
		Verdict: d.Verdict.String(), Reason: d.Reason.String(), Meaning: d.Reason.Words(),
		Connection: entry(d.Conn), Template: entry(d.Template)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if d.Service == nil {
		x.Elsewhere = m.elsewhere(d.Ours, q.VIP)
	} else {
		s := m.inspected(d.Service)
		x.Service, x.Scheduler, x.Flags = &s, d.Scheduler, d.Service.Config.Flags.Text(s.Scheduler)
	}
	if d.Server != nil {
		x.Server = &api.Server{Address: d.Server.Config.Addr.String(), Port: d.Server.Config.Port, Weight: d.Server.Config.Weight,
			Effective: d.Server.Config.Weight, Up: true, Check: "none", Active: d.Server.Active, Inactive: d.Server.Inactive,
			Persistent: d.Server.Persistent, Interface: m.ifname(d.Link.Index), Traffic: d.Server.Traffic}
		if d.Server.MAC != (frame.MAC{}) {
			x.Server.MAC = d.Server.MAC.String()
		}
		if x.Service != nil {
			if i := slices.IndexFunc(x.Service.Servers, func(s api.Server) bool { return s.Address == x.Server.Address }); i >= 0 {
				x.Server.Weight, x.Server.Up, x.Server.Check = x.Service.Servers[i].Weight, x.Service.Servers[i].Up, x.Service.Servers[i].Check
			}
		}
	}
	return x, nil
}

// elsewhere are the services of a VIP, or of all where that is not ours. The
// caller holds m.mu.
func (m *manager) elsewhere(ours bool, vip netip.Addr) []string {
	var all []string
	if m.plan == nil {
		return nil
	}
	for i := range m.plan.services {
		if s := m.plan.services[i].source; !ours || s.Addr == vip {
			all = append(all, fmt.Sprintf("%s %s", s.Protocol, netip.AddrPortFrom(s.Addr, s.Port)))
		}
	}
	return all
}

// inspected is a service with its servers in the scheduler's order. The caller
// holds m.mu.
func (m *manager) inspected(now *dataplane.ServiceStatus) api.Service {
	s := m.planned(now.Config.Key)
	if s == nil { // a reload has just taken it away
		return api.Service{Address: now.Config.Key.Addr.String(), Port: now.Config.Key.Port, Scheduler: now.Config.Scheduler,
			Persistence: int(now.Config.Persistence.Seconds()), Servers: []api.Server{}}
	}
	out := m.serviceStatus(s, *now)
	place := func(r api.Server) int {
		i := slices.IndexFunc(now.Servers, func(o dataplane.ServerStatus) bool { return o.Config.Addr.String() == r.Address })
		if i < 0 {
			return len(now.Servers) // not in use: the last ones
		}
		return i
	}
	slices.SortStableFunc(out.Servers, func(a, b api.Server) int { return cmp.Compare(place(a), place(b)) })
	return out
}

// planned is the service k of the plan; nil: there is none. The caller holds
// m.mu.
func (m *manager) planned(k dataplane.ServiceKey) *plannedService {
	if m.plan == nil {
		return nil
	}
	for i := range m.plan.services {
		if m.plan.services[i].cfg.Key == k {
			return &m.plan.services[i]
		}
	}
	return nil
}

// ifname is the name of an interface with ports, or its number. The caller holds
// m.mu.
func (m *manager) ifname(index int32) string {
	if ps := m.ports[int(index)]; ps != nil {
		return ps.name
	}
	return fmt.Sprintf("interface %d", index)
}

// protocolName is the name of p, empty for none: a service by firewall mark, or
// the template of one.
func protocolName(p frame.Proto) string {
	if p == 0 {
		return ""
	}
	return p.String()
}

// entry is e for the control socket; nil: none.
func entry(e *dataplane.EntryStatus) *api.Entry {
	if e == nil {
		return nil
	}
	out := &api.Entry{Client: e.Key.Client.String(), ClientPort: e.Key.ClientPort, Address: e.Key.Virtual.String(), Port: e.Key.VirtualPort,
		Server: e.Server.String(), Protocol: protocolName(e.Key.Proto), State: e.State, Expires: e.Expires.Seconds(), Connections: e.Connections, Removed: e.Removed}
	return out
}

// sticky says what binds a client to its servers, in one service or in all.
func (m *manager) sticky(q api.Question) (*api.Sticky, error) {
	client, now := frame.AddrFrom(q.Client), m.now()
	bonds, conns := m.director.Bonds(client, now), m.director.ClientConns(client, now)
	out := &api.Sticky{Client: q.Client.String(), Services: []api.StickyService{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range bonds {
		k := b.Service.Key
		proto := protocolName(k.Proto)
		if q.VIP.IsValid() && (k.Addr != frame.AddrFrom(q.VIP) || k.Port != q.Port || q.Protocol != "" && q.Protocol != proto) {
			continue
		}
		s := api.StickyService{Protocol: proto, Address: k.Addr.String(), Port: k.Port, Scheduler: b.Service.Scheduler,
			Flags: b.Service.Flags.Text(b.Service.Scheduler), Persistence: int(b.Service.Persistence.Seconds()),
			Granularity: granularity(q.Client, b.Service.Mask), Template: entry(b.Template), Connections: []api.Entry{}}
		if p := m.planned(k); p != nil {
			s.FromDefault = p.source.Persistence.FromDefault
		}
		for i := range conns {
			if c := conns[i].Key; c.Virtual == k.Addr && (c.VirtualPort == k.Port || k.Port == 0) && c.Proto == k.Proto {
				s.Connections = append(s.Connections, *entry(&conns[i]))
			}
		}
		out.Services = append(out.Services, s)
	}
	if q.VIP.IsValid() && len(out.Services) == 0 {
		return nil, fmt.Errorf("no service at %s; there are: %v", netip.AddrPortFrom(q.VIP, q.Port), m.elsewhere(false, q.VIP))
	}
	return out, nil
}

// granularity names the clients that are one with client under mask; the zero
// mask leaves it alone. An IPv4 mask need not be contiguous.
func granularity(client netip.Addr, mask frame.Addr) string {
	b, m := client.AsSlice(), mask[16-client.BitLen()/8:]
	if mask == (frame.Addr{}) {
		return netip.PrefixFrom(client, client.BitLen()).String()
	}
	ones, contiguous := 0, true
	for i := range b {
		b[i] &= m[i]
		contiguous = contiguous && bits.OnesCount8(m[i]) == bits.LeadingZeros8(^m[i]) && (m[i] == 0 || ones == 8*i)
		ones += bits.OnesCount8(m[i])
	}
	masked, _ := netip.AddrFromSlice(b)
	if !contiguous {
		own, _ := netip.AddrFromSlice(m)
		return fmt.Sprintf("%s mask %s", masked, own)
	}
	return netip.PrefixFrom(masked, ones).String()
}

// answers are what the control socket gives.
func (m *manager) answers() api.Answers {
	return api.Answers{Status: m.status, Explain: m.explain, Sticky: m.sticky, Trace: m.startTrace}
}
