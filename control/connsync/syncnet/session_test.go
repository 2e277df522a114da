package syncnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// between is an asker of a server, without a network. meddle is what becomes of the bytes
// that the server writes; nil: they arrive.
func between(t *testing.T, here, there *fake, mine, theirs string, meddle func(net.Conn) net.Conn) *asker {
	s := &server{engine: there, secret: []byte(theirs), syncID: 7}
	return &asker{engine: here, secret: []byte(mine), dial: func(context.Context, string) (net.Conn, error) {
		a, b := net.Pipe()
		if meddle != nil {
			b = meddle(b)
		}
		go func() {
			defer b.Close()
			_ = s.talk(t.Context(), b)
		}()
		return buffered(a), nil
	}}
}

// buffered lets both sides of a pipe write first, as TCP does.
func buffered(c net.Conn) net.Conn {
	q := make(chan []byte, 1000)
	go func() {
		for b := range q {
			_, _ = c.Write(b)
		}
	}()
	return &queued{c, q}
}

type queued struct {
	net.Conn
	q chan []byte
}

func (c *queued) Write(b []byte) (int, error) {
	c.q <- slices.Clone(b)
	return len(b), nil
}

func (c *queued) Close() error {
	close(c.q)
	return c.Conn.Close()
}

func TestATableArrivesWhole(t *testing.T) {
	for _, word := range []string{"", "a secret"} {
		for _, n := range []int{0, 1, 255, 256, 1000} {
			here, there := newFake(), newFake(append(conns(n), udp(9))...)
			got, taken, err := between(t, here, there, word, word, nil).table(t.Context(), "x")
			if err != nil || got != there.size() || int(taken.Made) != got || !same(here, there) {
				t.Errorf("%d entries, secret %q: %d came, %+v, %v", n, word, got, taken, err)
			}
		}
	}
}

func TestNobodyIsAnsweredWithoutTheSecret(t *testing.T) {
	for _, c := range [][2]string{{"one", "other"}, {"", "other"}, {"one", ""}} {
		here, there := newFake(), newFake(conns(10)...)
		if _, _, err := between(t, here, there, c[0], c[1], nil).table(t.Context(), "x"); err == nil || here.size() != 0 {
			t.Errorf("secrets %q: %d entries, %v", c, here.size(), err)
		}
		if _, _, err := between(t, here, there, c[0], c[1], nil).compare(t.Context(), "x"); err == nil {
			t.Errorf("secrets %q: a digest", c)
		}
	}
}

// A flipper changes one bit of what is written.
type flipper struct {
	net.Conn
	at int
}

func (f *flipper) Write(b []byte) (int, error) {
	b = slices.Clone(b)
	if f.at >= 0 && f.at < len(b) {
		b[f.at] ^= 1
	}
	f.at -= len(b)
	return f.Conn.Write(b)
}

// Whatever byte is changed on its way, no entry behind it is taken.
func TestAFrameThatWasChangedIsNotTaken(t *testing.T) {
	for at := 0; at < 400; at += 7 {
		here, there := newFake(), newFake(conn(1))
		a := between(t, here, there, "word", "word", func(c net.Conn) net.Conn { return &flipper{c, at} })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, _, err := a.table(ctx, "x"); err == nil && !same(here, there) || err != nil && here.size() > 1 {
			t.Errorf("byte %d: %d entries, %v", at, here.size(), err)
		} else if here.size() == 1 && !same(here, there) {
			t.Errorf("byte %d was believed", at)
		}
		cancel()
	}
}

