package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/api/apitest"
)

// spec is the description that a handler serves.
func spec(t testing.TB) *apitest.Spec {
	t.Helper()
	w := httptest.NewRecorder()
	api.Handler(api.Backend{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/v1/openapi.yaml", nil))
	s, err := apitest.Load(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What can be asked is described, and what is described can be asked.
func TestTheDescriptionHasTheRoutesOfTheHandler(t *testing.T) {
	if got, want := spec(t).Routes(), api.Routes(); !slices.Equal(got, want) {
		t.Errorf("the description has\n%s\nthe handler\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A member that is new in a type of the wire is one of its schema, and those that
// are always there are required.
func TestTheSchemasHaveTheMembersOfTheTypes(t *testing.T) {
	s := spec(t)
	types := map[string]any{
		"Refusal": api.Refusal{}, "ServiceConfig": api.ServiceConfig{}, "ServerConfig": api.ServerConfig{}, "ServerSettings": api.ServerConfig{},
		"Encap": api.Encap{}, "Timeouts": api.Timeouts{}, "Daemon": api.Daemon{}, "Router": api.Router{}, "Sync": api.Sync{}, "SyncSent": api.SyncSent{}, "SyncReceived": api.SyncReceived{}, "SyncPeer": api.SyncPeer{}, "SyncJoin": api.SyncJoin{}, "SyncDigest": api.SyncDigest{}, "Edit": api.Edit{}, "Reloaded": api.Reloaded{}, "Traffic": api.Traffic{}, "Listed": api.Listed{},
		"Service": api.Service{}, "Server": api.Server{}, "Check": api.Check{}, "Conn": api.Conn{}, "Event": api.Event{}, "Status": api.Status{},
		"Table": api.Table{}, "TakenOver": api.TakenOver{}, "Offload": api.Offload{}, "Notifications": api.Notifications{}, "PortStats": api.PortStats{}, "Explained": api.Explained{}, "Persistence": api.Persistence{},
		"ServicePersistence": api.ServicePersistence{}, "TraceLine": api.TraceLine{},
		"PlanRequest": api.PlanRequest{}, "Plan": api.Plan{}, "PlannedChange": api.PlannedChange{},
	}
	for _, name := range s.Schemas() {
		v, ok := types[name]
		if !ok {
			t.Errorf("schema %s has no type", name)
			continue
		}
		delete(types, name)
		described := s.Properties(name)
		got := map[string]bool{}
		members(reflect.TypeOf(v), got)
		for member, always := range got {
			required, known := described[member]
			switch {
			case !known:
				t.Errorf("%s: the description has no %s", name, member)
			case required && !always:
				t.Errorf("%s: %s is required, but may be absent", name, member)
			}
			delete(described, member)
		}
		for member := range described {
			t.Errorf("%s: nothing is called %s", name, member)
		}
	}
	for name := range types {
		t.Errorf("%s has no schema", name)
	}
}

// members notes the JSON members of a struct, and whether they are always there.
func members(t reflect.Type, to map[string]bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			members(f.Type, to)
			continue
		}
		to[name] = !strings.Contains(options, "omit")
	}
}

// described is a backend whose answers have every member.
func described(t *testing.T) api.Backend {
	key := api.ServiceKey{Protocol: "tcp", Address: addr("192.0.2.1"), Port: 80}
	conn := api.Conn{Protocol: "tcp", Client: addr("192.0.2.9"), ClientPort: 7, Address: key.Address, Port: 80, Server: addr("10.0.0.1"), ServerPort: 80, State: "ESTABLISHED",
		Expires: 1.5, Connections: 1, Removed: true, Invalid: true, Synced: true}
	traffic := api.Traffic{Conns: 1, Packets: 1 << 40, Bytes: 1 << 50}
	server := api.Server{ServerConfig: api.ServerConfig{Address: addr("10.0.0.1"), Port: 80, Method: api.Tunnel, Encap: api.Encap{Kind: "gue", Port: 7, Checksum: "csum"}, Weight: 2, Upper: 9, Lower: 8},
		Effective: 2, Up: true, State: "up", Check: "ok", Checks: []api.Check{{Kind: "TCP_CHECK", Probe: "p", Since: time.Unix(1, 0), Reason: "r", Next: time.Unix(9, 5)}},
		Problem: "p", Removed: true, Standby: true, MAC: "02:00:00:00:00:01", Interface: "eth0", Overloaded: true, RepeatedSYNs: 3, Traffic: traffic, Listed: api.Listed{Traffic: traffic, CPS: 1}}
	service := api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: key, Scheduler: "sh", Flags: "sh-port", Persistence: 300, Netmask: addr("255.255.255.0"), OnePacket: true},
		PersistenceDefault: true, Owner: api.OwnedByFile, Interface: "eth0", Traffic: traffic, Servers: []api.Server{server}}
	bare := api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: 7, IPv6: true}, Scheduler: "rr"}}
	x := &api.Explained{Protocol: "tcp", Client: conn.Client, Address: key.Address, Packet: "SYN", Service: &service, Flags: "f", Scheduler: "s", Elsewhere: []string{"e"},
		Connection: &conn, Template: &conn, Server: &server, Anew: &api.Explained{Client: conn.Client, Address: key.Address}}
	lines := newSource()
	lines.lines <- []api.TraceLine{{NotShown: 1}, {Time: time.Unix(1, 0), In: "eth0", Out: "eth1", Verdict: "forward", Reason: "hit", Server: "s", Protocol: "tcp", Src: "a", SrcPort: 1,
		Dst: "b", DstPort: 2, Flags: "S", Fragment: 8, GSOSize: 1448, Length: 60, Data: []byte{1, 2, 3}}}
	close(lines.lines)
	st := viewer{Services: []api.Service{service, bare}, Version: "1", ConfigErr: "e", Reasons: map[string]uint64{"hit": 1}, Verdicts: map[string]string{"hit": "forward"},
		Table:   api.Table{TakenOver: &api.TakenOver{File: "f", Empty: "e", PID: 1, InOrder: true, Connections: 2, Templates: 3, Dropped: 4, AgeMs: 5}},
		Offload: &api.Offload{Problem: "p", Hooks: map[string]string{"eth0": "tcx"}, Flows: 1, Packets: 2, Begun: 3, Ended: 4, Forced: 5, Full: 6, Refused: 7, Adopted: 8, Pinned: "p", Unpinned: "u"},
		Ports:   map[string]api.PortStats{"eth0": {Received: 1}}, ARP: map[string]uint64{"a": 1}, Problems: []string{"p"}}
	return api.Backend{Viewer: &st, Syncer: syncer{everySync()}, Admin: &admin{services: st.Services, conns: []api.Conn{conn, {}}, daemons: everyDaemon}, Reloader: reloader{done: &api.Reloaded{Changes: []string{"c"}}},
		Planner: planner{plan: &api.Plan{Connections: 2, Ended: 1, Problems: []string{"p"},
			Changes: []api.PlannedChange{{Op: "del-server", Service: "s", Server: "r", Text: "t", Connections: 2, Templates: 1, Ends: true}}}},
		Inspector: inspector{
			explain: func(api.Question) (*api.Explained, error) { return x, nil },
			persistence: func(api.Question) (*api.Persistence, error) {
				return &api.Persistence{Client: conn.Client, Services: []api.ServicePersistence{{ServiceKey: key, Scheduler: "rr", Flags: "f", Template: &conn, Connections: []api.Conn{conn}}}}, nil
			},
			trace: func(api.TraceQuestion) (api.TraceSource, error) { return lines, nil },
		}}
}

