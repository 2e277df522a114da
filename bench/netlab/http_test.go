package netlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"lvsdr/bench/netns"
	"lvsdr/control/api"
)

func TestServersAnswerWithTheirNameAndAsManyBytesAsAsked(t *testing.T) {
	h := (&HTTPServer{}).handler("rs1")
	for _, c := range []struct {
		law, method, target, body string
		code                      int
		want                      string
	}{
		{"the name alone", "GET", "/", "", 200, "rs1\n"},
		{"and further bytes", "GET", "/?bytes=3", "", 200, "rs1\n..."},
		{"a number that is none", "GET", "/?bytes=many", "", 200, "rs1\n"},
		{"a negative number", "GET", "/?bytes=-3", "", 200, "rs1\n"},
		{"the hash of nothing", "POST", "/", "", 200, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"},
		{"the hash of what was put", "PUT", "/x", "abc", 200, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"},
		{"any other method", "DELETE", "/", "", 405, "method not allowed\n"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.target, strings.NewReader(c.body)))
		if w.Code != c.code || w.Body.String() != c.want || w.Header().Get(ServerHeader) != "rs1" {
			t.Errorf("%s: %d %q, by %q", c.law, w.Code, w.Body, w.Header().Get(ServerHeader))
		}
	}
	for _, n := range []int{1, answerPiece - 1, answerPiece, answerPiece + 1, 3*answerPiece + 7} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", fmt.Sprint("/?bytes=", n), nil))
		if want := "rs1\n" + strings.Repeat(".", n); w.Body.String() != want {
			t.Errorf("an answer of %d bytes, want %d and the name", w.Body.Len(), n)
		}
	}
	var most counter
	h.ServeHTTP(&most, httptest.NewRequest("GET", "/?bytes=99999999999", nil))
	if most != counter(maxAnswer+len("rs1\n")) {
		t.Errorf("an answer of %d bytes, want at most %d and the name", most, maxAnswer)
	}
	gone := counter(-1)
	h.ServeHTTP(&gone, httptest.NewRequest("GET", "/?bytes=99999999999", nil))
	if gone != -1 {
		t.Errorf("a client that has gone was sent %d bytes", gone)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/", errReader{}))
	if w.Code != http.StatusBadRequest {
		t.Errorf("a body that breaks off: %d", w.Code)
	}
}

// A counter counts the bytes of an answer; -1: the client has gone.
type counter int

func (c *counter) Header() http.Header { return http.Header{} }
func (c *counter) WriteHeader(int)     {}

func (c *counter) Write(b []byte) (int, error) {
	if *c < 0 {
		return 0, io.ErrClosedPipe
	}
	*c += counter(len(b))
	return len(b), nil
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A transport answers without a network.
type transport func(n int32) (*http.Response, error)

// client counts its requests.
func (f transport) client() *http.Client {
	n := &atomic.Int32{}
	return &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return f(n.Add(1)) })}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// response is an answer of a server.
func response(code int, name string, body io.Reader) *http.Response {
	r := &http.Response{StatusCode: code, Status: http.StatusText(code), Header: http.Header{}, Body: io.NopCloser(body)}
	if name != "" {
		r.Header.Set(ServerHeader, name)
	}
	return r
}