// cutter closes after some bytes.
type cutter struct {
	net.Conn
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	if c.left -= len(b); c.left < 0 {
		_ = c.Close()
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(b)
}

func TestATableThatBreaksOffIsNoTable(t *testing.T) {
	here, there := newFake(), newFake(conns(1000)...)
	_, _, err := between(t, here, there, "", "", func(c net.Conn) net.Conn { return &cutter{c, 30_000} }).table(t.Context(), "x")
	if err == nil || !strings.Contains(err.Error(), "breaks off") {
		t.Errorf("error %v", err)
	}
}

func TestDigestsFindWhatDiffers(t *testing.T) {
	for _, c := range []struct {
		law         string
		here, there []int // clients
		differ      int
	}{
		{"nothing is equal to nothing", nil, nil, 0},
		{"the same in another order", []int{3, 1, 2}, []int{1, 2, 3}, 0},
		{"one is missing here", []int{1, 2}, []int{1, 2, 3}, 1},
		{"one is missing there", []int{1, 2, 3}, []int{1, 2}, 1},
		{"others", []int{1, 2, 3}, []int{4, 5}, 5},
	} {
		here, there := newFake(udp(8)), newFake(udp(9), udp(10)) // these do not count
		for _, n := range c.here {
			here.tell()
			here.table[conn(n).Key] = conn(n)
		}
		for _, n := range c.there {
			there.table[conn(n).Key] = conn(n)
		}
		differ, n, err := between(t, here, there, "word", "word", nil).compare(t.Context(), "x")
		if err != nil || len(differ) != c.differ || n != len(c.here) {
			t.Errorf("%s: %d differ of %d, %v; want %d", c.law, len(differ), n, err, c.differ)
		}
	}
}

// Another server for the same connection is another entry; two of one kind do not
// cancel each other out.
func TestADigestKnowsServersAndCounts(t *testing.T) {
	a, b := conn(1), conn(1)
	b.Server[15]++
	if hashOf(&a) == hashOf(&b) {
		t.Error("the server does not matter")
	}
	d, n := digestOf(slices.Values([]uint64{5, 5}))
	none, _ := digestOf(slices.Values([]uint64(nil)))
	if n != 2 || !slices.Equal(d.differing(none), []uint16{5}) {
		t.Errorf("two equal hashes cancel each other out: %v", d.differing(none))
	}
	back, err := readDigest(d.append(nil))
	if err != nil || *back != *d {
		t.Errorf("a digest is read as another: %v", err)
	}
	if _, err := readDigest(nil); err == nil {
		t.Error("nothing is a digest")
	}
}

func TestOddQuestionsAreNotAnswered(t *testing.T) {
	a := between(t, newFake(), newFake(conn(1)), "", "", nil)
	for _, q := range [][]byte{{}, {'?'}, {'t'}} {
		if err := a.ask(t.Context(), "x", q, func([]byte) error { return errors.New("an answer") }); err == nil || strings.Contains(err.Error(), "an answer") {
			t.Errorf("%q: %v", q, err)
		}
	}
}

// The end of the wait for the table is told once: when it is here, or when no director gives one.
func TestAJoinerTellsWhenThereIsNothingMoreToWaitFor(t *testing.T) {
	const never = time.Hour
	for _, c := range []struct {
		law     string
		hello   time.Duration // when a director is heard
		peer    bool          // one is configured
		refuses time.Duration // until then it does not answer
		from    time.Duration // when it is told, at least
		until   time.Duration // and at most
	}{
		{"no director is heard", never, false, 0, listenFor, listenFor + askEvery},
		{"one is heard and answers", 500 * time.Millisecond, false, 0, askEvery, askEvery + time.Second},
		{"one is heard late", 3 * time.Second, false, 0, 3 * time.Second, 4 * time.Second},
		{"one is heard that refuses for a time", time.Second, false, 15 * time.Second, 15 * time.Second, 15*time.Second + askAtMost},
		{"one that is configured does not answer", never, true, never, never, never},
		{"one that is configured answers late", never, true, 7 * time.Second, 7 * time.Second, 7*time.Second + askAtMost},
	} {
		t.Run(c.law, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := newFake(), newFake(conns(20)...)
				inner, start := between(t, here, there, "", "", nil), time.Now()
				var told []time.Duration
				j := &joiner{wall: time.Now, fetched: func() { told = append(told, time.Since(start)) }}
				j.asker = asker{engine: here, dial: func(ctx context.Context, to string) (net.Conn, error) {
					if time.Since(start) < c.refuses {
						return nil, errors.New("connection refused")
					}
					return inner.dial(ctx, to)
				}}
				if c.peer {
					j.peers = []netip.AddrPort{netip.AddrPortFrom(from, 8848)}
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { j.run(ctx); close(done) }()
				if c.hello < never {
					time.Sleep(c.hello)
					j.hear(peer{addr: from, port: 8848})
				}
				time.Sleep(3*time.Minute + 700*time.Millisecond) // between two comparisons
				cancel()
				<-done
				if c.from == never {
					if len(told) != 0 {
						t.Errorf("told after %v", told)
					}
					return
				}
				if len(told) != 1 || told[0] < c.from || told[0] > c.until {
					t.Fatalf("told after %v, want once from %v to %v", told, c.from, c.until)
				}
				if there := c.hello < never || c.peer; there != (here.size() == 20) {
					t.Errorf("it has %d entries", here.size())
				}
			})
		})
	}
}

// A backup asks who is heard until one answers, and then compares with it. What differs
// once may be under way.
func TestAJoinerAsksUntilItHasATableAndThenCompares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := newFake(), newFake(conns(300)...)
		inner := between(t, here, there, "", "", nil)
		var refuse atomic.Bool
		refuse.Store(true)
		j := &joiner{wall: time.Now, join: Join{State: Waiting}, digest: Digest{State: Unknown}, asker: asker{engine: here, dial: func(ctx context.Context, to string) (net.Conn, error) {
			if refuse.Load() || to != "10.9.0.1:8848" {
				return nil, errors.New("connection refused by " + to)
			}
			return inner.dial(ctx, to)
		}}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { j.run(ctx); close(done) }()
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		pass(5 * time.Second)
		if j.joining().State != Waiting {
			t.Errorf("without a peer: %+v", j.joining())
		}
		j.hear(peer{addr: from, port: 8848})
		pass(2 * time.Second)
		if got := j.joining(); got.State != Failed || got.Error != "connection refused by 10.9.0.1:8848" {
			t.Errorf("a peer that refuses: %+v", got)
		}
		refuse.Store(false)
		pass(askAtMost)
		if got := j.joining(); got.State != Done || got.Entries != 300 || !same(here, there) {
			t.Errorf("a peer that answers: %+v", got)
		}
		pass(compareEvery + time.Second)
		if got := j.compared(); got.State != Agreed || got.Entries != 300 {
			t.Errorf("both have the same: %+v", got)
		}
		there.Take(conns(302))
		pass(compareEvery)
		if got := j.compared(); got.State != Agreed {
			t.Errorf("two have just come: %+v", got)
		}
		pass(compareEvery)
		if got := j.compared(); got.State != Differs || got.Differ != 2 {
			t.Errorf("two are missing: %+v", got)
		}
		refuse.Store(true)
		pass(compareEvery)
		if got := j.compared(); got.State != Unknown || got.Error == "" {
			t.Errorf("the peer is gone: %+v", got)
		}
		cancel()
		<-done
	})
}
