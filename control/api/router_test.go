package api

import (
	"strings"
	"testing"
	"time"
)

func TestInstancesAreShownWithTheirRoles(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		r    Router
		want []string // the words of its line
	}{
		{"a master", Router{Name: "A", Role: "MASTER", Priority: 150, Since: now.Add(-90 * time.Second), Master: "192.0.2.1", Addresses: []string{"192.0.2.100"}, Sent: 9},
			[]string{"A", "MASTER", "150", "1m30s", "this", "host", "9", "0", "0", "192.0.2.100"}},
		{"a backup", Router{Name: "B", Role: "BACKUP", Priority: 100, Since: now, Master: "192.0.2.1", Addresses: []string{"192.0.2.100", "192.0.2.101"}, Received: 7, Refused: 2},
			[]string{"B", "BACKUP", "100", "0s", "192.0.2.1", "0", "7", "2", "192.0.2.100", "192.0.2.101"}},
		{"one that has not started", Router{Name: "C", Role: "INIT"}, []string{"C", "INIT", "0", "-", "-", "0", "0", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			st := Status{Time: now, Routers: []Router{c.r}}
			if err := st.WriteText(&b); err != nil {
				t.Fatal(err)
			}
			_, rest, ok := strings.Cut(b.String(), "INSTANCE")
			lines := strings.Split(rest, "\n")
			if !ok || strings.Join(strings.Fields(lines[1]), " ") != strings.Join(c.want, " ") {
				t.Errorf("%q, want %q", lines, c.want)
			}
		})
	}
	var b strings.Builder
	if err := (&Status{}).WriteText(&b); err != nil || strings.Contains(b.String(), "INSTANCE") {
		t.Errorf("without instances: %s %v", b.String(), err)
	}
}
