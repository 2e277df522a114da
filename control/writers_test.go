package control

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/control/director"
	"lvsdr/control/inspect"
	"lvsdr/control/site"
	"lvsdr/dataplane"
)

// tableViewer shows the services of a loop's table.
type tableViewer struct{ l *loop }

func (v tableViewer) Status() *api.Status { return &api.Status{} }

func (v tableViewer) Service(k api.ServiceKey) *api.Service {
	key, err := director.Key(k)
	if err != nil {
		return nil
	}
	s, ok := v.l.view.Load().State.View(key)
	if !ok {
		return nil
	}
	out := &api.Service{ServiceConfig: director.WireServiceConfig(&s.Config), Owner: s.Owner.String()}
	for _, r := range s.Servers {
		out.Servers = append(out.Servers, api.Server{ServerConfig: director.WireServerConfig(&r.Config), Effective: r.Effective, Up: r.Up})
	}
	return out
}

// handler answers requests about a rig, whose engine is a fake.
func (r *rig) handler() http.Handler {
	d, err := dataplane.New(dataplane.Config{})
	if err != nil {
		r.Fatal(err)
	}
	return api.Handler(api.Backend{Viewer: tableViewer{r.l}, Admin: &admin{director.New(d, func() int64 { return 1 }), r.l}, Reloader: r.l})
}

// ask makes a request, and waits until the loop rests.
func (r *rig) ask(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(r.Context(), method, path, strings.NewReader(body)))
	synctest.Wait()
	return w
}

// A request that is refused with 4xx changes nothing that any actor has.
func TestRefusedRequestsLeaveTheSiteAsItIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		h := r.handler()
		const web = "/v1/services/tcp-" + vip + "-80"
		for _, c := range []struct{ method, path, body string }{
			{"POST", "/v1/services", `{"protocol":"tcp","address":"203.0.113.1","port":80}`}, // not on a network of this host
			{"POST", "/v1/services", `{"protocol":"tcp","address":"` + rs1 + `","port":80}`}, // a real server's
			{"POST", "/v1/services", `{"protocol":"tcp","address":"` + vip + `","port":80}`},
			{"PUT", "/v1/services/tcp-203.0.113.1-80", `{}`},
			{"PUT", web, `{"scheduler":"best"}`},
			{"PUT", web, `{"scheduler":"rr","flags":"sh-port"}`},
			{"PUT", web, `{"persistence":2678401}`},
			{"POST", web + "/servers", `{"address":"203.0.113.9","port":80}`}, // behind a router
			{"POST", web + "/servers", `{"address":"` + rs1 + `","port":80}`},
			{"PUT", web + "/servers/" + rs1 + "-80", `{"weight":-1}`},
			{"PUT", web + "/servers/" + rs1 + "-80", `{"weight":1,"weigth":2}`},
			{"PUT", web + "/servers/" + rs1 + "-80", `{"upper":2,"lower":9}`},
			{"PUT", web + "/servers/255.255.255.255-80", `{}`},
			{"DELETE", web + "/servers/" + rs2 + "-80", ``},
			{"DELETE", "/v1/services/tcp-" + other + "-80", ``},
			{"PUT", "/v1/timeouts", `{"tcp":5,"udp":-1}`},
			{"PUT", "/v1/timeouts", `{"tcp":5,"udp":2678401}`},
			{"POST", "/v1/edits", `[{"op":"flush"},{"operation":"flush"}]`},
		} {
			before := r.world()
			w := r.ask(h, c.method, c.path, c.body)
			if w.Code < 400 || w.Code > 499 {
				t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, w.Code, w.Body)
			}
			if after := r.world(); after != before {
				t.Errorf("%s %s %s: %s\nchanged\n%s\nto\n%s", c.method, c.path, c.body, w.Body, before, after)
			}
		}
		r.file = "virtual_server nonsense {\n"
		before := r.world()
		done := make(chan int, 1)
		go func() { done <- r.ask(h, "POST", "/v1/reload", "").Code }()
		r.pass(2 * neighbourPatience)
		if code := <-done; code != 400 || r.world() != before {
			t.Errorf("a reload of a bad file: %d\n%s\nbecame\n%s", code, before, r.world())
		}
	})
}

