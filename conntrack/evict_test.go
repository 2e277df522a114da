package conntrack

import (
	"fmt"
	"math/rand"
	"testing"
	"time"
	"unsafe"

	"lvsdr/dataplane/frame"
)

// A sort is a sort of entry, as far as making room goes.
type sort struct {
	name  string
	price int
	make  maker
}

// A maker makes entries, and says which keys they have.
type maker struct {
	key  func(k Key) Key
	make func(c *clocked, k Key) *Entry
}

// inState makes connections of a protocol and state that had a packet now.
func inState(proto frame.Proto, s State) maker {
	key := func(k Key) Key { k.Proto = proto; return k }
	return maker{key, func(c *clocked, k Key) *Entry {
		e := c.insert(key(k), nil)
		c.SetState(e, s)
		c.Refresh(e, c.now)
		return e
	}}
}

// aTemplate makes templates, assured or not, of so many connections.
func aTemplate(s State, conns uint32) maker {
	// With a port of its own, which is as good as an address.
	key := func(k Key) Key { k.Template = true; return k }
	return maker{key, func(c *clocked, k Key) *Entry {
		e := c.insert(key(k), nil)
		c.SetTimeout(e, time.Minute, c.now)
		e.setState(s)
		e.ref = conns
		return e
	}}
}

func sorts() []sort {
	all := []sort{
		{"UDP", fair, inState(frame.ProtoUDP, None)},
		{"TCP ESTABLISHED", dear, inState(frame.ProtoTCP, Established)},
		{"SCTP ESTABLISHED", dear, inState(frame.ProtoSCTP, SCTPEstablished)},
		{"a template that was never assured", cheap, aTemplate(None, 0)},
		{"an assured template", dear, aTemplate(Assured, 0)},
		{"a template with a connection", dear, aTemplate(None, 1)},
		{"an assured template with connections", dear, aTemplate(Assured, 3)},
	}
	for s := range numStates {
		if s != Established {
			all = append(all, sort{"TCP " + s.String(), cheap, inState(frame.ProtoTCP, s)})
		}
	}
	for s := range numSCTP {
		if s != SCTPEstablished {
			all = append(all, sort{"SCTP " + sctpName(s), cheap, inState(frame.ProtoSCTP, s)})
		}
	}
	return all
}

// key6 is an IPv6 connection's key.
func key6(port uint16) Key {
	k := connKey(port)
	k.Client, k.Virtual = frame.Addr{0: 0xfd, 15: 7}, frame.Addr{0: 0xfd, 1: 1, 15: 1}
	return k
}

// meeting are n keys with one home, every other of IPv6; shape makes the i-th
// what its entry will be.
func meeting(c *clocked, n, home int, shape func(i int, k Key) Key) []Key {
	var keys []Key
	for i := 0; len(keys) < n; i++ {
		k := connKey(uint16(i))
		if len(keys)%2 == 1 {
			k = key6(uint16(i))
		}
		k.Client[14] = byte(i >> 16)
		k = shape(len(keys), k)
		if c.home(c.Hash(&k)) == home {
			keys = append(keys, k)
		}
	}
	return keys
}

// What has its price makes room for a new connection, in a place that is full of
// it and in a table that is full of it, and what is dear never does. The
// newcomer has a place afterwards, or nothing has changed.
func TestPrices(t *testing.T) {
	const place = perLine * maxProbe
	for _, s := range sorts() {
		t.Run(s.name+", a full place", func(t *testing.T) {
			c := newClocked(t, MinLimit)
			keys := meeting(c, place+1, 100, func(_ int, k Key) Key { return s.make.key(k) })
			for _, k := range keys[:place] {
				s.make.make(c, k)
			}
			wantRoom(t, c, keys[place], s.price != dear, place)
		})
		t.Run(s.name+", a full table", func(t *testing.T) {
			c := newClocked(t, MinLimit)
			for i := range uint16(MinLimit) {
				k := connKey(i)
				if i%2 == 1 {
					k = key6(i)
				}
				s.make.make(c, k)
			}
			for port := range uint16(20) {
				wantRoom(t, c, key6(1000+port), s.price != dear, MinLimit)
				if e := c.find(key6(1000 + port)); e != nil { // not to make room for the next
					c.SetState(e, Established)
				}
			}
		})
	}
}

// wantRoom inserts k where n entries leave no room.
func wantRoom(t *testing.T, c *clocked, k Key, room bool, n int) {
	t.Helper()
	evicted := c.Evicted()
	e := c.Insert(&k, c.Hash(&k), 9, nil, c.now)
	made := c.Evicted() - evicted
	switch {
	case c.Len() != n:
		t.Fatalf("%d entries, want %d as before", c.Len(), n)
	case room && (e == nil || made != 1 || c.find(k) != e):
		t.Fatalf("room is %v, %d counted as evicted, want one to make room", e != nil, made)
	case !room && (e != nil || made != 0):
		t.Fatalf("room is %v, %d counted as evicted, want none to make room", e != nil, made)
	}
}

