package conntrack_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A told is a table with a log, and one entry in it on a clock that the test sets.
type told struct {
	t   testing.TB
	tab *conntrack.Table
	log *conntrack.SyncLog
	e   *conntrack.Entry
	now int64
}

func syncKey(proto frame.Proto) conntrack.Key {
	return conntrack.Key{Client: frame.AddrFrom4([4]byte{10, 1, 0, 1}), Virtual: frame.AddrFrom4([4]byte{10, 0, 0, 1}),
		ClientPort: 4000, VirtualPort: 80, Proto: proto}
}

func newTold(t testing.TB, k conntrack.Key, r conntrack.SyncRule) *told {
	tab, err := conntrack.New(conntrack.Config{Limit: 256})
	if err != nil {
		t.Fatal(err)
	}
	x := &told{t: t, tab: tab, log: tab.NewSyncLog(8, r), now: 1000e9}
	tab.SetSyncLog(x.log)
	x.e = tab.Insert(&k, tab.Hash(&k), 0, nil, x.now)
	return x
}

// packet is one that leads to a state; it reports whether others are told.
func (x *told) packet(s conntrack.State) bool {
	if s != x.e.State() {
		x.tab.SetState(x.e, s)
	}
	x.tab.Refresh(x.e, x.now)
	x.tab.Note(x.e, x.now)
	var buf [2]conntrack.SyncEvent
	n, lost := x.log.Read(buf[:])
	if n > 1 || lost > 0 {
		x.t.Fatalf("%d events, %d lost", n, lost)
	}
	return n == 1
}

const est = conntrack.Established

// told3of50 are the kernel's defaults.
var told3of50 = conntrack.SyncRule{Threshold: 3, Period: 50}

func TestThePacketsThatTellOfATCPConnection(t *testing.T) {
	const synRecv, finWait, timeWait, closed = conntrack.SynRecv, conntrack.FinWait, conntrack.TimeWait, conntrack.Close
	for _, c := range []struct {
		name   string
		rule   conntrack.SyncRule
		states []conntrack.State // after each packet
		tells  []int             // packets, from 1
	}{
		{"the third", told3of50, []conntrack.State{synRecv, est, est, est, est}, []int{3}},
		{"never half-open", told3of50, []conntrack.State{synRecv, synRecv, synRecv, synRecv}, nil},
		{"nor what was reset before it was open", told3of50, []conntrack.State{synRecv, synRecv}, nil},
		{"its end at once, whatever the packet's number", told3of50, []conntrack.State{synRecv, est, finWait}, []int{3}},
		{"its end, and no other packet of it but by number", told3of50, []conntrack.State{synRecv, finWait, finWait, finWait}, []int{2, 3}},
		{"each new state of the end", told3of50, []conntrack.State{synRecv, est, est, finWait, closed}, []int{3, 4, 5}},
		{"a connection opened again and closed as before is told already", told3of50,
			[]conntrack.State{synRecv, est, est, est, finWait, synRecv, est, finWait, timeWait}, []int{3, 5, 9}},
		{"a CLOSE_WAIT that a message brought is one of the states", told3of50, []conntrack.State{conntrack.CloseWait}, []int{1}},
		{"LAST_ACK, LISTEN, SYN_SENT and SYNACK are not", conntrack.SyncRule{Threshold: 1},
			[]conntrack.State{conntrack.LastAck, conntrack.Listen, conntrack.SynSent, conntrack.SynAck}, nil},
		{"every fifth", conntrack.SyncRule{Threshold: 0, Period: 5}, []conntrack.State{est, est, est, est, est, est, est, est, est, est}, []int{5, 10}},
		{"each", conntrack.SyncRule{Threshold: 0, Period: 1}, []conntrack.State{synRecv, est, est}, []int{2, 3}},
		{"only the first", conntrack.SyncRule{Threshold: 1}, []conntrack.State{est, est, est}, []int{1}},
		{"never but its end", conntrack.SyncRule{}, []conntrack.State{synRecv, est, est, est, finWait}, []int{5}},
	} {
		x := newTold(t, syncKey(frame.ProtoTCP), c.rule)
		var got []int
		for i, s := range c.states {
			if x.packet(s) {
				got = append(got, i+1)
			}
		}
		if len(got) != len(c.tells) {
			t.Errorf("%s: told with packets %v, want %v", c.name, got, c.tells)
			continue
		}
		for i := range got {
			if got[i] != c.tells[i] {
				t.Errorf("%s: told with packets %v, want %v", c.name, got, c.tells)
			}
		}
	}
}

