package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/dataplane"
)

// engine is a backend over a real engine without networks.
func engine(t testing.TB) api.Backend {
	t.Helper()
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: conntrack.MinLimit}})
	if err != nil {
		t.Fatal(err)
	}
	a := director.New(d, func() int64 { return 1 })
	return api.Backend{Viewer: engineViewer{a}, Admin: a}
}

// engineViewer shows the services of an engine.
type engineViewer struct{ *director.Director }

func (v engineViewer) Status() *api.Status { return &api.Status{} }

func (v engineViewer) Service(k api.ServiceKey) *api.Service {
	for s, err := range v.Services(context.Background(), k) {
		if err == nil {
			return &s
		}
	}
	return nil
}

// ask makes a request of h.
func ask(t testing.TB, h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body)))
	return w
}

// A day of somebody who has curl: each line is a request and what comes of it.
func TestServicesAndServersAreResources(t *testing.T) {
	h := api.Handler(engine(t))
	s := spec(t)
	const web, rs = "/v1/services/tcp-192.0.2.1-80", "/v1/services/tcp-192.0.2.1-80/servers/10.0.0.1-8080"
	const long = "/v1/services/udp-2001:db8::1-53"
	for i, c := range []struct {
		method, path, body string
		status             int
		want               string // part of the answer
	}{
		{"GET", web, "", 404, "no-service"},
		{"PUT", rs, `{}`, 404, "not-defined"},
		{"POST", "/v1/services", `{"protocol":"tcp","address":"192.0.2.1","port":80}`, 201, `"scheduler":"wlc"`},
		{"POST", "/v1/services", `{"protocol":"tcp","address":"192.0.2.1","port":80}`, 409, "service-exists"},
		{"PUT", web, `{"scheduler":"sh","flags":"sh-port","persistence":60}`, 200, `"persistence":60`},
		{"PUT", web, `{"scheduler":"none"}`, 400, "scheduler"},
		{"GET", web, "", 200, `"flags":"sh-port"`},
		{"POST", web + "/servers", `{"address":"10.0.0.1","port":8080}`, 201, `"weight":1`},
		{"POST", web + "/servers", `{"address":"10.0.0.1","port":8080}`, 409, "server-exists"},
		{"PUT", rs, `{"weight":5,"upper":10,"lower":3}`, 200, `"upper":10`},
		{"PUT", rs, `{"weight":-5}`, 400, "range"},
		{"PUT", rs, `{"lower":11,"upper":10}`, 400, "range"},
		{"PUT", rs, `{"weight":5,"method":"pigeon"}`, 501, "unsupported"},
		{"PUT", rs, `{"weight":5,"method":"tunnel"}`, 200, `"kind":"ipip"`},
		{"PUT", web + "/servers/10.0.0.2-8080", `{"weight":0}`, 201, `"effective":0`},
		{"GET", web + "/servers", "", 200, `10.0.0.2`},
		{"GET", rs, "", 200, `"weight":5`},
		{"DELETE", rs, "", 204, ""},
		{"DELETE", rs, "", 404, "no-server"},
		{"GET", rs, "", 404, "no-server"},
		{"PUT", long, `{"protocol":"udp","address":"2001:db8::1","port":53,"one_packet":true}`, 201, `"one_packet":true`},
		{"POST", long + "/servers", `{"address":"::ffff:10.0.0.1","port":53}`, 201, `"10.0.0.1"`},
		{"PUT", "/v1/services/fwmark-7-ipv6", `{}`, 201, `"fwmark":7`},
		{"DELETE", web, "", 204, ""},
		{"DELETE", web, "", 404, "no-service"},
		{"GET", long, "", 200, `"address":"2001:db8::1"`},
		{"PUT", "/v1/timeouts", `{"udp":77}`, 200, `"udp":77`},
		{"PUT", "/v1/timeouts", `{"udp":2678401}`, 400, "seconds"},
		{"GET", "/v1/timeouts", "", 200, `"tcp":900`},
	} {
		w := ask(t, h, c.method, c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("request %d: %s %s %s: %d, want %d with %q: %s", i, c.method, c.path, c.body, w.Code, c.status, c.want, w.Body)
		}
		if err := s.Answer(c.method, c.path, w.Code, w.Header(), w.Body.Bytes()); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		if at := w.Header().Get("Location"); (at != "") != (w.Code == http.StatusCreated) || at != "" && ask(t, h, "GET", at, "").Code != http.StatusOK {
			t.Errorf("request %d: %s %s: what was made is at %q", i, c.method, c.path, at)
		}
	}
}

// The same PUT twice is the same as once.
func TestPutsCanBeRepeated(t *testing.T) {
	b := engine(t)
	h := api.Handler(b)
	for _, c := range []struct{ path, body string }{
		{"/v1/services/tcp-192.0.2.1-80", `{"scheduler":"rr"}`}, {"/v1/services/fwmark-9", `{}`},
		{"/v1/services/tcp-192.0.2.1-80/servers/10.0.0.1-80", `{"weight":3}`},
	} {
		first, second := ask(t, h, "PUT", c.path, c.body), ask(t, h, "PUT", c.path, c.body)
		if first.Code != 201 || second.Code != 200 || first.Body.String() != second.Body.String() {
			t.Errorf("%s: %d %s, then %d %s", c.path, first.Code, first.Body, second.Code, second.Body)
		}
	}
}

