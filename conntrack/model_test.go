package conntrack

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// A model is the definition of a Table: a plain list of entries whose times do
// not wrap. It is told what the table removed by Config.Removed and says
// whether that was right. Entries are known by a number of their own, which is
// their destination.
type model struct {
	table   *Table
	told    told // what the table's events make of it
	entries []*modelEntry
	timeout map[State]int64 // s, of TCP
	sctp    map[State]int64 // s
	udp     int64           // s
	open    int             // of 100 changes of state, how many are to an open connection
	lost    [dear]int       // what made room before its time, by price
	now     int64           // ns
	nextID  uint32
	gone    []*modelEntry // removed by the table during this step
	fault   string        // what Removed found wrong
	steps   []string
}

type modelEntry struct {
	id       uint32
	key      Key
	state    State
	retired  bool
	invalid  bool
	expires  int64 // 10 ms since the start of time
	packets  uint32
	timeout  int64 // of a template, 10 ms
	template *modelEntry
	conns    int
	// mayLapse: its time was up and it had connections when the step began.
	// It lives on if the table looked at it before the last of them went.
	mayLapse bool
	e        *Entry
}

func newModel(t testing.TB, limit int, secret byte, now int64) *model {
	m := &model{now: now, nextID: 1, udp: 300, timeout: map[State]int64{None: 2, Established: 900, SynSent: 120,
		SynRecv: 60, FinWait: 120, TimeWait: 120, Close: 10, CloseWait: 60, LastAck: 30, Listen: 120, SynAck: 120},
		sctp: map[State]int64{SCTPNone: 61, SCTPInit1: 4, SCTPInit: 61, SCTPEstablished: 900, SCTPShutdown: 61,
			SCTPRejected: 4, SCTPClosed: 61}}
	var err error
	m.table, err = New(Config{Limit: limit, Secret: [16]byte{secret}, Removed: m.removed})
	if err != nil {
		t.Fatal(err)
	}
	m.told = newTold(m.table)
	return m
}

func (m *model) note(format string, args ...any) {
	m.steps = append(m.steps, fmt.Sprintf(format, args...))
}

// removed hears of an entry that leaves.
func (m *model) removed(e *Entry) {
	i := slices.IndexFunc(m.entries, func(x *modelEntry) bool { return x.id == uint32(e.Dest()) })
	if i < 0 {
		m.fault = fmt.Sprintf("removed an entry that was not there: %+v", *e)
		return
	}
	x := m.entries[i]
	if f := m.differs(x); f != "" {
		m.fault = "an entry was not whole when it was removed: " + f
	}
	if x.conns > 0 {
		m.fault = fmt.Sprintf("removed the template %d, which has %d connections", x.id, x.conns)
	}
	if x.template != nil {
		x.template.conns--
	}
	m.entries = slices.Delete(m.entries, i, i+1)
	m.gone = append(m.gone, x)
}

func (m *model) tick() int64 { return m.now / 10e6 }

func (m *model) due(x *modelEntry) bool { return x.expires <= m.tick() }

// lapse lets a template that still has connections live on, in steps of 60 s.
func (m *model) lapse(x *modelEntry) {
	x.timeout = 6000
	for m.due(x) {
		x.expires += 6000
	}
}

// look is the entry that Find must find.
func (m *model) look(k Key) *modelEntry {
	for _, x := range m.entries {
		if x.key == k && !x.retired && !x.invalid {
			return x
		}
	}
	return nil
}

// differs says where the table's entry is not x; "": nowhere.
func (m *model) differs(x *modelEntry) string {
	got := fmt.Sprintf("key %v dest %d state %v invalid %v connections %d controlled %v expires %d",
		m.table.Key(x.e), x.e.Dest(), x.e.State(), x.e.Invalid(), x.e.Connections(), x.e.Controlled(), x.e.expires)
	want := fmt.Sprintf("key %v dest %d state %v invalid %v connections %d controlled %v expires %d",
		x.key, x.id, x.state, x.invalid, x.conns, x.template != nil, uint32(x.expires))
	if got != want {
		return fmt.Sprintf("the table has\n\t%s\nthe model\n\t%s", got, want)
	}
	return ""
}

// same is differs without words, for every step.
func (m *model) same(x *modelEntry) bool {
	e := x.e
	return m.table.Key(e) == x.key && uint32(e.Dest()) == x.id && e.State() == x.state && e.Invalid() == x.invalid &&
		e.Connections() == x.conns && e.Controlled() == (x.template != nil) && e.expires == uint32(x.expires) &&
		(e.Template() || e.aux == x.packets)
}

