package control

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"

	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// anyPort is the first port that is tried for a client of any port.
const anyPort = 40000

// Explain says what would become of a client's next packet.
func (m *manager) Explain(q api.Question) (*api.Explained, error) {
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
func closing(e *api.Conn) bool {
	return !slices.Contains([]string{"ESTABLISHED", "SYN_RECV", "SYN_SENT"}, e.State)
}

// explainPacket explains the first packet of a connection, or a later one.
func (m *manager) explainPacket(q api.Question, proto frame.Proto, first bool) (*api.Explained, error) {
	data, what := probe(q, proto, first)
	d, err := m.director.Explain(dataplane.Packet{Data: data, Partial: true}, m.now())
	if err != nil {
		return nil, fmt.Errorf("explain: %w", err)
	}
	x := &api.Explained{Protocol: q.Protocol, Client: q.Client, ClientPort: q.ClientPort,
		Address: q.VIP, Port: q.Port, Packet: what, OurVIP: d.Ours,
		Verdict: d.Verdict.String(), Reason: d.Reason.String(), Meaning: d.Reason.Words(),
		Connection: director.WireEntry(d.Conn), Template: director.WireEntry(d.Template)}
	x.Asked = x.Connection == nil && x.Template == nil || d.Reason == dataplane.Scheduled || d.Reason == dataplane.UnreachableNoServer
	m.mu.Lock()
	defer m.mu.Unlock()
	if d.Service == nil {
		x.Elsewhere = m.elsewhere(d.Ours, q.VIP)
	} else {
		s := m.inspected(d.Service)
		x.Service, x.Scheduler, x.Flags = &s, d.Scheduler, d.Service.Config.Flags.Text(s.Scheduler)
	}
	if d.Server != nil {
		to := director.WireServer(d.Server)
		x.Server = &to
		x.Server.Interface = m.ifname(d.Link.Index)
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
		return m.admin.Service(now)
	}
	out := m.serviceStatus(s, *now)
	place := func(r api.Server) int {
		i := slices.IndexFunc(now.Servers, func(o dataplane.ServerStatus) bool { return o.Config.Addr.IP() == r.Address })
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

// Persistence says what binds a client to its servers, in one service or in all.
func (m *manager) Persistence(q api.Question) (*api.Persistence, error) {
	client, now := frame.AddrFrom(q.Client), m.now()
	bonds, conns := m.director.Bonds(client, now), m.director.ClientConns(client, now)
	out := &api.Persistence{Client: q.Client, Services: []api.ServicePersistence{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range bonds {
		k := b.Service.Key
		key := director.WireKey(k)
		if q.VIP.IsValid() && (k.Addr != frame.AddrFrom(q.VIP) || k.Port != q.Port || q.Protocol != "" && q.Protocol != key.Protocol) {
			continue
		}
		s := api.ServicePersistence{ServiceKey: key, Scheduler: b.Service.Scheduler,
			Flags: b.Service.Flags.Text(b.Service.Scheduler), Persistence: int(b.Service.Persistence.Seconds()),
			Granularity: granularity(q.Client, b.Service.Mask), Template: director.WireEntry(b.Template), Connections: []api.Conn{}}
		if p := m.planned(k); p != nil {
			s.FromDefault = p.source.Persistence.FromDefault
		}
		for i := range conns {
			if c := conns[i].Key; c.Virtual == k.Addr && (c.VirtualPort == k.Port || k.Port == 0) && c.Proto == k.Proto {
				s.Connections = append(s.Connections, *director.WireEntry(&conns[i]))
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
