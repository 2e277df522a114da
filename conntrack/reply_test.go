package conntrack

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"lvsdr/dataplane/frame"
)

// servers are where masqueraded connections of the tests go, by destination: 3 and 4 are
// one server and port, in two services.
var servers = map[DestRef]struct {
	addr [4]byte
	port uint16
}{1: {[4]byte{10, 0, 0, 1}, 80}, 2: {[4]byte{10, 0, 0, 2}, 8080}, 3: {[4]byte{10, 0, 0, 3}, 8080}, 4: {[4]byte{10, 0, 0, 3}, 8080}}

// serverOfTest is Config.Server by servers.
func serverOfTest(t *Table, e *Entry) (frame.Addr, uint16, bool) {
	s, known := servers[e.Dest()]
	a := frame.AddrFrom4(s.addr)
	if e.kindProto()&v6 != 0 {
		a = frame.Addr{0: 0xfd, 15: s.addr[3]}
	}
	return a, s.port, known
}

// A natModel is a table with masqueraded connections and the definition of what is found by
// their server's side: the newest one that lives.
type natModel struct {
	*Table
	now   int64
	order map[*Entry]int // of living masqueraded connections: when they were made
	made  int
}

func newNAT(t testing.TB, limit int) *natModel {
	m := &natModel{order: map[*Entry]int{}}
	var err error
	m.Table, err = New(Config{Limit: limit, Secret: [16]byte{3}, Server: serverOfTest, Removed: func(e *Entry) { delete(m.order, e) }})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// natKey is one of some keys, of three protocols and both families.
func natKey(r *rand.Rand, ports int) Key {
	k := Key{Client: addr4(byte(r.Intn(3))), Virtual: addr4(byte(200 + r.Intn(2))), ClientPort: uint16(r.Intn(ports)), VirtualPort: 80,
		Proto: []frame.Proto{frame.ProtoTCP, frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP}[r.Intn(4)]}
	if r.Intn(3) == 0 {
		k.Client[0], k.Virtual[0] = 0xfd, 0xfd
	}
	return k
}

// add makes a connection to dest, masqueraded or not.
func (m *natModel) add(k Key, dest DestRef, way Way) *Entry {
	e := m.InsertBy(way, &k, m.Hash(&k), dest, nil, m.now)
	if e == nil || way != ByMasquerade {
		return e
	}
	server, port, _ := serverOfTest(m.Table, e)
	m.order[e] = m.made
	if !m.AddReply(e, server, port, TrailOf(frame.MAC{2, 3, 4, 5, 6, byte(m.made)}, int32(m.made)), m.now) {
		m.Remove(e)
		return nil
	}
	m.made++
	return e
}

// step does something to the table.
func (m *natModel) step(r *rand.Rand, ports int) {
	m.now += int64(r.Intn(40)) * 1e7
	k := natKey(r, ports)
	e := m.Find(&k, m.Hash(&k), m.now)
	switch dice := r.Intn(12); {
	case e == nil:
		m.add(k, DestRef(1+r.Intn(4)), []Way{ByMasquerade, ByMasquerade, ByMasquerade, ByDirect, ByTunnel}[r.Intn(5)])
	case dice == 0:
		m.Remove(e)
	case dice == 1:
		m.Retire(e, m.now)
		if r.Intn(3) == 0 {
			m.Restore(e, &k)
		}
	case dice < 4:
		m.SetState(e, State(r.Intn(int(SCTPRejected))))
	case dice == 4:
		m.Restart(e, m.now)
	case dice == 5:
		m.Sweep(m.now, m.Chunks())
	default:
		m.Refresh(e, m.now)
	}
}

// peekReply is the reply entry of id, whose key is k, and its connection.
func peekReply(t *Table, id *ID, k *Key) (r, e *Entry) {
	if r = t.Peek(id, k); r != nil {
		e = t.Conn(r)
	}
	return r, e
}

// check compares what is found by the servers' sides with its definition, and counts.
func (m *natModel) check() error {
	newest, listed := map[Key]*Entry{}, 0
	for e, n := range m.order {
		server, port, _ := serverOfTest(m.Table, e)
		k := m.Key(e)
		rk := k.ReplyKey(server, port)
		if other := newest[rk]; other == nil || n > m.order[other] {
			newest[rk] = e
		}
		r := m.ReplyOf(e, server, port)
		if r == nil {
			return fmt.Errorf("%v has no reply entry", k)
		}
		addr := frame.Addr{0: 1, 9: 2} // is overwritten
		if port := m.Virtual(e, &addr); addr != k.Virtual || port != k.VirtualPort {
			return fmt.Errorf("%v is to %v, port %d", k, addr, port)
		}
		if got := r.Trail(); got.Index() != uint16(n) || got.MAC() != (frame.MAC{2, 3, 4, 5, 6, byte(n)}) {
			return fmt.Errorf("%v, the %d., has the trail of the %d.", k, n, got.Index())
		}
	}
	var fault error
	m.All(func(e *Entry) bool {
		if listed++; e.isReply() {
			fault = fmt.Errorf("a reply entry is listed: %v", m.Key(e))
		}
		return true
	})
	if m.Replies() != len(m.order) || m.Len() != listed+len(m.order) {
		return fmt.Errorf("%d reply entries of %d, want %d; %d are listed", m.Replies(), m.Len(), len(m.order), listed)
	}
	for k, want := range newest {
		id := m.ID(&k)
		r, e := peekReply(m.Table, &id, &k)
		if want.expired(ticks(m.now)) {
			continue // who ends it is not this law's matter
		}
		if e != want || r == nil || !r.isReply() {
			return fmt.Errorf("%v finds %p, want %p", k, e, want)
		}
		if k.is6() {
			continue
		}
		addrs := uint64(k.Virtual[12]) | uint64(k.Virtual[13])<<8 | uint64(k.Virtual[14])<<16 | uint64(k.Virtual[15])<<24 |
			uint64(k.Client[12])<<32 | uint64(k.Client[13])<<40 | uint64(k.Client[14])<<48 | uint64(k.Client[15])<<56
		if of := m.ReplyID4(addrs, k.VirtualPort, k.ClientPort, k.Proto); of != id {
			return fmt.Errorf("the ID of %v is %v by its packet, %v by its key", k, of, id)
		}
	}
	return fault
}

// A masqueraded connection is found by its server's side as long as it lives, and the newest
// where there are several; there is one entry more for each, which nothing else sees.
func TestMasqueradedConnectionsAreFoundByTheirServersSide(t *testing.T) {
	for seed := range int64(8) {
		r := rand.New(rand.NewSource(seed))
		limit, ports := []int{256, 4096}[seed%2], []int{200, 12}[seed/2%2]
		m := newNAT(t, limit)
		for n := range 1500 {
			m.step(r, ports)
			if n%16 > 0 && n < 1400 {
				continue
			}
			if err := m.check(); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, n, err)
			}
		}
		m.now += 2000e9
		m.Sweep(m.now, m.Chunks())
		if m.Len() != 0 || m.Replies() != 0 {
			t.Fatalf("seed %d: %d entries are left, %d of replies", seed, m.Len(), m.Replies())
		}
	}
}