// check compares all entries. A template that was due and has connections may
// have been looked at during this step.
func (m *model) check() error {
	if m.fault != "" {
		return fmt.Errorf("%s", m.fault)
	}
	if m.table.Len() != len(m.entries) {
		return fmt.Errorf("Len = %d, want %d", m.table.Len(), len(m.entries))
	}
	if m.table.Len() > m.table.Limit() {
		return fmt.Errorf("Len = %d is above the limit %d", m.table.Len(), m.table.Limit())
	}
	for _, x := range m.entries {
		if x.mayLapse && x.e.expires != uint32(x.expires) {
			m.lapse(x)
		}
		if !m.same(x) {
			return fmt.Errorf("entry %d: %s", x.id, m.differs(x))
		}
		if tmpl := m.table.Template(x.e); x.template != nil && tmpl != x.template.e {
			return fmt.Errorf("entry %d: its template is %p, want %p", x.id, tmpl, x.template.e)
		}
	}
	return nil
}

// structure holds the table against its own rules: what overflow and used count,
// that every entry is within reach of its home, and that each is found.
func (m *model) structure() error {
	t := m.table
	if err := m.told.check(t); err != nil {
		return err
	}
	past, used := make([]int, len(t.lines)), make([]uint32, len(t.used))
	if err := pairsAccountedFor(t); err != nil {
		return err
	}
	for i := range t.lines {
		for j := range t.lines[i] {
			e := &t.lines[i][j]
			if j > 0 && e.overflow() != 0 {
				return fmt.Errorf("line %d: overflow is in entry %d", i, j)
			}
			if e.kind() == free {
				continue
			}
			used[i/chunkLines]++
			k, n := t.Key(e), 0
			for h := t.home(t.Hash(&k)); h != i; h = t.after(h) {
				past[h]++
				if n++; n >= maxProbe {
					return fmt.Errorf("%v lives %d lines and more behind its home", k, n)
				}
			}
		}
	}
	for i := range t.lines {
		if int(t.lines[i][0].overflow()) != past[i] {
			return fmt.Errorf("line %d: overflow = %d, want %d", i, t.lines[i][0].overflow(), past[i])
		}
	}
	if !slices.Equal(used, t.used) {
		return fmt.Errorf("used = %v, want %v", t.used, used)
	}
	for _, x := range m.entries {
		if x.retired || x.invalid || m.due(x) {
			continue
		}
		if t.Find(&x.key, t.Hash(&x.key), m.now) != x.e {
			return fmt.Errorf("entry %d is not found by its key %v", x.id, x.key)
		}
	}
	return m.nextExpiry()
}

func (m *model) nextExpiry() error {
	least, any := int64(0), false
	for _, x := range m.entries {
		if !any || x.expires < least {
			least, any = x.expires, true
		}
	}
	least = max(least*10e6, m.now)
	if got, ok := m.table.NextExpiry(m.now); ok != any || ok && got != least {
		return fmt.Errorf("NextExpiry = %d, %v, want %d, %v", got, ok, least, any)
	}
	return nil
}

// find compares a Find and returns what is there.
func (m *model) find(k Key) (*modelEntry, error) {
	want := m.look(k)
	ends := want != nil && m.due(want) && want.conns == 0
	if want != nil && m.due(want) && want.conns > 0 {
		m.lapse(want)
	}
	got := m.table.Find(&k, m.table.Hash(&k), m.now)
	switch {
	case ends && (got != nil || !slices.Contains(m.gone, want) || len(m.gone) != 1):
		return nil, fmt.Errorf("Find = %p of an entry whose time is up, %d removed", got, len(m.gone))
	case ends:
		return nil, nil
	case want == nil && got != nil || want != nil && got != want.e || len(m.gone) > 0:
		return nil, fmt.Errorf("Find = %p, the model has %+v; %d removed", got, want, len(m.gone))
	}
	return want, nil
}

// keysNear are n keys whose homes are the given number of lines around the
// table's end, some of templates.
func keysNear(t *Table, r *rand.Rand, n, lines int) []Key {
	var keys []Key
	for len(keys) < n {
		k := randomKey(r)
		h := t.home(t.Hash(&k))
		if h = (h + lines/2) % len(t.lines); h < lines {
			keys = append(keys, k)
		}
	}
	return keys
}

func randomKey(r *rand.Rand) Key {
	k := Key{Client: frame.AddrFrom4([4]byte{10, 0, 0, byte(r.Intn(256))}), Virtual: frame.AddrFrom4([4]byte{192, 0, 2, 1}),
		ClientPort: uint16(r.Intn(1 << 16)), VirtualPort: 80, Proto: frame.ProtoTCP}
	switch r.Intn(6) {
	case 0:
		k.Proto = frame.ProtoUDP
	case 1:
		k.Proto = frame.ProtoSCTP
	case 2:
		k.ClientPort, k.Template = 0, true
		k.Client = frame.AddrFrom4([4]byte{10, byte(r.Intn(256)), byte(r.Intn(256)), 0})
	}
	if r.Intn(3) == 0 {
		k.Client = frame.Addr{0: 0xfd, 8: k.Client[13], 14: k.Client[14], 15: k.Client[15]}
		k.Virtual = frame.Addr{0: 0xfd, 1: 1, 15: 1}
	}
	return k
}

