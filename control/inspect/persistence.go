package inspect

import (
	"fmt"
	"math/bits"
	"net/netip"

	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// Persistence says what binds a client to its servers, in one service or in all.
func (i *Inspector) Persistence(q api.Question) (*api.Persistence, error) {
	client, now, v := frame.AddrFrom(q.Client), i.Now(), i.View()
	conns := i.Engine.ClientConns(client, now)
	out := &api.Persistence{Client: q.Client, Services: []api.ServicePersistence{}}
	for _, b := range i.Engine.Bindings(client, now) {
		k := b.Service.Key
		key := director.WireKey(k)
		view, known := v.State.View(k)
		if q.VIP.IsValid() && !asksFor(k, &view, q) {
			continue
		}
		s := api.ServicePersistence{ServiceKey: key, Scheduler: b.Service.Scheduler,
			Flags: b.Service.Flags.Text(b.Service.Scheduler), Persistence: int(b.Service.Persistence.Seconds()),
			Granularity: granularity(q.Client, b.Service.Mask), Template: director.WireEntry(b.Template), Connections: []api.Conn{}}
		if known {
			s.FromDefault = view.PersistenceDefault
		}
		for j := range conns {
			if serves(k, &view, conns[j].Key) {
				s.Connections = append(s.Connections, *director.WireEntry(&conns[j]))
			}
		}
		out.Services = append(out.Services, s)
	}
	if q.VIP.IsValid() && len(out.Services) == 0 {
		return nil, fmt.Errorf("no service at %s; there are: %v", netip.AddrPortFrom(q.VIP, q.Port), elsewhere(v, false, q.VIP))
	}
	return out, nil
}

// asksFor reports whether q is about the service k, of which view is what is known.
func asksFor(k dataplane.ServiceKey, view *site.ServiceView, q api.Question) bool {
	if k.Mark != 0 {
		_, ok := marks(view, q)
		return ok
	}
	return k.Addr == frame.AddrFrom(q.VIP) && k.Port == q.Port && (q.Protocol == "" || q.Protocol == director.WireKey(k).Protocol)
}

// serves reports whether c is a connection of the service k, as far as view knows.
func serves(k dataplane.ServiceKey, view *site.ServiceView, c conntrack.Key) bool {
	if k.Mark != 0 {
		_, ok := marks(view, api.Question{VIP: c.Virtual.IP(), Port: c.VirtualPort, Protocol: c.Proto.String()})
		return ok
	}
	return c.Virtual == k.Addr && (c.VirtualPort == k.Port || k.Port == 0) && c.Proto == k.Proto
}

// granularity names the clients that are one to persistence.
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
