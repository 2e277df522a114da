package conntrack

import (
	"math"
	"math/rand"
	"strings"
	"testing"
	"time"
	"unsafe"

	"lvsdr/dataplane/frame"
)

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(Entry{}); n != 32 {
		t.Errorf("an entry takes %d bytes, want 32", n)
	}
	if n := unsafe.Sizeof(Line{}); n != 64 {
		t.Errorf("a line takes %d bytes, want 64: a cache line", n)
	}
}

func TestNewRefusesSizes(t *testing.T) {
	for _, limit := range []int{-1, 1, MinLimit - 1, MaxLimit + 1} {
		if table, err := New(Config{Limit: limit}); table != nil || err == nil || !strings.Contains(err.Error(), "256") {
			t.Errorf("Limit %d: %v, %v, want an error that says what is allowed", limit, table != nil, err)
		}
	}
	table, err := New(Config{})
	if err != nil || table.Limit() != 1<<20 {
		t.Errorf("Limit 0: %v, want 1 Mi", err)
	}
}

func TestDestRef(t *testing.T) {
	for _, slot := range []uint32{0, 1, 0x1234, math.MaxUint16, MaxDests - 1} {
		for _, gen := range []uint16{0, 1, 0xabc, 1<<genBits - 1} {
			if r := MakeDestRef(slot, gen); r.Slot() != slot || r.Gen() != gen {
				t.Errorf("MakeDestRef(%d, %d) = %d, %d", slot, gen, r.Slot(), r.Gen())
			}
		}
	}
}

// Keys that differ in one field are of different entries.
func TestEveryFieldOfAKeyCounts(t *testing.T) {
	base := Key{Client: client, Virtual: vip, ClientPort: 1, VirtualPort: 2, Proto: frame.ProtoTCP}
	c := newClocked(t, MinLimit)
	e := c.insert(base, nil)
	for name, change := range map[string]func(*Key){
		"client": func(k *Key) { k.Client[15]++ }, "virtual": func(k *Key) { k.Virtual[15]++ },
		"client port": func(k *Key) { k.ClientPort++ }, "virtual port": func(k *Key) { k.VirtualPort++ },
		"protocol": func(k *Key) { k.Proto = frame.ProtoUDP }, "template": func(k *Key) { k.Template = true },
	} {
		k := base
		change(&k)
		if c.Hash(&k) == c.Hash(&base) {
			t.Errorf("the hash does not look at the %s", name)
		}
		// Also where the hashes are equal.
		if c.Find(&k, c.Hash(&base), 0) != nil {
			t.Errorf("another %s finds the same entry", name)
		}
	}
	if c.find(base) != e {
		t.Error("the key itself does not")
	}
}

