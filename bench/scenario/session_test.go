package scenario_test

import (
	"context"
	"path/filepath"
	"testing"

	"lvsdr/bench/scenario"
	"lvsdr/bench/scenario/sessiontest"
	"lvsdr/control/api"
)

// TestSessions plays the recorded sessions on the core, and through the control
// socket.
func TestSessions(t *testing.T) {
	sessions, err := sessiontest.Sessions("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, through := range []struct {
		name string
		make func(*testing.T) func(api.Admin) api.Admin
	}{{"core", func(*testing.T) func(api.Admin) api.Admin { return func(a api.Admin) api.Admin { return a } }}, {"socket", throughSocket}} {
		for _, s := range sessions {
			t.Run(through.name+"/"+s.Name, func(t *testing.T) {
				want, got := read(t, s), read(t, s)
				if err := scenario.PlayThrough(got, through.make(t)); err != nil {
					t.Fatal(err)
				}
				left, diffs := sessiontest.How{}.Compare(want, got)
				for _, d := range diffs {
					t.Error(d)
				}
				if r := sessiontest.Ranges(left); r != s.LeftOut {
					t.Errorf("something was left out of the lines %q, want %q", r, s.LeftOut)
				}
			})
		}
	}
}

func read(t *testing.T, s sessiontest.Session) []*scenario.Op {
	t.Helper()
	ops, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

// throughSocket makes a client of a director's control socket.
func throughSocket(t *testing.T) func(api.Admin) api.Admin {
	return func(a api.Admin) api.Admin {
		socket := filepath.Join(t.TempDir(), "sock")
		l, err := api.Listen(socket)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- api.Serve(ctx, l, api.Backend{Admin: a}) }()
		c := api.NewClient(socket)
		t.Cleanup(func() {
			c.Close()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		return c
	}
}
