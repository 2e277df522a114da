package api_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/control/api"
)

// drained is a director with two services that both have 10.0.0.1, and 10.0.0.2 in the
// first. Connections of the first service end with each look, one after the other.
type drained struct {
	t     *testing.T
	first api.Service
	other api.Service
	edits []string
	fails error
}

func newDrained(t *testing.T, connections int) *drained {
	server := func(a string, n int) api.Server {
		return api.Server{ServerConfig: api.ServerConfig{Address: addr(a), Port: 80, Weight: 3}, Active: n}
	}
	key := func(port uint16) api.ServiceConfig {
		return api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: "tcp", Address: addr("192.0.2.1"), Port: port}}
	}
	return &drained{t: t, first: api.Service{ServiceConfig: key(80), Servers: []api.Server{server("10.0.0.1", connections), server("10.0.0.2", 9)}},
		other: api.Service{ServiceConfig: key(81), Servers: []api.Server{server("10.0.0.1", 0)}}}
}

func (d *drained) Status(context.Context) (*api.Status, error) {
	return &api.Status{Services: []api.Service{d.first, d.other}}, d.fails
}

func (d *drained) Service(_ context.Context, k api.ServiceKey) (*api.Service, error) {
	s := &d.first
	if k.Port == 81 {
		s = &d.other
	}
	out := *s
	out.Servers = slices.Clone(s.Servers)
	if k.Port == 80 && s.Servers[0].Active > 0 {
		s.Servers[0].Active--
	}
	return &out, d.fails
}

func (d *drained) Edit(_ context.Context, edits []api.Edit) ([]error, error) {
	for _, e := range edits {
		d.edits = append(d.edits, string(e.Op)+" "+e.Server.PathName()+" "+e.Service.PathName())
		s := &d.first
		if e.Service.Port == 81 {
			s = &d.other
		}
		for i := range s.Servers {
			if r := &s.Servers[i]; r.Address == e.Server.Address {
				switch e.Op {
				case api.DrainServer:
					r.Drained = true
				case api.UndrainServer:
					r.Drained, r.Removed = false, false
				case api.DelServer:
					r.Removed = true
				}
			}
		}
	}
	return make([]error, len(edits)), d.fails
}

// drainer drains 10.0.0.1 of d; each wait is a second of a clock that the test keeps.
func (d *drained) drainer(said *[]string) *api.Drainer {
	at := time.Unix(0, 0)
	return &api.Drainer{Client: d, Server: addr("10.0.0.1"), Every: time.Second, Now: func() time.Time { return at },
		Wait: func(ctx context.Context, by time.Duration) error { at = at.Add(by); return ctx.Err() },
		Say:  func(line string) { *said = append(*said, line) }}
}

// A drained server is removed from each service when it has no connections there, or
// when its time is over, and each change of their number is said.
func TestADrainEndsWithTheLastConnection(t *testing.T) {
	const first, other = "10.0.0.1:80 of tcp 192.0.2.1:80: ", "10.0.0.1:80 of tcp 192.0.2.1:81: "
	for _, c := range []struct {
		law         string
		connections int
		change      func(*api.Drainer)
		edits       []string
		said        []string
	}{
		{"without connections it is removed at once", 0, func(*api.Drainer) {},
			[]string{"drain-server 10.0.0.1-80 tcp-192.0.2.1-80", "drain-server 10.0.0.1-80 tcp-192.0.2.1-81", "del-server 10.0.0.1-80 tcp-192.0.2.1-80", "del-server 10.0.0.1-80 tcp-192.0.2.1-81"},
			[]string{first + "removed", other + "removed"}},
		{"with connections it is removed after the last", 2, func(*api.Drainer) {},
			[]string{"drain-server 10.0.0.1-80 tcp-192.0.2.1-80", "drain-server 10.0.0.1-80 tcp-192.0.2.1-81", "del-server 10.0.0.1-80 tcp-192.0.2.1-81", "del-server 10.0.0.1-80 tcp-192.0.2.1-80"},
			[]string{first + "2 connections (2 active)", other + "removed", first + "1 connections (1 active)", first + "removed"}},
		{"by the timeout it is removed with those it has", 1000, func(d *api.Drainer) { d.Timeout = 2 * time.Second; d.Service = netip.MustParseAddrPort("192.0.2.1:80") },
			[]string{"drain-server 10.0.0.1-80 tcp-192.0.2.1-80", "del-server 10.0.0.1-80 tcp-192.0.2.1-80"},
			[]string{first + "1000 connections (1000 active)", first + "999 connections (999 active)", first + "removed with 998 connections, by the timeout"}},
		{"of one service alone", 1, func(d *api.Drainer) { d.Service = netip.MustParseAddrPort("192.0.2.1:81"); d.Port = 80 },
			[]string{"drain-server 10.0.0.1-80 tcp-192.0.2.1-81", "del-server 10.0.0.1-80 tcp-192.0.2.1-81"}, []string{other + "removed"}},
	} {
		var said []string
		site := newDrained(t, c.connections)
		d := site.drainer(&said)
		c.change(d)
		if err := d.Drain(t.Context()); err != nil || !slices.Equal(site.edits, c.edits) || !slices.Equal(said, c.said) {
			t.Errorf("%s: %v\nedits %q\nsaid %q", c.law, err, site.edits, said)
		}
	}
}

// Interrupted, a drain removes nothing; another one goes on, and undone all is as before.
func TestADrainThatIsInterruptedCanBeUndone(t *testing.T) {
	var said []string
	site := newDrained(t, 50)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := site.drainer(&said).Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if s := site.first.Servers[0]; !s.Drained || s.Removed {
		t.Errorf("after the interruption %+v", s)
	}
	if err := site.drainer(&said).Drain(t.Context()); err != nil || !site.first.Servers[0].Removed {
		t.Errorf("going on: %v, %q", err, said)
	}
	said = nil
	if err := site.drainer(&said).Undo(t.Context()); err != nil || len(said) != 2 || site.first.Servers[0].Removed || site.first.Servers[0].Drained {
		t.Errorf("undone: %v, %q", err, said)
	}
	if err := site.drainer(&said).Undo(t.Context()); err == nil || err.Error() != "10.0.0.1 is not drained" {
		t.Errorf("undone twice: %v", err)
	}
}

func TestDrainsThatCannotBeMade(t *testing.T) {
	var said []string
	for _, c := range []struct {
		law    string
		change func(*drained, *api.Drainer)
		want   string
	}{
		{"no such server", func(_ *drained, d *api.Drainer) { d.Server = addr("10.0.0.9") }, "10.0.0.9 is no real server"},
		{"no such port", func(_ *drained, d *api.Drainer) { d.Port = 81 }, "10.0.0.1:81 is no real server"},
		{"no such service", func(_ *drained, d *api.Drainer) { d.Service = netip.MustParseAddrPort("192.0.2.9:80") }, "no real server of such a service"},
		{"no director", func(s *drained, _ *api.Drainer) { s.fails = errBroken }, errBroken.Error()},
		{"an edit by another", func(s *drained, d *api.Drainer) {
			s.first.Servers[0].Active = 5
			d.Wait = func(context.Context, time.Duration) error { s.first.Servers[0].Drained = false; return nil }
		}, "its draining was ended by an edit"},
	} {
		site := newDrained(t, 0)
		d := site.drainer(&said)
		c.change(site, d)
		if err := d.Drain(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.law, err)
		}
	}
}
