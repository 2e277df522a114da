package conntrack

import (
	"fmt"
	"maps"
	"math/rand"
	"testing"

	"lvsdr/dataplane/frame"
)

// A gist is the content of the events of an entry: all but its timer, its
// packets, and how many connections a template has.
type gist struct {
	key      Key
	kind     uint16
	state    State
	dest     DestRef
	by       uint32 // of a connection: 1 + the slot of its template
	lifetime uint32 // of a template
}

func gistOf(k Key, e *Entry) gist {
	g := gist{key: k, kind: e.kind(), state: e.State(), dest: e.dest}
	switch {
	case e.Template():
		g.lifetime = *e.lifetime()
	case e.Controlled():
		g.by = e.templateSlot() + 1
	}
	return g
}

// told is a table as its events tell it.
type told struct {
	outbox  *Outbox
	at      uint64
	entries map[uint32]gist // by slot
}

func newTold(t *Table) told {
	o := NewOutbox(1 << 12)
	t.SetOutbox(o)
	return told{outbox: o, entries: map[uint32]gist{}}
}

// replay takes up the events since the last call.
func (x *told) replay() error {
	buf := make([]Flow, 100)
	for {
		n, lost, next := x.outbox.Read(x.at, buf)
		if x.at = next; lost > 0 {
			return fmt.Errorf("%d events were lost", lost)
		}
		if n == 0 {
			return nil
		}
		for i := range buf[:n] {
			f := &buf[i]
			_, known := x.entries[f.Slot]
			if known != (f.Event != FlowNew) {
				return fmt.Errorf("slot %d is %s, known before: %v", f.Slot, f.Event, known)
			}
			if x.entries[f.Slot] = gistOf(f.Key(), &f.Entry); f.Event == FlowRemoved {
				delete(x.entries, f.Slot)
			}
		}
	}
}

// check is the law of the outbox: what its events tell is the table.
func (x *told) check(tables ...*Table) error {
	if err := x.replay(); err != nil {
		return err
	}
	is := map[uint32]gist{}
	for _, t := range tables {
		t.All(func(e *Entry) bool {
			is[uint32(t.group.slotOf(e))] = gistOf(t.Key(e), e)
			return true
		})
	}
	if maps.Equal(is, x.entries) {
		return nil
	}
	for slot, g := range is {
		if x.entries[slot] != g {
			return fmt.Errorf("slot %d holds %+v, the events told %+v", slot, g, x.entries[slot])
		}
	}
	return fmt.Errorf("the events told %d entries, there are %d", len(x.entries), len(is))
}

// The events of several tables that share templates tell all of them: a
// template's are in the outbox of its own table, whoever changes it.
func TestOutboxesOfAGroupTellIt(t *testing.T) {
	r := rand.New(rand.NewSource(5))
	tables, err := NewGroup(Config{Limit: 3 * MinLimit}, 3)
	if err != nil {
		t.Fatal(err)
	}
	var all []told
	for _, table := range tables {
		all = append(all, newTold(table))
	}
	now := int64(0)
	for range 20000 {
		now += int64(r.Intn(2e9))
		table := tables[r.Intn(3)]
		k := Key{Client: client, Virtual: vip, ClientPort: uint16(r.Intn(60)), VirtualPort: 80, Proto: frame.ProtoTCP}
		if r.Intn(2) == 0 {
			k.Client, k.Virtual = client6, vip6
		}
		h := table.Hash(&k)
		switch e := table.Find(&k, h, now); {
		case e == nil:
			tmpl := Key{Client: k.Client, Virtual: k.Virtual, VirtualPort: 80, Proto: k.Proto, Template: true}
			home := tables[r.Intn(3)]
			by := home.Find(&tmpl, home.Hash(&tmpl), now)
			if by == nil {
				if by = home.Insert(&tmpl, home.Hash(&tmpl), 1, nil, now); by != nil {
					home.SetTimeout(by, 30e9, now)
				}
			}
			if e = table.Insert(&k, h, 1, by, now); e != nil {
				table.Refresh(e, now)
			}
		case r.Intn(8) == 0:
			table.Retire(e, now)
		case r.Intn(20) == 0:
			table.Remove(e)
		default:
			table.SetState(e, State(r.Intn(int(numStates))))
			table.Refresh(e, now)
		}
		if r.Intn(5) == 0 {
			table.Sweep(now, 10)
		}
		for i, x := range all {
			if err := x.check(tables[i]); err != nil {
				t.Fatalf("table %d: %v", i, err)
			}
			all[i] = x
		}
	}
}

// A reader that is too late is told how many events it has lost, and goes on
// with the oldest that is left.
func TestOutboxCountsWhatIsLost(t *testing.T) {
	c := newClocked(t, MinLimit)
	o := NewOutbox(16)
	c.SetOutbox(o)
	buf := make([]Flow, 10)
	var at, got, lost, made uint64
	r := rand.New(rand.NewSource(1))
	for range 2000 {
		for range r.Intn(30) {
			c.insert(Key{Client: client, Virtual: vip, ClientPort: uint16(made), Proto: frame.ProtoUDP}, nil)
			made++
		}
		n, l, next := o.Read(at, buf)
		for i := range buf[:n] {
			if buf[i].Event == FlowNew {
				got++
			}
		}
		if lost += l; next != at+l+uint64(n) || n > 0 && next > o.End() {
			t.Fatalf("read from %d: %d events, %d lost, next is %d", at, n, l, next)
		}
		at = next
		c.Sweep(1<<60, c.Chunks()) // gone, so that there is room
	}
	for {
		n, l, next := o.Read(at, buf)
		if lost += l; n == 0 {
			break
		}
		at = next
	}
	if at != o.End() || lost == 0 || got == 0 {
		t.Errorf("ended at %d of %d, %d lost, %d got: the test is about all of it", at, o.End(), lost, got)
	}
}

// Neither writing events nor asking whether a flow is alive allocates.
func TestOutboxDoesNotAllocate(t *testing.T) {
	for _, on := range []bool{false, true} {
		c := newClocked(t, MinLimit)
		if on {
			c.SetOutbox(NewOutbox(64))
			c.Alive = func(*Table, *Entry) int64 { return 0 }
		}
		for _, k := range []Key{{Client: client, Virtual: vip, Proto: frame.ProtoTCP}, {Client: client6, Virtual: vip6, Proto: frame.ProtoTCP}} {
			h := c.Hash(&k)
			now := int64(0)
			if n := testing.AllocsPerRun(100, func() {
				e := c.Insert(&k, h, 1, nil, now)
				c.SetState(e, Established)
				c.Refresh(e, now)
				now += 1e15
				if c.Find(&k, h, now) != nil {
					t.Fatal("an expired entry was found")
				}
			}); n != 0 {
				t.Errorf("outbox %v: %v allocations", on, n)
			}
		}
	}
}

// A connection that is used elsewhere lives for its timeout from its last use
// there; nothing else is asked for, and use in the past saves nothing.
func TestAlive(t *testing.T) {
	const second = int64(1e9)
	for _, c := range []struct {
		name string
		last int64 // s
		at   int64 // s, when the entry is looked for
		want bool
	}{
		{"never used elsewhere", 0, 301, false},
		{"used a moment ago", 300, 301, true},
		{"used before its last packet", 1, 302, false},
		{"used too long ago", 50, 351, false},
		{"used just long enough ago", 50, 349, true},
	} {
		for _, look := range []string{"find", "sweep"} {
			table, err := New(Config{})
			if err != nil {
				t.Fatal(err)
			}
			k := Key{Client: client, Virtual: vip, ClientPort: 9, VirtualPort: 53, Proto: frame.ProtoUDP}
			tmpl := Key{Client: client, Virtual: vip, Proto: frame.ProtoUDP, Template: true}
			by := table.Insert(&tmpl, table.Hash(&tmpl), 1, nil, 0)
			table.SetTimeout(by, 1000e9, 0)
			e := table.Insert(&k, table.Hash(&k), 1, by, 0)
			table.Refresh(e, 0) // 300 s
			asked := 0
			table.Alive = func(of *Table, which *Entry) int64 {
				if asked++; of != table || which != e {
					t.Fatalf("%s: asked for %v", c.name, of.Key(which))
				}
				return c.last * second
			}
			table.Sweep(299*second, table.Chunks())
			if asked != 0 {
				t.Errorf("%s: asked while its time is not up", c.name)
			}
			if look == "sweep" {
				table.Sweep(c.at*second, table.Chunks())
			}
			if got := table.Find(&k, table.Hash(&k), c.at*second) != nil; got != c.want {
				t.Errorf("%s, by %s: found %v at %d s, want %v", c.name, look, got, c.at, c.want)
			}
			if asked == 0 {
				t.Errorf("%s: was not asked for", c.name)
			}
		}
	}
}

// Retired connections end at once, and expired templates are none of the
// question.
func TestAliveIsNotAskedForOthers(t *testing.T) {
	table, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	table.Alive = func(*Table, *Entry) int64 { panic("asked") }
	k := Key{Client: client, Virtual: vip, ClientPort: 9, VirtualPort: 80, Proto: frame.ProtoTCP}
	tmpl := Key{Client: client, Virtual: vip, Proto: frame.ProtoTCP, Template: true}
	table.SetTimeout(table.Insert(&tmpl, table.Hash(&tmpl), 1, nil, 0), 1e9, 0)
	table.Retire(table.Insert(&k, table.Hash(&k), 1, nil, 0), 0)
	table.Sweep(5e9, table.Chunks())
	if table.Len() != 0 {
		t.Errorf("%d entries are left", table.Len())
	}
}

var client6, vip6 = frame.Addr{0: 0x20, 15: 7}, frame.Addr{0: 0x20, 15: 1}