// Timeouts that the loop refuses were answered as if they were in force.
func TestTimeoutsThatAreRefusedAreToldSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		for _, c := range []struct {
			set  api.Timeouts
			want string
		}{{api.Timeouts{TCP: 7}, ""}, {api.Timeouts{TCP: -7}, "-7"}, {api.Timeouts{UDP: 31*86400 + 1}, "2678401"}, {api.Timeouts{UDP: 31 * 86400}, ""}} {
			err := asked(r, api.Edit{Op: api.SetTimeouts, Timeouts: c.set})[0]
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: %v", c.set, err)
			}
		}
		if r.Timeouts != (site.Timeouts{TCP: 7, UDP: 31 * 86400}) {
			t.Errorf("in force: %+v", r.Timeouts)
		}
	})
}

// An edit and a reload that come at once end as if one had come after the other:
// what the file changes has the file's value, what it leaves alone the edit's, and the
// engine has the same as the State, whichever the loop takes first.
func TestAnEditAndAReloadAtOnce(t *testing.T) {
	for _, c := range []struct {
		law, method, path, body string
		file                    string
		want                    []string // of the engine, if either comes first
	}{
		{"an edit of what the file leaves alone stays", "PUT", "/servers/" + rs1 + "-80", `{"weight":7}`, service(vip, rs1, rs2),
			[]string{vip + ": " + rs2 + "*1 " + rs1 + "*7"}},
		{"of two weights one is in force", "PUT", "/servers/" + rs1 + "-80", `{"weight":7}`, service(vip, rs1+" weight 3"),
			[]string{vip + ": " + rs1 + "*7", vip + ": " + rs1 + "*3"}},
		{"what both remove is gone", "DELETE", "", "", service(other, rs1), []string{other + ": " + rs1 + "*1"}},
		{"what an edit removes comes back only if the file changes it", "DELETE", "/servers/" + rs1 + "-80", "", service(vip, rs1+" weight 3", rs2),
			[]string{vip + ": " + rs2 + "*1 " + rs1 + "*3", vip + ": " + rs1 + "*3 " + rs2 + "*1", vip + ": " + rs2 + "*1"}},
	} {
		for _, editFirst := range []bool{true, false} {
			bubble(t, func(t *testing.T) {
				r := running(t, service(vip, rs1))
				h := r.handler()
				r.file = c.file
				code := make(chan int, 1)
				edit := func() {
					code <- r.askBeside(h, c.method, "/v1/services/tcp-"+vip+"-80"+c.path, c.body)
				}
				if editFirst {
					go edit()
					r.l.box.put(nil, reloadRequest{})
				} else {
					r.l.box.put(nil, reloadRequest{})
					go edit()
				}
				r.pass(2 * neighbourPatience)
				if got := <-code; got != 200 && got != 204 && got != 404 {
					t.Errorf("%s: the edit is answered %d", c.law, got)
				}
				got := strings.Join(r.content(), "; ")
				if !slices.Contains(c.want, got) {
					t.Errorf("%s, edit first %v: %q, want one of %q", c.law, editFirst, got, c.want)
				}
				if state := strings.Join(content(r.l.state.Table()), "; "); state != got {
					t.Errorf("%s: the State has %q, the engine %q", c.law, state, got)
				}
			})
		}
	}
}

// askBeside is ask for a goroutine beside the test's: it does not wait for the loop.
func (r *rig) askBeside(h http.Handler, method, path, body string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(r.Context(), method, path, strings.NewReader(body)))
	return w.Code
}

// Writers on several sockets, reloads between them: each is answered, and the engine
// follows the State.
func TestManyWritersAndReloadsLeaveOneState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		h := r.handler()
		const writers, turns = 4, 25
		done := make(chan map[int]int, writers)
		for n := range writers {
			go func() {
				codes := map[int]int{}
				for i := range turns {
					path := fmt.Sprintf("/v1/services/tcp-%s-80/servers/%s-80", vip, []string{rs1, rs2}[(n+i)%2])
					method, body := "PUT", fmt.Sprintf(`{"weight":%d}`, n+1)
					if (i+n)%5 == 4 {
						method, body = "DELETE", ""
					}
					codes[r.askBeside(h, method, path, body)]++
				}
				done <- codes
			}()
		}
		for range 5 {
			r.file = service(vip, rs1, rs2+" weight 2")
			r.l.box.put(nil, reloadRequest{})
			r.pass(2 * neighbourPatience)
		}
		all := 0
		for range writers {
			for code, n := range <-done {
				if code != 200 && code != 201 && code != 204 && code != 404 {
					t.Errorf("%d answers of %d", n, code)
				}
				all += n
			}
		}
		r.pass(2 * neighbourPatience)
		if got, want := strings.Join(r.content(), "; "), strings.Join(content(r.l.state.Table()), "; "); all != writers*turns || got != want {
			t.Errorf("%d answers; the engine has %q, the State %q", all, got, want)
		}
	})
}

