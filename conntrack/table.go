package conntrack

import (
	"fmt"
	"math/bits"

	"lvsdr/dataplane/frame"
)

const (
	perLine  = 2  // entries in a cache line
	maxProbe = 32 // lines a search or an insertion may look at
	fewLines = 8  // lines among which a victim is chosen, if they have a cheap one
	// A chunk is the part that one step of a sweep looks at; it is passed over when
	// nothing lives in it.
	chunkLines = 256
	tick       = 10e6 // nanoseconds; the kernel's timers are no finer
)

// ticksPerSecond converts timeouts.
const ticksPerSecond = 1e9 / tick

// Limits of Config.Limit: the least and the greatest table.
const (
	MinLimit = 1 << 8
	// DefaultLimit is that of a table for which none is given.
	DefaultLimit = 1 << 20
	MaxLimit     = 1 << 30
)

// A Config says how a Table is made.
type Config struct {
	// Limit is the greatest number of entries, connections and templates
	// together; 0 means 1 Mi. A table takes 32 bytes an entry at 60 % load,
	// 53 bytes for each entry of the limit, and 32 more for each IPv6 entry,
	// touched only as it fills.
	Limit int
	// Secret seeds the hash. An attacker that knows it can choose ports that meet in
	// one place; take it from a random source.
	Secret [16]byte
	// Removed, if not nil, is called with every entry that leaves the table,
	// while it is still whole. It must not change the table.
	Removed func(*Entry)
	// Server, if not nil, says where a masqueraded connection goes: to find its reply
	// entry. false: the server is not known.
	Server func(*Table, *Entry) (addr frame.Addr, port uint16, known bool)
	// Room, if not nil, gives the memory, zeroed: as many lines and pairs. Nil
	// takes it from the heap.
	Room func(lines, pairs int) ([]Line, []Pair, error)
	// Kept, if not nil, is the memory, with what is in it; see Open.
	Kept *Kept
}

// A Table holds connections and templates; see the package comment.
type Table struct {
	lines    []Line   // its own, of group.lines
	first    int      // slot of the first of them
	pairs    []Pair   // addresses of IPv6 entries
	freePair uint32   // 1 + the first free one that was used before; 0: none
	newPair  uint32   // the first that was never used
	used     []uint32 // entries per chunk
	n, limit int
	replies  int      // of n, how many are reply entries
	making   *Entry   // whose reply entry is being made: it does not make room
	cursor   int      // chunk a sweep goes on from
	late     []uint32 // places of templates that SweepChunk has left
	secret   [16]byte
	hasher4  hasher4
	group    *group
	timers
	removed func(*Entry)
	server  func(*Table, *Entry) (frame.Addr, uint16, bool)
	outbox  *Outbox  // nil: nobody is told of events
	sync    *SyncLog // nil: no other director is told of connections
	evicted uint64
	refused []uint64 // hashes of keys an excerpt has no room for

	// Alive, if not nil, is asked before a connection ends because its time is
	// up: when was it last used, by packets that the table does not see, in the
	// same nanoseconds as all times? 0: not at all. It must not change the table,
	// nor allocate.
	Alive func(*Table, *Entry) (last int64)
}

// timers are the timeouts in ticks.
type timers struct {
	timeouts [numStates]uint32
	sctp     [numSCTP]uint32
	udp      uint32
}

// A group is the tables that were made together. A slot is a place in its
// lines, whosever they are.
type group struct {
	lines  []Line
	tables []*Table
}

// A Line is a bucket: one cache line.
type Line [perLine]Entry

// New makes an empty table with the default timeouts.
func New(c Config) (*Table, error) {
	tables, err := NewGroup(c, 1)
	if err != nil {
		return nil, err
	}
	return tables[0], nil
}

// NewGroup makes n empty tables, for as many workers, which share c.Limit
// evenly. A template in one may have connections in others.
//
// Several goroutines may use the tables of a group at once, by these rules,
// for which the caller keeps a lock for each table and one for them all: who
// changes a table, or reads templates, has both locks; Peek, Touch, Refresh and
// what reads a connection need only that of the table.
func NewGroup(c Config, n int) ([]*Table, error) {
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	limit := c.Limit / n
	if limit < MinLimit || c.Limit > MaxLimit {
		return nil, fmt.Errorf("connection table of %d entries for %d workers: must be %d to %d", c.Limit, n, n*MinLimit, MaxLimit)
	}
	chunks := chunksOf(limit)
	if k := c.Kept; k != nil {
		c.Room = func(int, int) ([]Line, []Pair, error) { return k.Lines, k.Pairs, nil }
	}
	if c.Room == nil {
		c.Room = func(lines, pairs int) ([]Line, []Pair, error) { return make([]Line, lines), make([]Pair, pairs), nil }
	}
	lines, pairs, err := c.Room(n*chunks*chunkLines, n*limit)
	if err != nil {
		return nil, fmt.Errorf("connection table of %d entries: %w", c.Limit, err)
	}
	var used []uint32
	if c.Kept != nil {
		used = c.Kept.Used
	} else {
		used = make([]uint32, n*chunks)
	}
	g := &group{lines: lines}
	for i := range n {
		from := i * chunks * chunkLines
		t := &Table{
			lines: lines[from : from+chunks*chunkLines], first: from * perLine, pairs: pairs[i*limit : (i+1)*limit],
			used: used[i*chunks : (i+1)*chunks], limit: limit, removed: c.Removed, server: c.Server, group: g,
			secret: c.Secret, hasher4: hasherOf(c.Secret),
		}
		if t.removed == nil {
			t.removed = func(*Entry) {}
		}
		t.SetTimeouts(DefaultTimeouts())
		g.tables = append(g.tables, t)
	}
	return g.tables, nil
}