func TestSCTPAndUDPAreTold(t *testing.T) {
	x := newTold(t, syncKey(frame.ProtoSCTP), conntrack.SyncRule{Threshold: 1, Period: 2})
	for i, c := range []struct {
		s    conntrack.State
		want bool
	}{
		{conntrack.SCTPInit1, false}, {conntrack.SCTPEstablished, false}, {conntrack.SCTPEstablished, true},
		{conntrack.SCTPShutdown, true}, {conntrack.SCTPShutdown, true}, {conntrack.SCTPShutdown, false}, {conntrack.SCTPClosed, true},
		{conntrack.SCTPRejected, false},
	} {
		if got := x.packet(c.s); got != c.want {
			t.Errorf("SCTP, packet %d: told %v", i+1, got)
		}
	}
	x = newTold(t, syncKey(frame.ProtoUDP), told3of50)
	for n := 1; n <= 110; n++ {
		if got := x.packet(conntrack.None); got != (n%50 == 3) {
			t.Errorf("UDP, packet %d: told %v", n, got)
		}
	}
}

// toldSlow states when a packet of an open connection or of UDP tells of it, in the words of
// the manual: seconds in floats, and no bits.
type toldSlow struct {
	rule     conntrack.SyncRule
	lastEnd  float64 // seconds
	retries  uint32
	packets  uint32
	lifetime float64
}

func (s *toldSlow) packet(now float64) bool {
	s.packets++
	end := now + s.lifetime
	retried := s.retries
	if s.rule.Refresh > 0 {
		atLeast := min(float64(s.rule.Refresh)/100, max(s.lifetime/2, 10))
		if moved := end - s.lastEnd; moved >= atLeast {
			retried = 0
		} else if s.retries >= s.rule.Retries || now < s.lastEnd-s.lifetime+float64(s.rule.Refresh/8)/100 {
			return false
		} else {
			retried++
		}
	} else {
		retried = 0
	}
	switch {
	case s.rule.Period > 0 && s.packets%s.rule.Period != s.rule.Threshold,
		s.rule.Period == 0 && s.rule.Refresh == 0 && s.packets != s.rule.Threshold:
		return false
	}
	s.lastEnd, s.retries = end, retried
	return true
}

// The rule keeps to the manual. No two packets come a whole number of seconds apart,
// by 60 ms at least: the log's two bits that count make an end that much another.
func TestTheRuleOfRefreshIsTheManuals(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := conntrack.SyncRule{Threshold: rapid.Uint32Range(0, 4).Draw(rt, "threshold"), Period: rapid.SampledFrom([]uint32{0, 0, 5, 7}).Draw(rt, "period"),
			Refresh: 100 * rapid.SampledFrom([]uint32{0, 8, 24, 40, 80, 4000}).Draw(rt, "refresh"), Retries: rapid.Uint32Range(0, 3).Draw(rt, "retries")}
		proto, state, life := frame.ProtoTCP, est, 900.0
		if rapid.Bool().Draw(rt, "UDP") {
			proto, state, life = frame.ProtoUDP, conntrack.None, 300
		}
		x := newTold(t, syncKey(proto), r)
		slow := &toldSlow{rule: r, lastEnd: float64(x.now) / 1e9, lifetime: life}
		for i := range 15 {
			x.now += int64(rapid.IntRange(0, 60).Draw(rt, "seconds"))*1e9 + 6e7
			if got, want := x.packet(state), slow.packet(float64(x.now)/1e9); got != want {
				rt.Fatalf("packet %d at %v by %+v: told %v, want %v", i+1, time.Duration(x.now), r, got, want)
			}
		}
	})
}