// A full table makes room for a masqueraded connection and its reply entry, or takes
// neither.
func TestAFullTableTakesBothEntriesOrNone(t *testing.T) {
	m := newNAT(t, MinLimit)
	refused := 0
	for port := range uint16(2000) {
		k := Key{Client: addr4(1), Virtual: addr4(2), ClientPort: port, VirtualPort: 80, Proto: frame.ProtoTCP}
		e := m.add(k, 1, ByMasquerade)
		if e == nil {
			refused++
			continue
		}
		if port%2 == 0 {
			m.SetState(e, Established)
			m.Refresh(e, m.now)
		}
		if m.Len() > m.Limit() {
			t.Fatalf("%d entries of %d", m.Len(), m.Limit())
		}
	}
	if err := m.check(); err != nil {
		t.Fatal(err)
	}
	if len(m.order) < MinLimit/2-2 || refused == 0 || m.Evicted() == 0 {
		t.Errorf("%d connections live, %d were refused, %d evicted", len(m.order), refused, m.Evicted())
	}
}

// Recover needs nothing but the entries, and drops a reply entry without its connection.
func TestReplyEntriesAreRecovered(t *testing.T) {
	for seed := range int64(4) {
		r := rand.New(rand.NewSource(seed))
		m := newNAT(t, 1024)
		for range 700 {
			m.step(r, 200)
		}
		for e := range m.order {
			if e.Retired() {
				m.Remove(e)
			}
		}
		scramble(m.Table, r)
		m.replies = r.Int()
		var got Recovered
		Recover([]*Table{m.Table}, func(d DestRef) bool { return d < 5 }, &got)
		if err := m.check(); err != nil || got != (Recovered{}) {
			t.Fatalf("seed %d: %v, %+v", seed, err, got)
		}
	}
	for _, c := range []struct {
		law   string
		spoil func(m *natModel, e, r *Entry)
	}{
		{"the connection is gone", func(_ *natModel, e, _ *Entry) { e.withdraw() }},
		{"another's connection is in its place", func(_ *natModel, e, _ *Entry) { e.ports ^= 1; e.withdraw() }},
		{"the connection is not masqueraded", func(_ *natModel, e, _ *Entry) { e.word &^= wayMask }},
		{"the connection was replaced", func(_ *natModel, e, _ *Entry) { e.become(retired) }},
		{"it is of a slot outside", func(_ *natModel, _, r *Entry) { r.ref = 1 << 30 }},
		{"it is of no slot", func(_ *natModel, _, r *Entry) { r.ref = 0 }},
		{"it is of a client's other port", func(_ *natModel, _, r *Entry) { r.ports ^= 1 }},
	} {
		t.Run(c.law, func(t *testing.T) {
			m := newNAT(t, 1024)
			k := Key{Client: addr4(1), Virtual: addr4(2), ClientPort: 7, VirtualPort: 80, Proto: frame.ProtoTCP}
			e := m.add(k, 1, ByMasquerade)
			server, port, _ := serverOfTest(m.Table, e)
			c.spoil(m, e, m.ReplyOf(e, server, port))
			var got Recovered
			Recover([]*Table{m.Table}, all, &got)
			if m.Replies() != 0 {
				t.Errorf("%d reply entries", m.Replies())
			}
		})
	}
	// A connection without its reply entry gets one.
	m := newNAT(t, 1024)
	k := Key{Client: addr4(1), Virtual: addr4(2), ClientPort: 7, VirtualPort: 80, Proto: frame.ProtoTCP}
	e := m.InsertBy(ByMasquerade, &k, m.Hash(&k), 1, nil, 0)
	server, port, _ := serverOfTest(m.Table, e)
	if m.ReplyOf(e, server, port) != nil || !m.AddReply(e, server, port, 0, 0) || m.ReplyOf(e, server, port) == nil {
		t.Error("a connection without a reply entry did not get one")
	}
}

