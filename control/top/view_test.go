package top

import (
	"bytes"
	"context"
	"errors"
	"math/rand"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lvsdr/control/api"
)

// verdicts are of a few reasons, one of each kind.
var verdicts = map[string]string{"hit": "forward", "scheduled": "forward", "no-mac": "drop", "bad-header": "drop", "reset-no-service": "answer", "arp": "arp"}

// seen is a state with so many services and servers, after so many seconds.
func seen(r *rand.Rand, services, servers, seconds int) *api.Status {
	epoch := time.Unix(1_000_000_000, 0)
	st := &api.Status{Version: "1.2.3", PID: 77, Started: epoch, Time: epoch.Add(time.Duration(seconds) * time.Second), Active: r.Intn(2) == 0,
		Reasons: map[string]uint64{}, Verdicts: verdicts}
	for reason := range verdicts {
		st.Reasons[reason] = uint64(r.Intn(1 << 40))
	}
	for i := range services {
		at := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666")}[i%2]
		s := api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: "tcp", Address: at, Port: uint16(i + 1)}, Scheduler: "wrr"},
			Traffic: api.Traffic{Conns: r.Uint64() >> 3, Packets: r.Uint64() >> 3}}
		for range servers {
			weight := r.Intn(3) * r.Intn(1<<16)
			s.Servers = append(s.Servers, api.Server{ServerConfig: api.ServerConfig{Address: at, Port: 65535, Weight: weight}, Effective: weight, Up: r.Intn(3) > 0,
				MAC: []string{"", "02:00:00:00:00:01"}[r.Intn(2)], Check: strings.Repeat("why ", 40), Overloaded: r.Intn(4) == 0, Removed: r.Intn(9) == 0, Problem: []string{"", "", "", "no route leads there"}[r.Intn(4)], Active: r.Intn(1 << 30), Inactive: r.Intn(1 << 10),
				Traffic: api.Traffic{Conns: r.Uint64() >> r.Intn(64), Packets: r.Uint64() >> r.Intn(64)}})
			at = at.Next()
		}
		st.Services = append(st.Services, s)
	}
	return st
}

// Whatever there is to see, and however small the screen, it fits.
func TestEveryScreenFits(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 3000 {
		v := &view{order: order(r.Intn(int(numOrders))), selected: r.Intn(40) - 5, offset: r.Intn(10), paused: r.Intn(2) == 0}
		if r.Intn(5) == 0 {
			v.err = errors.New(strings.Repeat("no ", 50))
		}
		for i := range r.Intn(4) {
			v.add(seen(r, r.Intn(4), r.Intn(12), i*r.Intn(50)))
		}
		width, height := 1+r.Intn(160), 1+r.Intn(60)
		lines := v.render(width, height)
		if len(lines) > height {
			t.Fatalf("%d lines on a screen of %d", len(lines), height)
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l.text); n > width {
				t.Fatalf("a line of %d on a screen of %d: %q", n, width, l.text)
			}
		}
		if rows := len(v.states) > 0 && len(v.rows()) > 0; rows && height > 12 && v.err == nil && !slices.ContainsFunc(lines, func(l line) bool { return l.selected }) {
			t.Fatalf("the selected line is not on a screen of %d by %d:\n%s", width, height, plain(lines))
		}
	}
}

// A line of the table has all its columns at 80, whatever the numbers, and at
// 200 the bars are longer.
func TestTheTableFits80AndUses200(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	states := []string{api.StateUp, api.StateDown, api.StateNoMAC, api.StateFull, api.StateQuiesced, api.StateLeftOut, api.StateRemoved}
	met := map[string]bool{}
	for range 300 {
		v := &view{}
		for i := range 2 {
			v.add(seen(r, 1, 5, i))
		}
		for _, l := range v.render(80, 24) {
			if !strings.Contains(l.text, "%") {
				continue
			}
			i := slices.IndexFunc(states, func(s string) bool { return strings.HasSuffix(l.text, " "+s) })
			if i < 0 {
				t.Fatalf("its state is cut: %q", l.text)
			}
			met[states[i]] = true
			if !strings.Contains(l.text, "192.0.2.") || strings.Contains(l.text, "~") {
				t.Fatalf("its name is cut: %q", l.text)
			}
		}
		if wide := plain(v.render(200, 24)); !strings.Contains(wide, "|: BY WEIGHT") {
			t.Fatalf("200 columns:\n%s", wide)
		}
	}
	if len(met) != len(states) {
		t.Errorf("only the states %v were met", met)
	}
}

func TestALocalServerNeedsNoMACAddress(t *testing.T) {
	s := &api.Server{ServerConfig: api.ServerConfig{Method: api.Local}, Up: true, Effective: 1}
	if s.StateWord() != api.StateUp || alarming(s) {
		t.Errorf("%s, alarming %v", s.StateWord(), alarming(s))
	}
}

