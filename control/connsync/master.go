package connsync

import "time"

// Linger is how long an entry waits for others at most until its message is sent.
const Linger = 2 * time.Second

// A MasterConfig says what messages a Master makes.
type MasterConfig struct {
	SyncID uint8
	// MaxLen is the longest message, bytes; 0: DefaultMaxLen. One entry fits whatever
	// it is.
	MaxLen int
	// Version is that of the messages: 1, or 0, which tells only of IPv4.
	Version int
}

// A Master gathers entries into messages. A message is complete when the next entry
// does not fit, or Linger after its first one. It is for one goroutine.
type Master struct {
	c       MasterConfig
	w       writer
	since   int64 // when the first entry of the message came, ns
	entries int   // of the last message that was given
}

// NewMaster makes a Master without entries.
func NewMaster(c MasterConfig) *Master {
	if c.MaxLen == 0 {
		c.MaxLen = DefaultMaxLen
	}
	return &Master{c: c}
}

// Add adds an entry at now, nanoseconds. If that completes a message, of those
// before, it is returned; it is valid until the next call of a method. An entry that
// the version cannot tell is left out.
func (m *Master) Add(e *Entry, now int64) (message []byte) {
	if m.c.Version == 0 && e.IPv6 {
		return nil
	}
	if m.w.count == maxEntries || m.w.count > 0 && m.w.lenWith(e) > m.c.MaxLen {
		message = m.Flush()
	}
	if m.w.count == 0 {
		// Not over a message that was returned just now.
		m.w = writer{version: m.c.Version, syncID: m.c.SyncID, buf: make([]byte, 0, m.c.MaxLen)}
		m.w.begin()
		m.since = now
	}
	m.w.add(e)
	return message
}

// Due is when the message that is being gathered must be sent, nanoseconds; false: there is
// none.
func (m *Master) Due() (at int64, ok bool) { return m.since + int64(Linger), m.w.count > 0 }

// Flush returns what is gathered, complete or not; nil: nothing is.
func (m *Master) Flush() []byte {
	if m.w.count == 0 {
		return nil
	}
	m.entries = m.w.count
	b := m.w.end()
	m.w = writer{}
	return b
}

// Entries is how many entries the message had that was given last.
func (m *Master) Entries() int { return m.entries }

// SetVersion changes the version; what is gathered in another one is returned, to be
// sent.
func (m *Master) SetVersion(version int) (message []byte) {
	if version != m.c.Version {
		message = m.Flush()
		m.c.Version = version
	}
	return message
}
