package syncnet

import (
	"iter"
	"slices"
	"sync"

	"lvsdr/conntrack"
	"lvsdr/control/connsync"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A fake is an engine with a table of entries that messages change.
type fake struct {
	mu       sync.Mutex
	table    map[conntrack.Key]dataplane.Synced
	news     []dataplane.Synced // to be told
	lost     uint64
	backup   bool
	follows  int
	tunables Tunables
}

func newFake(all ...dataplane.Synced) *fake {
	f := &fake{table: map[conntrack.Key]dataplane.Synced{}, tunables: Tunables{Version: 1, Ports: 1}}
	f.Take(all)
	return f
}

func (f *fake) Follow() Feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.follows++
	return f
}

func (f *fake) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.follows--
}

// tell has entries told.
func (f *fake) tell(all ...dataplane.Synced) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.news = append(f.news, all...)
}

func (f *fake) Read(buf []dataplane.Synced) (int, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := copy(buf, f.news)
	f.news = f.news[n:]
	lost := f.lost
	f.lost = 0
	return n, lost
}

func (f *fake) Take(all []dataplane.Synced) (t Taken) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range all {
		s.BySync = false
		if _, known := f.table[s.Key]; known {
			t.Updated++
		} else {
			t.Made++
		}
		f.table[s.Key] = s
	}
	return t
}

func (f *fake) All() iter.Seq[dataplane.Synced] {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []dataplane.Synced
	for _, s := range f.table {
		all = append(all, s)
	}
	return slices.Values(all)
}

func (f *fake) SetBackup(runs bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backup = runs
}

func (f *fake) Tunables() Tunables {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tunables
}

func (f *fake) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.table)
}

// conn is an established connection of the client number n.
func conn(n int) dataplane.Synced {
	e := entry(80, n%5 == 4)
	e.Client[14], e.Client[15] = byte(n>>8), byte(n)
	s, _ := e.Synced()
	s.BySync = false
	return s
}

// conns are those of n clients.
func conns(n int) (all []dataplane.Synced) {
	for i := range n {
		all = append(all, conn(i))
	}
	return all
}

// same reports whether two engines have the same table.
func same(a, b *fake) bool {
	if a.size() != b.size() {
		return false
	}
	for s := range a.All() {
		if b.table[s.Key] != s {
			return false
		}
	}
	return true
}

// udp is a connection that no digest counts.
func udp(n int) dataplane.Synced {
	s := conn(n)
	s.Key.Proto, s.State, s.Inactive = frame.ProtoUDP, 0, true
	return s
}

// parsed are the entries of a message.
func parsed(b []byte) []connsync.Entry {
	var m connsync.Message
	_ = m.Parse(b)
	return m.Entries
}
