package site

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A markTable holds the lvsdr_mark lines of a file, indexed. It is not changed.
type markTable struct {
	lines  []keepalived.Mark // in the order of the file
	rules  []dataplane.MarkRule
	byKey  map[dataplane.ServiceKey][]int // the lines of a service, by their indexes
	byAddr map[netip.Addr][]int           // likewise of an address
}

// newMarkTable reads lines; without any it is nil.
func newMarkTable(lines []keepalived.Mark) *markTable {
	if len(lines) == 0 {
		return nil
	}
	t := &markTable{lines: lines, byKey: map[dataplane.ServiceKey][]int{}, byAddr: map[netip.Addr][]int{}}
	for i, m := range lines {
		t.rules = append(t.rules, dataplane.MarkRule{Mark: m.Mark, Proto: m.Protocol, Addr: frame.AddrFrom(m.Addr), First: m.First, Last: m.Last})
		k := markKey(m)
		t.byKey[k] = append(t.byKey[k], i)
		t.byAddr[m.Addr] = append(t.byAddr[m.Addr], i)
	}
	return t
}

// markKey is the key of the service that gets the packets of m.
func markKey(m keepalived.Mark) dataplane.ServiceKey {
	return dataplane.ServiceKey{Mark: m.Mark, IPv6: m.Addr.Is6()}
}

// same reports whether t says the same as lines, wherever they are in a file.
func (t *markTable) same(lines []keepalived.Mark) bool {
	return slices.EqualFunc(t.all(), lines, keepalived.Mark.Same)
}

// all are the lines, also of the nil table.
func (t *markTable) all() []keepalived.Mark {
	if t == nil {
		return nil
	}
	return t.lines
}

// of are the lines of the service k.
func (t *markTable) of(k dataplane.ServiceKey) iter.Seq[keepalived.Mark] {
	return func(yield func(keepalived.Mark) bool) {
		if t == nil || k.Mark == 0 {
			return
		}
		for _, i := range t.byKey[k] {
			if !yield(t.lines[i]) {
				return
			}
		}
	}
}

// at are the lines of an address.
func (t *markTable) at(addr netip.Addr) iter.Seq[keepalived.Mark] {
	return func(yield func(keepalived.Mark) bool) {
		if t == nil {
			return
		}
		for _, i := range t.byAddr[addr] {
			if !yield(t.lines[i]) {
				return
			}
		}
	}
}

// Marks are the rules by which the director's packets get firewall marks; they are the
// same slice as long as the file says the same.
func (s *State) Marks() []dataplane.MarkRule {
	if s.plan.marks == nil {
		return nil
	}
	return s.plan.marks.rules
}

// servicesAt are the services that packets to a virtual address may be of: those of its
// own and those of its marks.
func (s *State) servicesAt(vip netip.Addr) iter.Seq[*Service] {
	return func(yield func(*Service) bool) {
		for service := range s.table.On(frame.AddrFrom(vip)) {
			if !yield(service) {
				return
			}
		}
		seen := map[dataplane.ServiceKey]bool{}
		for m := range s.plan.marks.at(vip) {
			k := markKey(m)
			if service := s.table.Service(k); service != nil && !seen[k] {
				seen[k] = true
				if !yield(service) {
					return
				}
			}
		}
	}
}

// addressesOf are the virtual addresses of a service, each once.
func (s *State) addressesOf(k dataplane.ServiceKey) []netip.Addr {
	if k.Mark == 0 {
		return []netip.Addr{k.Addr.IP()}
	}
	var all []netip.Addr
	seen := map[netip.Addr]bool{}
	for m := range s.plan.marks.of(k) {
		if !seen[m.Addr] {
			seen[m.Addr] = true
			all = append(all, m.Addr)
		}
	}
	return all
}

// settleMarks follows a file whose marks may be others than old's: virtual addresses
// come and go with them.
func (s *State) settleMarks(old *State) []Notice {
	if s.plan.marks == old.plan.marks {
		return nil
	}
	s.layout++
	before := *s
	moved, seen := false, map[netip.Addr]bool{}
	for _, lines := range [][]keepalived.Mark{old.plan.marks.all(), s.plan.marks.all()} {
		for _, m := range lines {
			if !seen[m.Addr] {
				seen[m.Addr] = true
				moved = s.settleVIP(m.Addr) || moved
			}
		}
	}
	if moved {
		return s.reconsider(&before)
	}
	return nil
}

// unmarked tells of services by mark that no packet is marked for.
func (s *State) unmarked() []string {
	var all []string
	for k := range s.table.all().From(key{Mark: 1}) {
		if k := dataplane.ServiceKey(k); len(s.addressesOf(k)) == 0 {
			all = append(all, fmt.Sprintf("%s of %s gets no packets: no lvsdr_mark line gives them its mark, and the marks of netfilter are not seen here",
				serviceName(k), familyName(k.IPv6)))
		}
	}
	return all
}

func familyName(ipv6 bool) string {
	if ipv6 {
		return "IPv6"
	}
	return "IPv4"
}

// inFile reports whether the file names addr as a virtual address.
func (p *plan) inFile(addr netip.Addr) bool {
	if _, ok := p.vips[addr]; ok {
		return true
	}
	return p.marks != nil && len(p.marks.byAddr[addr]) > 0
}
