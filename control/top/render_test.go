package top

import (
	"errors"
	"fmt"
	"math"
	"math/rand"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/control/api"
)

// server is a real server of the site of these tests.
func server(last byte, weight, active int, conns, packets uint64, change func(*api.Server)) api.Server {
	s := api.Server{ServerConfig: api.ServerConfig{Address: netip.AddrFrom4([4]byte{192, 168, 1, last}), Port: 8080, Weight: weight}, Effective: weight,
		Up: true, MAC: fmt.Sprintf("02:00:00:00:55:%02x", last), Interface: "eth0", Active: active, Traffic: api.Traffic{Conns: conns, Packets: packets}}
	if change != nil {
		change(&s)
	}
	return s
}

// site is the state of a small site so many seconds after its start.
func site(seconds int) *api.Status {
	n := uint64(seconds)
	epoch := time.Unix(1_000_000_000, 0)
	web := api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: "tcp", Address: netip.MustParseAddr("192.168.1.100"), Port: 8080}, Scheduler: "wrr"},
		Interface: "eth0", Traffic: api.Traffic{Conns: 6 * n, Packets: 60 * n, Bytes: 6000 * n}, Servers: []api.Server{
			server(11, 3, 30, 3*n, 10*n, nil),
			server(12, 2, 40, 2*n, 40*n, nil),
			server(13, 1, 10, n, 10*n, func(s *api.Server) { s.Up, s.Check = false, "connection refused" }),
		}}
	return &api.Status{Version: "1.2.3", PID: 77, Started: epoch, Time: epoch.Add(time.Duration(seconds) * time.Second), Active: true,
		Services: []api.Service{web}, Table: api.Table{Entries: 12, Limit: 1024}, Verdicts: verdicts,
		Reasons: map[string]uint64{"hit": 54 * n, "scheduled": 6 * n, "arp": 7, "no-mac": 2 * n}}
}

// twice is a view of the site after ten seconds and a second later.
func twice() *view {
	v := &view{}
	v.add(site(10))
	v.add(site(11))
	return v
}

func TestTheScreenOfASmallSite(t *testing.T) {
	v := twice()
	v.selected = 2
	const want = `lvsdr 1.2.3, process 77, announcing, up 11s, table 12 of 1024
frames 62/s, forwarded 60/s, dropped 2/s

  tcp 192.168.1.100:8080 wrr, not persistent: 60 packets/s, 6 connections/s
  SERVER            WEIGHT  SHARE DUE |    ACTIVE  INACT    PPS CONN/S STATE
  192.168.1.11:8080      3  50.0% █████|        30      0     10      3 up
> 192.168.1.12:8080      2  33.3% ███|          40      0     40      2 up
  192.168.1.13:8080      1  16.7% █|            10      0     10      1 down
`
	lines := v.render(80, 20)
	if got := plain(lines); !sameTable(got, want) {
		t.Errorf("the screen:\n%s\nwant it to begin with\n%s", got, want)
	}
	rest := plain(lines[len(lines)-5:])
	for _, part := range []string{"NOT FORWARDED", "no-mac", "192.168.1.12: up, MAC 02:00:00:00:55:0c by eth0, 22 connections, 440 packets in~\n", "q quit  up/down select  s sort: configuration  p pause\n"} {
		if !strings.Contains(rest, part) {
			t.Errorf("the foot lacks %q:\n%s", part, rest)
		}
	}
}

// sameTable reports whether got begins with the lines of want, but for the
// number of blanks between words and the drawing of bars.
func sameTable(got, want string) bool {
	words := func(s string) (all []string) {
		for _, w := range strings.Fields(s) {
			if strings.Trim(w, "█·|") != "" {
				all = append(all, w)
			}
		}
		return all
	}
	g, w := words(got), words(want)
	return len(g) >= len(w) && slices.Equal(g[:len(w)], w)
}

