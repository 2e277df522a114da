package syncnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"lvsdr/control/connsync"
	"lvsdr/control/connsync/daemon"
	"lvsdr/dataplane"
)

// The messages that a backup looks at, of all its sockets: of a flood the rest stays in the
// sockets until these have no room, and costs nothing here. A long message counts as so many
// of the usual length, which have as many entries.
const (
	maxRate  = 20_000 // messages a second
	maxBurst = 2_000
	// flooded is how long a socket rests at least of which more has come.
	flooded = 10 * time.Millisecond
)

// maxMessage is the longest message, bytes.
const maxMessage = 65535

// Received counts what a backup has received.
type Received struct {
	Messages  uint64 `json:"messages"` // of its domain
	Entries   uint64 `json:"entries"`
	Foreign   uint64 `json:"foreign"`   // messages of other domains
	Malformed uint64 `json:"malformed"` // messages refused in whole or in part
	// Unauthenticated are messages that are not by one who knows the secret, and Stale
	// those that are, but were sent before.
	Unauthenticated uint64 `json:"unauthenticated"`
	Stale           uint64 `json:"stale"`
	Dropped         uint64 `json:"dropped"` // messages that came too fast
	Taken
}

// A backup is a running backup daemon. Its fields below mu are guarded by it.
type backup struct {
	c      daemon.Config
	engine Engine
	secret []byte
	wall   func() time.Time
	heard  func(peer) // a master that has started is there

	mu       sync.Mutex
	pace     pacer
	peers    peers
	received *Received
	read     connsync.Backup
	some     []dataplane.Synced
}

// receive takes what comes until conn is closed.
func (r *backup) receive(ctx context.Context, conn *net.UDPConn) error {
	buf, oob := make([]byte, maxMessage), make([]byte, 128)
	var dropped uint32
	for {
		n, oobn, _, src, err := conn.ReadMsgUDPAddrPort(buf, oob)
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if total, ok := overflow(oob[:oobn]); ok && total != dropped {
			r.drop(total - dropped)
			dropped = total
		}
		if wait := r.take(buf[:n], src.Addr()); wait > 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
			}
		}
	}
}

func (r *backup) drop(n uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received.Dropped += uint64(n)
}

// take takes a message, and returns how long the next one of its socket has to wait.
func (r *backup) take(b []byte, from netip.Addr) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.wall()
	r.look(b, from, now)
	return r.pace.next(len(b), now)
}

// look takes from a message what there is to take.
func (r *backup) look(b []byte, from netip.Addr, now time.Time) {
	if isHello(b) {
		r.takeHello(b, from.Unmap(), now)
		return
	}
	if len(b) > 1 && r.c.SyncID != 0 && b[1] != r.c.SyncID {
		r.received.Foreign++
		return
	}
	if !r.believe(b, from.Unmap(), now) {
		return
	}
	entries, err := r.read.Read(b)
	r.received.Messages++
	if err != nil {
		r.received.Malformed++
	}
	r.received.Entries += uint64(len(entries))
	r.some = r.some[:0]
	for i := range entries {
		if s, ok := entries[i].Synced(); ok {
			r.some = append(r.some, s)
		}
	}
	r.received.Taken.Add(r.engine.Take(r.some))
}

// believe notes a message of entries, and reports whether it may be believed.
func (r *backup) believe(b []byte, from netip.Addr, now time.Time) bool {
	var s stamp
	err := s.readMark(b, r.secret)
	if err != nil && len(r.secret) > 0 {
		r.received.Unauthenticated++
		return false
	}
	p := r.peers.of(from, now)
	if err == nil && len(r.secret) > 0 && !p.fresh(&s, now) {
		r.received.Stale++
		return false
	}
	p.messages++
	if err == nil {
		p.note(&s, now)
	}
	return true
}

// takeHello takes a hello.
func (r *backup) takeHello(b []byte, from netip.Addr, now time.Time) {
	var h hello
	if b[1] != r.c.SyncID && r.c.SyncID != 0 {
		return
	}
	if h.read(b, r.secret) != nil {
		r.received.Unauthenticated++
		return
	}
	p := r.peers.of(from, now)
	if s := h.stamp; len(r.secret) > 0 {
		s.seq++ // a hello may tell of a message once more
		if !p.fresh(&s, now) {
			r.received.Stale++
			return
		}
	}
	p.hello(&h, now)
	if p.port != 0 {
		r.heard(*p)
	}
}

// state returns the counters of the messages so far, and the masters that were heard.
func (r *backup) state() (Received, []peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *r.received, r.peers.list()
}

// A pacer lets maxRate messages a second through.
type pacer struct {
	owed float64 // messages above the rate
	at   time.Time
}

// next is how long the socket of a message of n bytes, which was looked at now, has to wait:
// until what is above the rate, but for a burst, is made up for.
func (p *pacer) next(n int, now time.Time) time.Duration {
	p.owed = max(p.owed-now.Sub(p.at).Seconds()*maxRate, 0)
	p.at = now
	p.owed += float64(1 + n/(connsync.DefaultMaxLen+1))
	if p.owed <= maxBurst {
		return 0
	}
	return max(time.Duration((p.owed-maxBurst)/maxRate*float64(time.Second)), flooded)
}
