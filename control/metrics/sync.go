package metrics

import "lvsdr/control/api"

// sync says how connections are shared with other directors. nil: they are not.
func (f *families) sync(s *api.Sync) {
	differ := 0
	if s != nil && s.Digest != nil {
		differ = s.Digest.Differ
	}
	f.gauge("lvsdr_sync_differing_entries", "Connections and templates that only one of two directors has; 0 also where none compares.", 1).add(float64(differ), nil)
	if s == nil || len(s.Daemons) == 0 {
		return
	}
	g := f.gauge("lvsdr_sync_daemon", "Always 1; the labels say which sync daemons run.", len(s.Daemons))
	for i := range s.Daemons {
		g.add(1, labels("interface", s.Daemons[i].Interface, "role", s.Daemons[i].Role))
	}
	r := &s.Received
	for _, m := range []struct {
		name, help string
		count      uint64
	}{
		{"lvsdr_sync_sent_messages_total", "Messages of connection sync that were sent.", s.Sent.Messages},
		{"lvsdr_sync_sent_entries_total", "Connections and templates in the messages that were sent.", s.Sent.Entries},
		{"lvsdr_sync_unsent_entries_total", "Connections and templates that were to be sent, and were not.", s.Sent.Lost},
		{"lvsdr_sync_received_messages_total", "Messages of connection sync that were received.", r.Messages},
		{"lvsdr_sync_received_entries_total", "Connections and templates in the messages that were received.", r.Entries},
		{"lvsdr_sync_refused_entries_total", "Connections and templates for which the table had no room.", r.Refused},
	} {
		f.counter(m.name, m.help, 1).add(m.count, nil)
	}
	c := f.counter("lvsdr_sync_ignored_messages_total", "Messages of connection sync that were not taken, by reason.", 5)
	c.add(r.Dropped, labels("reason", "dropped"))
	c.add(r.Foreign, labels("reason", "foreign"))
	c.add(r.Malformed, labels("reason", "malformed"))
	c.add(r.Stale, labels("reason", "stale"))
	c.add(r.Unauthenticated, labels("reason", "unauthenticated"))
	lost := f.counter("lvsdr_sync_lost_messages_total", "Messages of a peer that have not come, by their numbers.", len(s.Peers))
	lag := f.gauge("lvsdr_sync_lag_seconds", "From when a peer's last message was sent until it came, by both clocks.", len(s.Peers))
	for i := range s.Peers {
		if p := &s.Peers[i]; p.Numbered {
			l := labels("peer", p.Address.String())
			lost.add(p.Lost, l)
			lag.add(p.Lag, l)
		}
	}
	if d := s.Digest; d != nil && d.State != api.SyncUnknown {
		f.gauge("lvsdr_sync_agreed", "Whether this director and its peer have the same connections.", 1).add(yesNo(d.State == api.SyncAgreed), nil)
	}
}