// Answers are as the description says, good ones with all their members and refusals.
func TestAnswersAreAsDescribed(t *testing.T) {
	s := spec(t)
	full, none := api.Handler(described(t)), api.Handler(api.Backend{})
	broken := api.Handler(api.Backend{Viewer: &viewer{}, Admin: &admin{failure: errBroken, broken: errBroken}, Reloader: reloader{err: errBroken}, Planner: planner{err: errBroken},
		Inspector: inspector{trace: func(api.TraceQuestion) (api.TraceSource, error) { return nil, api.ErrBusy }}})
	seen := map[string]bool{}
	const web, server = "/v1/services/tcp-192.0.2.1-80", "/v1/services/tcp-192.0.2.1-80/servers/10.0.0.1-80"
	for _, c := range []struct {
		h              http.Handler
		request, body  string
		status         int
		unlikeRequests bool // the body is not as described
	}{
		{full, "GET /v1/openapi.yaml", "", 200, false},
		{full, "GET /v1/status", "", 200, false},
		{full, "GET /v1/explain?client=192.0.2.9&address=192.0.2.1&port=80", "", 200, false},
		{full, "GET /v1/explain", "", 400, false},
		{full, "GET /v1/sticky?client=192.0.2.9", "", 200, false},
		{full, "GET /v1/sticky?client=x", "", 400, false},
		{full, "GET /v1/trace", "", 200, false},
		{full, "GET /v1/trace?sample=-1", "", 400, false},
		{broken, "GET /v1/trace", "", 409, false},
		{full, "GET /v1/services", "", 200, false},
		{full, "GET /v1/services?fwmark=x", "", 400, false},
		{broken, "GET /v1/services", "", 400, false},
		{full, "GET /v1/connections", "", 200, false},
		{full, "GET /v1/connections?client=x", "", 400, false},
		{full, "GET /v1/timeouts", "", 200, false},
		{full, "GET /v1/daemons", "", 200, false},
		{broken, "GET /v1/daemons", "", 400, false},
		{full, "GET /v1/sync", "", 200, false},
		{none, "GET /v1/sync", "", 501, false},
		{full, "POST /v1/edits", `[{"op":"start-daemon","daemon":{"role":"master","interface":"eth0","sync_id":7}},{"op":"stop-daemon","daemon":{"role":"backup"}}]`, 200, false},
		{full, "POST /v1/edits", `[{"op":"start-daemon","daemon":{"role":"both"}}]`, 200, true},
		{full, "PUT /v1/timeouts", `{"tcp":9}`, 200, false},
		{broken, "PUT /v1/timeouts", `{"tcp":9}`, 503, false},
		{full, "POST /v1/edits", `[{"op":"flush"},{"op":"zero"}]`, 200, false},
		{full, "POST /v1/edits", `{}`, 400, true},
		{broken, "POST /v1/edits", `[{"op":"flush"}]`, 503, false},
		{full, "POST /v1/reload", "", 200, false},
		{broken, "POST /v1/reload", "", 400, false},
		{full, "POST /v1/plan", `{"name":"f","files":{"f":"text"},"globs":{"*":["f"]}}`, 200, false},
		{full, "POST /v1/plan", `{"name":"g","files":{"f":"text"}}`, 400, false},
		{full, "POST /v1/plan", `{"name":"f"}`, 400, true},
		{broken, "POST /v1/plan", `{"name":"f","files":{"f":""}}`, 400, false},
		{full, "POST /v1/services", `{"protocol":"tcp","address":"192.0.2.1","port":80,"scheduler":"rr"}`, 201, false},
		{full, "POST /v1/services", `{"protocol":7}`, 400, true},
		{full, "GET " + web, "", 200, false},
		{full, "GET /v1/services/fwmark-7-ipv6", "", 200, false},
		{full, "GET /v1/services/fwmark-8", "", 404, false},
		{full, "GET /v1/services/web", "", 400, false},
		{full, "PUT " + web, `{"scheduler":"rr"}`, 200, false},
		{full, "PUT " + web, `{"protocol":"udp"}`, 400, false},
		{broken, "PUT " + web, `{}`, 503, false},
		{full, "DELETE " + web, "", 204, false},
		{broken, "DELETE " + web, "", 503, false},
		{full, "GET " + web + "/servers", "", 200, false},
		{full, "GET /v1/services/fwmark-7-ipv6/servers", "", 200, false},
		{full, "POST " + web + "/servers", `{"address":"10.0.0.1","port":80}`, 201, false},
		{full, "POST " + web + "/servers", `{"address":"10.0.0.1","wait":80}`, 400, true},
		{full, "GET " + server, "", 200, false},
		{full, "GET " + web + "/servers/10.0.0.9-80", "", 404, false},
		{full, "GET " + web + "/servers/10.0.0.9", "", 400, false},
		{full, "PUT " + server, `{"weight":0}`, 200, false},
		{full, "PUT " + server, `{"port":81}`, 400, false},
		{full, "DELETE " + server, "", 204, false},
		{none, "GET /v1/status", "", 501, false},
		{none, "GET /v1/events", "", 501, false},
		{none, "PUT " + server, `{}`, 501, false},
	} {
		method, target, _ := strings.Cut(c.request, " ")
		path, _, _ := strings.Cut(target, "?")
		if err := s.Request(method, path, []byte(c.body)); (err != nil) != c.unlikeRequests {
			t.Errorf("%s %s: %v", c.request, c.body, err)
		}
		w := httptest.NewRecorder()
		c.h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(c.body)))
		if w.Code != c.status {
			t.Errorf("%s %s: status %d, want %d: %s", c.request, c.body, w.Code, c.status, w.Body)
		}
		if err := s.Answer(method, path, w.Code, w.Header(), w.Body.Bytes()); err != nil {
			t.Error(err)
		}
		seen[method+" "+path] = true
	}
	if err := s.Answer("GET", "/v1/status", 200, http.Header{"Content-Type": {"application/json"}}, []byte(`{"version":"1"}`)); err == nil {
		t.Error("an answer without its members is as described")
	}
	if len(seen) < len(s.Routes()) {
		t.Errorf("%d of %d requests were tried", len(seen), len(s.Routes()))
	}
}

// A path or a method that the API does not have is refused in its own words.
func TestWhatIsNotThereIsRefusedAsJSON(t *testing.T) {
	for _, c := range []struct {
		method, path, allow string
		status              int
		code                *api.Refusal
	}{
		{"GET", "/", "", 404, api.ErrNoPath},
		{"GET", "/v2/status", "", 404, api.ErrNoPath},
		{"GET", "/v1/services/tcp-1.2.3.4-5/servers/6/7", "", 404, api.ErrNoPath},
		{"DELETE", "/v1/status", "GET, HEAD", 405, api.ErrNoMethod},
		{"PATCH", "/v1/services/tcp-1.2.3.4-5", "DELETE, GET, HEAD, PUT", 405, api.ErrNoMethod},
	} {
		w := httptest.NewRecorder()
		api.Handler(described(t)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil))
		r := &api.Refusal{}
		if err := json.Unmarshal(w.Body.Bytes(), r); err != nil || w.Code != c.status || !errors.Is(r, c.code) || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %v %s, %v", c.method, c.path, w.Code, w.Header(), w.Body, err)
		}
	}
}
