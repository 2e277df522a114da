package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/control/keepalived"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// The ports that are tried for a client of any port, one after the other, until
// there is one without a connection.
const (
	anyPort  = 40000
	maxTries = 64
)

// Explain says what would become of a client's next packet.
func (i *Inspector) Explain(q api.Question) (*api.Explained, error) {
	switch {
	case !q.VIP.IsValid():
		return nil, errors.New("explain needs a client and a service")
	case !q.Client.IsValid() || q.Client.Is4() != q.VIP.Is4():
		return nil, fmt.Errorf("%s and %s are not of one address family", q.Client, q.VIP)
	case q.Protocol == "":
		q.Protocol = i.usualProto(q).String()
	}
	proto, err := frame.ParseServiceProto(q.Protocol)
	if err != nil {
		return nil, err
	}
	if q.ClientPort == 0 {
		return i.explainNew(q, proto)
	}
	first, _, err := i.explainPacket(q, proto, true)
	if err != nil || first.Connection == nil {
		return first, err
	}
	x, closing, err := i.explainPacket(q, proto, false)
	if err == nil && closing {
		x.Anew = first
	}
	return x, err
}

// explainNew explains the first packet of a connection from a port that has none.
func (i *Inspector) explainNew(q api.Question, proto frame.Proto) (x *api.Explained, err error) {
	for n := range uint16(maxTries) {
		q.ClientPort = anyPort + n
		if x, _, err = i.explainPacket(q, proto, true); err != nil || x.Connection == nil {
			break
		}
	}
	if err == nil {
		x.AnyPort = true
	}
	return x, err
}

// usualProto is that of the service at a port; TCP where there are several, or
// none.
func (i *Inspector) usualProto(q api.Question) frame.Proto {
	for _, p := range []frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP} {
		if i.View().State.Table().Service(dataplane.ServiceKey{Proto: p, Addr: frame.AddrFrom(q.VIP), Port: q.Port}) != nil {
			return p
		}
	}
	for s := range i.View().State.Views() {
		if m, ok := marks(&s, q); ok {
			return m.Protocol
		}
	}
	return frame.ProtoTCP
}

// marks returns the line that marks packets to the port of q's service for s, if there is one.
func marks(s *site.ServiceView, q api.Question) (keepalived.Mark, bool) {
	for _, m := range s.Marks {
		if m.Addr == q.VIP && m.First <= q.Port && q.Port <= m.Last && (q.Protocol == "" || q.Protocol == m.Protocol.String()) {
			return m, true
		}
	}
	return keepalived.Mark{}, false
}

// explainPacket explains the first packet of a connection, or a later one. It
// reports whether the connection is one of TCP that comes to its end.
func (i *Inspector) explainPacket(q api.Question, proto frame.Proto, first bool) (x *api.Explained, closing bool, err error) {
	data, name := probe(q, proto, first)
	d, err := i.Engine.Explain(dataplane.Packet{Data: data, Partial: true}, i.Now())
	if err != nil {
		return nil, false, fmt.Errorf("explain: %w", err)
	}
	x = &api.Explained{Protocol: q.Protocol, Client: q.Client, ClientPort: q.ClientPort,
		Address: q.VIP, Port: q.Port, Packet: name, OurVIP: d.Ours,
		Verdict: d.Verdict.String(), Reason: d.Reason.String(), Meaning: d.Reason.Words(),
		Connection: director.WireEntry(d.Conn), Template: director.WireEntry(d.Template)}
	x.Asked = d.Conn == nil && d.Template == nil || d.Reason == dataplane.Scheduled || d.Reason == dataplane.UnreachableNoServer
	v := i.View()
	if d.Service == nil {
		x.Elsewhere = elsewhere(v, d.Ours, q.VIP)
	} else {
		s := i.inOrder(v, d.Service)
		x.Service, x.Scheduler, x.Flags = &s, d.Scheduler, s.Flags
	}
	if d.Server != nil {
		x.Server = i.server(d.Server, x.Service, d.Link.Index)
	}
	return x, proto == frame.ProtoTCP && d.Conn != nil && d.Conn.Closing, nil
}

// server is where a packet goes, with what s knows about it.
func (i *Inspector) server(r *dataplane.ServerStatus, s *api.Service, ifindex int32) *api.Server {
	to := director.WireServer(r)
	to.Interface = i.NICs.Name(int(ifindex))
	if s != nil {
		for j := range s.Servers {
			if k := &s.Servers[j]; k.Address == to.Address && k.Port == to.Port {
				to.Weight, to.Up, to.Check, to.Checks, to.Problem = k.Weight, k.Up, k.Check, k.Checks, k.Problem
			}
		}
	}
	return &to
}

// elsewhere are the services of a VIP, or of all where that is not ours.
func elsewhere(v *View, ours bool, vip netip.Addr) []string {
	var all []string
	for s := range v.State.Views() {
		k := director.WireKey(s.Config.Key)
		if k.FWMark == 0 && (!ours || k.Address == vip) {
			all = append(all, k.String())
		}
		for _, m := range s.Marks {
			if !ours || m.Addr == vip {
				all = append(all, fmt.Sprintf("%s (%s)", k, markedText(m)))
			}
		}
	}
	return all
}

// inOrder is a service with its servers in the scheduler's order; those that are
// not in use come last.
func (i *Inspector) inOrder(v *View, now *dataplane.ServiceStatus) api.Service {
	s, ok := v.State.View(now.Config.Key)
	if !ok { // it has just been removed
		return i.Admin.Service(now)
	}
	out := i.service(&s, now, i.removed()[s.Config.Key])
	place := func(r api.Server) int {
		at := find(now.Servers, dataplane.ServerConfig{Addr: frame.AddrFrom(r.Address), Port: r.Port})
		if at < 0 {
			return len(now.Servers)
		}
		return at
	}
	slices.SortStableFunc(out.Servers, func(a, b api.Server) int { return cmp.Compare(place(a), place(b)) })
	return out
}