// SetTimeouts changes the timeouts. An entry takes them up with its next
// packet.
func (t *Table) SetTimeouts(to Timeouts) {
	for s, v := range to.TCP {
		t.timeouts[s] = uint32(v) * ticksPerSecond
	}
	for s, v := range to.SCTP {
		t.sctp[s] = uint32(v) * ticksPerSecond
	}
	t.udp = uint32(to.UDP) * ticksPerSecond
}

// Len is the number of entries, reply entries among them.
func (t *Table) Len() int { return t.n }

// Limit is the greatest number of entries.
func (t *Table) Limit() int { return t.limit }

// Evicted counts the entries that were evicted to make room for others.
func (t *Table) Evicted() uint64 { return t.evicted }

// ticks is now in ticks; it wraps after 497 days, which comparisons by
// difference survive.
func ticks(now int64) uint32 { return uint32(now / tick) }

func (e *Entry) expired(at uint32) bool { return int32(at-e.expires) >= 0 }

// Expired reports whether the time of e, which is no reply entry, is up.
func (e *Entry) Expired(now int64) bool { return e.expired(ticks(now)) }

// home maps a hash to a line without a division.
func (t *Table) home(h uint64) int {
	hi, _ := bits.Mul64(h, uint64(len(t.lines)))
	return int(hi)
}

// after is the line behind i, around the end.
func (t *Table) after(i int) int {
	if i++; i == len(t.lines) {
		return 0
	}
	return i
}

// Touch brings the place of an entry with hash h on its way from memory, so
// that a later Find does not wait for it. The result means nothing; it has to be
// used for the load to be made.
func (t *Table) Touch(h uint64) uint8 { return t.lines[t.home(h)][0].overflow() }

// TouchNext is Touch for the line behind that place, if anything that belongs there or
// further on is not in it: about one entry in seven of a full table. Touch comes before it
// for all hashes at hand, so that it has not to wait.
func (t *Table) TouchNext(h uint64) uint8 {
	i := t.home(h)
	next := i + min(int(t.lines[i][0].overflow()), 1) // without a jump, as in Peek
	if next == len(t.lines) {
		next = 0
	}
	return t.lines[next][0].overflow()
}

// Far reports whether t is so large that its lines are rarely in the CPU's caches: then
// TouchNext earns more than it costs.
func (t *Table) Far() bool { return len(t.lines) > farLines }

// farLines is as many lines as take 4 MiB.
const farLines = 4 << 20 / (perLine * 32)

// Peek returns the entry of id, also if its time is up, and changes nothing; nil: there
// is none. For an IPv6 id, k is the key. Nearly every packet comes this way, so that
// the search for IPv4 stands here, without a call.
func (t *Table) Peek(id *ID, k *Key) *Entry {
	if id.kindProto&v6 != 0 {
		return t.peek6(id, k)
	}
	i := t.home(id.Hash)
	for range maxProbe {
		l := &t.lines[i]
		j := 0
		if l[0].differs(id) != 0 {
			j = 1 // without a jump: which it is cannot be foretold
		}
		if e := &l[j]; e.differs(id) == 0 {
			return e
		}
		if l[0].overflow() == 0 {
			return nil
		}
		i = t.after(i)
	}
	return nil
}

// peek6 is Peek for IPv6.
func (t *Table) peek6(id *ID, k *Key) *Entry {
	if place := t.search(id, k); place >= 0 {
		return t.at(place)
	}
	return nil
}

// Find returns the entry of k, whose hash is h, or nil. An entry whose time is
// up is removed instead; a template that still has connections lives on in
// steps of lapse. For the key of a reply entry see findReply.
func (t *Table) Find(k *Key, h uint64, now int64) *Entry {
	id, at := idOf(k, h), ticks(now)
	if k.Reply {
		return t.findReply(&id, k, at)
	}
	slot := t.search(&id, k)
	if slot < 0 {
		return nil
	}
	if e := t.at(slot); !e.expired(at) || !t.end(slot, at) {
		return e
	}
	return nil
}

