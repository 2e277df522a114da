package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// randomAddr is an address of either family.
func randomAddr(r *rand.Rand) netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	if r.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}

// What a client asks in a URL is what the director reads.
func TestQuestionsAreReadAsTheyWereWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		q := Question{Client: randomAddr(r), ClientPort: uint16(r.Uint32())}
		if r.IntN(3) > 0 {
			for q.VIP = randomAddr(r); q.VIP.Is4() != q.Client.Is4(); {
				q.VIP = randomAddr(r)
			}
			q.Port, q.Protocol = uint16(r.Uint32()), []string{"", "tcp", "udp", "sctp"}[r.IntN(4)]
		}
		if got, err := question(q.query()); err != nil || got != q {
			t.Fatalf("%+v is read as %+v, %v", q, got, err)
		}
		k := ServiceKey{FWMark: r.Uint32() | 1, IPv6: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			k = ServiceKey{Protocol: "udp", Address: randomAddr(r), Port: uint16(r.Uint32())}
		}
		if got, err := keyIn(k.query()); err != nil || *got != k {
			t.Fatalf("%+v is read as %+v, %v", k, got, err)
		}
		trace := TraceQuestion{Filter: []string{"", "tcp and port 80", "host ::1 & x=1"}[r.IntN(3)], Sample: r.IntN(1 << 30), SnapLen: r.IntN(MaxSnapLen + 1)}
		if got, err := traceQuestion(trace.query()); err != nil || got != trace {
			t.Fatalf("%+v is read as %+v, %v", trace, got, err)
		}
	}
}

func TestQuestionsThatMakeNoSenseNameTheWordThatIsWrong(t *testing.T) {
	read := map[string]func(url.Values) error{
		"question": func(v url.Values) error { _, err := question(v); return err },
		"service":  func(v url.Values) error { _, err := keyIn(v); return err },
		"trace":    func(v url.Values) error { _, err := traceQuestion(v); return err },
	}
	for _, c := range []struct{ what, query, want string }{
		{"question", "", `client "": not an IP address`},
		{"question", "client=10.0.0", `client "10.0.0": not an IP address`},
		{"question", "client=10.0.0.1&client_port=65536", `client_port "65536": not a number from 0 to 65535`},
		{"question", "client=10.0.0.1&client_port=-1", `client_port "-1": not a number from 0 to 65535`},
		{"question", "client=10.0.0.1&address=x", `address "x": not an IP address`},
		{"question", "client=10.0.0.1&address=fd00::1", `10.0.0.1 and fd00::1 are not of one address family`},
		{"question", "client=10.0.0.1&address=10.0.0.2&port=http", `port "http": not a number from 0 to 65535`},
		{"service", "fwmark=4294967296", `fwmark "4294967296": not a number from 0 to 4294967295`},
		{"service", "fwmark=", `fwmark "": not a number from 0 to 4294967295`},
		{"service", "address=", `address "": not an IP address`},
		{"service", "address=10.0.0.1&port=1e3", `port "1e3": not a number from 0 to 65535`},
		{"trace", "sample=-1", `sample "-1": not a number from 0 to 1073741824`},
		{"trace", "sample=1073741825", `sample "1073741825": not a number from 0 to 1073741824`},
		{"trace", "snaplen=131073", `snaplen "131073": not a number from 0 to 131072`},
		{"trace", "snaplen=many", `snaplen "many": not a number from 0 to 131072`},
	} {
		v, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		if err := read[c.what](v); err == nil || err.Error() != c.want {
			t.Errorf("%s %q: %v, want %s", c.what, c.query, err, c.want)
		}
	}
	if k, err := keyIn(url.Values{}); k != nil || err != nil {
		t.Errorf("no service: %v, %v", k, err)
	}
	if q, err := question(url.Values{"client": {"::ffff:10.0.0.1"}}); err != nil || q.Client != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("IPv4 in IPv6: %v, %v", q.Client, err)
	}
}

