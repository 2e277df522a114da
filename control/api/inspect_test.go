package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lvsdr/control/api"
	"lvsdr/dataplane"
)

// source gives lines, then waits for the end of the client.
type source struct {
	lines  chan []api.TraceLine
	closed chan struct{}
}

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

// answering is a director that answers on a socket until the test ends.
func answering(t *testing.T, h http.Handler) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "sock")
	l, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return socket
}

func TestATraceIsReadAsWrittenAndEndsWithItsClient(t *testing.T) {
	src := &source{make(chan []api.TraceLine, 1), make(chan struct{})}
	var asked api.TraceQuestion
	socket := answering(t, api.Handler(api.Answers{Trace: func(q api.TraceQuestion) (api.TraceSource, error) {
		asked = q
		return src, nil
	}}))
	q := api.TraceQuestion{Filter: "host 10.0.0.1 and (port 80)", Sample: 7, SnapLen: 96}
	tr, err := api.Trace(t.Context(), socket, q)
	if err != nil {
		t.Fatal(err)
	}
	if asked != q {
		t.Errorf("asked for %+v, heard %+v", q, asked)
	}
	want := []api.TraceLine{{In: "eth0", Verdict: "drop", Length: 60, Data: []byte{0, 1}}, {NotShown: 3}}
	src.lines <- want
	for _, w := range want {
		if got, err := tr.Next(); err != nil || !reflect.DeepEqual(got, w) {
			t.Errorf("%+v, %v, want %+v", got, err, w)
		}
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	<-src.closed
}

func TestATraceThatTheDirectorEndsIsAtItsEnd(t *testing.T) {
	src := &source{make(chan []api.TraceLine), make(chan struct{})}
	close(src.lines)
	socket := answering(t, api.Handler(api.Answers{Trace: func(api.TraceQuestion) (api.TraceSource, error) { return src, nil }}))
	tr, err := api.Trace(t.Context(), socket, api.TraceQuestion{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
}

func TestWhatCannotBeAnsweredSaysWhy(t *testing.T) {
	socket := answering(t, api.Handler(api.Answers{
		Explain: func(api.Question) (*api.Explained, error) { return nil, errors.New("not today") },
		Trace: func(api.TraceQuestion) (api.TraceSource, error) {
			return nil, fmt.Errorf("%w: wait", dataplane.ErrTraced)
		},
	}))
	old := answering(t, http.NotFoundHandler())
	client := netip.MustParseAddr("10.0.0.1")
	for want, err := range map[string]error{
		"not today": second(api.Explain(t.Context(), socket, api.Question{Client: client, VIP: client})),
		"10.0.0.1 and ::1 are not of one address family": second(api.Explain(t.Context(), socket, api.Question{Client: client, VIP: netip.IPv6Loopback()})),
		"another trace is running: wait":                 second(api.Trace(t.Context(), socket, api.TraceQuestion{})),
		`snaplen "-1": not a number from 0 to 131072`:    second(api.Trace(t.Context(), socket, api.TraceQuestion{SnapLen: -1})),
		"does not know /v1/sticky: it is older":          second(api.AskSticky(t.Context(), old, api.Question{Client: client})),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }
