package metrics

import (
	"maps"
	"runtime"
	"slices"

	dto "github.com/prometheus/client_model/go"

	"lvsdr/arp"
	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/dataplane/frame"
)

// A Source is the director that metrics are about. All fields are required; what they give
// must not wait. They may be called from any goroutine.
type Source struct {
	Status    func() *api.Status
	Latencies func() []check.Latency       // of health checks
	States    func() conntrack.StateCounts // of the connection table
	Sync      func() *api.Sync             // nil: connections are not shared with other directors
}

// Gather returns the director's metrics now, sorted by name. It is a
// prometheus.Gatherer.
func (s *Source) Gather() ([]*dto.MetricFamily, error) {
	st, f := s.Status(), &families{}
	f.process(st)
	f.config(st)
	f.frames(st)
	f.interfaces(st)
	f.table(st, s.States())
	f.offload(st.Offload)
	f.notifications(&st.Notify)
	f.routers(st.Routers)
	f.services(st.Services)
	f.servers(st.Services)
	f.latencies(s.Latencies())
	if s.Sync != nil {
		f.sync(s.Sync())
	} else {
		f.sync(nil)
	}
	return f.sorted(), nil
}

// process says which program this is, and how things stand.
func (f *families) process(st *api.Status) {
	f.gauge("lvsdr_build_info", "Always 1; the labels say which program runs.", 1).
		add(1, labels("go_version", runtime.Version(), "version", st.Version))
	f.gauge("lvsdr_start_time_seconds", "When the director was started, in seconds since 1970.", 1).add(float64(st.Started.UnixMilli())/1000, nil)
	f.gauge("lvsdr_announcing", "Whether the virtual addresses are announced (1) or not yet (0).", 1).add(yesNo(st.Active), nil)
	f.gauge("lvsdr_local_clients_served", "Whether clients on the director's own host are served.", 1).add(yesNo(st.Local == api.LocalServed), nil)
	f.gauge("lvsdr_problems", "Problems that `lvsdr status` lists: what is configured and cannot be served.", 1).add(float64(len(st.Problems)), nil)
	f.gauge("lvsdr_workers", "Packet workers of each interface.", 1).add(float64(st.Workers), nil)
}

// config says what became of reloads.
func (f *families) config(st *api.Status) {
	c := f.counter("lvsdr_config_reloads_total", "Reloads of the configuration, by result: success, or refused as a whole.", 2)
	c.add(uint64(st.Reloads-st.Refused), labels("result", "success"))
	c.add(uint64(st.Refused), labels("result", "refused"))
	f.gauge("lvsdr_config_last_reload_successful", "Whether the last reload, or the start, was a success.", 1).add(yesNo(st.ConfigErr == ""), nil)
	at := 0.0
	if !st.ConfigTime.IsZero() {
		at = float64(st.ConfigTime.UnixMilli()) / 1000
	}
	f.gauge("lvsdr_config_last_reload_success_timestamp_seconds", "When the configuration in force was loaded, in seconds since 1970; 0: there is none.", 1).add(at, nil)
}

// frames says what became of frames.
func (f *families) frames(st *api.Status) {
	c := f.counter("lvsdr_frames_total", "Frames received, by what became of them (docs/operations.md explains the reasons).", len(st.Verdicts))
	for _, reason := range slices.Sorted(maps.Keys(st.Verdicts)) {
		c.add(st.Reasons[reason], labels("reason", reason, "verdict", st.Verdicts[reason]))
	}
	names := slices.Collect(func(yield func(string) bool) {
		arp.Counters()(func(name, _ string) bool { return yield(name) })
	})
	c = f.counter("lvsdr_arp_frames_total", "Frames of ARP and neighbour discovery, by outcome (docs/operations.md explains the counters).", len(names))
	for _, name := range names {
		c.add(st.ARP[name], labels("outcome", name))
	}
}

