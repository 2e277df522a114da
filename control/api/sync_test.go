package api_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"lvsdr/control/api"
)

// syncer is a director that shares its connections as this says.
type syncer struct{ st api.Sync }

func (s syncer) Sync() *api.Sync { return &s.st }

// everySync has every member.
func everySync() api.Sync {
	at := time.Unix(1_000_000_000, 0).UTC()
	return api.Sync{Daemons: everyDaemon, Sent: api.SyncSent{Messages: 1, Entries: 2, Bytes: 3, Lost: 4},
		Received: api.SyncReceived{Messages: 1, Entries: 2, Foreign: 3, Malformed: 4, Unauthenticated: 5, Stale: 6, Dropped: 7, Made: 8, Updated: 9, Replaced: 10, Ignored: 11, Refused: 12},
		Peers:    []api.SyncPeer{{Address: addr("10.0.0.2"), Heard: at, Messages: 5, Numbered: true, Lost: 1, Lag: 0.0125}, {Address: addr("fd00::1"), Heard: at, Messages: 6}},
		Join:     &api.SyncJoin{State: api.SyncDone, Peer: "10.0.0.2:8848", Time: at, Entries: 1000, Seconds: 1.26, Error: "e"},
		Digest:   &api.SyncDigest{State: api.SyncAgreed, Peer: "10.0.0.2:8848", Time: at, Entries: 900, Differ: 1, Error: "e"}}
}

func TestHowSyncStandsArrivesWhole(t *testing.T) {
	want := everySync()
	got, err := client(t, serve(t, api.Backend{Syncer: syncer{want}})).Sync(t.Context())
	if err != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestHowSyncStandsIsSaidInWords(t *testing.T) {
	text := func(change func(*api.Sync)) string {
		s := everySync()
		change(&s)
		var b strings.Builder
		if err := s.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, c := range []struct {
		law    string
		change func(*api.Sync)
		want   []string
		absent string
	}{
		{"all of it", func(*api.Sync) {}, []string{
			"master on s0, syncid 255, group ff02::81, port 65535", "backup on s1", "sent: 2 entries in 1 messages, 3 bytes; 4 entries lost",
			"received: 2 entries in 1 messages; 8 made, 9 updated, 10 replaced, 11 ignored, 12 refused",
			"3 of another syncid, 4 malformed, 5 not authenticated, 6 stale, 7 dropped",
			"whole table: 1000 entries from 10.0.0.2:8848 in 1.3 s", "agreed with 10.0.0.2:8848: 900 entries", "13ms", "unknown"}, "no sync daemon"},
		{"nothing runs", func(s *api.Sync) { *s = api.Sync{} }, []string{"no sync daemon runs: write lvs_sync_daemon"}, "PEER"},
		{"nothing was refused", func(s *api.Sync) { s.Received = api.SyncReceived{Messages: 1} }, nil, "not taken"},
		{"nobody was heard", func(s *api.Sync) { s.Join.State, s.Peers = api.SyncWaiting, nil }, []string{"no director was heard that gives it"}, "PEER"},
		{"it is under way", func(s *api.Sync) { s.Join.State = api.SyncRunning }, []string{"10.0.0.2:8848 is giving it"}, ""},
		{"a peer refuses", func(s *api.Sync) { s.Join.State, s.Join.Error = api.SyncFailed, "no" }, []string{"10.0.0.2:8848 did not give it: no"}, ""},
		{"both differ", func(s *api.Sync) { s.Digest.State = api.SyncDiffers }, []string{"differs from 10.0.0.2:8848: 1 of 900 entries are on one side alone"}, "agreed"},
		{"nobody answers", func(s *api.Sync) { s.Digest.State, s.Digest.Error = api.SyncUnknown, "gone" }, []string{"not compared: 10.0.0.2:8848: gone"}, ""},
		{"it is too early", func(s *api.Sync) { *s.Digest = api.SyncDigest{State: api.SyncUnknown} }, []string{"not compared yet"}, ""},
		{"a master alone asks nobody", func(s *api.Sync) { s.Join, s.Digest = nil, nil }, nil, "whole table"},
	} {
		got := text(c.change)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in\n%s", c.law, want, got)
			}
		}
		if c.absent != "" && strings.Contains(got, c.absent) {
			t.Errorf("%s: %q is in\n%s", c.law, c.absent, got)
		}
	}
}