// racing is an admin beside whom others add and remove what is put: it refuses each
// edit with the next of errs.
type racing struct {
	admin
	errs []error
}

func (r *racing) Edit(context.Context, []api.Edit) ([]error, error) {
	var err error
	if len(r.errs) > 0 {
		err, r.errs = r.errs[0], r.errs[1:]
	}
	return []error{err}, nil
}

// While others add and remove what is put, a PUT ends, and says what it has done.
func TestAPutBesideOtherWriters(t *testing.T) {
	for _, c := range []struct {
		law    string
		errs   []error
		status int
	}{
		{"it is changed", nil, 200},
		{"it is added", []error{api.ErrNoService}, 201},
		{"it came in between", []error{api.ErrNoService, api.ErrServiceExists}, 200},
		{"it came and went", []error{api.ErrNoService, api.ErrServiceExists, api.ErrNoService}, 201},
		{"it comes and goes without end", slices.Repeat([]error{api.ErrNoService, api.ErrServiceExists}, 100), 409},
		{"something else is wrong", []error{api.ErrNoService, api.ErrScheduler}, 400},
	} {
		h := api.Handler(api.Backend{Viewer: &viewer{}, Admin: &racing{errs: c.errs}})
		w := ask(t, h, "PUT", "/v1/services/tcp-192.0.2.1-80", `{"scheduler":"rr"}`)
		if w.Code != c.status || w.Code < 300 && !strings.Contains(w.Body.String(), `"scheduler":"rr"`) {
			t.Errorf("%s: %d %s", c.law, w.Code, w.Body)
		}
	}
}

// TestNamesOfServicesAndServersAreReadAsTheyAreWritten covers every kind of key.
func TestNamesOfServicesAndServersAreReadAsTheyAreWritten(t *testing.T) {
	for _, k := range []api.ServiceKey{
		{Protocol: "tcp", Address: addr("192.0.2.1"), Port: 80}, {Protocol: "udp", Address: addr("2001:db8::1"), Port: 65535}, {Protocol: "sctp", Address: addr("::"), Port: 0},
		{FWMark: 1}, {FWMark: 1<<32 - 1, IPv6: true},
	} {
		if got, err := api.ParseService(k.PathName()); err != nil || got != k {
			t.Errorf("%s is read as %v, %v", k.PathName(), got, err)
		}
	}
	for _, name := range []string{"", "tcp", "tcp-", "tcp-192.0.2.1", "tcp-192.0.2.1-", "tcp-192.0.2.1-65536", "tcp-192.0.2.1-80-90", "icmp-192.0.2.1-80", "tcp-web-80",
		"fwmark-", "fwmark-0", "fwmark-x", "fwmark-4294967296", "fwmark-1-ipv4", "TCP-192.0.2.1-80", "tcp-fe80::1%eth0-80"} {
		if k, err := api.ParseService(name); err == nil {
			t.Errorf("%q is read as %v", name, k)
		}
	}
	c := api.ServerConfig{Address: addr("2001:db8::1"), Port: 7}
	if a, port, err := api.ParseServer(c.PathName()); err != nil || a != c.Address || port != c.Port {
		t.Errorf("%s is read as %v %d, %v", c.PathName(), a, port, err)
	}
}

