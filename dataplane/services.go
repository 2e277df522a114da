package dataplane

import (
	"cmp"
	"iter"
	"slices"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// services are all virtual services.
type services struct {
	byKey  map[ServiceKey]*service
	recent recent     // some of byKey; guarded by Director.mu alone, as at is
	sorted []*service // by compareKeys
	marks  int        // how many are by mark
	ftp    int        // how many are on port 21
	ipv6   int        // how many are of IPv6
}

const (
	ftpDataPort = 20
	ftpPort     = 21
)

// find is where k is in all.sorted, or would be.
func (all *services) find(k ServiceKey) (int, bool) {
	return slices.BinarySearchFunc(all.sorted, k, func(s *service, k ServiceKey) int { return compareKeys(s.cfg.Key, k) })
}

// add adds s, whose key is new.
func (all *services) add(s *service) {
	if all.byKey == nil {
		all.byKey = map[ServiceKey]*service{}
	}
	k := s.cfg.Key
	all.byKey[k] = s
	i, _ := all.find(k)
	all.sorted = slices.Insert(all.sorted, i, s)
	all.count(k, 1)
}

// remove takes s out.
func (all *services) remove(s *service) {
	k := s.cfg.Key
	delete(all.byKey, k)
	all.recent.forget(s)
	i, _ := all.find(k)
	all.sorted = slices.Delete(all.sorted, i, i+1)
	all.count(k, -1)
}

func (all *services) count(k ServiceKey, by int) {
	if k.Mark != 0 {
		all.marks += by
	}
	if k.Port == ftpPort {
		all.ftp += by
	}
	if isIPv6(k) {
		all.ipv6 += by
	}
}

// serve reports whether there is any service of the family: without one, all
// packets of it are the host's own, those of old connections too.
func (all *services) serve(ipv6 bool) bool {
	if ipv6 {
		return all.ipv6 > 0
	}
	return len(all.sorted) > all.ipv6
}

// first is the first service, in order; nil: there is none.
func (all *services) first() *service {
	if len(all.sorted) == 0 {
		return nil
	}
	return all.sorted[0]
}

// after is the first service behind k, in order; nil: there is none.
func (all *services) after(k ServiceKey) *service {
	i, found := all.find(k)
	if found {
		i++
	}
	if i == len(all.sorted) {
		return nil
	}
	return all.sorted[i]
}

// eachService gives all services, in order, with d.mu held; packets and edits
// come between.
func (d *Director) eachService() iter.Seq[*service] {
	return func(yield func(*service) bool) {
		next := d.services.first
		for {
			d.mu.Lock()
			s := next()
			goOn := s != nil && yield(s)
			d.release()
			if !goOn {
				return
			}
			next = func() *service { return d.services.after(s.cfg.Key) }
		}
	}
}

// lookup finds the service for a packet of k without connection: by mark, by
// address and port, as FTP data, by address alone.
func (all *services) lookup(mark uint32, k *conntrack.Key) *service {
	if mark != 0 && all.marks > 0 {
		if s := all.byKey[ServiceKey{Mark: mark, IPv6: !k.Virtual.Is4()}]; s != nil {
			return s
		}
	}
	if s := all.at(k, k.VirtualPort); s != nil {
		return s
	}
	if all.ftp > 0 && k.Proto == frame.ProtoTCP && (k.VirtualPort == ftpDataPort || k.VirtualPort >= 1024) {
		if s := all.at(k, ftpPort); s != nil {
			return s
		}
	}
	return all.at(k, 0)
}

// compareKeys orders services by mark, family, protocol, address and port.
func compareKeys(x, y ServiceKey) int {
	return cmp.Or(cmp.Compare(x.Mark, y.Mark), compareBool(isIPv6(x), isIPv6(y)), cmp.Compare(x.Proto, y.Proto),
		slices.Compare(x.Addr[:], y.Addr[:]), cmp.Compare(x.Port, y.Port), compareBool(x.IPv6, y.IPv6))
}

// isIPv6 reports whether the service is one of IPv6.
func isIPv6(k ServiceKey) bool { return k.IPv6 || k.Mark == 0 && !k.Addr.Is4() }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