// run makes n steps over keys.
func (m *model) run(t *testing.T, seed int64, r *rand.Rand, keys []Key, n, mostPause int) {
	t.Helper()
	for i := range n {
		m.gone = m.gone[:0]
		for _, x := range m.entries {
			x.mayLapse = x.key.Template && x.conns > 0 && m.due(x)
		}
		err := m.step(r, keys, mostPause)
		if err == nil {
			err = m.check()
		}
		if err == nil && i%16 == 0 {
			err = m.structure()
		}
		if err != nil {
			t.Fatalf("seed %d: %v after\n%s", seed, err, strings.Join(m.steps, "\n"))
		}
	}
}

// Whatever is done to a table, it holds what its definition holds: where
// entries crowd around few homes and live far behind them, where a place or
// the whole table is full, and where the 32-bit clock wraps around.
func TestTableIsItsDefinition(t *testing.T) {
	const wrap = int64(1<<32) * 10e6 // ns: 497 days
	for _, c := range []struct {
		name       string
		limit      int
		keys       int
		lines      int // of the keys' homes
		mostPause  int // ms
		seeds      int64
		start      int64
		wantChains bool
		wantFull   bool
		open       int
	}{
		{"roomy", 600, 100, 500, 20000, 60, 0, false, false, 0},
		{"crowded homes", 256, 40, 16, 20000, 60, 1, true, false, 0},
		{"crowded homes, short pauses", 256, 40, 16, 300, 40, 123456789, true, false, 0},
		{"a full place", 256, 110, 6, 3000, 30, 0, true, true, 0},
		{"a full table", 256, 450, 256, 300, 6, 0, true, true, 0},
		{"a full place of open connections", 256, 110, 6, 200, 20, 0, true, true, 97},
		{"a full table of open connections", 256, 450, 256, 100, 5, 0, true, true, 97},
		{"the clock wraps", 256, 60, 20, 10000, 40, wrap - 15e9, true, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var chains, full, udp bool
			c.seeds = long((c.seeds+3)/4, c.seeds)
			for seed := range c.seeds {
				r := rand.New(rand.NewSource(seed))
				m := newModel(t, c.limit, byte(seed), c.start)
				m.open = c.open
				keys := keysNear(m.table, r, c.keys, c.lines)
				if c.open > 0 {
					keys = slices.DeleteFunc(keys, func(k Key) bool { return k.Template })
				}
				m.run(t, seed, r, keys, 500*(1+c.keys/300*2), c.mostPause)
				for _, l := range m.table.lines {
					chains = chains || l[0].overflow() > 1
				}
				full = full || m.table.Evicted() > 0
				udp = udp || m.lost[fair] > 0
				if c.start > wrap/2 && m.now < wrap {
					t.Fatal("the clock did not wrap")
				}
			}
			if c.wantChains && !chains || c.wantFull && !full {
				t.Errorf("chains seen: %v, evictions: %v; the case is about %v and %v", chains, full, c.wantChains, c.wantFull)
			}
			if c.open > 0 && !udp {
				t.Error("UDP never made room; the case is about it")
			}
		})
	}
}

// step is one random operation, after a find as in the packet path.
func (m *model) step(r *rand.Rand, keys []Key, mostPause int) error {
	switch r.Intn(20) {
	case 0:
		d := time.Duration(r.Intn(mostPause)) * time.Millisecond
		m.note("pause %v", d)
		m.now += int64(d)
		return nil
	case 1:
		return m.sweep(1 + r.Intn(2*m.table.Chunks()))
	}
	k := keys[r.Intn(len(keys))]
	x, err := m.find(k)
	m.note("find %v: %v", k, x != nil)
	if err != nil {
		return err
	}
	m.gone = m.gone[:0]
	if x == nil {
		return m.add(r, k, keys)
	}
	if k.Template {
		m.templateStep(r, x)
	} else {
		m.connStep(r, x)
	}
	return nil
}

// add inserts k, every other connection by a template.
func (m *model) add(r *rand.Rand, k Key, keys []Key) error {
	var by *modelEntry
	if i := r.Intn(len(keys)); !k.Template && keys[i].Template && r.Intn(2) == 0 {
		var err error
		if by, err = m.find(keys[i]); err != nil {
			return err
		}
		m.gone = m.gone[:0]
	}
	m.note("insert %v as %d by %v", k, m.nextID, by != nil)
	if err := m.insert(k, by); err != nil {
		return err
	}
	switch x := m.look(k); {
	case x == nil:
	case k.Template:
		m.setTimeout(x, time.Duration(1+r.Intn(200))*time.Second)
	case r.Intn(100) < m.open:
		m.changeState(r, x)
		m.refresh(x)
	}
	return nil
}

