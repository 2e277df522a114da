package conntrack

import (
	"sync/atomic"

	"lvsdr/dataplane/frame"
)

// keptVersion is that of everything which a Kept holds: raise it with any change of
// its records or of what they mean.
const keptVersion = 3

// KeptVersion is the version of all that a Kept holds: two processes of which one takes it over from
// the other must have the same.
const KeptVersion = keptVersion

// keptMagic is at the beginning of a Head.
var keptMagic = [8]byte{'l', 'v', 's', 'd', 'r', 't', 'a', 'b'}

// A Kept is the memory of tables that outlive their process, in a file. A
// process that is killed leaves it between any two of its stores: an entry is
// either whole or free then, and what can be counted from the entries is counted
// anew by Recover. A process that ends in order calls Seal.
type Kept struct {
	Head   *Head
	Lines  []Line
	Pairs  []Pair
	Used   []uint32 // entries per chunk, of all tables
	Sealed []Sealed // one for each table
	// Servers and Services give the memory of a page of DestPage records, of which
	// those that were never used are zero, and Loads that of a table's page of
	// counters. They may fail only for a page that they have not given before.
	Servers, Services func(page int) ([]Dest, error)
	Loads             func(table, page int) ([]Load, error)
	// From is another memory, all of which goes into this one, which is empty: nil
	// if there is none. Recover writes to it.
	From *Kept
	// Fresh says why this one is empty though there was a file; "" if it is not, or
	// there was none.
	Fresh string
}

// A Head is the beginning of the file. It says what else is in it, and whose it is.
type Head struct {
	magic   [8]byte
	version uint32
	clean   uint32 // 1: sealed
	boot    [16]byte
	secret  [16]byte
	probe   uint64 // that of probe, to know the hash by
	tables  uint32
	limit   uint32    // of all tables
	used    [2]uint32 // slots of servers and of services that were ever used
	// PID is the process that had the file last, Since the moment from which on it
	// did, and Sealed that at which it sealed it; ns.
	PID           uint64
	Since, Sealed int64
}

// Sealed holds the heads of a table's lists of pairs, and how many reply entries it has, as
// of Seal.
type Sealed struct{ newPair, freePair, replies uint32 }

// A Load is the packets and bytes that one worker has sent to a server, and has had from it
// for clients, since they were added to its Traffic.
type Load struct{ Packets, Bytes, OutPackets, OutBytes uint64 }

// Add adds n to l.
func (l *Load) Add(n *Load) {
	l.Packets += n.Packets
	l.Bytes += n.Bytes
	l.OutPackets += n.OutPackets
	l.OutBytes += n.OutBytes
}

// Size is how many lines and pairs n tables of limit entries together take, and
// how many chunks.
func Size(limit, n int) (lines, pairs, chunks int) {
	chunks = n * chunksOf(limit/n)
	return chunks * chunkLines, limit / n * n, chunks
}

// chunksOf is the chunks of a table of limit entries: 60 % load.
func chunksOf(limit int) int { return (limit*10/6/perLine + chunkLines - 1) / chunkLines }

// Init begins a head of n tables of limit entries together, hashed with that secret,
// of the boot with that identity.
func (h *Head) Init(limit, n int, secret, boot [16]byte) {
	*h = Head{magic: keptMagic, version: keptVersion, clean: 1, boot: boot, secret: secret,
		tables: uint32(n), limit: uint32(limit), probe: probe(secret)}
}

// Check is why what a file holds cannot be gone on with; "": it can.
func (h *Head) Check(boot [16]byte) string {
	switch {
	case h.magic != keptMagic:
		return "it is not a connection table"
	case h.version != keptVersion:
		return "it is of another version of the program"
	case h.boot != boot:
		return "it was written before the host was started anew"
	case h.probe != probe(h.secret):
		return "it is hashed in another way"
	case h.tables == 0 || h.limit/h.tables < MinLimit || h.limit > MaxLimit || h.used[0] > MaxDests || h.used[1] > MaxDests:
		return "its size is wrong"
	}
	return ""
}

// Geometry is how many entries and tables there are.
func (h *Head) Geometry() (limit, tables int) { return int(h.limit), int(h.tables) }

// Secret is the seed of the hash.
func (h *Head) Secret() [16]byte { return h.secret }

// ServerSlots is where the number of servers' slots that were ever used is.
func (k *Kept) ServerSlots() *uint32 { return &k.Head.used[0] }

// ServiceSlots is ServerSlots for services.
func (k *Kept) ServiceSlots() *uint32 { return &k.Head.used[1] }

// CopyDests copies the records of From.
func (k *Kept) CopyDests() error {
	k.Head.used = k.From.Head.used
	for i, pages := range [][2]func(int) ([]Dest, error){{k.Servers, k.From.Servers}, {k.Services, k.From.Services}} {
		for page := range (int(k.Head.used[i]) + DestPage - 1) / DestPage {
			to, err := pages[0](page)
			if err != nil {
				return err
			}
			from, err := pages[1](page)
			if err != nil {
				return err
			}
			copy(to, from)
		}
	}
	return nil
}

// take makes the head that of process pid from now on.
func (h *Head) take(pid int, now int64) {
	atomic.StoreUint32(&h.clean, 0)
	h.PID, h.Since, h.Sealed = uint64(pid), now, 0
}

// probe is the hash of two keys.
func probe(secret [16]byte) uint64 {
	t := Table{secret: secret, hasher4: hasherOf(secret)}
	k4 := Key{Client: frame.AddrFrom4([4]byte{10, 1, 2, 3}), Virtual: frame.AddrFrom4([4]byte{192, 0, 2, 1}), ClientPort: 12345, VirtualPort: 80, Proto: frame.ProtoTCP}
	k6 := k4
	k6.Client[0], k6.Virtual[0] = 0x20, 0x20
	return t.Hash(&k4)*prime1 ^ t.Hash(&k6)
}

// Seal writes to k what Recover would have to count, and marks it as whole. Nothing
// of tables may be changed after it.
func Seal(k *Kept, tables []*Table, now int64) {
	for i, t := range tables {
		k.Sealed[i] = Sealed{t.newPair, t.freePair, uint32(t.replies)}
	}
	k.Head.Sealed = now
	atomic.StoreUint32(&k.Head.clean, 1)
}

// Open makes the tables of k those of process pid, with what is in them. Unless k
// was sealed it calls Recover: known reports whether there is a destination. Removed and
// server are as in Config. Masqueraded connections may lack their reply entries unless k
// was sealed.
func Open(k *Kept, removed func(*Entry), server func(*Table, *Entry) (frame.Addr, uint16, bool), known func(DestRef) bool, pid int, now int64) ([]*Table, Recovered, error) {
	limit, n := k.Head.Geometry()
	tables, err := NewGroup(Config{Limit: limit, Secret: k.Head.secret, Removed: removed, Server: server, Kept: k}, n)
	if err != nil {
		return nil, Recovered{}, err
	}
	r := Recovered{Clean: atomic.LoadUint32(&k.Head.clean) == 1, PID: int(k.Head.PID), Since: k.Head.Since, Until: k.Head.Sealed}
	k.Head.take(pid, now)
	if r.Clean {
		for i, t := range tables {
			t.newPair, t.freePair, t.replies = k.Sealed[i].newPair, k.Sealed[i].freePair, int(k.Sealed[i].replies)
			for _, used := range t.used {
				t.n += int(used)
			}
		}
		return tables, r, nil
	}
	Recover(tables, known, &r)
	return tables, r, nil
}
