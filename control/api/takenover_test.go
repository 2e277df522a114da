package api_test

import (
	"bytes"
	"strings"
	"testing"

	"lvsdr/control/api"
)

// The status says in one line what became of the connections of the director before.
func TestTheStatusSaysWhatWasTakenOver(t *testing.T) {
	for _, c := range []struct {
		name  string
		taken *api.TakenOver
		want  string // "": no line
	}{
		{"a table in no file", nil, ""},
		{"a first start", &api.TakenOver{File: "/run/t"}, "kept in /run/t\n"},
		{"a file that is no good", &api.TakenOver{File: "/run/t", Empty: "it is too short"}, "kept in /run/t; it began empty: it is too short\n"},
		{"another's connections", &api.TakenOver{File: "/run/t", PID: 7, Connections: 100, Templates: 3, Dropped: 1, AgeMs: 65000},
			"kept in /run/t; taken over: 100 connections, 3 templates, from process 7, 1m5s old, 1 dropped\n"},
	} {
		var b bytes.Buffer
		st := &api.Status{Table: api.Table{Limit: 10, TakenOver: c.taken}}
		if err := st.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(b.String(), "connection table: 0 of 10 entries, 0 evicted\n")
		if line, _, _ := strings.Cut(after, "\nINTERFACE"); line != c.want {
			t.Errorf("%s: %q, want %q", c.name, line, c.want)
		}
	}
}