// interfaces says what the NICs did.
func (f *families) interfaces(st *api.Status) {
	n := len(st.Ports)
	received := f.counter("lvsdr_interface_received_frames_total", "Frames handed to a worker.", n)
	missed := f.counter("lvsdr_interface_missed_frames_total", "Frames for which the receive ring had no room; SYNs have a ring of their own, except under a heavy load without a flood.", 2*n)
	truncated := f.counter("lvsdr_interface_truncated_frames_total", "Frames longer than there was room for.", n)
	sent := f.counter("lvsdr_interface_sent_frames_total", "Frames taken by the kernel.", n)
	xdp := f.counter("lvsdr_interface_xdp_sent_frames_total", "Frames sent by AF_XDP, which are among those sent.", n)
	unsent := f.counter("lvsdr_interface_unsent_frames_total", "Frames not taken by the kernel: the device's queue was full, or an error.", 2*n)
	for _, name := range slices.Sorted(maps.Keys(st.Ports)) {
		p, l := st.Ports[name], labels("interface", name)
		received.add(p.Received, l)
		missed.add(p.Missed, labels("interface", name, "ring", "frames"))
		missed.add(p.MissedSYN, labels("interface", name, "ring", "syn"))
		truncated.add(p.Truncated, l)
		sent.add(p.Sent, l)
		xdp.add(p.SentXDP, l)
		unsent.add(p.SendFull, labels("interface", name, "reason", "full"))
		unsent.add(p.SendError, labels("interface", name, "reason", "error"))
	}
}

// table says how full the connection table is, and of what.
func (f *families) table(st *api.Status, states conntrack.StateCounts) {
	f.gauge("lvsdr_table_entries", "Connections and persistence templates in the connection table.", 1).add(float64(st.Table.Entries), nil)
	f.gauge("lvsdr_table_limit", "Entries for which the connection table has room.", 1).add(float64(st.Table.Limit), nil)
	f.counter("lvsdr_table_evictions_total", "Entries that were evicted for new ones.", 1).add(st.Table.Evicted, nil)
	f.gauge("lvsdr_table_templates", "Persistence templates in the connection table.", 1).add(float64(states.Templates()), nil)
	n := 0
	states.Each(func(frame.Proto, string, int) { n++ })
	g := f.gauge("lvsdr_table_connections", "Connections by protocol and state, as `ipvsadm -Lc` names it.", n)
	states.Each(func(p frame.Proto, state string, n int) {
		g.add(float64(n), labels("protocol", p.String(), "state", state))
	})
}

// notifications says how the administrator's programs were told of changes.
func (f *families) notifications(n *api.Notifications) {
	for _, m := range []struct {
		name, help string
		count      uint64
	}{
		{"lvsdr_notify_commands_total", "Notification commands that have ended.", n.Run},
		{"lvsdr_notify_command_failures_total", "Notification commands that failed: not started, another exit code than 0, or killed.", n.Failed},
		{"lvsdr_notify_dropped_commands_total", "Notification commands that were not run for want of room in the queue.", n.Dropped},
		{"lvsdr_notify_fifo_lines_total", "Lines written to notification FIFOs.", n.Lines},
		{"lvsdr_notify_lost_fifo_lines_total", "Lines for which a notification FIFO had no room.", n.LostLines},
		{"lvsdr_notify_mails_total", "Mails about changes that the mail server took.", n.Mails},
		{"lvsdr_notify_lost_mails_total", "Mails about changes that the mail server did not take, or that had no room in the queue.", n.LostMails},
	} {
		f.counter(m.name, m.help, 1).add(m.count, nil)
	}
}

// latencies says how long health checks took.
func (f *families) latencies(all []check.Latency) {
	m := f.open("lvsdr_check_duration_seconds", "How long attempts of health checks took, by kind and result: good, bad, or not made.", dto.MetricType_HISTOGRAM, len(all))
	bounds := check.LatencyBounds()
	for i := range all {
		l := &all[i]
		sum, h := l.Sum.Seconds(), &dto.Histogram{SampleCount: &l.Count}
		h.SampleSum = &sum
		below := uint64(0)
		for j, bound := range bounds {
			below += l.Buckets[j]
			upper, count := bound.Seconds(), below
			h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: &upper, CumulativeCount: &count})
		}
		m.Metric = append(m.Metric, &dto.Metric{Label: labels("kind", l.Kind, "result", l.Outcome.String()), Histogram: h})
	}
}
