package api_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/netip"
	"path/filepath"
	"testing"

	"lvsdr/control/api"
)

// serve answers out of b on a socket until the test ends.
func serve(t *testing.T, b api.Backend) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "run", "sock")
	serveAt(t, socket, b)
	return socket
}

func serveAt(t *testing.T, socket string, b api.Backend) {
	t.Helper()
	l, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- api.Serve(ctx, l, b) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// client is a client of socket until the test ends.
func client(t *testing.T, socket string) *api.Client {
	c := api.NewClient(socket)
	t.Cleanup(c.Close)
	return c
}

// older is a director that knows none of the requests.
func older(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "sock")
	l, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return socket
}

// viewer is a director of whom only the status is known.
type viewer api.Status

func (v *viewer) Status() *api.Status { st := api.Status(*v); return &st }

func (v *viewer) Service(k api.ServiceKey) *api.Service {
	for _, s := range v.Services {
		if s.ServiceKey == k {
			return &s
		}
	}
	return nil
}

// inspector answers with what it has.
type inspector struct {
	explain     func(api.Question) (*api.Explained, error)
	persistence func(api.Question) (*api.Persistence, error)
	trace       func(api.TraceQuestion) (api.TraceSource, error)
}

func (i inspector) Explain(q api.Question) (*api.Explained, error)       { return i.explain(q) }
func (i inspector) Persistence(q api.Question) (*api.Persistence, error) { return i.persistence(q) }
func (i inspector) Trace(q api.TraceQuestion) (api.TraceSource, error)   { return i.trace(q) }

// source gives lines, then waits for the end of the client.
type source struct {
	lines  chan []api.TraceLine
	closed chan struct{}
}

func newSource() *source { return &source{make(chan []api.TraceLine, 1), make(chan struct{})} }

func (s *source) Next(ctx context.Context) ([]api.TraceLine, error) {
	select {
	case l, ok := <-s.lines:
		if !ok {
			return nil, io.EOF
		}
		return l, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *source) Close() { close(s.closed) }

// admin is a director that keeps what it is told.
type admin struct {
	heard    []api.Edit
	refusals []error // of the next edits, in turn
	failure  error   // of everything
	services []api.Service
	broken   error // after the services and connections
	conns    []api.Conn
	daemons  []api.Daemon
}

func (a *admin) Daemons(context.Context) ([]api.Daemon, error) { return a.daemons, a.failure }

func (a *admin) Edit(_ context.Context, edits []api.Edit) ([]error, error) {
	a.heard = append(a.heard, edits...)
	refused := make([]error, len(edits))
	copy(refused, a.refusals)
	return refused, a.failure
}

func (a *admin) Services(_ context.Context, keys ...api.ServiceKey) iter.Seq2[api.Service, error] {
	return func(yield func(api.Service, error) bool) {
		for _, s := range a.services {
			if (len(keys) == 0 || keys[0] == s.ServiceKey) && !yield(s, nil) {
				return
			}
		}
		if a.broken != nil {
			yield(api.Service{}, a.broken)
		}
	}
}

func (a *admin) Conns(context.Context) iter.Seq2[api.Conn, error] {
	return func(yield func(api.Conn, error) bool) {
		for _, c := range a.conns {
			if !yield(c, nil) {
				return
			}
		}
		if a.broken != nil {
			yield(api.Conn{}, a.broken)
		}
	}
}

func (a *admin) Timeouts(context.Context) (api.Timeouts, error) {
	return api.Timeouts{TCP: 900, TCPFin: 120, UDP: 300}, a.failure
}

// reloader gives an outcome.
type reloader struct {
	done *api.Reloaded
	err  error
}

func (r reloader) Reload(context.Context) (*api.Reloaded, error) { return r.done, r.err }

// planner gives a plan.
type planner struct {
	plan *api.Plan
	err  error
}

func (p planner) Plan(context.Context, *api.PlanRequest) (*api.Plan, error) { return p.plan, p.err }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func second[T any](_ T, err error) error { return err }

var errBroken = errors.New("the table is on fire")
