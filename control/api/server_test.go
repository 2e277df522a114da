package api_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"lvsdr/control/api"
)

// 20 000 connections that said nothing took all descriptors of the director,
// whose checks then could not be made.
func TestSilentConnectionsMakeRoomForThoseThatAsk(t *testing.T) {
	socket := serve(t, api.Backend{Viewer: &viewer{Version: "1"}})
	var silent []net.Conn
	for range 400 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	if st, err := client(t, socket).Status(t.Context()); err != nil || st.Version != "1" {
		t.Errorf("%+v, %v", st, err)
	}
	for i, c := range silent[:400-128] { // more than the limit: these came first
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Fatalf("silent connection %d: %v, want it closed", i, err)
		}
	}
}

// Clients at work are not disturbed by others that say nothing.
func TestConnectionsAtWorkAreLeftAlone(t *testing.T) {
	var feed api.Feed
	socket := serve(t, api.Backend{Events: &feed})
	r, err := client(t, socket).Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 300 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	feed.Publish(api.Event{Kind: api.ServerUp})
	if e, err := r.Next(); err != nil || e.Kind != api.ServerUp {
		t.Errorf("%+v, %v", e, err)
	}
}
