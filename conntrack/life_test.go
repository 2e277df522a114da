package conntrack

import (
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

var (
	client = frame.AddrFrom4([4]byte{198, 51, 100, 7})
	vip    = frame.AddrFrom4([4]byte{192, 0, 2, 1})
)

func connKey(port uint16) Key {
	return Key{Client: client, Virtual: vip, ClientPort: port, VirtualPort: 80, Proto: frame.ProtoTCP}
}

func templateKey() Key {
	return Key{Client: client, Virtual: vip, VirtualPort: 80, Proto: frame.ProtoTCP, Template: true}
}

// A clocked is a table with a clock in seconds.
type clocked struct {
	*Table
	t   testing.TB
	now int64
}

func newClocked(t testing.TB, limit int) *clocked {
	table, err := New(Config{Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return &clocked{Table: table, t: t}
}

func (c *clocked) insert(k Key, by *Entry) *Entry {
	e := c.Insert(&k, c.Hash(&k), MakeDestRef(1, 2), by, c.now)
	if e == nil {
		c.t.Fatalf("no room for %v", k)
	}
	return e
}

func (c *clocked) find(k Key) *Entry { return c.Find(&k, c.Hash(&k), c.now) }

// lives is how long, in seconds, k lives from now on, looked at every 10 ms,
// or 2000.
func (c *clocked) lives(k Key) float64 {
	for n := range 200000 {
		now := c.now + int64(n)*10e6
		if e := c.Find(&k, c.Hash(&k), now); e == nil {
			return float64(n) / 100
		}
	}
	return 2000
}

func TestTimeoutsByState(t *testing.T) {
	for _, c := range []struct {
		state State
		proto frame.Proto
		want  float64 // s
	}{
		{None, frame.ProtoTCP, 2}, {Established, frame.ProtoTCP, 900}, {SynSent, frame.ProtoTCP, 120},
		{SynRecv, frame.ProtoTCP, 60}, {FinWait, frame.ProtoTCP, 120}, {TimeWait, frame.ProtoTCP, 120},
		{Close, frame.ProtoTCP, 10}, {CloseWait, frame.ProtoTCP, 60}, {LastAck, frame.ProtoTCP, 30},
		{Listen, frame.ProtoTCP, 120}, {SynAck, frame.ProtoTCP, 120}, {None, frame.ProtoUDP, 300},
	} {
		c0 := newClocked(t, MinLimit)
		c0.now = 12345e6
		k := connKey(1)
		k.Proto = c.proto
		e := c0.insert(k, nil)
		c0.SetState(e, c.state)
		c0.Refresh(e, c0.now)
		if got := c0.lives(k); got < c.want-0.01 || got > c.want {
			t.Errorf("%s lives %v s, want %v", e.StateName(), got, c.want)
		}
	}
}

func TestAnEntryWithoutTimerLives3Seconds(t *testing.T) {
	c := newClocked(t, MinLimit)
	c.insert(connKey(1), nil)
	if got := c.lives(connKey(1)); got != 3 {
		t.Errorf("it lives %v s, want 3", got)
	}
}

func TestEveryPacketRestartsTheTimer(t *testing.T) {
	c := newClocked(t, MinLimit)
	e := c.insert(connKey(1), nil)
	c.SetState(e, SynRecv)
	for range 100 {
		c.Refresh(e, c.now)
		c.now += 59e9
		if c.find(connKey(1)) != e {
			t.Fatal("gone before its time")
		}
	}
	if got := c.lives(connKey(1)); got != 1 {
		t.Errorf("it lives %v s after the last packet and 59 s, want 1", got)
	}
}

// ipvsadm --set changes three timeouts; 0 keeps one; entries take them up with
// their next packet.
func TestSetTimeouts(t *testing.T) {
	to := DefaultTimeouts()
	to.Set(100, 0, 33)
	if to.TCP[Established] != 100 || to.TCP[FinWait] != 120 || to.UDP != 33 {
		t.Errorf("after Set(100, 0, 33): %+v", to)
	}
	to.Set(0, 44, 0)
	want := DefaultTimeouts()
	want.TCP[Established], want.TCP[FinWait], want.UDP = 100, 44, 33
	if to != want {
		t.Errorf("after Set(0, 44, 0): %+v, want %+v", to, want)
	}
	c := newClocked(t, MinLimit)
	e := c.insert(connKey(1), nil)
	c.SetState(e, Established)
	c.Refresh(e, 0)
	c.SetTimeouts(to)
	if got := e.Expires(0); got != 900*time.Second {
		t.Errorf("before the next packet it has %v to live, want 900 s", got)
	}
	c.Refresh(e, 0)
	if got := e.Expires(0); got != 100*time.Second {
		t.Errorf("with the next packet it has %v to live, want 100 s", got)
	}
}

// A template's timer runs from the last new connection; while it has
// connections it lives on in steps of 60 s, which is its timeout from then on.
func TestTemplateLivesOnWhileItHasConnections(t *testing.T) {
	c := newClocked(t, MinLimit)
	tmpl := c.insert(templateKey(), nil)
	c.SetTimeout(tmpl, 100*time.Second, 0)
	conn := c.insert(connKey(1), tmpl)
	c.SetState(conn, Established)
	c.Refresh(conn, 0)
	for _, at := range []int64{99, 100, 159, 160, 500} {
		c.now = at * 1e9
		if c.find(templateKey()) != tmpl {
			t.Fatalf("gone at %d s", at)
		}
		if left, want := tmpl.Expires(c.now), time.Duration(60-(at-100)%60)*time.Second; at >= 100 && left != want {
			t.Errorf("at %d s it has %v to live, want %v", at, left, want)
		}
	}
	c.now = 510e9
	if c.Renew(tmpl, c.now); tmpl.Expires(c.now) != 60*time.Second {
		t.Errorf("a new connection gives it %v, want 60 s", tmpl.Expires(c.now))
	}
	c.Remove(c.find(connKey(1)))
	if got := c.lives(templateKey()); got != 60 {
		t.Errorf("without connections it lives %v s, want 60", got)
	}
}

func TestInvalidTemplateIsNotFoundAndStaysUntilItExpires(t *testing.T) {
	c := newClocked(t, MinLimit)
	tmpl := c.insert(templateKey(), nil)
	c.SetTimeout(tmpl, 100*time.Second, 0)
	conn := c.insert(connKey(1), tmpl)
	c.Invalidate(tmpl)
	if c.find(templateKey()) != nil || !tmpl.Template() || !tmpl.Invalid() {
		t.Error("an invalid template is found")
	}
	other := c.insert(templateKey(), nil)
	if c.find(templateKey()) != other || c.Template(conn) != tmpl {
		t.Error("a new template beside the invalid one is not found, or took its connection")
	}
	if c.Sweep(99e9, c.Chunks()); c.Len() != 1 || !tmpl.Invalid() {
		t.Errorf("%d entries after 99 s, want the invalid template alone", c.Len())
	}
	if c.Sweep(100e9, c.Chunks()); c.Len() != 0 {
		t.Errorf("%d entries after 100 s, want none", c.Len())
	}
}

// A retired connection counts until the next tick; a new one of its key is
// beside it.
func TestRetire(t *testing.T) {
	c := newClocked(t, MinLimit)
	old := c.insert(connKey(1), nil)
	c.SetState(old, TimeWait)
	c.Refresh(old, 0)
	c.Retire(old, 0)
	if c.find(connKey(1)) != nil || c.Len() != 1 {
		t.Error("a retired connection is found, or does not count")
	}
	young := c.insert(connKey(1), nil)
	if n := c.Sweep(10e6, c.Chunks()); n != 1 || c.find(connKey(1)) != young {
		t.Errorf("%d removed a tick later, want the retired one alone", n)
	}
}

func TestNextExpiry(t *testing.T) {
	c := newClocked(t, MinLimit)
	if _, ok := c.NextExpiry(5); ok {
		t.Error("an empty table has a next expiry")
	}
	c.SetState(c.insert(connKey(1), nil), SynRecv)
	c.Refresh(c.find(connKey(1)), 0)
	c.insert(connKey(2), nil)
	if at, ok := c.NextExpiry(1e9); at != 3e9 || !ok {
		t.Errorf("NextExpiry = %d, %v, want 3 s", at, ok)
	}
	// It used to be the tick that now is in: before now.
	if at, ok := c.NextExpiry(3e9 + 5e6); at != 3e9+5e6 || !ok {
		t.Errorf("NextExpiry of what is due = %d, %v, want now", at, ok)
	}
	if c.Sweep(3e9, c.Chunks()); c.Len() != 1 {
		t.Fatal("nothing was due")
	}
	if at, ok := c.NextExpiry(3e9); at != 60e9 || !ok {
		t.Errorf("NextExpiry = %d, %v, want 60 s", at, ok)
	}
}

// The clock of 32 bits wraps around after 497 days; timeouts around that
// moment are as long as at any other.
func TestTheClockWraps(t *testing.T) {
	const wrap = int64(1<<32) * 10e6
	for _, before := range []int64{1, 30, 59, 60, 61, 100} {
		c := newClocked(t, MinLimit)
		c.now = wrap - before*1e9
		e := c.insert(connKey(1), nil)
		c.SetState(e, SynRecv)
		c.Refresh(e, c.now)
		if at, _ := c.NextExpiry(c.now); at != c.now+60e9 {
			t.Errorf("%d s before the wrap: NextExpiry is %d s away, want 60", before, (at-c.now)/1e9)
		}
		if c.Sweep(c.now+60e9-10e6, c.Chunks()); c.Len() != 1 {
			t.Errorf("%d s before the wrap: swept before its time", before)
		}
		if got := c.lives(connKey(1)); got != 60 {
			t.Errorf("%d s before the wrap: it lives %v s, want 60", before, got)
		}
	}
}

// A sweep goes on where the last one ended, and comes around.
func TestSweepComesAround(t *testing.T) {
	c := newClocked(t, 4000)
	if c.Chunks() < 8 {
		t.Fatalf("%d chunks, want more", c.Chunks())
	}
	for port := range uint16(1000) {
		c.insert(connKey(port), nil)
	}
	removed := 0
	for range c.Chunks() {
		n := c.Sweep(10e9, 1)
		if n == 1000 {
			t.Fatal("one chunk held them all")
		}
		removed += n
	}
	if removed != 1000 || c.Len() != 0 {
		t.Errorf("%d removed, %d left", removed, c.Len())
	}
}

// A template whose last connection ends at the moment at which it does ends with
// it, wherever in the table both are; one that has another connection lives on.
// It once lived on for a minute where a sweep met it first.
func TestConnectionsEndBeforeTemplates(t *testing.T) {
	for port := range uint16(64) {
		c := newClocked(t, MinLimit)
		tmpl := Key{Client: client, Virtual: vip, VirtualPort: port, Proto: frame.ProtoTCP, Template: true}
		by := c.insert(tmpl, nil)
		c.SetTimeout(by, 60*time.Second, 0)
		e := c.insert(Key{Client: client, Virtual: vip, ClientPort: 1000 + port, VirtualPort: port, Proto: frame.ProtoTCP}, by)
		c.SetState(e, SynRecv) // 60 s
		c.Refresh(e, 0)
		want := 0
		if port%2 == 0 {
			lasting := c.insert(Key{Client: client, Virtual: vip, ClientPort: 2000 + port, VirtualPort: port, Proto: frame.ProtoTCP}, by)
			c.SetState(lasting, Established)
			c.Refresh(lasting, 0)
			want = 2
		}
		c.Sweep(60e9, c.Chunks())
		if c.Len() != want {
			t.Errorf("port %d: %d entries are left, want %d", port, c.Len(), want)
		}
		if want > 0 && by.Expires(60e9) != time.Minute {
			t.Errorf("port %d: the template lives for %v more, want a minute", port, by.Expires(60e9))
		}
	}
}

// A retired connection that is restored is found again until the next tick; a
// packet within it keeps it, and what took its place meanwhile is left alone.
func TestRestore(t *testing.T) {
	c := newClocked(t, MinLimit)
	k := connKey(1)
	old := c.insert(k, nil)
	c.SetState(old, Close)
	c.Refresh(old, 0)
	if c.Restore(old, &k) {
		t.Error("a connection that was not retired is restored")
	}
	c.Retire(old, 0)
	if !c.Restore(old, &k) || c.find(k) != old {
		t.Fatal("a retired connection is not restored")
	}
	c.Retire(old, 0)
	if other := connKey(2); c.Restore(old, &other) {
		t.Error("a connection is restored by another's key")
	}
	if !c.Restore(old, &k) {
		t.Fatal("it is not restored again")
	}
	if n := c.Sweep(10e6-1, c.Chunks()); n != 0 {
		t.Errorf("%d removed within the tick", n)
	}
	if n := c.Sweep(10e6, c.Chunks()); n != 1 || c.find(k) != nil {
		t.Errorf("%d removed at the tick, want it", n)
	}
	if c.Restore(old, &k) {
		t.Error("a free place is restored")
	}

	kept := c.insert(k, nil)
	c.SetState(kept, Close)
	c.Retire(kept, 20e6)
	c.Restore(kept, &k)
	c.Refresh(kept, 20e6)
	if n := c.Sweep(40e6, c.Chunks()); n != 0 || c.find(k) != kept {
		t.Errorf("%d removed, a packet has kept it", n)
	}
}
