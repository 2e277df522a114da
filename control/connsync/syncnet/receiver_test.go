package syncnet

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/control/connsync"
	"lvsdr/control/connsync/daemon"
)

var (
	from   = netip.MustParseAddr("10.9.0.1")
	epoch  = time.Unix(1_000_000_000, 0)
	secret = []byte("a secret")
)

// receiving is a backup at a moment that the test moves.
func receiving(syncID uint8, secret []byte) (*backup, *fake, *time.Time) {
	now := epoch
	e := newFake()
	r := &backup{c: daemon.Config{SyncID: syncID}, engine: e, secret: secret, wall: func() time.Time { return now }, heard: func(peer) {}, received: &Received{}}
	return r, e, &now
}

// stamped is a message with one entry of the client n.
func stamped(n int, syncID uint8, s stamp, secret []byte) []byte {
	one := conn(n)
	m := connsync.Message{Version: 1, SyncID: syncID, Entries: []connsync.Entry{connsync.EntryOf(&one)}}
	return s.mark(m.Append(nil), secret)
}

func TestABackupTakesWhatIsOfItsDomainAndBelieved(t *testing.T) {
	kernel := func(n int, id uint8) []byte {
		one := conn(n)
		m := connsync.Message{Version: 1, SyncID: id, Entries: []connsync.Entry{connsync.EntryOf(&one)}}
		return m.Append(nil)
	}
	now := epoch.UnixNano()
	good := stamp{boot: now - 5e9, seq: 9, time: now}
	for _, c := range []struct {
		law      string
		secret   []byte
		messages [][]byte
		taken    int
		want     Received
	}{
		{"a kernel is believed without a secret", nil, [][]byte{kernel(1, 7)}, 1, Received{Messages: 1, Entries: 1, Taken: Taken{Made: 1}}},
		{"another domain is not this one's", nil, [][]byte{kernel(1, 8)}, 0, Received{Foreign: 1}},
		{"half a message is malformed", nil, [][]byte{kernel(1, 7)[:20], {1}, {}}, 0, Received{Messages: 3, Malformed: 3}},
		{"a kernel is not believed with a secret", secret, [][]byte{kernel(1, 7)}, 0, Received{Unauthenticated: 1}},
		{"who knows the secret is believed", secret, [][]byte{stamped(1, 7, good, secret)}, 1, Received{Messages: 1, Entries: 1, Taken: Taken{Made: 1}}},
		{"who knows another is not", secret, [][]byte{stamped(1, 7, good, []byte("other"))}, 0, Received{Unauthenticated: 1}},
		{"a message counts once", secret, [][]byte{stamped(1, 7, good, secret), stamped(1, 7, good, secret)}, 1,
			Received{Messages: 1, Entries: 1, Stale: 1, Taken: Taken{Made: 1}}},
		{"an older message is stale", secret, [][]byte{stamped(1, 7, good, secret), stamped(2, 7, stamp{good.boot, 8, now}, secret)}, 1,
			Received{Messages: 1, Entries: 1, Stale: 1, Taken: Taken{Made: 1}}},
		{"a message of an earlier run is stale", secret, [][]byte{stamped(1, 7, good, secret), stamped(2, 7, stamp{good.boot - 1, 99, now}, secret)}, 1,
			Received{Messages: 1, Entries: 1, Stale: 1, Taken: Taken{Made: 1}}},
		{"a message of long ago is stale", secret, [][]byte{stamped(1, 7, stamp{good.boot, 1, now - int64(2*time.Minute)}, secret)}, 0, Received{Stale: 1}},
		{"a later run begins anew", secret, [][]byte{stamped(1, 7, good, secret), stamped(2, 7, stamp{good.boot + 1, 1, now}, secret)}, 2,
			Received{Messages: 2, Entries: 2, Taken: Taken{Made: 2}}},
		{"a hello without the secret is none", secret, [][]byte{(&hello{syncID: 7, stamp: good}).append(nil, nil)}, 0, Received{Unauthenticated: 1}},
		{"a hello of long ago is none", secret, [][]byte{(&hello{syncID: 7, stamp: stamp{1, 1, 1}}).append(nil, secret)}, 0, Received{Stale: 1}},
	} {
		r, e, _ := receiving(7, c.secret)
		for _, b := range c.messages {
			r.take(b, from)
		}
		if got, _ := r.state(); got != c.want || e.size() != c.taken {
			t.Errorf("%s: %+v, %d entries; want %+v, %d", c.law, got, e.size(), c.want, c.taken)
		}
	}
}

