package dataplane

import (
	"cmp"
	"slices"

	"lvsdr/dataplane/frame"
)

// A MarkRule gives a firewall mark to packets, as a rule of netfilter does in front of
// IPVS: to those of one protocol to some ports of an address. A packet that has a mark
// from its NIC keeps that.
type MarkRule struct {
	Mark        uint32 // not 0
	Proto       frame.Proto
	Addr        frame.Addr
	First, Last uint16 // ports, both included
}

// marks are MarkRules by what they look at; nil: there are none.
type marks map[markedAt][]MarkRule // by their first ports

// A markedAt is the address and protocol of MarkRules.
type markedAt struct {
	addr  frame.Addr
	proto frame.Proto
}

// newMarks makes marks of rules, of which no two are about the same port.
func newMarks(rules []MarkRule) marks {
	if len(rules) == 0 {
		return nil
	}
	m := marks{}
	for _, r := range rules {
		at := markedAt{r.Addr, r.Proto}
		m[at] = append(m[at], r)
	}
	for _, all := range m {
		slices.SortFunc(all, func(a, b MarkRule) int { return cmp.Compare(a.First, b.First) })
	}
	return m
}

// of is the mark of a packet to a port; 0: it has none.
func (m marks) of(addr frame.Addr, proto frame.Proto, port uint16) uint32 {
	all := m[markedAt{addr, proto}]
	i, _ := slices.BinarySearchFunc(all, port, func(r MarkRule, port uint16) int { return cmp.Compare(r.Last, port) })
	if i < len(all) && all[i].First <= port {
		return all[i].Mark
	}
	return 0
}

// mark is the mark of p, of no known connection. An ICMP error has none from a
// MarkRule, as with netfilter: it is no packet to a port.
func (t *Table) mark(p *Packet) uint32 {
	if p.Mark != 0 || t.marks == nil || p.flow.quoted {
		return p.Mark
	}
	k := &p.flow.key
	return t.marks.of(k.Virtual, k.Proto, k.VirtualPort)
}

// SetMarks replaces the rules by which packets get firewall marks. No two may be about
// the same port of an address.
func (tx *Tx) SetMarks(rules []MarkRule) { tx.edit().marks = newMarks(rules) }

// SetMarks is Tx.SetMarks alone.
func (d *Director) SetMarks(rules []MarkRule) {
	d.Edit(0, func(tx *Tx) { tx.SetMarks(rules) })
}
