package site

import (
	"bytes"
	"cmp"
	"iter"

	"lvsdr/control/site/tree"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A Table is the content of a director: services with their servers. It never
// changes; an edit makes another one that shares the rest. The nil Table is
// empty. Services come in the order of mark, family, address, protocol and port,
// so that those of one VIP are together.
type Table struct {
	services services
	servers  int // of all services
}

type services = tree.Map[key, *Service]

// A Service is a virtual service of a Table. It is not changed once it is in
// one.
type Service struct {
	Config  dataplane.ServiceConfig
	Owner   Owner
	Servers []Server // as IPVS has them: the newest first
}

// A Server is a real server of a Service. It is known by address and port.
type Server struct {
	Config dataplane.ServerConfig
	Owner  Owner
}

// same reports whether s and c name one server.
func (s Server) same(c dataplane.ServerConfig) bool {
	return s.Config.Addr == c.Addr && s.Config.Port == c.Port
}

// find is the index of the server that c names, or -1.
func (s *Service) find(c dataplane.ServerConfig) int {
	for i := range s.Servers {
		if s.Servers[i].same(c) {
			return i
		}
	}
	return -1
}

// A key orders services.
type key dataplane.ServiceKey

// Compare is for tree.Map.
func (k key) Compare(o key) int {
	return cmp.Or(cmp.Compare(k.Mark, o.Mark), cmp.Compare(k.v6(), o.v6()),
		bytes.Compare(k.Addr[:], o.Addr[:]), cmp.Compare(k.Proto, o.Proto), cmp.Compare(k.Port, o.Port))
}

// v6 is 1 for a service of IPv6.
func (k key) v6() int {
	if k.IPv6 || k.Mark == 0 && !k.Addr.Is4() {
		return 1
	}
	return 0
}

// all are the services of t, also of the nil Table.
func (t *Table) all() services {
	if t == nil {
		return services{}
	}
	return t.services
}

// Len is the number of services.
func (t *Table) Len() int { return t.all().Len() }

// Service is the service with key k, or nil.
func (t *Table) Service(k dataplane.ServiceKey) *Service {
	s, _ := t.all().Get(key(k))
	return s
}

// All are the services in order.
func (t *Table) All() iter.Seq[*Service] {
	return func(yield func(*Service) bool) {
		for _, s := range t.all().All() {
			if !yield(s) {
				return
			}
		}
	}
}

// On are the services of a VIP in order.
func (t *Table) On(vip frame.Addr) iter.Seq[*Service] {
	return func(yield func(*Service) bool) {
		for k, s := range t.all().From(key{Addr: vip}) {
			if k.Mark != 0 || k.Addr != vip || !yield(s) {
				return
			}
		}
	}
}

// with is t with s at its key in place of what is there.
func (t *Table) with(s *Service) *Table {
	all := t.all()
	old, _ := all.Get(key(s.Config.Key))
	next := &Table{services: all.Put(key(s.Config.Key), s), servers: t.count() + len(s.Servers)}
	if old != nil {
		next.servers -= len(old.Servers)
	}
	return next
}

// without is t without s, which is in it.
func (t *Table) without(s *Service) *Table {
	return &Table{services: t.services.Delete(key(s.Config.Key)), servers: t.servers - len(s.Servers)}
}

// count is the number of servers of all services.
func (t *Table) count() int {
	if t == nil {
		return 0
	}
	return t.servers
}
