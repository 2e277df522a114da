package control

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/control/site"
	"lvsdr/dataplane"
)

// asked has ipvsadm ask for edits, while the loop runs.
func asked(r *rig, edits ...api.Edit) []error {
	r.Helper()
	d, err := dataplane.New(dataplane.Config{})
	if err != nil {
		r.Fatal(err)
	}
	a := &admin{director.New(d, func() int64 { return 1 }), r.l}
	errs, err := a.Edit(r.Context(), edits)
	if err != nil {
		r.Fatal(err)
	}
	synctest.Wait()
	return errs
}

func wireService(vip string) api.ServiceConfig {
	return api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: "tcp", Address: ip(vip), Port: 80}, Scheduler: "rr"}
}

func wireServer(addr string, weight int) api.ServerConfig {
	return api.ServerConfig{Address: ip(addr), Port: 80, Weight: weight}
}

// Each edit of a batch has its own outcome; what is refused changes nothing, the
// rest is done.
func TestEditsOfIpvsadm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		s, none := wireService(other), wireService("192.168.1.102")
		far := wireService("203.0.113.1")
		r.Calls = nil
		errs := asked(r,
			api.Edit{Op: api.AddService, Service: s},
			api.Edit{Op: api.AddServer, Service: s, Server: wireServer(rs1, 2)},
			api.Edit{Op: api.AddServer, Service: s, Server: wireServer(rs1, 2)},    // 2: there already
			api.Edit{Op: api.AddServer, Service: none, Server: wireServer(rs1, 2)}, // 3: no such service
			api.Edit{Op: api.AddService, Service: far},                             // 4: no interface
			api.Edit{Op: api.EditServer, Service: s, Server: wireServer(rs1, 9)},
			api.Edit{Op: api.AddServer, Service: s, Server: api.ServerConfig{Address: ip(rs2), Port: 80, Method: "magic"}}, // 6
			api.Edit{Op: api.EditService, Service: wireService(vip)},
			api.Edit{Op: api.SetTimeouts, Timeouts: api.Timeouts{TCP: 77}},
			api.Edit{Op: api.Zero},
			api.Edit{Op: api.Zero, Service: s}, // 10: the engine of this test has none
			api.Edit{Op: api.AddServer, Service: s, Server: wireServer(rs2, 1)},
			api.Edit{Op: api.DelServer, Service: s, Server: wireServer(rs1, 0)},
		)
		for i, want := range []error{nil, nil, api.ErrServerExists, api.ErrNotDefined, errors.New("-i"), nil, api.ErrUnsupported,
			nil, nil, nil, api.ErrNoService, nil, nil} {
			switch err := errs[i]; {
			case i == 4:
				if err == nil || !strings.Contains(err.Error(), "-i") || !strings.Contains(err.Error(), "default_interface") {
					t.Errorf("a service without interface: %v", err)
				}
			case !errors.Is(err, want):
				t.Errorf("edit %d: %v, want %v", i, err, want)
			}
		}
		if got := r.content(); !slices.Equal(got, []string{vip + ": " + rs1 + "*1", other + ": " + rs2 + "*1"}) || r.Timeouts.TCP != 77 {
			t.Errorf("the engine has %q, timeouts %v", got, r.Timeouts)
		}
		changes := 0
		for _, c := range r.Calls {
			if c == "director.Change" {
				changes++
			}
		}
		if changes != 3 {
			t.Errorf("%d changes of the engine; want the edits before and after the timeouts and counters as one each", changes)
		}
		if errs := asked(r, api.Edit{Op: api.DelService, Service: s}, api.Edit{Op: api.Flush}); errs[0] != nil || errs[1] != nil || len(r.content()) != 0 {
			t.Errorf("after a flush %q; %v", r.content(), errs)
		}
	})
}

// The engine counts removed servers that the table does not know.
func TestAnEditThatTheEngineRefusesIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		r.Refuse = func(e site.Edit) error {
			if e.Op == site.AddServer {
				return dataplane.ErrTooManyServers
			}
			return nil
		}
		s := wireService(other)
		errs := asked(r, api.Edit{Op: api.AddService, Service: s}, api.Edit{Op: api.AddServer, Service: s, Server: wireServer(rs2, 1)})
		if errs[0] != nil || !errors.Is(errs[1], api.ErrMemory) {
			t.Errorf("errors %v", errs)
		}
		if p := r.l.view.Load().Problems; len(p) != 1 || !strings.Contains(p[0], "add "+rs2) {
			t.Errorf("problems %q", p)
		}
		r.Refuse = nil
		r.pass(2 * maxRetry)
		if p := r.l.view.Load().Problems; len(p) != 0 || len(r.content()) != 2 || !strings.Contains(r.content()[1], rs2) {
			t.Errorf("with room again: %q, problems %q", r.content(), p)
		}
	})
}

func TestDescriptionsOfEditsSayWhatIsDone(t *testing.T) {
	s := dataplane.ServiceConfig{Key: key(vip), Scheduler: "wlc"}
	for _, c := range []struct {
		op   site.Op
		text string
	}{
		{site.AddService, "add tcp 192.168.1.100:80, wlc"},
		{site.EditService, "change tcp 192.168.1.100:80, wlc"},
		{site.DelService, "remove tcp 192.168.1.100:80"},
		{site.AddServer, "add 192.168.1.11:80 to tcp 192.168.1.100:80, weight 3"},
		{site.EditServer, "change 192.168.1.11:80 of tcp 192.168.1.100:80, weight 3"},
		{site.DelServer, "remove 192.168.1.11:80 from tcp 192.168.1.100:80"},
		{site.Drain, "drain 192.168.1.11:80 of tcp 192.168.1.100:80"},
		{site.Undrain, "undo the draining of 192.168.1.11:80 of tcp 192.168.1.100:80"},
		{site.Flush, "flush"},
	} {
		e := site.Edit{Op: c.op, Service: s, Server: server(rs1, 3)}
		if got := describe(&e); got != c.text {
			t.Errorf("%v: %q, want %q", c.op, got, c.text)
		}
		if sub := subjectOf(&e); (sub.port == 0) != strings.Contains(c.op.String(), "service") && c.op != site.Flush {
			t.Errorf("%v is about %+v", c.op, sub)
		}
	}
}

func TestALongListOfErrorsIsCutShort(t *testing.T) {
	all := []error{errors.New("a"), errors.New("b"), errors.New("c"), errors.New("d"), errors.New("e")}
	if got := firstOf(all).Error(); got != "a\nb\nc\nand 2 more" {
		t.Errorf("%q", got)
	}
	if got := firstOf(all[:3]).Error(); got != "a\nb\nc" || firstOf(nil) != nil {
		t.Errorf("%q", got)
	}
}