// Without the secret it is not known which keys meet.
func TestTheSecretDecidesThePlaces(t *testing.T) {
	a, err := New(Config{Limit: 4096, Secret: [16]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(Config{Limit: 4096, Secret: [16]byte{15: 1}})
	if err != nil {
		t.Fatal(err)
	}
	same, met := 0, 0
	home := -1
	for port := range uint16(10000) {
		k := connKey(port)
		if a.home(a.Hash(&k)) == b.home(b.Hash(&k)) {
			same++
		}
		if a.home(a.Hash(&k)) == 7 { // those that meet in a
			if h := b.home(b.Hash(&k)); home < 0 {
				home = h
			} else if h == home {
				met++
			}
		}
	}
	if same > 100 || met > 1 {
		t.Errorf("%d of 10000 keys have the same home under two secrets, %d meet under both", same, met)
	}
}

// Clients who could choose their ports so that all have one home fill the
// places within reach of it, no more: nobody is ever sought further away.
func TestOneHomeForAll(t *testing.T) {
	c := newClocked(t, 4096)
	var keys []Key
	for i := 0; len(keys) < 3*perLine*maxProbe; i++ {
		k := connKey(uint16(i))
		k.Client[12] = byte(i >> 16)
		if c.home(c.Hash(&k)) == len(c.lines)-3 { // its reach goes around the end
			keys = append(keys, k)
		}
	}
	for i, k := range keys {
		e := c.Insert(&k, c.Hash(&k), DestRef(i), nil, 0)
		if (e != nil) != (i < perLine*maxProbe) {
			t.Fatalf("Insert %d: %v, the places within reach are %d", i, e != nil, perLine*maxProbe)
		}
		if e != nil {
			c.SetState(e, Established)
			c.Refresh(e, 0)
		}
	}
	for i, k := range keys {
		if e := c.find(k); (e != nil) != (i < perLine*maxProbe) || e != nil && e.Dest() != DestRef(i) {
			t.Errorf("Find %d: %v", i, e)
		}
	}
	if c.Evicted() != 0 {
		t.Errorf("%d established connections made room", c.Evicted())
	}
}

// The probe is bounded, so a few places are full before the table is. At
// most one in 2000 connections up to the limit, all established, finds no room.
func TestFewFindNoRoom(t *testing.T) {
	const n = 100_000
	c := newClocked(t, n)
	none := 0
	for i := range n {
		k := connKey(uint16(i))
		k.Client[12] = byte(i >> 16)
		e := c.Insert(&k, c.Hash(&k), 1, nil, 0)
		if e == nil {
			none++
			continue
		}
		c.SetState(e, Established)
		c.Refresh(e, 0)
	}
	if none > n/2000 || c.Evicted() != 0 {
		t.Errorf("%d of %d found no room, %d evicted", none, n, c.Evicted())
	}
}

// At the limit a half-open connection makes room, the one next to its end; an
// established one and a template somebody uses never. Of UDP and SCTP see
// TestPrices.
func TestWhoMakesRoom(t *testing.T) {
	fill := func(t *testing.T, set func(c *clocked, e *Entry)) *clocked {
		c := newClocked(t, MinLimit)
		for port := range uint16(MinLimit) {
			set(c, c.insert(connKey(port), nil))
		}
		return c
	}
	for _, s := range []State{None, SynRecv, FinWait, TimeWait, Close, SynAck} {
		c := fill(t, func(c *clocked, e *Entry) { c.SetState(e, s); c.Refresh(e, 0) })
		c.insert(connKey(1000), nil)
		if c.Len() != MinLimit || c.Evicted() != 1 || c.find(connKey(1000)) == nil {
			t.Errorf("%v: %d entries, %d evicted, want one to make room", s, c.Len(), c.Evicted())
		}
	}
	c := fill(t, func(c *clocked, e *Entry) { c.SetState(e, Established); c.Refresh(e, 0) })
	k := connKey(1000)
	if e := c.Insert(&k, c.Hash(&k), 0, nil, 0); e != nil || c.Evicted() != 0 || c.Len() != MinLimit {
		t.Errorf("an established connection made room: %v, %d evicted, %d entries", e != nil, c.Evicted(), c.Len())
	}
	tmpl := c.find(connKey(78))
	c.Remove(tmpl)
	tmpl = c.insert(templateKey(), nil)
	tmpl.setState(Assured)
	if e := c.Insert(&k, c.Hash(&k), 0, nil, 0); e != nil || c.find(templateKey()) != tmpl {
		t.Error("an assured template made room")
	}
	one := c.find(connKey(77))
	c.SetState(one, FinWait)
	if e := c.Insert(&k, c.Hash(&k), 0, nil, 0); e == nil || c.find(connKey(77)) != nil {
		t.Error("the only closing connection of a full table did not make room")
	}
}

// The entry evicted from a full place is the one next to its end.
func TestTheNextToEndMakesRoom(t *testing.T) {
	c := newClocked(t, 4096)
	var keys []Key
	for i := 0; len(keys) <= perLine*maxProbe; i++ {
		k := connKey(uint16(i))
		k.Client[12] = byte(i >> 16)
		if c.home(c.Hash(&k)) == 9 {
			keys = append(keys, k)
		}
	}
	next := 11
	for i, k := range keys[:perLine*maxProbe] {
		e := c.insert(k, nil)
		c.SetState(e, SynRecv)
		at := int64(2e9)
		if i == next {
			at = 1e9
		}
		c.Refresh(e, at)
	}
	c.insert(keys[perLine*maxProbe], nil)
	for i, k := range keys {
		if gone := c.find(k) == nil; gone != (i == next) {
			t.Errorf("connection %d: gone is %v, only %d should be", i, gone, next)
		}
	}
}

// A template that Insert is given never makes room for its own connection, and
// keeps its count where there was no room.
func TestAConnectionDoesNotEvictItsTemplate(t *testing.T) {
	c := newClocked(t, MinLimit)
	tmpl := c.insert(templateKey(), nil)
	c.SetTimeout(tmpl, time.Second, 0)
	for port := range uint16(MinLimit - 1) {
		e := c.insert(connKey(port), nil)
		c.SetState(e, Established)
		c.Refresh(e, 0)
	}
	k := connKey(1000)
	if e := c.Insert(&k, c.Hash(&k), 0, tmpl, 0); e != nil {
		t.Fatal("somebody made room")
	}
	if c.find(templateKey()) != tmpl || tmpl.Connections() != 0 {
		t.Errorf("the template has %d connections, want 0", tmpl.Connections())
	}
	if e := c.Insert(&k, c.Hash(&k), 0, nil, 0); e == nil || c.find(templateKey()) != nil {
		t.Error("a template nobody uses did not make room")
	}
}

// The counter of packets stops at its end.
func TestPacketCountDoesNotWrap(t *testing.T) {
	c := newClocked(t, MinLimit)
	e := c.insert(connKey(1), nil)
	e.aux = math.MaxUint32
	if c.Refresh(e, 0); e.aux != math.MaxUint32 {
		t.Errorf("it is %d after one more", e.aux)
	}
}

func TestAllStopsWhenTold(t *testing.T) {
	c := newClocked(t, MinLimit)
	for port := range uint16(10) {
		c.insert(connKey(port), nil)
	}
	n := 0
	if c.All(func(*Entry) bool { n++; return n < 4 }); n != 4 {
		t.Errorf("%d entries seen, want 4", n)
	}
}

func TestNoAllocations(t *testing.T) {
	c := newClocked(t, 1<<12)
	for port := range uint16(1000) {
		c.insert(connKey(port), nil)
	}
	r := rand.New(rand.NewSource(1))
	tmpl := c.insert(templateKey(), nil)
	for name, op := range map[string]func(){
		"Find and Refresh": func() {
			c.Refresh(c.find(connKey(uint16(r.Intn(1000)))), 0)
		},
		"a Find of nothing": func() { c.find(connKey(uint16(5000 + r.Intn(1000)))) },
		"Insert, SetState, Retire and Remove": func() {
			e := c.insert(connKey(2000), tmpl)
			c.SetState(e, Established)
			c.Retire(e, 0)
			c.Remove(e)
		},
		"Sweep":      func() { c.Sweep(0, c.Chunks()) },
		"NextExpiry": func() { c.NextExpiry(0) },
	} {
		if n := testing.AllocsPerRun(1000, op); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}