// FuzzQuery: whatever a URL holds, what is read of it can be asked again.
func FuzzQuery(f *testing.F) {
	f.Add("client=10.0.0.1&client_port=7&address=10.0.0.2&port=80&protocol=tcp")
	f.Add("fwmark=7&ipv6=true")
	f.Add("filter=tcp&sample=10&snaplen=64")
	f.Add("client=fd00::1%25eth0")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		if q, err := question(v); err == nil {
			if again, err := question(q.query()); err != nil || again != q {
				t.Fatalf("%+v becomes %+v, %v", q, again, err)
			}
		}
		if k, err := keyIn(v); err == nil && k != nil && k.FWMark != 0 {
			if again, err := keyIn(k.query()); err != nil || again.FWMark != k.FWMark || again.IPv6 != k.IPv6 {
				t.Fatalf("%+v becomes %+v, %v", k, again, err)
			}
		}
		if q, err := traceQuestion(v); err == nil {
			if again, err := traceQuestion(q.query()); err != nil || again != q {
				t.Fatalf("%+v becomes %+v, %v", q, again, err)
			}
		}
	})
}

func TestKeysAndEndpointsAreReadable(t *testing.T) {
	for want, k := range map[string]ServiceKey{
		"tcp 192.0.2.1:80":       {Protocol: "tcp", Address: netip.MustParseAddr("192.0.2.1"), Port: 80},
		"udp [2001:db8::1]:53":   {Protocol: "udp", Address: netip.MustParseAddr("2001:db8::1"), Port: 53},
		"tcp 192.0.2.1:0":        {Protocol: "tcp", Address: netip.MustParseAddr("192.0.2.1")},
		"fwmark 7":               {FWMark: 7},
		"fwmark 4294967295 IPv6": {FWMark: 1<<32 - 1, IPv6: true},
	} {
		if got := k.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if v6 := strings.Contains(want, "::") || k.IPv6; k.V6() != v6 {
			t.Errorf("%s: of IPv6: %v", want, k.V6())
		}
	}
	if (ServiceKey{FWMark: 7, Address: netip.MustParseAddr("::1")}).V6() {
		t.Error("the address of a firewall mark makes it one of IPv6")
	}
}

func TestRefusalsKeepTheirCodeOnTheWire(t *testing.T) {
	for _, c := range []struct {
		err  error
		want *Refusal
	}{
		{nil, nil},
		{errors.New("what"), &Refusal{Text: "what"}},
		{ErrNoService, ErrNoService},
		{fmt.Errorf("service 3: %w", ErrNoService), &Refusal{"no-service", "service 3: No such service"}},
		{Unsupported("the trick"), &Refusal{"unsupported", "the trick is not supported"}},
	} {
		got := refusalOf(c.err)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%v goes over the wire as %+v, want %+v", c.err, got, c.want)
		}
	}
	if errors.Is(&Refusal{Text: "what"}, &Refusal{Text: "what"}) {
		t.Error("refusals without a code are one error")
	}
	if !errors.Is(fmt.Errorf("x: %w", &Refusal{"busy", "other words"}), ErrBusy) {
		t.Error("refusals of one code are different errors")
	}
}

// A request that the director has no part for is refused as not supported, and
// what is no request at all is not found.
func TestEachRequestNeedsItsPart(t *testing.T) {
	h := Handler(Backend{})
	n := 0
	for pattern := range routes(Backend{}, 1) {
		method, path, _ := strings.Cut(pattern, " ")
		if path == "/v1/openapi.yaml" {
			continue // it needs none
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		want := fmt.Sprintf("{\"code\":\"unsupported\",\"error\":\"%s is not supported\"}\n", path)
		if w.Code != http.StatusNotImplemented || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", pattern, w.Code, w.Body)
		}
		n++
	}
	if n != 23 {
		t.Errorf("%d requests", n)
	}
	for _, c := range []struct {
		method, path string
		code         int
	}{{"GET", "/v2/status", 404}, {"GET", "/", 404}, {"POST", "/v1/status", 405}, {"GET", "/v1/edits", 405}, {"DELETE", "/v1/services", 405}} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.code {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.code)
		}
	}
}

// A conn is a connection of which only the end counts.
type conn struct {
	net.Conn
	name   int
	closed bool
}

func (c *conn) Close() error { c.closed = true; return nil }