func TestRatesAndSharesAreOfTheStates(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	at := func(second int, conns ...uint64) *api.Status {
		st := &api.Status{PID: 1, Time: time.Unix(int64(second), 0), Services: []api.Service{{Servers: []api.Server{
			{ServerConfig: api.ServerConfig{Address: a}, Effective: 3}, {ServerConfig: api.ServerConfig{Address: b}, Effective: 1}}}}}
		for i, n := range conns {
			st.Services[0].Servers[i].Traffic.Conns = n
		}
		return st
	}
	v := &view{}
	wants := func(name string, rate, share, due float64) {
		t.Helper()
		r := v.rows()[1]
		if got := v.rate(r.server.Traffic.Conns, r.before.Traffic.Conns); got != rate || r.share != share || r.due != due {
			t.Errorf("%s: %v connections/s, share %v, due %v; want %v, %v, %v", name, got, r.share, r.due, rate, share, due)
		}
	}
	v.add(at(0, 900, 100))
	wants("one state: all connections count", 0, 0.9, 0.75)
	v.add(at(2, 904, 104))
	wants("two states", 2, 0.5, 0.75)
	v.add(at(59, 904, 116))
	wants("several states", 0, 0.2, 0.75)
	for s := 60; s < 130; s++ {
		v.add(at(s, 904, 116))
	}
	wants("a minute without connections: all count", 0, 904.0/1020, 0.75)
	if len(v.states) > 62 {
		t.Errorf("%d states are kept", len(v.states))
	}
	again := at(131, 1, 0)
	again.PID = 2
	v.add(again)
	wants("a director that was started again", 0, 1, 0.75)
}

func TestThePrintedPageHasEverything(t *testing.T) {
	st := seen(rand.New(rand.NewSource(3)), 1, 2, 0)
	st.Problems, st.Active = []string{"eth9 is down"}, true
	later := *st
	later.Time = st.Time.Add(time.Second)
	later.Reasons = map[string]uint64{}
	for k, n := range st.Reasons {
		later.Reasons[k] = n + 5
	}
	v := &view{order: byActive}
	v.add(st)
	v.add(&later)
	v.err = errors.New("it sleeps")
	got := plain(v.render(pageWidth, 0))
	for _, want := range []string{"lvsdr 1.2.3, process 77, announcing, up 1s, table 0 of 0\n", "frames 30/s, forwarded 10/s, dropped 10/s\n",
		"the director does not answer: it sleeps\n", "problem: eth9 is down\n", "\n  tcp 192.0.2.1:1 wrr, not persistent: ", "NOT FORWARDED            VERDICT        /S     IN ALL\n", "reset-no-service         answer          5"} {
		if !strings.Contains(got, want) {
			t.Errorf("does not say %q:\n%s", want, got)
		}
	}
}

func TestShortNumbersAreShort(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 7: "7", 0.25: "0.2", 99.96: "100", 9999: "9999", 10000: "10.0k", 99949: "99.9k", 123456: "123k", 999499: "999k",
		999500: "1.0M", 1.5e9: "1.5G", 2e12: "2.0T", 1e18: ">999T"} {
		if got := short(n); got != want {
			t.Errorf("short(%v) = %q, want %q", n, got, want)
		}
	}
	r := rand.New(rand.NewSource(1))
	for range 10000 {
		if s := short(float64(r.Int63()) / float64(int64(1)<<r.Intn(63))); len(s) > 6 {
			t.Fatalf("%q is not short", s)
		}
	}
}

func TestKeysAreRead(t *testing.T) {
	for s, want := range map[string][]key{
		"q": {quitKey}, "\x03": {quitKey}, "jk": {downKey, upKey}, "\x1b[A\x1b[B": {upKey, downKey}, "\x1bOAs": {upKey, sortKey}, "xp\x00": {pauseKey}, "\x1b": nil, "": nil,
	} {
		if got := readKeys(s); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

func TestKeysChangeTheView(t *testing.T) {
	v := &view{}
	for _, k := range []key{downKey, downKey, upKey, sortKey, pauseKey, noKey} {
		if !v.press(k) {
			t.Errorf("key %d quits", k)
		}
	}
	if v.selected != 1 || v.order != byConns || !v.paused || v.press(quitKey) {
		t.Errorf("%+v", v)
	}
}

func TestKeysComeUntilTheInputEnds(t *testing.T) {
	var all []key
	for k := range keys(t.Context(), strings.NewReader("jq")) {
		all = append(all, k)
	}
	if !slices.Equal(all, []key{downKey, quitKey}) {
		t.Errorf("%v", all)
	}
}

func TestFramesArePrintedUntilTheDirectorFails(t *testing.T) {
	gone := errors.New("gone")
	n := 0
	ask := func() (*api.Status, error) {
		if n++; n > 3 {
			return nil, gone
		}
		return seen(rand.New(rand.NewSource(1)), 1, 1, n), nil
	}
	for once, frames := range map[bool]int{true: 1, false: 2} {
		n = 0
		var b bytes.Buffer
		err := newTop(ask).Print(t.Context(), &b, once)
		if got := strings.Count(b.String(), "lvsdr 1.2.3"); got != frames || once != (err == nil) || !once && !errors.Is(err, gone) {
			t.Errorf("once %v: %d frames, %v", once, got, err)
		}
	}
	if err := newTop(func() (*api.Status, error) { return nil, gone }).Print(t.Context(), nil, true); !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
}

func TestLooksFollowTheColours(t *testing.T) {
	for _, test := range []struct {
		l       line
		colours bool
		want    string
	}{
		{line{"x", true, true}, true, reverse + "x" + plainText}, {line{"x", false, true}, true, red + "x" + plainText},
		{line{"x", false, true}, false, "x"}, {line{"", true, false}, true, ""},
	} {
		if got := styled(test.l, test.colours); got != test.want {
			t.Errorf("%+v, colours %v: %q", test.l, test.colours, got)
		}
	}
}

// newTop asks without a director.
func newTop(ask func() (*api.Status, error)) *Top {
	return &Top{Ask: func(context.Context) (*api.Status, error) { return ask() }, Interval: time.Millisecond}
}