func TestOnlyWholeAnswersOfServersCount(t *testing.T) {
	down := errors.New("connection refused")
	for _, c := range []struct {
		law    string
		answer transport
		by     map[string]int
		errs   int
	}{
		{"all by one", func(int32) (*http.Response, error) { return response(200, "rs1", strings.NewReader("rs1\n")), nil }, map[string]int{"rs1": 12}, 0},
		{"in turn", func(n int32) (*http.Response, error) {
			return response(200, []string{"rs1", "rs2"}[n%2], strings.NewReader("")), nil
		}, map[string]int{"rs1": 6, "rs2": 6}, 0},
		{"none answers", func(int32) (*http.Response, error) { return nil, down }, map[string]int{}, 12},
		{"an answer without a name", func(int32) (*http.Response, error) { return response(200, "", strings.NewReader("")), nil }, map[string]int{}, 12},
		{"an error of a server", func(int32) (*http.Response, error) { return response(503, "rs1", strings.NewReader("")), nil }, map[string]int{}, 12},
		{"an answer that breaks off", func(int32) (*http.Response, error) { return response(200, "rs1", errReader{}), nil }, map[string]int{}, 12},
		{"some fail", func(n int32) (*http.Response, error) {
			if n <= 3 {
				return nil, down
			}
			return response(200, "rs1", strings.NewReader("")), nil
		}, map[string]int{"rs1": 9}, 3},
	} {
		for _, concurrency := range []int{0, 1, 5, 100} {
			tally := Get(t.Context(), c.answer.client(), "http://192.0.2.1/", 12, concurrency)
			if !maps.Equal(tally.ByServer, c.by) || tally.Errors != c.errs || (tally.First != nil) != (c.errs > 0) || tally.Total() != 12 {
				t.Errorf("%s, %d at a time: %+v", c.law, concurrency, tally)
			}
		}
	}
	if tally := Get(t.Context(), http.DefaultClient, "http://[::1", 2, 1); tally.Errors != 2 {
		t.Errorf("an address that is none: %+v", tally)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if tally := Get(ctx, httptest.NewServer(http.NotFoundHandler()).Client(), "http://192.0.2.1/", 3, 2); tally.Errors != 3 {
		t.Errorf("after the end: %+v", tally)
	}
}

func TestTalliesAddUp(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	sum := Tally{ByServer: map[string]int{"rs1": 1}}
	sum.Add(Tally{ByServer: map[string]int{"rs1": 2, "rs2": 3}, Errors: 1, First: first})
	sum.Add(Tally{Errors: 2, First: second})
	if sum.Total() != 9 || sum.ByServer["rs1"] != 3 || sum.ByServer["rs2"] != 3 || sum.Errors != 3 || sum.First != first {
		t.Errorf("%+v", sum)
	}
}

func TestTheConfigurationOfALab(t *testing.T) {
	lab := &Lab{Spec: Spec{VIP: netip.MustParseAddr("192.168.1.100")}, Servers: []*Node{
		{Addr: netip.MustParseAddr("192.168.1.11"), Weight: 3}, {Addr: netip.MustParseAddr("192.168.1.12")}}}
	const plain = `virtual_server 192.168.1.100 8080 {
    delay_loop 6
    lb_algo wrr
    lb_kind DR
    protocol TCP
    real_server 192.168.1.11 8080 {
        weight 3
    }
    real_server 192.168.1.12 8080 {
        weight 0
    }
}
`
	const full = `virtual_server 192.168.1.100 80 {
    delay_loop 6
    lb_algo rr
    lb_kind DR
    protocol TCP
    persistence_timeout 0
    ha_suspend
    real_server 192.168.1.11 80 {
        weight 3
        TCP_CHECK { }
    }
    real_server 192.168.1.12 80 {
        weight 0
        TCP_CHECK { }
    }
}
`
	for want, s := range map[string]Service{plain: {Port: 8080}, full: {Port: 80, Scheduler: "rr", Persistence: "0", Server: "TCP_CHECK { }", More: "ha_suspend"}} {
		if got := lab.Config(s); got != want {
			t.Errorf("the configuration:\n%s\nwant\n%s", got, want)
		}
	}
	for net, want := range map[string]string{"192.168.1.0/24": "0.0.0.0:80", "fd00:1::/64": "[::]:80"} {
		if got := (&Lab{Spec: Spec{Net: netip.MustParsePrefix(net)}}).Wildcard(80); got != want {
			t.Errorf("%s: %s, want %s", net, got, want)
		}
	}
}

func TestADirectorServesWhenItKnowsItsServers(t *testing.T) {
	server := func(up bool, mac string) api.Server { return api.Server{Up: up, MAC: mac} }
	for _, c := range []struct {
		law    string
		active bool
		all    []api.Server
		ready  bool
	}{
		{"without servers it announces", true, nil, true},
		{"it is silent", false, []api.Server{server(true, "x")}, false},
		{"a server that is up has its MAC address", true, []api.Server{server(true, "x"), server(true, "y")}, true},
		{"one is still asked for", true, []api.Server{server(true, "x"), server(true, "")}, false},
		{"one that is down need not have one", true, []api.Server{server(true, "x"), server(false, "")}, true},
	} {
		if got := ready(&api.Status{Active: c.active, Services: []api.Service{{}, {Servers: c.all}}}); got != c.ready {
			t.Errorf("%s: %v", c.law, got)
		}
	}
}

// The hosts that ask for the VIP are the clients, or the router before them.
func TestTheAskersAreOnTheVIPsNetwork(t *testing.T) {
	clients, router := []*Node{{}, {}}, &Node{}
	if got := (&Lab{Clients: clients}).Askers(); len(got) != 2 || got[0] != clients[0] {
		t.Errorf("on one network: %v", got)
	}
	if got := (&Lab{Clients: clients, Router: router, Spec: Spec{Routed: true}}).Askers(); len(got) != 1 || got[0] != router {
		t.Errorf("behind a router: %v", got)
	}
	if got := (&Lab{Clients: clients, Router: router, Spec: Spec{TwoArmed: true}}).Askers(); len(got) != 2 {
		t.Errorf("servers behind a router: %v", got)
	}
	a, b := &netns.Switch{}, &netns.Switch{}
	n := &Node{Ports: []Port{{Ifname: "eth0", Switch: a}, {Ifname: "eth1", Switch: b}}}
	if p := n.PortOn(b); p == nil || p.Ifname != "eth1" || p != &n.Ports[1] || n.PortOn(&netns.Switch{}) != nil {
		t.Errorf("on the second switch: %+v", p)
	}
}
