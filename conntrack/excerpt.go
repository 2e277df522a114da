package conntrack

import (
	"slices"

	"lvsdr/dataplane/frame"
)

// NewExcerpt makes empty tables like those of a group, which are all of tables,
// for FillExcerpt. removed and server are as in Config. It takes 25 KB a table.
func NewExcerpt(tables []*Table, removed func(*Entry), server func(*Table, *Entry) (frame.Addr, uint16, bool)) ([]*Table, error) {
	return NewGroup(Config{Limit: len(tables) * MinLimit, Secret: tables[0].secret, Removed: removed, Server: server}, len(tables))
}

// FillExcerpt copies the entries of keys, expired ones too, and the templates
// that made them, from the tables of a group into those of an empty excerpt.
// These find the copies by the same hashes, say that they are as full as the
// originals, and have room at now for the keys for which those have room: what
// happens to one of the keys in the excerpt is what would happen to it in the
// originals, which stay as they are. The caller holds the locks of all tables.
func FillExcerpt(tables, copies []*Table, keys []Key, now int64) {
	x := excerpt{tables, copies, map[*Entry]*Entry{}}
	for i, from := range tables {
		for _, k := range keys {
			id := from.ID(&k)
			from.each(&id, &k, func(e *Entry) bool {
				if e.isReply() {
					e = from.Conn(e)
				}
				if e != nil {
					x.adopt(i, e)
				}
				return k.Reply // one of a connection alone is of interest
			})
		}
	}
	for from, to := range x.made {
		to.expires, to.aux = from.expires, from.aux
		to.setState(from.State())
		to.become(from.kind())
		if from.Template() {
			to.ref = from.ref // those of other keys count too
		}
	}
	for i, from := range tables {
		to := copies[i]
		to.timers, to.Alive = from.timers, from.Alive
		to.limit, to.n = from.limit, min(from.n, from.limit-len(keys))
		for _, k := range keys {
			if h := from.Hash(&k); !from.room(h, now) {
				to.refused = append(to.refused, h)
			}
		}
	}
}

// An excerpt is one in the making.
type excerpt struct {
	from, to []*Table
	made     map[*Entry]*Entry // copies by their originals
}

// adopt makes a copy of e, of table i, behind that of the template that made it.
// What Insert does not set is set when all are there, so that none has expired
// meanwhile.
func (x *excerpt) adopt(i int, e *Entry) *Entry {
	if c := x.made[e]; c != nil {
		return c
	}
	from := x.from[i]
	var by *Entry
	if tmpl := from.Template(e); tmpl != nil {
		by = x.adopt(slices.IndexFunc(x.from, func(t *Table) bool { return t.placeOf(tmpl) >= 0 }), tmpl)
	}
	k := from.Key(e)
	c := x.to[i].InsertBy(e.Way(), &k, from.Hash(&k), e.dest, by, 0)
	x.made[e] = c
	if server, port, known := x.from[i].serverOf(e); known {
		if r := x.from[i].ReplyOf(e, server, port); r != nil {
			x.to[i].AddReply(c, server, port, r.Trail(), 0)
		}
	}
	return c
}

// room reports whether Insert would find a place at now for a key with hash h,
// and changes nothing.
func (t *Table) room(h uint64, now int64) bool {
	home, at := t.home(h), ticks(now)
	vacant := t.hasFree(home, at)
	return vacant && t.n < t.limit || t.victim(home, maxProbe, at) >= 0 ||
		vacant && t.victim((home+maxProbe)%len(t.lines), chunkLines, at) >= 0
}

// hasFree is whether firstFree would find a slot.
func (t *Table) hasFree(i int, at uint32) bool {
	for range maxProbe {
		for j := range t.lines[i] {
			if e := &t.lines[i][j]; e.kind() == free || e.expired(at) && t.over(e, at) {
				return true
			}
		}
		i = t.after(i)
	}
	return false
}