func TestServersAreSortedByTheChosenOrder(t *testing.T) {
	for o, want := range map[order]string{byConfig: "11 12 13", byConns: "11 12 13", byPackets: "12 11 13", byActive: "12 11 13"} {
		v := twice()
		v.order = o
		var got []string
		for _, r := range v.rows() {
			if r.server != nil {
				got = append(got, fmt.Sprint(r.server.Address.As4()[3]))
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("by %s: %s, want %s", orderNames[o], s, want)
		}
	}
}

func TestTheDetailIsOfTheSelectedRow(t *testing.T) {
	v := twice()
	for selected, want := range map[int]string{
		0: "on eth0: 66 connections, 660 packets, 66000 bytes in all",
		1: "192.168.1.11: up, MAC 02:00:00:00:55:0b by eth0, 33 connections, 110 packets in all",
		3: "192.168.1.13: down: connection refused, MAC 02:00:00:00:55:0d by eth0, 11 connections, 110 packets in all",
	} {
		v.selected = selected
		if got := v.detail(v.rows()); got != want {
			t.Errorf("row %d: %s\nwant %s", selected, got, want)
		}
	}
	if got := v.detail(nil); got != "no service" {
		t.Errorf("of nothing: %s", got)
	}
}

func TestWithoutAStateTheScreenSaysWhatIsWaitedFor(t *testing.T) {
	v := &view{err: errors.New("no director answers at /run/lvsdr.sock")}
	for width, want := range map[int]string{80: "waiting for the director: no director answers at /run/lvsdr.sock\n", 10: "waiting f~\n", 1: "~\n"} {
		if got := plain(v.render(width, 24)); got != want {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
}

func TestAlarmsAreRaisedForWhatIsWrong(t *testing.T) {
	alarms := func(change func(*view)) (all []string) {
		v := twice()
		change(v)
		for _, l := range v.render(120, 0) {
			if l.alarm {
				all = append(all, strings.Fields(l.text)[0])
			}
		}
		return all
	}
	for _, c := range []struct {
		law    string
		change func(*view)
		want   []string
	}{
		{"drops, a server that is down, the reason of the drops", func(*view) {}, []string{"frames", "192.168.1.13:8080", "no-mac"}},
		{"a director that does not answer", func(v *view) { v.err = errors.New("gone") }, []string{"frames", "the", "192.168.1.13:8080", "no-mac"}},
		{"a problem", func(v *view) { v.now().Problems = []string{"eth0 is down"} }, []string{"frames", "problem:", "192.168.1.13:8080", "no-mac"}},
		{"no drop since the state before", func(v *view) { v.now().Reasons["no-mac"] = v.before().Reasons["no-mac"] }, []string{"192.168.1.13:8080"}},
		{"a server without a MAC address", func(v *view) { v.now().Services[0].Servers[0].MAC = "" }, []string{"frames", "192.168.1.11:8080", "192.168.1.13:8080", "no-mac"}},
	} {
		if got := alarms(c.change); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.law, got, c.want)
		}
	}
}

// The reason of a state stands where there is room for all of it.
func TestTheReasonOfAStateStandsWhereThereIsRoom(t *testing.T) {
	down := api.Server{Check: "connection refused"}
	for room, want := range map[int]string{0: "down", 8: "down", 23: "down", 24: "down: connection refused", 100: "down: connection refused"} {
		if got := stateText(&down, room); got != want {
			t.Errorf("%d columns: %q, want %q", room, got, want)
		}
	}
	v := twice()
	for width, want := range map[int]string{80: " down", 200: " down: connection refused"} {
		if screen := plain(v.render(width, 0)); !strings.Contains(screen, want+"\n") {
			t.Errorf("%d columns:\n%s", width, screen)
		}
	}
}

func TestWeightsTakeSixCharacters(t *testing.T) {
	for n, want := range map[int]string{0: "0", 1: "1", 65535: "65535", 999999: "999999", 1000000: "1.0M", math.MaxInt32: "2.1G"} {
		if got := weightWord(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestCutMarksWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab~"}, {"größe", 4, "grö~"}, {"größe", 5, "größe"}, {"ab", 1, "~"}, {"ab", 0, ""}, {"", 0, ""}} {
		if got := cut(c.in, c.width); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.in, c.width, got, c.want)
		}
	}
}

// Scrolling shows a window of the body, moves no more than it must, and leaves no
// line empty that could be filled.
func TestScrollingMovesNoMoreThanItMust(t *testing.T) {
	r := rand.New(rand.NewSource(5))
	for range 3000 {
		n, room := 1+r.Intn(30), 1+r.Intn(30)
		body := make([]line, n)
		for i := range body {
			body[i].text = fmt.Sprint(i)
		}
		at := r.Intn(n)
		body[at].selected = true
		v := &view{offset: r.Intn(n)}
		was := v.offset
		got := v.scroll(body, room)
		if len(got) != room {
			t.Fatalf("%d lines in room for %d", len(got), room)
		}
		if !slices.ContainsFunc(got, func(l line) bool { return l.selected }) {
			t.Fatalf("line %d of %d is not shown in room for %d", at, n, room)
		}
		if v.offset > max(n-room, 0) {
			t.Fatalf("%d lines in room for %d begin with line %d", n, room, v.offset)
		}
		if fits := was <= max(n-room, 0) && at >= was && at < was+room; fits && v.offset != was {
			t.Fatalf("line %d was shown at offset %d, which became %d", at, was, v.offset)
		}
	}
}

// Where the kernel forwards some of the frames, the screen says how many.
func TestTheScreenSaysWhatTheKernelForwards(t *testing.T) {
	v := &view{}
	for i := range uint64(2) {
		st := site(int(10 + i))
		st.Offload = &api.Offload{Flows: 5, Packets: 40 * i}
		v.add(st)
	}
	const want = "forwarded 60/s, dropped 2/s; by the kernel 40/s of 5 connections\n"
	if got := plain(v.render(80, 20)); !strings.Contains(got, want) {
		t.Errorf("the screen:\n%s\nwant in it\n%s", got, want)
	}
}
