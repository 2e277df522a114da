package api_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"lvsdr/control/api"
)

// endedContext is a context that has ended.
type endedContext struct {
	context.Context
	done chan struct{}
}

func (c endedContext) Done() <-chan struct{} { return c.done }
func (c endedContext) Err() error            { return context.Canceled }

// collect are all values, up to the first error.
func collect[T any](all iter.Seq2[T, error]) (out []T, err error) {
	for v, err := range all {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

// everyDaemon has every field set somewhere.
var everyDaemon = []api.Daemon{
	{Role: api.SyncMaster, Interface: "s0", SyncID: 255, MaxLen: 65507, Group: addr("ff02::81"), Port: 65535, TTL: 255},
	{Role: api.SyncBackup, Interface: "s1", Group: addr("224.0.0.81"), Port: 8848, TTL: 1},
}

// everyEdit has every field set somewhere.
var everyEdit = []api.Edit{
	{Op: api.AddService, Service: api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: "udp", Address: addr("fd00::1"), Port: 53}, Scheduler: "sh",
		Flags: "sh-port,flag-3", Persistence: 300, Netmask: addr("ffff::"), OnePacket: true}},
	{Op: api.EditService, Service: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: 1<<32 - 1, IPv6: true}, Scheduler: "wlc"}},
	{Op: api.AddServer, Service: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: 7}}, Server: api.ServerConfig{Address: addr("10.0.0.1"), Port: 8080,
		Method: api.Masquerade, Weight: 1<<31 - 1, Upper: 10, Lower: 5}},
	{Op: api.DelServer}, {Op: api.Zero}, {Op: api.Flush},
	{Op: api.SetTimeouts, Timeouts: api.Timeouts{TCP: 1, TCPFin: 2, UDP: 3}},
	{Op: api.StartDaemon, Daemon: everyDaemon[0]}, {Op: api.StopDaemon, Daemon: api.Daemon{Role: api.SyncBackup}},
}

func TestEditsArriveAsSentAndEachHasItsOwnRefusal(t *testing.T) {
	a := &admin{refusals: []error{nil, api.ErrServiceExists, fmt.Errorf("add: %w", api.ErrServerExists), errors.New("plain"), nil, api.Unsupported("tunnelling")}}
	c := client(t, serve(t, api.Backend{Admin: a}))
	refused, err := c.Edit(t.Context(), everyEdit)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a.heard, everyEdit) {
		t.Errorf("heard %+v\nsent %+v", a.heard, everyEdit)
	}
	var texts []string
	for _, r := range refused {
		texts = append(texts, fmt.Sprint(r))
	}
	want := "<nil>|Service already exists|add: Destination already exists|plain|<nil>|tunnelling is not supported|<nil>|<nil>|<nil>"
	if got := strings.Join(texts, "|"); got != want {
		t.Errorf("refusals %s, want %s", got, want)
	}
	if !errors.Is(refused[1], api.ErrServiceExists) || !errors.Is(refused[2], api.ErrServerExists) || !errors.Is(refused[5], api.ErrUnsupported) {
		t.Errorf("the codes are lost: %#v", refused)
	}
	if errors.Is(refused[3], api.ErrServerExists) || errors.Is(refused[3], &api.Refusal{Text: "plain"}) {
		t.Errorf("an error without a code is like others: %#v", refused[3])
	}
}

