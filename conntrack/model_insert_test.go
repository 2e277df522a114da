package conntrack

import (
	"fmt"
	"slices"

	"lvsdr/dataplane/frame"
)

// established is the state of an open connection of x's protocol.
func (x *modelEntry) established() State {
	if x.key.Proto == frame.ProtoSCTP && !x.key.Template {
		return SCTPEstablished
	}
	return Established
}

// price says what may make room, and in which order: what is due; half-open and
// closing connections, and templates nobody depends on and that were never
// assured; UDP; nothing else ever.
func (m *model) price(x *modelEntry) int {
	switch {
	case x.key.Template && x.conns > 0:
		return dear
	case m.due(x):
		return due
	case x.key.Proto == frame.ProtoUDP && !x.key.Template:
		return fair
	case x.state == x.established():
		return dear
	}
	return cheap
}

// insert compares an Insert: what made room for it, and whether anything could.
func (m *model) insert(k Key, by *modelEntry) error {
	t, evicted, before := m.table, m.table.Evicted(), m.table.Len()
	var ref *Entry
	if by != nil {
		ref = by.e
		by.conns++
	}
	var near []*modelEntry  // what is within reach, in its order, where something may have to go
	var first []*modelEntry // of that the first lines that have a cheap one
	full := m.placeFull(k)
	if full || t.Len() == t.Limit() {
		near, first = m.reach(k)
	}
	id := m.nextID
	m.nextID++
	e := t.Insert(&k, t.Hash(&k), DestRef(id), ref, m.now)
	made := int(t.Evicted() - evicted)
	if err := m.victims(made, first); err != nil {
		return err
	}
	if made > 0 && !full && before < t.Limit() {
		return fmt.Errorf("%d evicted, where there was room", made)
	}
	if e != nil {
		x := &modelEntry{id: id, key: k, template: by, e: e, expires: m.tick() + 300}
		m.entries = append(m.entries, x)
		return nil
	}
	if by != nil {
		by.conns--
	}
	if made > 0 {
		return fmt.Errorf("%d evicted for nothing", made)
	}
	among := m.entries
	if full {
		among = near
	} else if t.Len() < t.Limit() {
		return fmt.Errorf("Insert of %v found no room, where there was", k)
	}
	for _, x := range among {
		if p := m.price(x); p < dear {
			return fmt.Errorf("Insert of %v found no room, though the price of entry %d is %d", k, x.id, p)
		}
	}
	return nil
}

// victims compares what an Insert removed: made were counted as evicted, near
// is what lived before in the first lines within reach that have something
// cheap, or in all. One at most goes before its time, and it is the cheapest of
// near, of those the next to its end; or from elsewhere, where nothing within
// reach may go.
func (m *model) victims(made int, near []*modelEntry) error {
	early := 0
	for _, x := range m.gone {
		p := m.price(x)
		if p == due {
			continue
		}
		early++
		if p == dear {
			return fmt.Errorf("entry %d made room: %v, state %v, %d connections", x.id, x.key, x.state, x.conns)
		}
		m.lost[p]++
		inReach := slices.Contains(near, x)
		for _, y := range near {
			q := m.price(y)
			if !inReach && q < dear || q < p || q == p && y.expires < x.expires {
				return fmt.Errorf("entry %d (price %d) made room, not %d (price %d)", x.id, p, y.id, q)
			}
		}
	}
	if made > 1 || early != made {
		return fmt.Errorf("%d counted as evicted, %d removed before their time", made, early)
	}
	return nil
}

// placeFull reports whether all slots where k could live are taken.
func (m *model) placeFull(k Key) bool {
	i := m.table.home(m.table.Hash(&k))
	for range maxProbe {
		for j := range m.table.lines[i] {
			if m.table.lines[i][j].kind() == free {
				return false
			}
		}
		i = m.table.after(i)
	}
	return true
}

// reach returns the entries that live where one of key k could, and those of them in the first
// few lines with something cheap; if none has, all.
func (m *model) reach(k Key) (all, first []*modelEntry) {
	var few []*modelEntry
	i := m.table.home(m.table.Hash(&k))
	for seen := range maxProbe {
		if seen%fewLines == 0 {
			few = nil
		}
		for j := range m.table.lines[i] {
			for _, x := range m.entries {
				if x.e == &m.table.lines[i][j] {
					all, few = append(all, x), append(few, x)
				}
			}
		}
		if seen%fewLines == fewLines-1 && first == nil && slices.ContainsFunc(few, func(x *modelEntry) bool { return m.price(x) <= cheap }) {
			first = few
		}
		i = m.table.after(i)
	}
	if first == nil {
		first = all
	}
	return all, first
}
