package conntrack

// Import inserts the entries of others into tables, which are of another size or
// number and empty: those that must not be lost first, and none at another's
// expense. tableOf is the table that a template with that hash is in, and may be for
// connections. An entry without a place is counted in r.
func Import(tables, others []*Table, tableOf func(hash uint64) int, now int64, r *Recovered) {
	m := importer{tables, tableOf, now, map[uint32]*Entry{}, r}
	for _, dearest := range []bool{true, false} {
		for _, templates := range []bool{true, false} {
			for _, from := range others {
				from.All(func(e *Entry) bool {
					if e.Template() == templates && (e.price(ticks(now)) == dear) == dearest {
						m.insert(from, e)
					}
					return true
				})
			}
		}
	}
}

// An importer is an Import.
type importer struct {
	tables  []*Table
	tableOf func(hash uint64) int
	now     int64
	made    map[uint32]*Entry // templates by their old slots
	r       *Recovered
}

// insert inserts a copy of e, of table from.
func (m *importer) insert(from *Table, e *Entry) {
	if e.kind() == retired {
		return
	}
	k := from.Key(e)
	h := m.tables[0].Hash(&k)
	t := m.tables[m.tableOf(h)]
	if t.n >= t.limit || !t.hasFree(t.home(h), ticks(m.now)) {
		m.r.NoRoom++
		return
	}
	var by *Entry
	if e.Controlled() {
		if by = m.made[e.templateSlot()]; by == nil {
			m.r.Loose++
		}
	}
	c := t.Insert(&k, h, e.dest, by, m.now)
	c.setState(e.State())
	c.word |= e.word & flagsOfMessages
	c.become(e.kind())
	c.expires, c.aux = e.expires, e.aux
	if !e.Template() {
		return
	}
	if e.expired(ticks(m.now)) && *e.controlled() > 0 {
		c.expires = ticks(m.now) + lapse // its connections come behind it
	}
	m.made[uint32(from.first+from.placeOf(e))] = c
}