// A reply entry whose connection went without it is of no use, and goes.
func TestAStaleReplyEntryFindsNothing(t *testing.T) {
	m := newNAT(t, 1024)
	k := Key{Client: addr4(1), Virtual: addr4(2), ClientPort: 7, VirtualPort: 80, Proto: frame.ProtoTCP}
	e := m.add(k, 1, ByMasquerade)
	server, port, _ := serverOfTest(m.Table, e)
	rk := k.ReplyKey(server, port)
	m.server = func(*Table, *Entry) (frame.Addr, uint16, bool) { return frame.Addr{}, 0, false }
	m.Remove(e)
	id := m.ID(&rk)
	if r, e := peekReply(m.Table, &id, &rk); r == nil || e != nil || m.Len() != 1 {
		t.Fatalf("found %v and %v; %d entries", r, e, m.Len())
	}
	if r := m.Find(&rk, id.Hash, 0); r != nil || m.Len() != 0 || m.Replies() != 0 {
		t.Fatalf("found %v; %d entries", r, m.Len())
	}
}

func TestAnExcerptHasTheReplyEntriesOfItsConnections(t *testing.T) {
	m := newNAT(t, 1024)
	k := Key{Client: addr4(1), Virtual: addr4(2), ClientPort: 7, VirtualPort: 80, Proto: frame.ProtoTCP}
	server, port, _ := serverOfTest(m.Table, m.add(k, 2, ByMasquerade))
	rk := k.ReplyKey(server, port)
	for _, by := range []Key{k, rk} {
		copies, err := NewExcerpt([]*Table{m.Table}, nil, serverOfTest)
		if err != nil {
			t.Fatal(err)
		}
		FillExcerpt([]*Table{m.Table}, copies, []Key{by}, 0)
		id := copies[0].ID(&rk)
		r, e := peekReply(copies[0], &id, &rk)
		if e == nil || copies[0].Key(e) != k || r.Trail() != TrailOf(frame.MAC{2, 3, 4, 5, 6, 0}, 0) || e.Way() != ByMasquerade {
			t.Errorf("by %v: found %v and %v", by, r, e)
		}
	}
}

