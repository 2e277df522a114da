package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/api"
)

// readEvents are the next n events of s.
func readEvents(t *testing.T, s api.EventSource, n int) (all []api.Event) {
	t.Helper()
	for len(all) < n {
		events, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	return all
}

// A client that comes back with the ID of the last event it has read gets each later one
// once, in order, or is told how many are lost.
func TestASubscriberGoesOnWhereItWas(t *testing.T) {
	for _, c := range []struct {
		law             string
		published, read int
		lost, got       int
	}{
		{"nothing was missed", 5, 5, 0, 0},
		{"one was missed", 5, 4, 0, 1},
		{"all that are known were missed", 1025, 1, 0, 1024},
		{"one of them is too old", 1026, 1, 1, 1024},
		{"most are too old", 5000, 7, 5000 - 7 - 1024, 1024},
	} {
		var feed api.Feed
		first := feed.Subscribe("")
		id := ""
		for i := range c.published {
			feed.Publish(api.Event{Kind: api.ServerUp, Text: fmt.Sprint(i + 1)})
			if i+1 == c.read {
				id = readEvents(t, first, c.read)[c.read-1].ID
			}
		}
		first.Close()
		again := feed.Subscribe(id)
		feed.Publish(api.Event{Kind: api.ServerDown, Text: fmt.Sprint(c.published + 1)})
		want := c.got + 1
		if c.lost > 0 {
			want++
		}
		if c.got >= 1024 {
			want-- // the queue is full: the newest one is lost, and told so
		}
		all := readEvents(t, again, want)
		if c.lost > 0 {
			if all[0].Kind != api.EventsLost || int(all[0].Lost) != c.lost || all[0].ID != "" {
				t.Errorf("%s: at first %+v", c.law, all[0])
			}
			all = all[1:]
		}
		for i := range min(c.got, 1024) {
			if all[i].Text != fmt.Sprint(c.published-c.got+1+i) {
				t.Fatalf("%s: event %d is %+v", c.law, i, all[i])
			}
		}
		again.Close()
	}
}

// An ID of another start, or none at all, is told apart from an old one.
func TestIDsOfAnotherStartAreToldSo(t *testing.T) {
	var feed api.Feed
	feed.Publish(api.Event{Kind: api.ServerUp})
	own := feed.Subscribe("")
	feed.Publish(api.Event{Kind: api.ServerUp})
	id := readEvents(t, own, 1)[0].ID
	epoch, _, _ := strings.Cut(id, "-")
	for _, id := range []string{"x", "x-1", epoch, epoch + "-", epoch + "-9", epoch + "-x", "-", epoch + "--1"} {
		e := readEvents(t, feed.Subscribe(id), 1)[0]
		if e.Kind != api.EventsLost || !strings.Contains(e.Text, "started again") {
			t.Errorf("%q: %+v", id, e)
		}
	}
	if all := readEvents(t, feed.Subscribe(epoch+"-0"), 2); all[1].ID != id {
		t.Errorf("from the first one on: %+v", all)
	}
}

// What events cost is bounded however many clients read none of them: each has a queue
// of 1024, the feed keeps as many, and what is published is not delayed.
func TestSlowReadersCostABoundedQueueEach(t *testing.T) {
	var feed api.Feed
	const clients, all = 64, 20_000
	var subs []api.EventSource
	for range clients {
		subs = append(subs, feed.Subscribe(""))
	}
	for range all {
		feed.Publish(api.Event{Kind: api.ServerUp}) // it would wait for ever here, if it waited
	}
	queued, kept := feed.Sizes()
	if queued != clients*1024 || kept != 1024 {
		t.Errorf("%d events wait for %d clients, and %d are kept", queued, clients, kept)
	}
	for _, s := range subs {
		events := readEvents(t, s, 1)
		if last := events[len(events)-1]; len(events) != 1025 || last.Kind != api.EventsLost || last.Lost != all-1024 {
			t.Fatalf("%d events, the last %+v", len(events), last)
		}
		s.Close()
	}
	feed.Publish(api.Event{})
	if queued, _ := feed.Sizes(); queued != 0 {
		t.Errorf("%d events wait for clients that have gone", queued)
	}
}

// Readers of events leave connections to those who ask.
func TestReadersOfEventsLeaveRoomForOthers(t *testing.T) {
	socket := serve(t, api.Backend{Events: &api.Feed{}, Viewer: &viewer{Version: "1"}})
	c := client(t, socket)
	var refused error
	n := 0
	for ; n < 128 && refused == nil; n++ {
		r, err := c.Events(t.Context())
		if err == nil {
			defer r.Close()
		}
		refused = err
	}
	if n != 65 || !errors.Is(refused, api.ErrStreams) {
		t.Errorf("reader %d: %v", n, refused)
	}
	if st, err := c.Status(t.Context()); err != nil || st.Version != "1" {
		t.Errorf("beside them: %+v, %v", st, err)
	}
}

// A reader that goes makes room for another one.
func TestAReaderThatGoesMakesRoom(t *testing.T) {
	h := api.Handler(api.Backend{Events: &api.Feed{}})
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/v1/events", nil))
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

// A reader that has stopped reading, with its buffers full, holds up nobody: others
// get their events, and Publish returns.
func TestAReaderThatIsStuckHoldsUpNobody(t *testing.T) {
	var feed api.Feed
	socket := serve(t, api.Backend{Events: &feed})
	stuck, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	if _, err := io.WriteString(stuck, "GET /v1/events HTTP/1.1\r\nHost: lvsdr\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stuck).ReadString('\n'); err != nil { // it is served, and reads no more
		t.Fatal(err)
	}
	r, err := client(t, socket).Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	long := strings.Repeat("x", 10_000)
	for i := range 500 { // 5 MB: more than a socket holds
		feed.Publish(api.Event{Kind: api.ProblemFound, Text: long, Lost: uint64(i)})
		if e, err := r.Next(); err != nil || e.Lost != uint64(i) {
			t.Fatalf("event %d: %d, %v", i, e.Lost, err)
		}
	}
}

// The stream is one of server-sent events, and as described; while nothing happens
// there are comments, by which a client that has gone is noticed.
func TestEventsAreServerSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var feed api.Feed
		feed.Publish(api.Event{Time: time.Unix(1, 0).UTC(), Kind: api.ServerDown, Service: "tcp 192.0.2.1:80", Server: "10.0.0.1:80", Text: "two\nlines"})
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, "GET", "/v1/events", nil)
		first := feed.Subscribe("x") // any: for the epoch
		first.Close()
		feed.Publish(api.Event{Kind: api.ConfigReloaded})
		r.Header.Set("Last-Event-ID", feed.Epoch()+"-0")
		done := make(chan struct{})
		go func() {
			defer close(done)
			api.Handler(api.Backend{Events: &feed}).ServeHTTP(w, r)
		}()
		time.Sleep(31 * time.Second) // virtual
		feed.Publish(api.Event{Kind: api.ServiceUp})
		synctest.Wait()
		cancel()
		<-done
		text := w.Body.String()
		id := feed.Epoch()
		want := ": the director's events\n\nid: " + id + "-1\nevent: server-down\n" +
			`data: {"id":"` + id + `-1","time":"1970-01-01T00:00:01Z","kind":"server-down","service":"tcp 192.0.2.1:80","server":"10.0.0.1:80","text":"two\nlines"}` + "\n\n" +
			"id: " + id + "-2\nevent: config-reloaded\n"
		if !strings.HasPrefix(text, want) || strings.Count(text, ": \n\n") != 2 || !strings.Contains(text, "event: service-up\n") {
			t.Errorf("%s\nwant\n%s", text, want)
		}
		if err := spec(t).Answer("GET", "/v1/events", w.Code, w.Header(), w.Body.Bytes()); err != nil {
			t.Error(err)
		}
	})
}
