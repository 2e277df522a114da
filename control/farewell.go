package control

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"lvsdr/control/api"
)

// farewell logs what was done since the start: after the end nobody can ask
// for the counters any more.
func (m *manager) farewell() {
	st := m.Status()
	attrs := []any{"up", time.Since(m.started).Round(time.Second).String(),
		"connections", st.Table.Entries, "evicted", st.Table.Evicted, counts("frames", st.Reasons), counts("arp", st.ARP)}
	for _, name := range slices.Sorted(maps.Keys(st.Ports)) {
		attrs = append(attrs, portCounts(name, st.Ports[name]))
	}
	m.log.Info("stopping", attrs...)
}

// counts are counters by name, in the order of their names.
func counts(group string, n map[string]uint64) slog.Attr {
	var attrs []any
	for _, name := range slices.Sorted(maps.Keys(n)) {
		attrs = append(attrs, slog.Uint64(name, n[name]))
	}
	return slog.Group(group, attrs...)
}

func portCounts(name string, p api.PortStats) slog.Attr {
	return slog.Group(name, "received", p.Received, "missed", p.Missed, "truncated", p.Truncated,
		"sent", p.Sent, "sent_xdp", p.SentXDP, "send_full", p.SendFull, "send_error", p.SendError)
}