// Among two sorts within reach the cheaper one goes, wherever it lives and
// however long it has to live. So UDP goes only where nothing cheaper is.
func TestTheCheaperMakesRoom(t *testing.T) {
	const place = perLine * maxProbe
	for _, a := range sorts() {
		for _, b := range sorts() {
			if a.price >= b.price {
				continue
			}
			for _, at := range []int{0, place / 2, place - 1} {
				c := newClocked(t, MinLimit)
				shape := func(i int, k Key) Key {
					if i == at {
						return a.make.key(k)
					}
					return b.make.key(k)
				}
				keys := meeting(c, place+1, len(c.lines)-7, shape) // around the end
				var one Key
				for i, k := range keys[:place] {
					if i == at { // it has the longest to live
						e := a.make.make(c, k)
						one, e.expires = c.Key(e), ticks(c.now)+1e6
					} else {
						b.make.make(c, k).expires = ticks(c.now) + 1e5
					}
				}
				wantRoom(t, c, keys[place], true, place)
				if c.find(one) != nil {
					t.Fatalf("%s was kept, and %s had to go", a.name, b.name)
				}
			}
		}
	}
}

// What is due makes room first of all, at no price: it is not counted. A
// template with connections is never due.
func TestEvictedCountsWhatWasNotDue(t *testing.T) {
	const place = perLine * maxProbe
	for _, s := range sorts() {
		c := newClocked(t, MinLimit)
		keys := meeting(c, place+1, 100, func(_ int, k Key) Key { return s.make.key(k) })
		for i, k := range keys[:place] {
			e := s.make.make(c, k)
			if e.expires = ticks(c.now) + 1e6; i == 40 {
				e.expires = ticks(c.now) + 1
			}
		}
		c.now += 10e6
		k := keys[place]
		e := c.Insert(&k, c.Hash(&k), 9, nil, c.now)
		held := s.name == "a template with a connection" || s.name == "an assured template with connections"
		if (e != nil) == held || c.Evicted() != 0 || c.Len() != place {
			t.Errorf("%s whose time is up: room is %v, %d evicted, %d entries", s.name, e != nil, c.Evicted(), c.Len())
		}
	}
}

// Whatever comes, a table never holds more than its limit, IPv6 or not, what it
// holds can be counted, and every entry has left it once or is in it.
func TestTheLimitIsNeverExceeded(t *testing.T) {
	steps, limits := 100_000, []int{MinLimit, 1000, 5000}
	if raceEnabled {
		steps, limits = 30_000, limits[:2]
	}
	for _, limit := range limits {
		left := 0
		table, err := New(Config{Limit: limit, Removed: func(*Entry) { left++ }})
		if err != nil {
			t.Fatal(err)
		}
		c := &clocked{Table: table, t: t}
		r := rand.New(rand.NewSource(int64(limit)))
		made, refused := 0, 0
		for step := range steps {
			k := randomKey(r)
			if k.VirtualPort = uint16(r.Intn(100)); c.find(k) != nil {
				continue
			}
			e := c.Insert(&k, c.Hash(&k), 1, nil, c.now)
			if e == nil {
				refused++
				continue
			}
			made++
			if k.Template {
				c.SetTimeout(e, time.Duration(1+r.Intn(100))*time.Second, c.now)
			} else if c.SetState(e, State(r.Intn(3))); r.Intn(2) == 0 {
				c.Refresh(e, c.now)
			}
			if c.now += int64(r.Intn(1 + limit/8*1e4)); step%1000 == 0 {
				c.Sweep(c.now, 1)
			}
			if c.Len() > limit || c.Len() != made-left {
				t.Fatalf("limit %d, step %d: %d entries, %d made and %d left", limit, step, c.Len(), made, left)
			}
			if step%5000 == 0 || step == steps-1 {
				if err := counted(c.Table); err != nil {
					t.Fatalf("limit %d, step %d: %v", limit, step, err)
				}
			}
		}
		if refused == 0 || c.Evicted() == 0 || c.newPair == 0 {
			t.Errorf("limit %d: %d refused, %d evicted, %d of IPv6: the load does not try it", limit, refused, c.Evicted(), c.newPair)
		}
	}
}

// counted compares Len with All.
func counted(t *Table) error {
	n := 0
	t.All(func(*Entry) bool { n++; return true })
	if n != t.Len() {
		return fmt.Errorf("%d entries are listed, Len is %d", n, t.Len())
	}
	return pairsAccountedFor(t)
}

// The memory of a table is known beforehand: for each entry of its limit at most
// 64 bytes, and 128 where all are of IPv6. Filling it takes no more.
func TestMemory(t *testing.T) {
	for _, limit := range []int{1 << 12, 10_000, 1 << 16, 1_000_000, 1 << 20} {
		table, err := New(Config{Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		size := func() (v4, v6 float64) {
			n := uintptr(cap(table.lines))*unsafe.Sizeof(Line{}) + uintptr(cap(table.used))*unsafe.Sizeof(table.used[0])
			m := n + uintptr(cap(table.pairs))*unsafe.Sizeof(Pair{})
			return float64(n) / float64(limit), float64(m) / float64(limit)
		}
		v4, v6 := size()
		if v4 > 64 || v6 > 128 {
			t.Errorf("limit %d: %.1f bytes a flow of IPv4, %.1f of IPv6, want at most 64 and 128", limit, v4, v6)
		}
		if limit > 1<<16 {
			continue
		}
		c := &clocked{Table: table, t: t}
		for i := range 2 * limit {
			k := key6(uint16(i))
			k.Client[1] = byte(i >> 16)
			c.Insert(&k, c.Hash(&k), 1, nil, 0)
		}
		if a, b := size(); c.Len() != limit || a != v4 || b != v6 {
			t.Errorf("limit %d: %d entries, %.1f and %.1f bytes a flow, were %.1f and %.1f", limit, c.Len(), a, b, v4, v6)
		}
	}
}