func TestAnEntryFromBeforeTheLogIsTold(t *testing.T) {
	x := newTold(t, syncKey(frame.ProtoTCP), told3of50)
	x.tab.SetSyncLog(nil)
	x.packet(est)
	x.log = x.tab.NewSyncLog(8, conntrack.SyncRule{Refresh: 20 * 100})
	x.tab.SetSyncLog(x.log)
	if !x.packet(est) || x.packet(est) {
		t.Error("it is not told with its first packet, and only that")
	}
}

func TestWhatAnEventSays(t *testing.T) {
	for _, k := range []conntrack.Key{syncKey(frame.ProtoTCP), {Client: frame.Addr{0: 0xfd, 15: 7}, Virtual: frame.Addr{0: 0xfd, 15: 1}, ClientPort: 1, VirtualPort: 80, Proto: frame.ProtoTCP}} {
		x := newTold(t, k, conntrack.SyncRule{Threshold: 1})
		x.tab.SetMark(x.e, 77)
		x.tab.SetState(x.e, est)
		x.tab.Refresh(x.e, x.now)
		x.tab.Note(x.e, x.now)
		var buf [1]conntrack.SyncEvent
		x.log.Read(buf[:])
		if e := &buf[0]; e.Key() != k || e.Template || e.Mark != 77 || e.Seconds() != 900 || e.Entry.State() != est {
			t.Errorf("%+v of %+v", e, k)
		}
	}
}

func TestTheOldFormatHasNoIPv6(t *testing.T) {
	x := newTold(t, conntrack.Key{Client: frame.Addr{0: 0xfd, 15: 7}, Virtual: frame.Addr{0: 0xfd, 15: 1}, ClientPort: 1, VirtualPort: 80, Proto: frame.ProtoTCP},
		conntrack.SyncRule{Threshold: 1, OldFormat: true})
	if x.packet(est) {
		t.Error("it is told")
	}
}

// When the reader is late, events are lost and counted; a state that was lost is told
// with the next packet; and templates, which each packet uses, leave half of the room to
// connections.
func TestALateReaderIsToldHowManyAreLost(t *testing.T) {
	x := newTold(t, syncKey(frame.ProtoTCP), conntrack.SyncRule{Threshold: 0, Period: 1})
	x.tab.SetState(x.e, est)
	for range 20 {
		x.tab.Refresh(x.e, x.now)
		x.tab.Note(x.e, x.now)
	}
	x.tab.SetState(x.e, conntrack.FinWait)
	x.tab.Note(x.e, x.now) // no room
	var buf [20]conntrack.SyncEvent
	if n, lost := x.log.Read(buf[:]); n != 8 || lost != 13 {
		t.Errorf("%d events and %d lost, want 8 and 13", n, lost)
	}
	x.log.SetRule(told3of50)
	if !x.packet(conntrack.FinWait) {
		t.Error("the end that was lost is not told with the next packet")
	}
	tmpl := conntrack.Key{Client: syncKey(6).Client, Virtual: syncKey(6).Virtual, VirtualPort: 80, Proto: frame.ProtoTCP, Template: true}
	e := x.tab.Insert(&tmpl, x.tab.Hash(&tmpl), 0, nil, x.now)
	for range 20 {
		x.tab.NoteTemplate(e, x.now)
	}
	if n, lost := x.log.Read(buf[:]); n != 5 || lost != 15 {
		t.Errorf("%d uses of a template kept, %d lost; want 5 and 15", n, lost)
	}
}