func TestDaemonsArriveAsTheyRun(t *testing.T) {
	for _, want := range [][]api.Daemon{{}, everyDaemon} {
		got, err := client(t, serve(t, api.Backend{Admin: &admin{daemons: want}})).Daemons(t.Context())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
}

func TestNoEditsAreNoRefusals(t *testing.T) {
	if refused, err := client(t, serve(t, api.Backend{Admin: &admin{}})).Edit(t.Context(), nil); err != nil || len(refused) != 0 {
		t.Errorf("%v, %v", refused, err)
	}
}

func TestListingsArriveWholeAndInTheirOrder(t *testing.T) {
	a := &admin{}
	for i := range 1000 {
		k := api.ServiceKey{Protocol: "tcp", Address: addr("192.0.2.1"), Port: uint16(i)}
		a.services = append(a.services, api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: k, Scheduler: "rr"},
			Servers: []api.Server{{ServerConfig: api.ServerConfig{Address: addr("10.0.0.2")}}, {ServerConfig: api.ServerConfig{Address: addr("10.0.0.1")}}}})
		a.conns = append(a.conns, api.Conn{Protocol: "tcp", Client: addr("fd00::1"), ClientPort: uint16(i), Address: addr("fd00::2"), Server: addr("fd00::3"), Expires: 1.5})
	}
	a.services = append(a.services, api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: 9, IPv6: true}}})
	a.conns = append(a.conns, api.Conn{Invalid: true}) // no address at all
	c := client(t, serve(t, api.Backend{Admin: a}))
	services, err := collect(c.Services(t.Context()))
	if err != nil || !reflect.DeepEqual(services, a.services) {
		t.Errorf("%d services, %v", len(services), err)
	}
	conns, err := collect(c.Conns(t.Context()))
	if err != nil || !reflect.DeepEqual(conns, a.conns) {
		t.Errorf("%d connections, %v", len(conns), err)
	}
	some, err := collect(c.Services(t.Context(), api.ServiceKey{FWMark: 9, IPv6: true}, a.services[77].ServiceKey))
	if err != nil || len(some) != 2 || some[0].FWMark != 9 || some[1].Port != 77 {
		t.Errorf("of two keys: %+v, %v", some, err)
	}
	for range c.Services(t.Context()) {
		break // a reader that has enough
	}
	if timeouts, err := c.Timeouts(t.Context()); err != nil || timeouts != (api.Timeouts{TCP: 900, TCPFin: 120, UDP: 300}) {
		t.Errorf("%+v, %v", timeouts, err)
	}
}

// Half a list looked like the whole.
func TestAListingThatBreaksOffIsAnError(t *testing.T) {
	a := &admin{broken: errBroken}
	for range 5000 {
		a.services = append(a.services, api.Service{})
		a.conns = append(a.conns, api.Conn{})
	}
	c := client(t, serve(t, api.Backend{Admin: a}))
	if all, err := collect(c.Services(t.Context())); err == nil {
		t.Errorf("%d services without an error", len(all))
	}
	if all, err := collect(c.Conns(t.Context())); err == nil {
		t.Errorf("%d connections without an error", len(all))
	}
}

func TestRequestsThatMakeNoSenseAreRefused(t *testing.T) {
	h := api.Handler(api.Backend{Admin: &admin{}})
	for _, test := range []struct{ method, target, body, want string }{
		{"POST", "/v1/edits", `{}`, "edits: json"},
		{"POST", "/v1/edits", `[] []`, "edits: more than one JSON value"},
		{"POST", "/v1/edits", `[{"op":"flush","force":true}]`, `unknown field`},
		{"POST", "/v1/edits", `[{"op":"flush"`, "edits: unexpected EOF"},
		{"GET", "/v1/services?address=x", "", `address \"x\": not an IP address`},
		{"GET", "/v1/services?address=10.0.0.1&port=70000", "", `port \"70000\": not a number from 0 to 65535`},
		{"GET", "/v1/services?fwmark=-1", "", `fwmark \"-1\": not a number`},
	} {
		w := &recorder{header: http.Header{}}
		r, err := http.NewRequestWithContext(t.Context(), test.method, test.target, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		h.ServeHTTP(w, r)
		if w.code != http.StatusBadRequest || !strings.Contains(w.body.String(), test.want) {
			t.Errorf("%s %s %s: %d %s, want %s", test.method, test.target, test.body, w.code, w.body.String(), test.want)
		}
	}
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	code   int
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