// A list of connections has those that the query asks for, and all without one.
func TestConnectionsAreFiltered(t *testing.T) {
	conn := func(client, server string, port uint16, proto string) api.Conn {
		return api.Conn{Protocol: proto, Client: addr(client), Address: addr("192.0.2.1"), Port: port, Server: addr(server), ServerPort: port + 1}
	}
	h := api.Handler(api.Backend{Admin: &admin{conns: []api.Conn{conn("10.1.0.1", "10.0.0.1", 80, "tcp"), conn("10.1.0.2", "10.0.0.1", 53, "udp"), conn("fd00::1", "10.0.0.2", 80, "tcp")}}})
	for query, want := range map[string]int{"": 3, "client=10.1.0.1": 1, "client=fd00::1": 1, "server=10.0.0.1": 2, "port=80": 2, "server_port=54": 1, "protocol=tcp": 2,
		"server=10.0.0.1&port=80": 1, "address=192.0.2.1": 3, "address=192.0.2.2": 0, "server=::ffff:10.0.0.1": 2} {
		if got := strings.Count(ask(t, h, "GET", "/v1/connections?"+query, "").Body.String(), "\n"); got != want {
			t.Errorf("%q: %d connections, want %d", query, got, want)
		}
	}
	for _, query := range []string{"client=x", "server=", "port=99999", "server_port=-1"} {
		if w := ask(t, h, "GET", "/v1/connections?"+query, ""); w.Code != 400 {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
	}
}

// content is everything that edits can change.
func content(t testing.TB, b api.Backend) string {
	t.Helper()
	services, err := collect(b.Admin.Services(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	timeouts, err := b.Admin.Timeouts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(services)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(string(text), timeouts)
}

// FuzzRefusedRequestsChangeNothing: whatever is sent, an answer of 4xx means that
// everything is as it was, and every answer is as described.
func FuzzRefusedRequestsChangeNothing(f *testing.F) {
	const web = "/v1/services/tcp-192.0.2.1-80"
	for _, s := range []struct{ method, path, body string }{
		{"POST", "/v1/services", `{"protocol":"tcp","address":"192.0.2.1","port":80,"scheduler":"rr"}`},
		{"POST", "/v1/services", `{"protocol":"tcp","address":"192.0.2.7","port":80} {}`},
		{"POST", "/v1/services", `{"fwmark":1,"persistence_engine":"sip"}`},
		{"POST", "/v1/services", `{"protocol":"tcp","address":"fe80::1%eth0","port":80}`},
		{"PUT", web, `{"scheduler":"wrr","persistence":1e9}`}, {"PUT", web, `{"netmask":"ffff::"}`}, {"PUT", web, `null`}, {"PUT", web, `[]`}, {"PUT", web, ``},
		{"PUT", "/v1/services/tcp-192.0.2.2-80", `{"scheduler":"x"}`}, {"PUT", "/v1/services/fwmark-5", `{"port":80}`},
		{"DELETE", web, `{}`}, {"POST", web + "/servers", `{"address":"224.0.0.1"}`}, {"POST", web + "/servers", `{"weight":1e99}`},
		{"PUT", web + "/servers/10.0.0.1-80", `{"weight":4294967296}`}, {"PUT", web + "/servers/10.0.0.1-80", `{"upper":1,"lower":2}`},
		{"DELETE", web + "/servers/10.0.0.1-80", ``}, {"PUT", "/v1/timeouts", `{"tcp":-1,"udp":5}`}, {"PUT", "/v1/timeouts", `{"udp":5,"tcp":99999999}`},
		{"POST", "/v1/edits", `[{"op":"flush"},{"op":"burn"}]`}, {"POST", "/v1/edits", `[{"op":"flush"},{"op":"flush","x":1}]`}, {"POST", "/v1/edits", `[{"op":"flush"}`},
	} {
		f.Add(s.method, s.path, []byte(s.body))
	}
	described := spec(f)
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(string(body)))
		if err != nil || r.URL.Path == "" || r.URL.Path[0] != '/' {
			return
		}
		b := engine(t)
		h := api.Handler(b)
		if w := ask(t, h, "POST", "/v1/edits", `[{"op":"add-service","service":{"protocol":"tcp","address":"192.0.2.1","port":80,"scheduler":"rr"}},
			{"op":"add-server","service":{"protocol":"tcp","address":"192.0.2.1","port":80},"server":{"address":"10.0.0.1","port":80,"weight":1}}]`); w.Body.String() != "[null,null]\n" {
			t.Fatal(w.Body)
		}
		before := content(t, b)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch after := content(t, b); {
		case w.Code >= 400 && w.Code < 500 && after != before:
			t.Fatalf("%s %s %s: %d %s\nchanged\n%s\nto\n%s", method, target, body, w.Code, w.Body, before, after)
		case w.Code >= 500 && w.Code != http.StatusNotImplemented && w.Code != http.StatusInsufficientStorage:
			t.Fatalf("%s %s %s: %d %s", method, target, body, w.Code, w.Body)
		}
		refusal := &api.Refusal{}
		if w.Code >= 400 && (json.Unmarshal(w.Body.Bytes(), refusal) != nil || refusal.Text == "") {
			t.Fatalf("%s %s: %d without a reason: %s", method, target, w.Code, w.Body)
		}
		err = described.Answer(method, r.URL.Path, w.Code, w.Header(), w.Body.Bytes())
		if err != nil && w.Code < 300 && method != http.MethodHead {
			t.Fatal(err)
		}
	})
}

// Two who write at once are served one after the other: what is left is what one of
// them wrote last, whole.
func TestTwoWritersAreServedOneAfterTheOther(t *testing.T) {
	b := engine(t)
	h := api.Handler(b)
	const path = "/v1/services/tcp-192.0.2.1-80"
	done := make(chan struct{})
	for _, words := range []string{`{"scheduler":"rr","persistence":1}`, `{"scheduler":"wrr","persistence":2}`} {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 200 {
				if w := ask(t, h, "PUT", path, words); w.Code >= 300 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
		}()
	}
	<-done
	<-done
	var s api.Service
	if err := json.Unmarshal(ask(t, h, "GET", path, "").Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Scheduler, s.Persistence); got != "rr1" && got != "wrr2" {
		t.Errorf("a mixture is left: %s", got)
	}
}

// What a client of this package is refused, it is told in the server's words.
func TestARefusedResourceIsNoOldDirector(t *testing.T) {
	c := client(t, serve(t, engine(t)))
	_, err := collect(c.Services(t.Context(), api.ServiceKey{FWMark: 3}))
	if !errors.Is(err, api.ErrNoService) || reflect.TypeOf(err) != reflect.TypeFor[*api.Refusal]() {
		t.Errorf("%v", err)
	}
}
