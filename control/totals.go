package control

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"lvsdr/control/api"
)

// logTotals logs what was done since the start: after the end the counters
// cannot be asked for any more.
func logTotals(log *slog.Logger, st *api.Status) {
	attrs := []any{"up", st.Time.Sub(st.Started).Round(time.Second).String(),
		"connections", st.Table.Entries, "evicted", st.Table.Evicted, counts("frames", st.Reasons), counts("arp", st.ARP)}
	for _, name := range slices.Sorted(maps.Keys(st.Ports)) {
		p := st.Ports[name]
		attrs = append(attrs, slog.Group(name, "received", p.Received, "missed", p.Missed, "missed_syn", p.MissedSYN, "truncated", p.Truncated,
			"sent", p.Sent, "sent_xdp", p.SentXDP, "send_full", p.SendFull, "send_error", p.SendError))
	}
	log.Info("stopping", attrs...)
}

// counts are counters by name, in the order of their names.
func counts(group string, n map[string]uint64) slog.Attr {
	var attrs []any
	for _, name := range slices.Sorted(maps.Keys(n)) {
		attrs = append(attrs, slog.Uint64(name, n[name]))
	}
	return slog.Group(group, attrs...)
}
