package api_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"lvsdr/control/api"
)

// tracing is a director with one trace, and the questions it heard.
func tracing(t *testing.T, src *source, heard *api.TraceQuestion) *api.Client {
	return client(t, serve(t, api.Backend{Inspector: inspector{trace: func(q api.TraceQuestion) (api.TraceSource, error) {
		if heard != nil {
			*heard = q
		}
		return src, nil
	}}}))
}

func TestATraceIsReadAsWrittenAndEndsWithItsClient(t *testing.T) {
	src := newSource()
	var asked api.TraceQuestion
	c := tracing(t, src, &asked)
	q := api.TraceQuestion{Filter: "host 10.0.0.1 and (port 80)", Sample: 7, SnapLen: 96}
	tr, err := c.Trace(t.Context(), q)
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
	src := newSource()
	close(src.lines)
	tr, err := tracing(t, src, nil).Trace(t.Context(), api.TraceQuestion{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
}

func TestATraceIsFollowedForSoManyFrames(t *testing.T) {
	src := newSource()
	c := tracing(t, src, nil)
	src.lines <- []api.TraceLine{{In: "a"}, {NotShown: 3}, {In: "b"}, {In: "c"}}
	var seen []string
	begun := false
	n, err := c.Follow(t.Context(), api.TraceQuestion{}, 2, func() { begun = true }, func(l *api.TraceLine) error {
		seen = append(seen, l.In)
		return nil
	})
	if err != nil || !begun || n != (api.Tally{Shown: 2, NotShown: 3}) || strings.Join(seen, ",") != "a,,b" {
		t.Errorf("begun %v, %+v, saw %q, %v", begun, n, seen, err)
	}
	<-src.closed
}

func TestAFollowedTraceEndsWithItsOutputAndWithTheDirector(t *testing.T) {
	full := errors.New("disk full")
	src := newSource()
	src.lines <- []api.TraceLine{{In: "a"}}
	if n, err := tracing(t, src, nil).Follow(t.Context(), api.TraceQuestion{}, 0, func() {}, func(*api.TraceLine) error { return full }); !errors.Is(err, full) || n.Shown != 1 {
		t.Errorf("%+v, %v", n, err)
	}
	<-src.closed
	src = newSource()
	close(src.lines)
	if _, err := tracing(t, src, nil).Follow(t.Context(), api.TraceQuestion{}, 0, func() {}, nil); err == nil || !strings.Contains(err.Error(), "has ended the trace") {
		t.Errorf("error %v", err)
	}
}

func TestEventsReachEverySubscriberInTheirOrder(t *testing.T) {
	var feed api.Feed
	feed.Publish(api.Event{Kind: api.ConfigReloaded}) // before there is a subscriber
	c := client(t, serve(t, api.Backend{Events: &feed}))
	var readers []*api.Reader[api.Event]
	for range 3 {
		r, err := c.Events(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		readers = append(readers, r)
	}
	kinds := []api.EventKind{api.ServerDown, api.ServiceDown, api.ServerUp}
	for _, k := range kinds {
		feed.Publish(api.Event{Kind: k, Server: "10.0.0.1:80"})
	}
	for _, r := range readers {
		for _, k := range kinds {
			if e, err := r.Next(); err != nil || e.Kind != k || e.Server != "10.0.0.1:80" {
				t.Errorf("%+v, %v, want %s", e, err, k)
			}
		}
	}
}

// A subscriber that does not read costs the director a bounded queue, and is
// told what it has missed.
func TestASubscriberThatDoesNotReadLosesEventsAndIsTold(t *testing.T) {
	var feed api.Feed
	s := feed.Subscribe("")
	defer s.Close()
	const all = 5000
	for range all {
		feed.Publish(api.Event{Kind: api.ServerUp})
	}
	events, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1]
	if last.Kind != api.EventsLost || int(last.Lost)+len(events)-1 != all || len(events) > 2000 {
		t.Errorf("%d events, the last %+v", len(events), last)
	}
	feed.Publish(api.Event{Kind: api.ServerDown})
	if events, err := s.Next(t.Context()); err != nil || len(events) != 1 || events[0].Kind != api.ServerDown {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestAClosedSubscriptionGetsNothingMore(t *testing.T) {
	var feed api.Feed
	s := feed.Subscribe("")
	s.Close()
	feed.Publish(api.Event{Kind: api.ServerUp})
	done := make(chan struct{})
	ended := endedContext{t.Context(), done}
	close(done)
	if events, err := s.Next(ended); err == nil {
		t.Errorf("%+v", events)
	}
}

func TestEventsAsText(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 6e6, time.Local)
	for want, e := range map[string]api.Event{
		"03:04:05.006 server-down tcp 192.0.2.1:80 10.0.0.1:80: connection refused\n": {Time: at, Kind: api.ServerDown, Service: "tcp 192.0.2.1:80", Server: "10.0.0.1:80", Text: "connection refused"},
		"03:04:05.006 config-reloaded\n":                                              {Time: at, Kind: api.ConfigReloaded},
		"03:04:05.006 lost 7 events\n":                                                {Time: at, Kind: api.EventsLost, Lost: 7},
	} {
		var b bytes.Buffer
		if err := e.WriteText(&b); err != nil || b.String() != want {
			t.Errorf("%q, %v, want %q", b.String(), err, want)
		}
	}
}
