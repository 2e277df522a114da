package api_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"lvsdr/control/api"
)

func TestStatusIsReadAsItWasAnswered(t *testing.T) {
	want := &api.Status{Version: "1", Active: true, Time: time.Unix(5, 0).UTC(), Reasons: map[string]uint64{"hit": 7}, Verdicts: map[string]string{"hit": "forward"},
		Services: []api.Service{{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: "tcp", Address: addr("192.0.2.1"), Port: 80}, Scheduler: "wrr",
			Netmask: addr("255.0.255.0")}, Owner: api.OwnedAtRuntime, Listed: api.Listed{Traffic: api.Traffic{Conns: 3}, CPS: 4},
			Servers: []api.Server{{ServerConfig: api.ServerConfig{Address: addr("10.0.0.1"), Weight: 3}, Up: true, Check: "ok", State: "no MAC: no ARP answer on eth1", Interface: "eth1"}}},
			{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: 1 << 31, IPv6: true}}}}}
	given := viewer(*want)
	given.Services = append([]api.Service{}, want.Services...)
	given.Services[0].Servers = append([]api.Server{}, want.Services[0].Servers...)
	given.Services[0].Servers[0].State = "" // the handler says it
	got, err := client(t, serve(t, api.Backend{Viewer: &given})).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestStatusWithoutATimeIsOfNow(t *testing.T) {
	st, err := client(t, serve(t, api.Backend{Viewer: &viewer{}})).Status(t.Context())
	if err != nil || st.Time.IsZero() {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestASecondDirectorCannotTakeTheSocketOfALivingOne(t *testing.T) {
	socket := serve(t, api.Backend{})
	if _, err := api.Listen(socket); err == nil || !strings.Contains(err.Error(), "running on it already") {
		t.Errorf("error %v", err)
	}
}

func TestTheSocketOfADeadDirectorIsReplaced(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	serveAt(t, socket, api.Backend{Viewer: &viewer{Version: "2"}})
	if st, err := client(t, socket).Status(t.Context()); err != nil || st.Version != "2" {
		t.Errorf("%+v, %v", st, err)
	}
}

// A path given by mistake cost its file: whatever was no socket in use was
// removed.
func TestAFileThatIsNoSocketIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keepalived.conf")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := api.Listen(path)
	if err == nil {
		l.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

func TestASocketThatCannotBeOpenedIsAnErrorThatNamesIt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, strings.Repeat("x", 120)): "at most 107 bytes",
		filepath.Join(file, "sock"):                  "not a directory",
	} {
		if l, err := api.Listen(path); err == nil || !strings.Contains(err.Error(), want) {
			if err == nil {
				l.Close()
			}
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// What a client is told when its question has no answer.
func TestWhatIsNotAnsweredSaysWhy(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "none")
	busy := &api.Refusal{Code: api.ErrBusy.Code, Text: "another trace is running"}
	dir := serve(t, api.Backend{Inspector: inspector{
		explain: func(api.Question) (*api.Explained, error) { return nil, errors.New("not today") },
		trace:   func(api.TraceQuestion) (api.TraceSource, error) { return nil, busy },
	}, Admin: &admin{failure: errBroken, broken: api.ErrNoService}, Reloader: reloader{err: errors.New("line 7: no such word")}})
	full, none, absent := client(t, dir), client(t, serve(t, api.Backend{})), client(t, nowhere)
	old := client(t, older(t))
	q := api.Question{Client: addr("10.0.0.1"), VIP: addr("10.0.0.2")}
	for _, test := range []struct {
		law, want string
		is        error
		err       error
	}{
		{"the backend's reason", "not today", nil, second(full.Explain(t.Context(), q))},
		{"two families", "10.0.0.1 and ::1 are not of one address family", nil, second(full.Explain(t.Context(), api.Question{Client: q.Client, VIP: addr("::1")}))},
		{"a second trace", "another trace is running", api.ErrBusy, second(full.Trace(t.Context(), api.TraceQuestion{}))},
		{"a number out of range", `snaplen "-1": not a number from 0 to 131072`, nil, second(full.Trace(t.Context(), api.TraceQuestion{SnapLen: -1}))},
		{"a refused reload", "line 7: no such word", nil, second(full.Reload(t.Context()))},
		{"edits that fail as a whole", errBroken.Error(), nil, second(full.Edit(t.Context(), []api.Edit{{Op: api.Flush}}))},
		{"daemons", errBroken.Error(), nil, second(full.Daemons(t.Context()))},
		{"daemons of a director without them", "/v1/daemons is not supported", api.ErrUnsupported, second(none.Daemons(t.Context()))},
		{"sync of a director without it", "/v1/sync is not supported", api.ErrUnsupported, second(none.Sync(t.Context()))},
		{"timeouts", errBroken.Error(), nil, second(full.Timeouts(t.Context()))},
		{"a service that is not there", "No such service", api.ErrNoService, second(collect(full.Services(t.Context(), api.ServiceKey{FWMark: 1})))},
		{"an older director", "does not know /v1/sticky: it is older", nil, second(old.Persistence(t.Context(), q))},
		{"no director", "no director answers at " + nowhere + ": start one with `lvsdr run`, or name its socket with --socket", nil, second(absent.Status(t.Context()))},
		{"status of a director without one", "/v1/status is not supported", api.ErrUnsupported, second(none.Status(t.Context()))},
		{"explain of a director without one", "/v1/explain is not supported", api.ErrUnsupported, second(none.Explain(t.Context(), q))},
		{"persistence of a director without one", "/v1/sticky is not supported", api.ErrUnsupported, second(none.Persistence(t.Context(), q))},
		{"trace of a director without one", "/v1/trace is not supported", api.ErrUnsupported, second(none.Trace(t.Context(), api.TraceQuestion{}))},
		{"events of a director without any", "/v1/events is not supported", api.ErrUnsupported, second(none.Events(t.Context()))},
		{"edits of a director without them", "/v1/edits is not supported", api.ErrUnsupported, second(none.Edit(t.Context(), nil))},
		{"connections of a director without them", "/v1/connections is not supported", api.ErrUnsupported, second(collect(none.Conns(t.Context())))},
		{"timeouts of a director without them", "/v1/timeouts is not supported", api.ErrUnsupported, second(none.Timeouts(t.Context()))},
		{"reload of a director without one", "/v1/reload is not supported", api.ErrUnsupported, second(none.Reload(t.Context()))},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.law, test.err, test.want)
		}
		if test.is != nil && !errors.Is(test.err, test.is) {
			t.Errorf("%s: %v is not %v", test.law, test.err, test.is)
		}
	}
}