// changeState moves a connection to a random state, to an open one as often as
// m.open says.
func (m *model) changeState(r *rand.Rand, x *modelEntry) {
	s := State(r.Intn(int(numStates)))
	switch {
	case x.key.Proto == frame.ProtoUDP:
		s = None
	case r.Intn(100) < m.open:
		s = x.established()
	case x.key.Proto == frame.ProtoSCTP:
		s = State(r.Intn(int(numSCTP)))
	}
	m.note("state of %d: %v", x.id, s)
	m.table.SetState(x.e, s)
	if x.state = s; s == x.established() && x.template != nil {
		x.template.state = Assured
	}
}

// refresh restarts the timer of a connection.
func (m *model) refresh(x *modelEntry) {
	m.note("refresh %d", x.id)
	m.table.Refresh(x.e, m.now)
	d := m.timeout[x.state]
	switch x.key.Proto {
	case frame.ProtoUDP:
		d = m.udp
	case frame.ProtoSCTP:
		d = m.sctp[x.state]
	}
	x.expires = m.tick() + d*100
	x.packets++
}

func (m *model) setTimeout(x *modelEntry, d time.Duration) {
	m.table.SetTimeout(x.e, d, m.now)
	x.timeout = int64(d / (10 * time.Millisecond))
	x.expires = m.tick() + x.timeout
}

func (m *model) templateStep(r *rand.Rand, x *modelEntry) {
	switch op := r.Intn(8); {
	case op < 3:
		m.note("renew %d", x.id)
		m.table.Renew(x.e, m.now)
		x.expires = m.tick() + x.timeout
	case op == 3:
		m.note("timeout of %d", x.id)
		m.setTimeout(x, time.Duration(r.Intn(300000))*time.Millisecond)
	case op == 4:
		m.note("invalidate %d", x.id)
		m.table.Invalidate(x.e)
		x.invalid = true
	case op == 5 && x.conns == 0:
		m.note("remove %d", x.id)
		m.table.Remove(x.e)
	}
}

func (m *model) connStep(r *rand.Rand, x *modelEntry) {
	switch op := r.Intn(8); {
	case op < 6:
		if op < 3 {
			m.changeState(r, x)
		}
		m.refresh(x)
	case op == 6:
		m.note("retire %d", x.id)
		m.table.Retire(x.e, m.now)
		x.retired, x.expires = true, m.tick()+1
		if k := x.key; r.Intn(2) == 0 {
			m.note("restore %d", x.id)
			x.retired = !m.table.Restore(x.e, &k)
		}
	default:
		m.note("remove %d", x.id)
		m.table.Remove(x.e)
	}
}

// sweep compares a sweep of n chunks; what a whole one must leave is known.
func (m *model) sweep(n int) error {
	m.note("sweep %d of %d", n, m.table.Chunks())
	if got := m.table.Sweep(m.now, n); got != len(m.gone) {
		return fmt.Errorf("Sweep = %d, %d were removed", got, len(m.gone))
	}
	for _, x := range m.gone {
		if !m.due(x) {
			return fmt.Errorf("a sweep removed entry %d before its time", x.id)
		}
	}
	if n < m.table.Chunks() {
		return nil
	}
	for _, x := range m.entries {
		if m.due(x) && x.e.expires == uint32(x.expires) {
			return fmt.Errorf("a whole sweep left entry %d, whose time is up", x.id)
		}
	}
	return nil
}

// pairsAccountedFor wants every place for IPv6 addresses to be one entry's, or
// free, or never used.
func pairsAccountedFor(t *Table) error {
	owner := make(map[uint32]string)
	for i := t.freePair; i != 0; i = binary.LittleEndian.Uint32(t.pairs[i-1][0][:]) {
		if owner[i-1] != "" {
			return fmt.Errorf("place %d is free twice", i-1)
		}
		owner[i-1] = "free"
	}
	var fault error
	t.All(func(e *Entry) bool {
		if e.kindProto()&v6 != 0 {
			if o := owner[uint32(e.addrs)]; o != "" {
				fault = fmt.Errorf("place %d is used, and also %s", uint32(e.addrs), o)
			}
			owner[uint32(e.addrs)] = "used"
		}
		return true
	})
	if fault == nil && len(owner) != int(t.newPair) {
		fault = fmt.Errorf("%d of %d places are lost", int(t.newPair)-len(owner), t.newPair)
	}
	return fault
}

// long is much where the environment has LVSDR_LONG=1, as in a step of its own of
// .ci/run, and less where it has not.
func long[T any](less, much T) T {
	if os.Getenv("LVSDR_LONG") != "" {
		return much
	}
	return less
}
