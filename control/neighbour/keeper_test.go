package neighbour

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lvsdr/dataplane/frame"
)

const ms = time.Millisecond

var (
	first, second, other = place("192.168.1.11"), place("fd00::12"), place("192.168.1.99")

	real1  = frame.MAC{2, 0, 0, 0, 0, 0x11}
	real2  = frame.MAC{2, 0, 0, 0, 0, 0x12}
	forged = frame.MAC{2, 0, 0, 0, 0, 0x66}
)

func place(addr string) Place { return Place{2, netip.MustParseAddr(addr)} }

// A fakeKernel is a Kernel with what a test puts in.
type fakeKernel struct {
	entries map[Place]Entry
	calls   []string
	fail    func(call string) error // nil: none fails
}

func (f *fakeKernel) call(name string) error {
	f.calls = append(f.calls, name)
	if f.fail == nil {
		return nil
	}
	return f.fail(name)
}

func (f *fakeKernel) Get(p Place) (Entry, error) {
	if err := f.call("get " + p.Addr.String()); err != nil {
		return Entry{}, err
	}
	e, ok := f.entries[p]
	if !ok {
		return Entry{}, os.ErrNotExist
	}
	return e, nil
}

func (f *fakeKernel) Set(e Entry) error {
	if err := f.call("set " + e.Addr.String()); err != nil {
		return err
	}
	f.entries[e.Place] = e
	return nil
}

func (f *fakeKernel) List() ([]Entry, error) {
	if err := f.call("list"); err != nil {
		return nil, err
	}
	return slices.Collect(maps.Values(f.entries)), nil
}

// sets are how often an entry was set.
func (f *fakeKernel) sets() (n int) {
	for _, c := range f.calls {
		if strings.HasPrefix(c, "set ") {
			n++
		}
	}
	return n
}

// A scene is a keeper with a fake kernel and a clock, and what it believes.
type scene struct {
	*keeper
	kernel *fakeKernel
	macs   map[Place]frame.MAC
	doubts map[Place]bool
	now    time.Duration
	told   []Event
}

// newScene believes in two real servers, and the kernel does, too.
func newScene() *scene {
	s := &scene{kernel: &fakeKernel{entries: map[Place]Entry{}}, macs: map[Place]frame.MAC{first: real1, second: real2}, doubts: map[Place]bool{}, now: time.Hour}
	for p, mac := range s.macs {
		s.kernel.entries[p] = Entry{Place: p, MAC: mac}
	}
	s.keeper = newKeeper(s.kernel, func(p Place) (frame.MAC, bool) { return s.macs[p], !s.doubts[p] })
	return s
}

// claim is a claim that the kernel believes, and its message about it.
func (s *scene) claim(p Place, mac frame.MAC) {
	e := s.kernel.entries[p]
	e.Place, e.MAC = p, mac
	s.kernel.entries[p] = e
	if s.differs(e) {
		s.look(p, s.now)
	}
}

// until lets the time pass and the keeper do what is due.
func (s *scene) until(end time.Duration) {
	for {
		told, wait := s.turn(s.now)
		s.told = append(s.told, told...)
		if wait <= 0 {
			panic("the keeper does not rest")
		}
		if s.now+wait > end {
			s.now = max(s.now, end)
			return
		}
		s.now += wait
	}
}

func (s *scene) after(d time.Duration) { s.until(s.now + d) }

func (s *scene) expectMAC(t *testing.T, p Place, want frame.MAC) {
	t.Helper()
	if got := s.kernel.entries[p].MAC; got != want {
		t.Errorf("the entry for %s says %s, want %s", p.Addr, got, want)
	}
}

func TestAClaimThatTheKernelBelievesIsSetBackAtOnce(t *testing.T) {
	for _, p := range []Place{first, second} {
		s := newScene()
		s.kernel.entries[p] = Entry{Place: p, MAC: s.macs[p], Router: true}
		s.claim(p, forged)
		s.after(0)
		s.expectMAC(t, p, s.macs[p])
		if !s.kernel.entries[p].Router {
			t.Error("that it is a router was lost")
		}
		want := Event{Place: p, Was: forged, MAC: s.macs[p], Times: 1}
		if len(s.told) != 1 || s.told[0] != want {
			t.Errorf("told %v, want %v", s.told, want)
		}
	}
}

