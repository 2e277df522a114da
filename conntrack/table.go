package conntrack

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"lvsdr/dataplane/frame"
)

const (
	perLine  = 2  // entries in a cache line
	maxProbe = 32 // lines a search or an insertion may look at
	// A chunk is what one step of a sweep looks at; it is passed over when
	// nothing lives in it.
	chunkLines = 256
	tick       = 10e6 // nanoseconds; the kernel's timers are no finer
)

// ticksPerSecond converts timeouts.
const ticksPerSecond = 1e9 / tick

// Limits of Config.Limit: the least and the greatest table.
const (
	MinLimit = 1 << 8
	MaxLimit = 1 << 30
)

// A Config says how a Table is made.
type Config struct {
	// Limit is the greatest number of entries, connections and templates
	// together; 0 means 1 Mi. A table takes 32 bytes an entry at 60 % load,
	// 53 bytes for each entry of the limit, and 32 more for each IPv6 entry,
	// touched only as it fills.
	Limit int
	// Secret seeds the hash. Whoever knows it can choose ports that meet in
	// one place; take it from a random source.
	Secret [16]byte
	// Removed, if not nil, is called with every entry that leaves the table,
	// while it is still whole. It must not change the table.
	Removed func(*Entry)
}

// A Table holds connections and templates; see the package comment.
type Table struct {
	lines    []line
	pairs    []pair   // addresses of IPv6 entries
	freePair uint32   // 1 + the first free one that was used before; 0: none
	newPair  uint32   // the first that was never used
	used     []uint32 // entries per chunk
	n, limit int
	cursor   int // chunk a sweep goes on from
	seeded   [32]byte
	timeouts [numStates]uint32 // ticks
	sctp     [numSCTP]uint32
	udp      uint32
	removed  func(*Entry)
	evicted  uint64
}

// A line is a bucket: one cache line.
type line [perLine]Entry