// search is the place among the lines of t of the entry of id, and of k if
// that is of IPv6; -1: none.
func (t *Table) search(id *ID, k *Key) int {
	i := t.home(id.Hash)
	for range maxProbe {
		l := &t.lines[i]
		for j := range l {
			if t.matches(&l[j], k, id) {
				return i*perLine + j
			}
		}
		if l[0].overflow() == 0 {
			return -1
		}
		i = t.after(i)
	}
	return -1
}

// Insert makes the entry of k, whose hash is h and which must not be there,
// for server dest; by is the template that makes a connection, or nil. Its
// timer is set by Refresh, or SetTimeout for a template. Where the table or
// the place is full an entry goes that is easy to make again: a half-open or
// closing connection, or a template without connections that was never
// assured; else one of UDP. nil: there is none.
func (t *Table) Insert(k *Key, h uint64, dest DestRef, by *Entry, now int64) *Entry {
	return t.InsertBy(ByDirect, k, h, dest, by, now)
}

// InsertBy is Insert for a connection whose packets go a way. One that is masqueraded is
// found by its server's side when AddReply was called for it.
func (t *Table) InsertBy(way Way, k *Key, h uint64, dest DestRef, by *Entry, now int64) *Entry {
	id := idOf(k, h)
	return t.InsertID(way, &id, k, dest, by, now)
}

// InsertID is InsertBy where the ID of k is known.
func (t *Table) InsertID(way Way, id *ID, k *Key, dest DestRef, by *Entry, now int64) *Entry {
	ref := uint32(0)
	if by != nil {
		*by.controlled()++ // also keeps it from making room
		ref = uint32(t.group.slotOf(by)) + 1
	}
	slot := t.place(id.Hash, ticks(now))
	if slot < 0 {
		if by != nil {
			*by.controlled()--
		}
		return nil
	}
	e := t.fill(slot, k, id)
	e.dest, e.ref, e.aux, e.expires = dest, ref, 0, ticks(now)+newTimeout
	e.publish(id.kindProto, None, way)
	if t.outbox != nil {
		t.group.tell(FlowNew, uint32(t.first+slot))
	}
	if t.sync != nil {
		t.sync.made(slot, ticks(now))
	}
	return e
}

// fill counts an entry of k and id at a place that is free, and writes its addresses and
// ports. The caller writes the rest and publishes it.
func (t *Table) fill(place int, k *Key, id *ID) *Entry {
	t.used[place/perLine/chunkLines]++ // first here, and last in empty: see Table.settled
	for i := t.home(id.Hash); i != place/perLine; i = t.after(i) {
		t.lines[i][0].word += overflowUnit
	}
	e := t.at(place)
	e.addrs, e.ports = id.addrs, id.ports
	if id.kindProto&v6 != 0 {
		e.addrs |= uint64(t.takePair(k))
	}
	t.n++
	return e
}

// newTimeout is the life of an entry whose timer was not set, in ticks.
const newTimeout = 3 * ticksPerSecond

// at is the entry at a place among the lines of t.
func (t *Table) at(place int) *Entry { return &t.lines[place/perLine][place%perLine] }

// at is the entry at a slot.
func (g *group) at(slot uint32) *Entry { return &g.lines[slot/perLine][slot%perLine] }

// placeOf finds where e lives among the lines of t, through its hash: the line
// is within maxProbe of its home; -1: not there.
func (t *Table) placeOf(e *Entry) int {
	if e.kindProto()&v6 != 0 && int(uint32(e.addrs)) >= len(t.pairs) {
		return -1
	}
	i := t.home(t.hashOf(e))
	for range maxProbe {
		for j := range perLine {
			if &t.lines[i][j] == e {
				return i*perLine + j
			}
		}
		i = t.after(i)
	}
	return -1
}

// slotOf is the slot of e, whichever table it is in.
func (g *group) slotOf(e *Entry) int {
	for _, t := range g.tables {
		if place := t.placeOf(e); place >= 0 {
			return t.first + place
		}
	}
	panic("conntrack: an entry that is in no table")
}

// Remove takes e out of the table. A template with connections must not be
// removed.
func (t *Table) Remove(e *Entry) { t.remove(t.placeOf(e)) }

func (t *Table) remove(slot int) {
	e := t.at(slot)
	t.removed(e)
	if t.outbox != nil {
		t.group.tell(FlowRemoved, uint32(t.first+slot))
	}
	t.dropReply(e)
	by := t.Template(e)
	t.empty(slot)
	if by != nil {
		*by.controlled()--
	}
}

// empty makes the place of an entry free.
func (t *Table) empty(slot int) {
	e := t.at(slot)
	home, isV6 := t.home(t.hashOf(e)), e.kindProto()&v6 != 0
	e.withdraw()
	for i := home; i != slot/perLine; i = t.after(i) {
		t.lines[i][0].word -= overflowUnit
	}
	if isV6 {
		t.freePairOf(e)
	}
	t.n--
	t.used[slot/perLine/chunkLines]--
}