// One service of the inspector is the one that its status lists.
func TestTheInspectorShowsOneServiceAsInItsStatus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, checkedServer(rs1), rs2)+service(other, rs2))
		r.check(rs1, false)
		d, err := dataplane.New(dataplane.Config{})
		if err != nil {
			t.Fatal(err)
		}
		i := &inspect.Inspector{TakenOver: func() *api.TakenOver { return nil }, View: r.l.view.Load, Engine: d, Admin: director.New(d, func() int64 { return 1 }),
			Check: func(string) (check.State, bool) { return check.State{}, false }}
		for _, address := range []string{vip, other} {
			k := api.ServiceKey{Protocol: "tcp", Address: ip(address), Port: 80}
			s := i.Service(k)
			if s == nil || s.ServiceKey != k || s.Owner != api.OwnedByFile || s.Servers[0].Up != (address == other) {
				t.Errorf("%s: %+v", address, s)
			}
		}
		for _, k := range []api.ServiceKey{{}, {FWMark: 1}, {Protocol: "udp", Address: ip(vip), Port: 80}, {Protocol: "x", Address: ip(vip)}} {
			if s := i.Service(k); s != nil {
				t.Errorf("%v: %+v", k, s)
			}
		}
	})
}

// Each edit that is done is an event, and a reload with its outcome; a long list of
// edits is told of in few.
func TestEditsAndReloadsAreEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		events := r.l.feed.Subscribe("")
		defer events.Close()
		told := func() (all []string) {
			list, err := events.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				all = append(all, fmt.Sprintf("%s %s: %s", e.Kind, e.Service, e.Text))
			}
			return all
		}
		s := wireService(other)
		asked(r, api.Edit{Op: api.AddService, Service: s}, api.Edit{Op: api.AddService, Service: s}, api.Edit{Op: api.DelService, Service: s})
		want := []string{"service-changed tcp " + other + ":80: add tcp " + other + ":80, rr", "service-changed tcp " + other + ":80: remove tcp " + other + ":80"}
		if got := told(); !slices.Equal(got, want) {
			t.Errorf("told of %q, want %q", got, want)
		}
		if _, err := r.reload(service(vip, rs1, rs2)); err != nil {
			t.Fatal(err)
		}
		if got := told(); !slices.Contains(got, "config-reloaded : 1 changes, 0 problems") {
			t.Errorf("after a reload %q", got)
		}
		var many []api.Edit
		for i := range 2*maxLines + 3 {
			s.Port = uint16(i)
			many = append(many, api.Edit{Op: api.AddService, Service: s})
		}
		asked(r, many...)
		if got := told(); len(got) != maxLines+1 || got[maxLines] != fmt.Sprintf("service-changed : %d more edits", maxLines+3) {
			t.Errorf("of many edits %d events, the last %q", len(got), got[len(got)-1])
		}
	})
}

// Draining goes through the API, and the engine has weight 0 through a flap and a reload.
func TestADrainByTheAPI(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, checkedServer(rs1), rs2))
		s := wireService(vip)
		edit := func(op api.EditOp) error {
			return asked(r, api.Edit{Op: op, Service: s, Server: wireServer(rs1, 0)})[0]
		}
		want := func(when, servers string) {
			t.Helper()
			if got := r.content(); len(got) != 1 || got[0] != vip+": "+servers {
				t.Errorf("%s: %q, want %s", when, got, servers)
			}
		}
		if err := edit(api.UndrainServer); err == nil || !strings.Contains(err.Error(), "not drained") {
			t.Errorf("undone before: %v", err)
		}
		if err := edit(api.DrainServer); err != nil {
			t.Fatal(err)
		}
		want("drained", rs2+"*1 "+rs1+"*0")
		r.check(rs1, false)
		want("down", rs2+"*1")
		r.check(rs1, true)
		want("up again", rs1+"*0 "+rs2+"*1")
		if _, err := r.reload(service(vip, checkedServer(rs1)+" ; weight 5", rs2)); err != nil {
			t.Fatal(err)
		}
		want("after a reload", rs1+"*0 "+rs2+"*1")
		if err := edit(api.DelServer); err != nil {
			t.Fatal(err)
		}
		r.check(rs1, false)
		r.check(rs1, true)
		want("removed", rs2+"*1")
		if err := edit(api.UndrainServer); err != nil {
			t.Fatal(err)
		}
		want("undone", rs1+"*5 "+rs2+"*1")
	})
}
