package syncnet

import (
	"context"
	"net"
	"sync"
	"time"

	"lvsdr/control/connsync"
	"lvsdr/control/connsync/daemon"
	"lvsdr/dataplane"
)

// The pace of a master.
const (
	pollEvery = 20 * time.Millisecond
	// patience is how long an entry waits for others to share its message.
	patience = 200 * time.Millisecond
	// burst is how many messages are sent in a row, each paceEvery.
	burst        = 64
	paceEvery    = time.Millisecond
	helloEvery   = time.Second
	defaultQueue = 4096 // messages
)

// Sent counts what a master has sent.
type Sent struct {
	Messages uint64 `json:"messages"`
	Entries  uint64 `json:"entries"`
	Bytes    uint64 `json:"bytes"`
	// Lost are entries that were not sent: there was no room to note them, or to keep
	// their message until it was its turn, or the host refused it.
	Lost uint64 `json:"lost"`
}

// A message waits to be sent.
type message struct {
	b       []byte
	entries int
}

// A master is a running master daemon.
type master struct {
	c      daemon.Config
	engine Engine
	secret []byte
	wall   func() time.Time
	send   func([]byte) error
	port   uint16 // TCP, where the table is given; 0: it is not

	boot     int64
	seq      uint64
	gather   *connsync.Master
	began    time.Time // when the oldest entry of gather came
	queue    []message
	queueMax int
	buf      []dataplane.Synced

	mu   sync.Mutex // guards sent
	sent *Sent
}

// newMaster is a master that sends by send.
func newMaster(c daemon.Config, e Engine, secret []byte, wall func() time.Time, sent *Sent, send func([]byte) error) *master {
	t := e.Tunables()
	m := &master{c: c, engine: e, secret: secret, wall: wall, send: send, boot: wall().UnixNano(), sent: sent, buf: make([]dataplane.Synced, 1024)}
	m.queueMax = t.QueueMax
	if m.queueMax <= 0 {
		m.queueMax = defaultQueue
	}
	m.gather = connsync.NewMaster(connsync.MasterConfig{SyncID: c.SyncID, MaxLen: max(c.MaxLen-stampRoom, 1), Version: t.Version})
	return m
}

// run sends until ctx ends.
func (m *master) run(ctx context.Context) {
	feed := m.engine.Follow()
	defer feed.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	var said time.Time
	for {
		now := m.wall()
		m.collect(feed, now)
		m.sendAll(ctx)
		if now.Sub(said) >= helloEvery {
			m.hello()
			said = now
		}
		select {
		case <-ctx.Done():
			m.flush()
			m.sendAll(context.WithoutCancel(ctx))
			return
		case <-poll.C:
		}
	}
}

// collect makes messages of what is to be told now.
func (m *master) collect(feed Feed, now time.Time) {
	if b := m.gather.SetVersion(m.engine.Tunables().Version); b != nil {
		m.enqueue(b)
	}
	for {
		n, lost := feed.Read(m.buf)
		m.lose(lost)
		for i := range n {
			e := connsync.EntryOf(&m.buf[i])
			if _, gathering := m.gather.Due(); !gathering {
				m.began = now
			}
			if b := m.gather.Add(&e, now.UnixNano()); b != nil {
				m.enqueue(b)
				m.began = now
			}
		}
		if n < len(m.buf) {
			break
		}
	}
	if _, gathering := m.gather.Due(); gathering && now.Sub(m.began) >= patience {
		m.flush()
	}
}

// flush has what is gathered sent, whatever there is room for.
func (m *master) flush() {
	if b := m.gather.Flush(); b != nil {
		m.enqueue(b)
	}
}

// enqueue has a message wait for its turn.
func (m *master) enqueue(b []byte) {
	n := m.gather.Entries()
	if len(m.queue) >= m.queueMax {
		m.lose(uint64(n))
		return
	}
	m.queue = append(m.queue, message{b, n})
}

func (m *master) lose(entries uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent.Lost += entries
}

// sendAll sends the messages that wait, no faster than the pace.
func (m *master) sendAll(ctx context.Context) {
	for len(m.queue) > 0 {
		n := min(burst, len(m.queue))
		for _, one := range m.queue[:n] {
			m.sendOne(one)
		}
		if m.queue = m.queue[n:]; len(m.queue) == 0 {
			m.queue = nil
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(paceEvery):
		}
	}
}

func (m *master) sendOne(one message) {
	s := stamp{boot: m.boot, seq: m.seq + 1, time: m.wall().UnixNano()}
	b := s.mark(one.b, m.secret)
	err := m.send(b)
	m.seq++ // one that was not sent is missed by those who count
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.sent.Lost += uint64(one.entries)
		return
	}
	m.sent.Messages++
	m.sent.Entries += uint64(one.entries)
	m.sent.Bytes += uint64(len(b))
}

// hello says that the master is there.
func (m *master) hello() {
	h := hello{syncID: m.c.SyncID, port: m.port, stamp: stamp{boot: m.boot, seq: m.seq, time: m.wall().UnixNano()}}
	_ = m.send(h.append(nil, m.secret)) // the next one comes in a second
}

// count returns the counters of the messages so far.
func (m *master) count() Sent {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.sent
}

// sender sends messages to a daemon's group.
func sender(conn net.PacketConn, c *daemon.Config) func([]byte) error {
	to := groupAt(c)
	return func(b []byte) error {
		_, err := conn.WriteTo(b, to)
		return err
	}
}