func TestWaysOfMethods(t *testing.T) {
	want := map[Method]Way{Direct: ByDirect, IPIP: ByTunnel, GRE: ByTunnel, GUE: ByTunnel, Masquerade: ByMasquerade, Local: ByDirect}
	for m := range numMethods {
		if m.Way() != want[m] {
			t.Errorf("%s goes by %d, want %d", m, m.Way(), want[m])
		}
	}
	m := newNAT(t, 1024)
	for i, way := range []Way{ByDirect, ByTunnel, ByMasquerade} {
		k := Key{Client: addr4(1), Virtual: addr4(2), ClientPort: uint16(i), VirtualPort: 80, Proto: frame.ProtoTCP}
		e := m.add(k, 1, way)
		m.SetState(e, Established)
		m.Tell(e, &Told{State: FinWait}, 0)
		if e.Way() != way || way == NoWay {
			t.Errorf("made by way %d, it has %d", way, e.Way())
		}
	}
}

// Both directions of a masqueraded connection cost no allocation.
func TestReplyEntriesAllocateNothing(t *testing.T) {
	m := newNAT(t, 1024)
	k := Key{Client: addr4(1), Virtual: addr4(2), ClientPort: 7, VirtualPort: 80, Proto: frame.ProtoTCP}
	h, ref := m.Hash(&k), DestRef(1)
	addr, port, _ := serverOfTest(m.Table, &Entry{dest: ref})
	rk := k.ReplyKey(addr, port)
	id := m.ID(&rk)
	if n := testing.AllocsPerRun(100, func() {
		e := m.InsertBy(ByMasquerade, &k, h, ref, nil, 0)
		m.AddReply(e, addr, port, 1, 0)
		if r, _ := peekReply(m.Table, &id, &rk); r == nil {
			t.Error("not found")
		}
		m.Remove(e)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTrailsKeepWhatTheyAreMadeOf(t *testing.T) {
	mac := frame.MAC{0x02, 0x11, 0x22, 0x33, 0x44, 0xff}
	for _, index := range []int32{0, 1, 65535, 65536 + 7} {
		tr := TrailOf(mac, index)
		var e Entry
		e.SetTrail(tr)
		if e.Trail() != tr || tr.MAC() != mac || tr.Index() != uint16(index) {
			t.Errorf("%v by %d became %v by %d", mac, index, tr.MAC(), tr.Index())
		}
	}
	if !slices.Equal([]Trail{TrailOf(frame.MAC{}, 0)}, []Trail{0}) {
		t.Error("the zero Trail is known")
	}
}