// The server's connections stay within the limit, whatever they do: for each new
// one beyond it another is closed, the one that has been silent for the longest,
// and none that is at work but the new one itself.
func TestConnectionsStayWithinTheirLimit(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for limit := 1; limit <= 8; limit++ {
		b := connBound{limit: limit}
		var open, silent []*conn // silent: the longest first
		remove := func(all []*conn, c *conn) []*conn {
			return slices.DeleteFunc(slices.Clone(all), func(o *conn) bool { return o == c })
		}
		for n := range 2000 {
			if len(open) == 0 || r.IntN(3) == 0 {
				c := &conn{name: n}
				open, silent = append(open, c), append(silent, c)
				b.changed(c, http.StateNew)
				victim := silent[0]
				if over := len(open) > limit; victim.closed != over {
					t.Fatalf("%d connections of %d, and the first silent one is closed: %v", len(open), limit, victim.closed)
				} else if over {
					silent = silent[1:]
					b.changed(victim, http.StateClosed)
					open = remove(open, victim)
				}
			} else {
				c := open[r.IntN(len(open))]
				switch r.IntN(3) {
				case 0:
					b.changed(c, http.StateActive)
					silent = remove(silent, c)
				case 1:
					b.changed(c, http.StateIdle)
					silent = append(remove(silent, c), c)
				case 2:
					b.changed(c, http.StateClosed)
					silent, open = remove(silent, c), remove(open, c)
				}
			}
			if slices.ContainsFunc(open, func(c *conn) bool { return c.closed }) || len(open) > limit {
				t.Fatalf("limit %d: %d are open", limit, len(open))
			}
		}
	}
}

// A state is finished for people: each server says its state, and a status
// without a time is of now.
func TestAnswersAreFinished(t *testing.T) {
	down := Server{Check: "refused"}
	x := &Explained{Service: &Service{Servers: []Server{down}}, Server: &Server{Up: true, MAC: "x", Effective: 1}, Anew: &Explained{Server: &Server{Up: true, MAC: "x"}}}
	x.finished()
	for want, got := range map[string]string{"down: refused": x.Service.Servers[0].State, "up": x.Server.State, "quiesced: weight 0": x.Anew.Server.State} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if (*Explained)(nil).finished() != nil {
		t.Error("nothing was finished to something")
	}
	at := time.Unix(1, 0)
	if st := finished(&Status{Time: at}); !st.Time.Equal(at) {
		t.Errorf("the time %v was changed to %v", at, st.Time)
	}
	if st := finished(&Status{}); st.Time.IsZero() {
		t.Error("a status without a time has none")
	}
}

// A stream ends with its source and with its client, and every line is one value.
func TestAStreamWritesALineForEachValue(t *testing.T) {
	w := httptest.NewRecorder()
	s := newStream(w)
	left := [][]any{{1, "two"}, {}, {map[string]int{"three": 3}}}
	s.follow(httptest.NewRequest("GET", "/", nil), func() ([]any, error) {
		if len(left) == 0 {
			return nil, context.Canceled
		}
		now := left[0]
		left = left[1:]
		return now, nil
	})
	if got := w.Body.String(); got != "1\n\"two\"\n{\"three\":3}\n" || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("written %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	asked := false
	s.follow(httptest.NewRequest("GET", "/", nil).WithContext(ctx), func() ([]any, error) { asked = true; return nil, nil })
	if asked {
		t.Error("the source was asked for a client that has gone")
	}
	if s.put(func() {}) {
		t.Error("a value that is no JSON was written")
	}
}

func TestEditsAreReadStrictly(t *testing.T) {
	for _, c := range []struct {
		in, want string // what of the error; "" where they are read
	}{
		{`[]`, ""}, {`null`, ""}, {`[{"op":"flush"},{"op":"zero"}]`, ""},
		{`[{"op":"flush","why":"x"}]`, `unknown field "why"`},
		{`[] []`, "more than one JSON value"}, {`[]x`, "more than one JSON value"},
		{`{`, "edits: "}, {``, "edits: EOF"}, {`{"op":"flush"}`, "cannot unmarshal object"},
		{`[{"op":"add-service","service":{"address":"10.0.0"}}]`, "edits: "},
	} {
		_, err := DecodeEdits(bytes.NewReader([]byte(c.in)))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.in, err, c.want)
		}
	}
}