// What did not come is counted when a later number is heard, at the latest with the next
// hello.
func TestLostMessagesAreCounted(t *testing.T) {
	r, _, now := receiving(0, nil)
	lost := func() (uint64, time.Duration) {
		_, all := r.state()
		return all[0].lost, all[0].lag
	}
	boot := epoch.UnixNano()
	for _, c := range []struct {
		law   string
		seq   uint64
		hello bool
		boot  int64
		lost  uint64
	}{
		{"what was sent before this director listened is not lost", 100, false, boot, 0},
		{"the next one", 101, false, boot, 0},
		{"two are missing", 104, false, boot, 2},
		{"one of them comes late", 103, false, boot, 1},
		{"a hello tells of nothing new", 104, true, boot, 1},
		{"a hello tells of three more", 107, true, boot, 4},
		{"a master that starts anew", 5, true, boot + 1, 4},
		{"begins to count anew", 7, false, boot + 1, 5},
	} {
		*now = now.Add(time.Second)
		s := stamp{boot: c.boot, seq: c.seq, time: now.Add(-3 * time.Millisecond).UnixNano()}
		b := stamped(1, 7, s, nil)
		if c.hello {
			b = (&hello{syncID: 7, port: 1, stamp: s}).append(nil, nil)
		}
		r.take(b, from)
		if n, lag := lost(); n != c.lost || lag != 3*time.Millisecond {
			t.Errorf("%s: %d lost, want %d; lag %v", c.law, n, c.lost, lag)
		}
	}
}

func TestPeersAreBounded(t *testing.T) {
	var p peers
	for i := range 1000 {
		p.of(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), epoch.Add(time.Duration(i)*time.Second))
	}
	all := p.list()
	if len(all) != maxPeers || all[0].addr != netip.AddrFrom4([4]byte{10, 0, 3, 231}) || !all[0].heard.After(all[1].heard) {
		t.Errorf("%d peers, the last heard %+v", len(all), all[0])
	}
}

// A flood of any rate, by any number of sockets and of messages of any length, is looked at no
// faster than maxRate.
func TestAFloodIsBounded(t *testing.T) {
	const whole = 10 * time.Second
	for _, c := range []struct {
		each    time.Duration // between two messages of a socket
		sockets int           // as many as sync_ports allows
		length  int
		counts  int // as so many messages
	}{
		{0, 1, 100, 1}, {time.Microsecond, 1, 100, 1}, {20 * time.Microsecond, 1, 1472, 1}, {0, 64, 100, 1}, {0, 1, 1473, 2}, {0, 1, 65000, 45}, {0, 64, 65000, 45},
	} {
		r, _, now := receiving(7, nil)
		message := make([]byte, c.length) // of another domain
		message[1] = 8
		next := make([]time.Time, c.sockets)
		for i := range next {
			next[i] = epoch
		}
		for *now = epoch; now.Sub(epoch) < whole; *now = slices.MinFunc(next, time.Time.Compare) {
			for i := range next {
				if !next[i].After(*now) {
					next[i] = now.Add(max(r.take(message, from)+c.each, 1))
				}
			}
		}
		got, _ := r.state()
		if limit := maxRate*int(whole/time.Second) + maxBurst + maxRate/100 + (c.sockets+1)*c.counts; int(got.Foreign)*c.counts > limit {
			t.Errorf("%+v: %d messages in %v, which count as %d; want %d at most", c, got.Foreign, whole, int(got.Foreign)*c.counts, limit)
		}
	}
	var p pacer
	for i := range 100_000 {
		if wait := p.next(1472, epoch.Add(time.Duration(i)*100*time.Microsecond)); wait != 0 {
			t.Fatalf("10,000 messages a second are no flood: message %d waits %v", i, wait)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(stamped(1, 7, stamp{1, 2, 3}, secret))
	f.Add((&hello{syncID: 7}).append(nil, secret))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, e, _ := receiving(0, []byte("not that one"))
		r.take(b, from)
		if e.size() != 0 {
			t.Fatal("an entry was taken from one who does not know the secret")
		}
		open, _, _ := receiving(0, nil)
		open.take(b, from)
	})
}