func TestAReloadSaysWhatItDid(t *testing.T) {
	want := &api.Reloaded{Changes: []string{"one"}, Problems: []string{"two"}}
	got, err := client(t, serve(t, api.Backend{Reloader: reloader{done: want}})).Reload(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestQuestionsArriveAsTheyWereAsked(t *testing.T) {
	var heard api.Question
	c := client(t, serve(t, api.Backend{Inspector: inspector{
		explain: func(q api.Question) (*api.Explained, error) {
			heard = q
			server := api.Server{Effective: 1, Up: true, MAC: "x", Check: "ok"}
			return &api.Explained{Client: q.Client, Server: &server, Service: &api.Service{Servers: []api.Server{server}}, Anew: &api.Explained{Server: &server}}, nil
		},
		persistence: func(q api.Question) (*api.Persistence, error) {
			heard = q
			return &api.Persistence{Client: q.Client}, nil
		},
	}}))
	for _, q := range []api.Question{
		{Client: addr("10.0.0.1"), ClientPort: 7, VIP: addr("10.0.0.2"), Port: 65535, Protocol: "udp"},
		{Client: addr("fd00::1"), VIP: addr("fd00::2"), Port: 80},
	} {
		x, err := c.Explain(t.Context(), q)
		if err != nil || heard != q || x.Client != q.Client {
			t.Errorf("asked %+v, heard %+v, %v", q, heard, err)
		} else if x.Server.State != "up" || x.Service.Servers[0].State != "up" || x.Anew.Server.State != "up" {
			t.Errorf("states %q, %q, %q", x.Server.State, x.Service.Servers[0].State, x.Anew.Server.State)
		}
	}
	all := api.Question{Client: addr("10.0.0.1")}
	if p, err := c.Persistence(t.Context(), all); err != nil || heard != all || p.Client != all.Client {
		t.Errorf("heard %+v, %v", heard, err)
	}
}