func TestTheTextNamesTheServerAndBothMACs(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{(&Event{Place: first, Was: forged, MAC: real1, Times: 3}).Text(),
			"real server 192.168.1.11: the host's neighbour entry said 02:00:00:00:00:66, set back to 02:00:00:00:00:11"},
		{(&Event{Place: second, MAC: real2, Err: os.ErrPermission}).Text(),
			"real server fd00::12: the host's neighbour entry could not be set back to 02:00:00:00:00:12"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestWhatIsNotTheKeepersStaysAsItIs(t *testing.T) {
	for _, c := range []struct {
		law   string
		entry Entry
	}{
		{"a permanent entry", Entry{Place: first, MAC: forged, Permanent: true, Fixed: true}},
		{"one that needs no ARP, or is a routing daemon's", Entry{Place: first, MAC: forged, Fixed: true}},
		{"one without a MAC address", Entry{Place: first}},
		{"one of a host that is no real server", Entry{Place: other, MAC: forged}},
		{"one that says what is believed", Entry{Place: first, MAC: real1}},
	} {
		s := newScene()
		s.kernel.entries[c.entry.Place] = c.entry
		s.lookAtAll(s.now)
		s.look(c.entry.Place, s.now) // as after a message about it as it was before
		s.after(time.Hour)
		if s.kernel.sets() != 0 || s.kernel.entries[c.entry.Place] != c.entry || len(s.told) != 0 || len(s.places) != 0 {
			t.Errorf("%s: calls %v, told %v", c.law, s.kernel.calls, s.told)
		}
	}
	s := newScene()
	delete(s.kernel.entries, first)
	s.look(first, s.now)
	s.after(time.Minute)
	if s.kernel.sets() != 0 {
		t.Errorf("an entry that is gone was made: %v", s.kernel.calls)
	}
}

// The real server itself may have moved: it is asked, and until it answers, or is
// found at another MAC address, the kernel's word is as good as any.
func TestABeliefInDoubtIsWaitedFor(t *testing.T) {
	s := newScene()
	s.doubts[first] = true
	s.claim(first, forged)
	s.after(900 * ms)
	if calls := s.kernel.calls; len(calls) != 0 {
		t.Fatalf("calls %v", calls)
	}
	s.doubts[first] = false
	s.after(doubtMax)
	s.expectMAC(t, first, real1)

	s.doubts[first] = true
	s.claim(first, forged)
	s.after(900 * ms)
	s.macs[first], s.doubts[first] = forged, false // it has moved
	s.look(first, s.now)
	before := s.kernel.sets()
	s.after(time.Second)
	s.expectMAC(t, first, forged)
	if s.kernel.sets() != before {
		t.Error("what the kernel had right was set")
	}
}

// The resolver found the new MAC address while the entry was set back to the old one.
func TestTheEntryFollowsABeliefThatChanges(t *testing.T) {
	s := newScene()
	s.macs[first] = forged
	s.look(first, s.now)
	s.after(0)
	s.expectMAC(t, first, forged)
	delete(s.macs, first) // it does not answer any more
	s.claim(first, real2)
	s.look(first, s.now)
	s.after(time.Hour)
	s.expectMAC(t, first, real2)
	if len(s.places) != 0 {
		t.Errorf("%d places are remembered", len(s.places))
	}
}

func TestClaimsThatRepeatCostLittleAndAreToldOnceAMinute(t *testing.T) {
	s := newScene()
	begin := s.now
	for s.now < begin+100*time.Second { // 100 a second, ever other ones
		s.claim(first, frame.MAC{2, 0, 0, 0x66, byte(s.now / ms >> 8), byte(s.now / ms)})
		s.after(0)
		s.expectMAC(t, first, real1)
		s.after(10 * ms)
	}
	s.after(time.Hour)
	if n := len(s.kernel.calls); n > 2*10000+60 {
		t.Errorf("%d calls for 10000 claims", n)
	}
	var times []uint64
	for _, e := range s.told {
		times = append(times, e.Times)
	}
	if want := []uint64{1, 5999, 4000}; !slices.Equal(times, want) {
		t.Errorf("told of %v, want %v", times, want)
	}
	if len(s.places) != 0 {
		t.Errorf("%d places are remembered an hour later", len(s.places))
	}
}

// However many claims there are, and for however many servers, the calls are bounded, and
// each server has its turn.
func TestAFloodOfClaimsIsBounded(t *testing.T) {
	s := newScene()
	all := []Place{}
	for i := range 200 {
		p := place(fmt.Sprintf("10.0.0.%d", i+1))
		s.macs[p], all = real1, append(all, p)
	}
	begin := s.now
	for s.now < begin+2*time.Second {
		for _, p := range all {
			s.claim(p, forged)
		}
		s.after(ms)
	}
	const most = int(2*time.Second/spacing + burst/spacing + 1)
	if n := s.kernel.sets(); n > most || n < most/2 {
		t.Errorf("%d entries set in 2 s, want at most %d", n, most)
	}
	times := map[string]int{}
	for _, c := range s.kernel.calls {
		times[c]++
	}
	for _, p := range all {
		if n := times["set "+p.Addr.String()]; n < 8 {
			t.Errorf("%s was set back %d times", p.Addr, n)
		}
	}
	s.after(time.Second)
	for _, p := range all {
		s.expectMAC(t, p, real1)
	}
}

func TestLostMessagesAreMadeUpFor(t *testing.T) {
	s := newScene()
	s.lookAtAll(s.now)
	s.after(time.Second)
	s.kernel.entries[first] = Entry{Place: first, MAC: forged} // and no message
	s.after(listEvery)
	s.expectMAC(t, first, real1)
}

// Each call of the kernel fails once, or some of them: the state converges by itself.
func TestCallsThatFailAreMadeAgain(t *testing.T) {
	for _, call := range []string{"list", "get 192.168.1.11", "set 192.168.1.11", "get fd00::12", "set fd00::12"} {
		s := newScene()
		failed := false
		s.kernel.fail = func(c string) error {
			if c != call || failed {
				return nil
			}
			failed = true
			return errors.New("out of luck")
		}
		for p := range s.macs {
			s.kernel.entries[p] = Entry{Place: p, MAC: forged}
		}
		s.lookAtAll(s.now)
		s.after(time.Second)
		for p, mac := range s.macs {
			s.expectMAC(t, p, mac)
		}
		if !failed {
			t.Errorf("%s was not called", call)
		}
		if told := slices.ContainsFunc(s.told, func(e Event) bool { return e.Err != nil }); told != (call != "list") {
			t.Errorf("%s failed: told %v", call, s.told)
		}
	}
}

func TestAFailureThatLastsIsToldOnceAndTriedLessAndLess(t *testing.T) {
	s := newScene()
	s.kernel.fail = func(c string) error {
		if strings.HasPrefix(c, "set ") {
			return os.ErrPermission
		}
		return nil
	}
	begin := s.now
	for s.now < begin+time.Minute {
		s.claim(first, forged)
		s.after(10 * ms)
	}
	if len(s.told) != 1 || !errors.Is(s.told[0].Err, os.ErrPermission) || s.told[0].Times != 0 {
		t.Errorf("told %v", s.told)
	}
	if n := s.kernel.sets(); n < 8 || n > 14 { // after 0.1, 0.2 ... 6.4, 10, 10 ... s
		t.Errorf("tried %d times in a minute", n)
	}
	s.kernel.fail = nil
	s.after(retryMax)
	s.expectMAC(t, first, real1)
	if last := s.told[len(s.told)-1]; last.Err != nil || last.Times != 1 {
		t.Errorf("told last of %v", last)
	}
}

// Whatever is claimed, doubted and failing: when all of it ends, the kernel's entries
// are as believed, but those that are fixed.
func TestTheKernelComesToTheBelief(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newScene()
		fails := false
		s.kernel.fail = func(string) error {
			if fails && rapid.Bool().Draw(t, "fails") {
				return errors.New("out of luck")
			}
			return nil
		}
		s.lookAtAll(s.now)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			p := rapid.SampledFrom([]Place{first, second, other}).Draw(t, "place")
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				s.claim(p, rapid.SampledFrom([]frame.MAC{real1, real2, forged}).Draw(t, "claimed"))
			case 1:
				s.doubts[p] = !s.doubts[p]
			case 2:
				if p != other {
					s.macs[p] = rapid.SampledFrom([]frame.MAC{{}, real1, real2}).Draw(t, "believed")
					s.look(p, s.now)
				}
			case 3:
				s.kernel.entries[p] = Entry{Place: p, MAC: forged, Fixed: rapid.Bool().Draw(t, "fixed")}
			case 4:
				fails = !fails
			}
			s.after(time.Duration(rapid.IntRange(0, 500).Draw(t, "ms")) * ms)
		}
		fails = false
		clear(s.doubts)
		s.after(listEvery + retryMax + time.Second)
		for p, mac := range s.macs {
			if e := s.kernel.entries[p]; !e.Fixed && mac != (frame.MAC{}) && e.MAC != mac {
				t.Fatalf("the entry for %s says %s, want %s", p.Addr, e.MAC, mac)
			}
		}
	})
}