func TestTemplatesAreToldWithEveryPacketOfTheirConnections(t *testing.T) {
	for _, c := range []struct {
		name string
		rule conntrack.SyncRule
		want []bool // after each packet of a connection that is only half-open
	}{
		{"by default", told3of50, []bool{true, true, true, true}},
		{"the second alone", conntrack.SyncRule{Threshold: 2}, []bool{false, true, false, false}},
		{"never", conntrack.SyncRule{}, []bool{false, false, false, false}},
		{"connections under one are left out, it is not", conntrack.SyncRule{Threshold: 3, Period: 50, TemplatesOnly: true}, []bool{true, true, true, true}},
		{"by refresh", conntrack.SyncRule{Threshold: 3, Refresh: 60 * 100}, []bool{true, false, true, false}},
		{"the old format, with connections alone", conntrack.SyncRule{Threshold: 3, Period: 50, OldFormat: true}, []bool{false, false, false, false}},
	} {
		tab, _ := conntrack.New(conntrack.Config{Limit: 256})
		log := tab.NewSyncLog(8, c.rule)
		tab.SetSyncLog(log)
		k := syncKey(frame.ProtoTCP)
		tk := conntrack.Key{Client: k.Client, Virtual: k.Virtual, VirtualPort: 80, Proto: frame.ProtoTCP, Template: true}
		tmpl := tab.Insert(&tk, tab.Hash(&tk), 0, nil, 0)
		tab.SetTimeout(tmpl, 300*time.Second, 0)
		e := tab.Insert(&k, tab.Hash(&k), 0, tmpl, 0)
		tab.SetState(e, conntrack.SynRecv)
		for i, want := range c.want {
			now := int64(i) * 40e9
			tab.Refresh(e, now)
			tab.Note(e, now)
			var buf [4]conntrack.SyncEvent
			n, _ := log.Read(buf[:])
			got := n == 1 && buf[0].Template && tab.Due(&buf[0])
			if got != want || n > 1 {
				t.Errorf("%s: packet %d: told %v, %d events", c.name, i+1, got, n)
			}
			if got && (buf[0].Key() != tk || buf[0].Seconds() != 300) {
				t.Errorf("%s: %+v", c.name, buf[0])
			}
		}
	}
}

// A template whose time is up while it has connections is told, since its timeout is
// another from then on.
func TestATemplateThatLapsesIsTold(t *testing.T) {
	tab, _ := conntrack.New(conntrack.Config{Limit: 256})
	log := tab.NewSyncLog(8, conntrack.SyncRule{Threshold: 3})
	tab.SetSyncLog(log)
	k := syncKey(frame.ProtoTCP)
	tk := conntrack.Key{Client: k.Client, Virtual: k.Virtual, VirtualPort: 80, Proto: frame.ProtoTCP, Template: true}
	tmpl := tab.Insert(&tk, tab.Hash(&tk), 0, nil, 0)
	tab.SetTimeout(tmpl, 10*time.Second, 0)
	e := tab.Insert(&k, tab.Hash(&k), 0, tmpl, 0)
	tab.SetState(e, est)
	tab.Refresh(e, 0)
	tab.Sweep(11e9, tab.Chunks())
	var buf [4]conntrack.SyncEvent
	if n, _ := log.Read(buf[:]); n != 1 || !tab.Due(&buf[0]) || buf[0].Seconds() != 60 {
		t.Errorf("%d events, %+v", n, buf[0])
	}
}

// A slot that became another entry's meanwhile is no template.
func TestAnEventOfATemplateThatIsGone(t *testing.T) {
	tab, _ := conntrack.New(conntrack.Config{Limit: 256})
	log := tab.NewSyncLog(8, told3of50)
	tab.SetSyncLog(log)
	tk := conntrack.Key{Client: syncKey(6).Client, Virtual: syncKey(6).Virtual, VirtualPort: 80, Proto: frame.ProtoTCP, Template: true}
	tmpl := tab.Insert(&tk, tab.Hash(&tk), 0, nil, 0)
	tab.NoteTemplate(tmpl, 0)
	tab.Remove(tmpl)
	var buf [1]conntrack.SyncEvent
	if n, _ := log.Read(buf[:]); n != 1 || tab.Due(&buf[0]) {
		t.Error("it is due")
	}
}

func TestNotingAllocatesNothing(t *testing.T) {
	x := newTold(t, syncKey(frame.ProtoTCP), conntrack.SyncRule{Threshold: 0, Period: 1, Refresh: 100})
	x.tab.SetState(x.e, est)
	if n := testing.AllocsPerRun(100, func() {
		x.now += 20e9
		x.tab.Refresh(x.e, x.now)
		x.tab.Note(x.e, x.now)
	}); n != 0 {
		t.Errorf("%v allocations for a packet, want 0", n)
	}
}