// New makes an empty table with the default timeouts.
func New(c Config) (*Table, error) {
	if c.Limit == 0 {
		c.Limit = 1 << 20
	}
	if c.Limit < MinLimit || c.Limit > MaxLimit {
		return nil, fmt.Errorf("connection table of %d entries: must be %d to %d", c.Limit, MinLimit, MaxLimit)
	}
	// 60 % load, in whole chunks.
	chunks := (c.Limit*10/6/perLine + chunkLines - 1) / chunkLines
	t := &Table{
		lines: make([]line, chunks*chunkLines), pairs: make([]pair, c.Limit), used: make([]uint32, chunks),
		limit: c.Limit, removed: c.Removed,
	}
	if t.removed == nil {
		t.removed = func(*Entry) {}
	}
	copy(t.seeded[:16], c.Secret[:])
	t.SetTimeouts(DefaultTimeouts())
	return t, nil
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

// Len is the number of entries, Limit the greatest there may be.
func (t *Table) Len() int { return t.n }

// Limit is the greatest number of entries.
func (t *Table) Limit() int { return t.limit }

// Evicted counts the entries that had to make room for others.
func (t *Table) Evicted() uint64 { return t.evicted }

// ticks is now in ticks; it wraps after 497 days, which comparisons by
// difference survive.
func ticks(now int64) uint32 { return uint32(now / tick) }

func (e *Entry) expired(at uint32) bool { return int32(at-e.expires) >= 0 }

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
func (t *Table) Touch(h uint64) uint8 { return t.lines[t.home(h)][0].past }

// Find returns the entry of k, whose hash is h, or nil. An entry whose time is
// up is removed instead; a template that still has connections lives on in
// steps of lapse.
func (t *Table) Find(k *Key, h uint64, now int64) *Entry {
	kind, at := kindOf(k), ticks(now)
	i := t.home(h)
	for range maxProbe {
		l := &t.lines[i]
		for j := range l {
			if e := &l[j]; t.matches(e, k, kind, h) {
				if e.expired(at) && t.end(i*perLine+j, at) {
					return nil
				}
				return e
			}
		}
		if l[0].past == 0 {
			return nil
		}
		i = t.after(i)
	}
	return nil
}

// Insert makes the entry of k, whose hash is h and which must not be there,
// for server dest; by is the template that makes a connection, or nil. Its
// timer is set by Refresh, or SetTimeout for a template. Where the table or
// the place is full an entry goes that is easy to make again: a half-open or
// closing connection, or a template without connections that was never
// assured; else one of UDP. nil: there is none.
func (t *Table) Insert(k *Key, h uint64, dest DestRef, by *Entry, now int64) *Entry {
	ref := uint32(0)
	if by != nil {
		by.ref++ // also keeps it from making room
		ref = uint32(t.slotOf(by)) + 1
	}
	slot := t.place(h, ticks(now))
	if slot < 0 {
		if by != nil {
			by.ref--
		}
		return nil
	}
	for i := t.home(h); i != slot/perLine; i = t.after(i) {
		t.lines[i][0].past++
	}
	e := t.at(slot)
	*e = Entry{
		clientPort: k.ClientPort, virtualPort: k.VirtualPort, proto: k.Proto, kind: kindOf(k),
		past: e.past, dest: dest, ref: ref, expires: ticks(now) + newTimeout,
	}
	if k.is6() {
		e.client, e.virtual = t.takePair(k), tag(h)
	} else {
		e.client, e.virtual = k.Client.As4(), k.Virtual.As4()
	}
	t.n++
	t.used[slot/perLine/chunkLines]++
	return e
}

// newTimeout is the life of an entry whose timer was not set, in ticks.
const newTimeout = 3 * ticksPerSecond

// place finds a free slot within reach of hash h, making one if it must; -1:
// none.
func (t *Table) place(h uint64, at uint32) int {
	home := t.home(h)
	slot := t.firstFree(home, at)
	if slot >= 0 && t.n < t.limit {
		return slot
	}
	victim := t.victim(home, maxProbe, at)
	if slot >= 0 && victim < 0 {
		// The place has room, the table has not: take from elsewhere.
		victim = t.victim((home+maxProbe)%len(t.lines), chunkLines, at)
	}
	if victim < 0 {
		return -1
	}
	if !t.at(victim).expired(at) {
		t.evicted++
	}
	t.remove(victim)
	if slot >= 0 {
		return slot
	}
	return victim
}

// firstFree is the first slot from line i on that is free or whose entry's
// time is up; -1: none within maxProbe lines.
func (t *Table) firstFree(i int, at uint32) int {
	for range maxProbe {
		for j := range perLine {
			e := &t.lines[i][j]
			if e.kind == free || e.expired(at) && t.end(i*perLine+j, at) {
				return i*perLine + j
			}
		}
		i = t.after(i)
	}
	return -1
}

// victim is the slot, in n lines from line i on, of the entry that is best
// lost: the cheapest, and of those the one that is next to end; -1: none.
func (t *Table) victim(i, n int, at uint32) int {
	slot, cheapest, least := -1, dear, int32(0)
	for range n {
		for j := range perLine {
			e := &t.lines[i][j]
			p, d := e.price(at), int32(e.expires-at)
			if p < cheapest || p == cheapest && p < dear && d < least {
				slot, cheapest, least = i*perLine+j, p, d
			}
		}
		i = t.after(i)
	}
	return slot
}

// What it costs to lose an entry.
const (
	due   = iota // its time is up
	cheap        // half-open, closing, or a template that was never assured
	fair         // UDP: the next packet is scheduled anew
	dear         // an open connection, or a template that is used: never lost
)

func (e *Entry) price(at uint32) int {
	switch {
	case e.kind == free, e.Template() && e.ref > 0:
		return dear
	case e.expired(at):
		return due
	case e.Template():
		if e.state == Assured {
			return dear
		}
		return cheap
	case e.proto == frame.ProtoUDP:
		return fair
	case e.proto == frame.ProtoTCP && e.state == Established, e.proto == frame.ProtoSCTP && e.state == SCTPEstablished:
		return dear
	}
	return cheap
}

func (t *Table) at(slot int) *Entry { return &t.lines[slot/perLine][slot%perLine] }

// slotOf finds where e lives, through its key: the line is within maxProbe of
// its home.
func (t *Table) slotOf(e *Entry) int {
	k := t.Key(e)
	i := t.home(t.Hash(&k))
	for range maxProbe {
		for j := range perLine {
			if &t.lines[i][j] == e {
				return i*perLine + j
			}
		}
		i = t.after(i)
	}
	panic("conntrack: an entry that is not in this table")
}

// Remove takes e out of the table. A template with connections must not be
// removed.
func (t *Table) Remove(e *Entry) { t.remove(t.slotOf(e)) }

func (t *Table) remove(slot int) {
	e := t.at(slot)
	t.removed(e)
	if e.Controlled() {
		t.at(int(e.ref-1)).ref--
	}
	k := t.Key(e)
	for i := t.home(t.Hash(&k)); i != slot/perLine; i = t.after(i) {
		t.lines[i][0].past--
	}
	if e.kind&six != 0 {
		t.freePairOf(e)
	}
	*e = Entry{past: e.past}
	t.n--
	t.used[slot/perLine/chunkLines]--
}

// takePair keeps the addresses of k and returns where. There is a place for
// each entry of the limit.
func (t *Table) takePair(k *Key) (at [4]byte) {
	i := t.newPair
	if t.freePair != 0 {
		i = t.freePair - 1
		t.freePair = binary.LittleEndian.Uint32(t.pairs[i][0][:])
	} else {
		t.newPair++
	}
	t.pairs[i] = pair{k.Client, k.Virtual}
	binary.LittleEndian.PutUint32(at[:], i)
	return at
}

func (t *Table) freePairOf(e *Entry) {
	i := e.pair()
	binary.LittleEndian.PutUint32(t.pairs[i][0][:], t.freePair)
	t.freePair = i + 1
}

// All calls f with every entry until it returns false. f must not change the
// table.
func (t *Table) All(f func(*Entry) bool) {
	for c, n := range t.used {
		if n == 0 {
			continue
		}
		for i := c * chunkLines; i < (c+1)*chunkLines; i++ {
			for j := range t.lines[i] {
				if e := &t.lines[i][j]; e.kind != free && !f(e) {
					return
				}
			}
		}
	}
}
