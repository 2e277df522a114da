package metrics

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"lvsdr/arp"
	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/dataplane/frame"
)

var update = flag.Bool("update", false, "write the table of docs/metrics.md")

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// server is a real server that is up.
func server(address string) api.Server {
	return api.Server{ServerConfig: api.ServerConfig{Address: addr(address), Port: 80, Weight: 3}, Effective: 3, Up: true, MAC: "02:00:00:00:00:01",
		Active: 5, Inactive: 6, Persistent: 7, RepeatedSYNs: 11, Traffic: api.Traffic{Conns: 8, Packets: 90, Bytes: 1000},
		Checks: []api.Check{{Kind: "TCP_CHECK", Attempts: 10, Failures: 2, Took: 0.25}, {Kind: "TCP_CHECK", Attempts: 1, Took: 0.5}}}
}

// status is a director that has some of everything.
func status() *api.Status {
	down, bare := server("10.0.0.2"), server("10.0.0.3")
	down.Up, down.Effective = false, 0
	bare.Checks = nil
	web := api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: "tcp", Address: addr("192.0.2.1"), Port: 80}},
		Traffic: api.Traffic{Conns: 4, Packets: 50, Bytes: 600}, Servers: []api.Server{server("10.0.0.1"), down, bare}}
	mark := api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: 7, IPv6: true}}}
	return &api.Status{Version: "1.2", Started: time.Unix(100, 5e8), ConfigTime: time.Unix(200, 0), Reloads: 5, Refused: 2, ConfigErr: "line 3", Active: true,
		Workers: 2, Local: api.LocalServed, Services: []api.Service{web, mark}, Table: api.Table{Entries: 11, Limit: 64, Evicted: 3},
		Offload: &api.Offload{Flows: 1, Packets: 2, Begun: 3, Ended: 4, Forced: 5, Full: 6, Refused: 7},
		Reasons: map[string]uint64{"hit": 9}, Verdicts: map[string]string{"hit": "forward", "too-big": "drop"}, ARP: map[string]uint64{"answered": 4},
		Ports:   map[string]api.PortStats{"eth0": {Received: 1, Missed: 2, MissedSYN: 3, Truncated: 4, Sent: 5, SentXDP: 6, SendFull: 7, SendError: 8}},
		Routers: []api.Router{{Name: "web", Role: "MASTER", Priority: 150, Became: 2, Sent: 9, Received: 3, Refused: 1}, {Name: "mail", Role: "FAULT", Priority: 100}},
		Notify:  api.Notifications{Run: 1, Failed: 2, Dropped: 3, Lines: 4, LostLines: 5, Mails: 6, LostMails: 7}, Problems: []string{"one", "two"}}
}

// table is a connection table with two TCP connections, of one being opened and one
// open, one of UDP, and a template.
func table(t testing.TB) *conntrack.Table {
	t.Helper()
	tb, err := conntrack.New(conntrack.Config{Limit: conntrack.MinLimit})
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range []conntrack.Key{{Proto: frame.ProtoTCP}, {Proto: frame.ProtoTCP}, {Proto: frame.ProtoUDP}, {Proto: frame.ProtoTCP, Template: true}} {
		k.Client, k.Virtual, k.ClientPort, k.VirtualPort = frame.AddrFrom(addr("10.1.0.1")), frame.AddrFrom(addr("192.0.2.1")), uint16(i), 80
		e := tb.Insert(&k, tb.Hash(&k), conntrack.MakeDestRef(1, 1), nil, 0)
		switch i {
		case 0:
			tb.SetState(e, conntrack.Established)
		case 1:
			tb.SetState(e, conntrack.SynRecv)
		}
	}
	return tb
}

// synced is a director that is both master and backup.
func synced() *api.Sync {
	return &api.Sync{Daemons: []api.Daemon{{Role: api.SyncMaster, Interface: "s0"}, {Role: api.SyncBackup, Interface: "s1"}},
		Sent:     api.SyncSent{Messages: 1, Entries: 2, Bytes: 3, Lost: 4},
		Received: api.SyncReceived{Messages: 5, Entries: 6, Foreign: 7, Malformed: 8, Unauthenticated: 9, Stale: 10, Dropped: 11, Refused: 12},
		Peers:    []api.SyncPeer{{Address: addr("10.0.0.2"), Numbered: true, Lost: 13, Lag: 0.5}, {Address: addr("10.0.0.3"), Lost: 1}},
		Digest:   &api.SyncDigest{State: api.SyncDiffers, Differ: 14}}
}

// source is the Source of a director with that status.
func source(t testing.TB, st *api.Status) *Source {
	tb := table(t)
	return &Source{Status: func() *api.Status { return st }, Sync: synced,
		States: func() (s conntrack.StateCounts) {
			for c := range tb.Chunks() {
				tb.Count(c, &s)
			}
			return s
		},
		Latencies: func() []check.Latency {
			l := check.Latency{Kind: "TCP_CHECK", Outcome: check.Bad, Count: 3, Sum: 3500 * time.Millisecond}
			l.Buckets[0], l.Buckets[9], l.Buckets[12] = 1, 1, 1
			return []check.Latency{l}
		}}
}

// Prometheus reads what the status says.
func TestTheMetricsAreThoseOfTheStatus(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"lvsdr_announcing", "gauge 1"},
		{"lvsdr_offload_connections", "gauge 1"},
		{"lvsdr_offload_working", "gauge 1"},
		{"lvsdr_offload_handed_over_total", "counter 3"},
		{"lvsdr_offload_taken_back_total", "counter 4"},
		{"lvsdr_offload_forced_total", "counter 5"},
		{"lvsdr_offload_refused_total", `counter {reason="full"} 6 {reason="kernel"} 7`},
		{"lvsdr_sync_daemon", `gauge {interface="s0",role="master"} 1 {interface="s1",role="backup"} 1`},
		{"lvsdr_sync_sent_messages_total", "counter 1"},
		{"lvsdr_sync_sent_entries_total", "counter 2"},
		{"lvsdr_sync_unsent_entries_total", "counter 4"},
		{"lvsdr_sync_received_messages_total", "counter 5"},
		{"lvsdr_sync_received_entries_total", "counter 6"},
		{"lvsdr_sync_refused_entries_total", "counter 12"},
		{"lvsdr_sync_ignored_messages_total", `counter {reason="dropped"} 11 {reason="foreign"} 7 {reason="malformed"} 8 {reason="stale"} 10 {reason="unauthenticated"} 9`},
		{"lvsdr_sync_lost_messages_total", `counter {peer="10.0.0.2"} 13`},
		{"lvsdr_sync_lag_seconds", `gauge {peer="10.0.0.2"} 0.5`},
		{"lvsdr_sync_agreed", "gauge 0"},
		{"lvsdr_sync_differing_entries", "gauge 14"},
		{"lvsdr_local_clients_served", "gauge 1"},
		{"lvsdr_problems", "gauge 2"},
		{"lvsdr_workers", "gauge 2"},
		{"lvsdr_start_time_seconds", "gauge 100.5"},
		{"lvsdr_config_reloads_total", `counter {result="success"} 3 {result="refused"} 2`},
		{"lvsdr_config_last_reload_successful", "gauge 0"},
		{"lvsdr_config_last_reload_success_timestamp_seconds", "gauge 200"},
		{"lvsdr_frames_total", `counter {reason="hit",verdict="forward"} 9 {reason="too-big",verdict="drop"} 0`},
		{"lvsdr_interface_received_frames_total", `counter {interface="eth0"} 1`},
		{"lvsdr_interface_missed_frames_total", `counter {interface="eth0",ring="frames"} 2 {interface="eth0",ring="syn"} 3`},
		{"lvsdr_interface_truncated_frames_total", `counter {interface="eth0"} 4`},
		{"lvsdr_interface_sent_frames_total", `counter {interface="eth0"} 5`},
		{"lvsdr_interface_xdp_sent_frames_total", `counter {interface="eth0"} 6`},
		{"lvsdr_interface_unsent_frames_total", `counter {interface="eth0",reason="full"} 7 {interface="eth0",reason="error"} 8`},
		{"lvsdr_table_entries", "gauge 11"},
		{"lvsdr_table_limit", "gauge 64"},
		{"lvsdr_table_evictions_total", "counter 3"},
		{"lvsdr_table_templates", "gauge 1"},
		{"lvsdr_table_connections", `gauge {protocol="tcp",state="ESTABLISHED"} 1 {protocol="tcp",state="SYN_RECV"} 1 {protocol="udp",state="UDP"} 1`},
		{"lvsdr_notify_commands_total", "counter 1"},
		{"lvsdr_notify_command_failures_total", "counter 2"},
		{"lvsdr_notify_dropped_commands_total", "counter 3"},
		{"lvsdr_notify_fifo_lines_total", "counter 4"},
		{"lvsdr_notify_lost_fifo_lines_total", "counter 5"},
		{"lvsdr_notify_mails_total", "counter 6"},
		{"lvsdr_notify_lost_mails_total", "counter 7"},
		{"lvsdr_vrrp_master", `gauge {router="web"} 1 {router="mail"} 0`},
		{"lvsdr_vrrp_fault", `gauge {router="web"} 0 {router="mail"} 1`},
		{"lvsdr_vrrp_priority", `gauge {router="web"} 150 {router="mail"} 100`},
		{"lvsdr_vrrp_became_master_total", `counter {router="web"} 2 {router="mail"} 0`},
		{"lvsdr_vrrp_adverts_sent_total", `counter {router="web"} 9 {router="mail"} 0`},
		{"lvsdr_vrrp_adverts_received_total", `counter {router="web"} 3 {router="mail"} 0`},
		{"lvsdr_vrrp_adverts_refused_total", `counter {router="web"} 1 {router="mail"} 0`},
		{"lvsdr_service_connections_total", `counter {service="tcp 192.0.2.1:80"} 4 {service="fwmark 7 IPv6"} 0`},
		{"lvsdr_service_frames_total", `counter {service="tcp 192.0.2.1:80"} 50 {service="fwmark 7 IPv6"} 0`},
		{"lvsdr_service_bytes_total", `counter {service="tcp 192.0.2.1:80"} 600 {service="fwmark 7 IPv6"} 0`},
		{"lvsdr_server_connections_total", "counter " + ofServers("8", "8", "8")},
		{"lvsdr_server_frames_total", "counter " + ofServers("90", "90", "90")},
		{"lvsdr_server_repeated_syns_total", "counter " + ofServers("11", "11", "11")},
		{"lvsdr_server_bytes_total", "counter " + ofServers("1000", "1000", "1000")},
		{"lvsdr_server_active_connections", "gauge " + ofServers("5", "5", "5")},
		{"lvsdr_server_inactive_connections", "gauge " + ofServers("6", "6", "6")},
		{"lvsdr_server_templates", "gauge " + ofServers("7", "7", "7")},
		{"lvsdr_server_up", "gauge " + ofServers("1", "0", "1")},
		{"lvsdr_server_weight", "gauge " + ofServers("3", "0", "3")},
		{"lvsdr_server_configured_weight", "gauge " + ofServers("3", "3", "3")},
		{"lvsdr_server_checks_total", "counter " + ofServers("11", "11")},
		{"lvsdr_server_check_failures_total", "counter " + ofServers("2", "2")},
		{"lvsdr_server_check_duration_seconds", "gauge " + ofServers("0.5", "0.5")},
		{"lvsdr_server_state", `gauge {server="10.0.0.1:80",service="tcp 192.0.2.1:80",state="up"} 1 ` +
			`{server="10.0.0.2:80",service="tcp 192.0.2.1:80",state="down"} 1 {server="10.0.0.3:80",service="tcp 192.0.2.1:80",state="up"} 1`},
		{"lvsdr_check_duration_seconds", `histogram {kind="TCP_CHECK",result="bad"} 3 of 3.5 s: 0.001:1 0.0025:1 0.005:1 0.01:1 0.025:1 0.05:1 0.1:1 0.25:1 0.5:1 1:2 2.5:2 5:2`},
	} {
		if got := samples(gathered(t, source(t, status()), c.name)); got != c.want {
			t.Errorf("%s is\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

// ofServers are the samples of the servers of the first service.
func ofServers(values ...string) string {
	var all []string
	for i, v := range values {
		all = append(all, fmt.Sprintf(`{server="10.0.0.%d:80",service="tcp 192.0.2.1:80"} %s`, i+1, v))
	}
	return strings.Join(all, " ")
}

// gathered is the family of that name; nil: there is none.
func gathered(t *testing.T, s *Source, name string) *dto.MetricFamily {
	t.Helper()
	all, err := s.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.GetName() == name {
			return m
		}
	}
	return nil
}

// samples are those of a family, in a line.
func samples(m *dto.MetricFamily) string {
	out := strings.ToLower(m.GetType().String())
	for _, s := range m.GetMetric() {
		var pairs []string
		for _, l := range s.Label {
			pairs = append(pairs, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
		}
		if len(pairs) > 0 {
			out += " {" + strings.Join(pairs, ",") + "}"
		}
		if h := s.Histogram; h != nil {
			out += fmt.Sprintf(" %d of %v s:", h.GetSampleCount(), h.GetSampleSum())
			for _, b := range h.Bucket {
				out += fmt.Sprintf(" %v:%d", b.GetUpperBound(), b.GetCumulativeCount())
			}
			continue
		}
		out += fmt.Sprintf(" %v", s.GetCounter().GetValue()+s.GetGauge().GetValue())
	}
	return out
}

// The names are those that Prometheus' own rules ask for.
func TestTheNamesFollowTheConventions(t *testing.T) {
	found, err := testutil.GatherAndLint(source(t, status()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Whatever a director has, its metrics are valid: no sample twice, families and samples of one kind, labels
// in order. A prometheus.Gatherers compares each sample with all others, slowly.
func TestAnyStatusGivesValidMetrics(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		st := random(rnd)
		s := source(t, st)
		slow, err := prometheus.Gatherers{s}.Gather()
		if err != nil {
			t.Fatalf("%v of %+v", err, st)
		}
		fast, err := s.Gather()
		if err != nil || len(fast) != len(slow) {
			t.Fatalf("%d families, %v, want %d", len(fast), err, len(slow))
		}
		for i := range fast {
			a, b := strings.Fields(samples(fast[i])), strings.Fields(samples(slow[i]))
			slices.Sort(a)
			slices.Sort(b)
			if fast[i].GetName() != slow[i].GetName() || !slices.Equal(a, b) {
				t.Errorf("%s is not %s", fast[i].GetName(), slow[i].GetName())
			}
		}
	}
}

// random is a status of some size.
func random(rnd *rand.Rand) *api.Status {
	st := status()
	st.Services = nil
	for s := range rnd.IntN(6) {
		service := status().Services[0]
		service.Port = uint16(s)
		service.Servers = nil
		for r := range rnd.IntN(6) {
			one := server(fmt.Sprintf("10.0.1.%d", r))
			one.Up, one.Removed, one.Overloaded, one.Standby = rnd.IntN(2) == 0, rnd.IntN(4) == 0, rnd.IntN(4) == 0, rnd.IntN(4) == 0
			one.Checks = one.Checks[:rnd.IntN(3)]
			service.Servers = append(service.Servers, one)
		}
		st.Services = append(st.Services, service)
	}
	if rnd.IntN(2) == 0 {
		st.Ports, st.ARP, st.Verdicts, st.ConfigTime = nil, nil, nil, time.Time{}
	}
	return st
}

// All counters of ARP are told, those of which nothing has come yet too: an alert sees the first one.
func TestCountersOfARPStartAtZero(t *testing.T) {
	got := samples(gathered(t, source(t, status()), "lvsdr_arp_frames_total"))
	for name := range arp.Counters() {
		want := map[bool]string{true: "4", false: "0"}[name == "answered"]
		if line := fmt.Sprintf(" {outcome=%q} %s", name, want); !strings.Contains(got+" ", line+" ") {
			t.Errorf("%s is missing in %s", line, got)
		}
	}
}

// A director that has read no file says so with a time that is none.
func TestWithoutAConfigurationItsTimeIsZero(t *testing.T) {
	st := status()
	st.ConfigTime = time.Time{}
	if got := samples(gathered(t, source(t, st), "lvsdr_config_last_reload_success_timestamp_seconds")); got != "gauge 0" {
		t.Error(got)
	}
}

// The document lists every metric, with its labels and its help.
func TestEveryMetricIsDocumented(t *testing.T) {
	const name, begin, end = "../../docs/metrics.md", "<!-- metrics: made by go test ./control/metrics -run TestEveryMetric -update -->\n\n", "\n<!-- end of metrics -->"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("docs/metrics.md has no place for the table")
	}
	all, err := source(t, status()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	table := "| metric | labels | |\n|---|---|---|\n"
	for _, m := range all {
		names := map[string]bool{}
		for _, s := range m.Metric {
			for _, l := range s.Label {
				names["`"+l.GetName()+"`"] = true
			}
		}
		table += fmt.Sprintf("| `%s` | %s | %s |\n", m.GetName(), strings.Join(slices.Sorted(maps.Keys(names)), " "), m.GetHelp())
	}
	switch {
	case *update:
		if err := os.WriteFile(name, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case old != table:
		t.Error("docs/metrics.md lists other metrics; run it with -update")
	}
}

// A director that shares no connections has no such metrics, and one that was not
// compared does not say that it agrees.
func TestWithoutConnectionSyncThereAreNoMetricsOfIt(t *testing.T) {
	for _, c := range []struct {
		law  string
		sync func() *api.Sync
		want int
	}{
		{"no sync at all", nil, 1},
		{"no daemon runs", func() *api.Sync { return &api.Sync{} }, 1},
		{"nothing was compared", func() *api.Sync {
			return &api.Sync{Daemons: []api.Daemon{{Role: api.SyncBackup}}, Digest: &api.SyncDigest{State: api.SyncUnknown}}
		}, 9},
	} {
		s := source(t, status())
		s.Sync = c.sync
		all, err := s.Gather()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, m := range all {
			if strings.HasPrefix(m.GetName(), "lvsdr_sync_") {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s: %d metrics, want %d", c.law, n, c.want)
		}
	}
}

// Where the kernel is not to forward there is nothing about it; where it cannot, that shows.
func TestOffloadThatIsOffOrDoesNotWork(t *testing.T) {
	for _, c := range []struct {
		offload *api.Offload
		working string
	}{{nil, ""}, {&api.Offload{Problem: "no CAP_BPF"}, "0"}, {&api.Offload{}, "1"}} {
		st := status()
		st.Offload = c.offload
		all, err := source(t, st).Gather()
		if err != nil {
			t.Fatal(err)
		}
		working := ""
		for _, f := range all {
			if f.GetName() == "lvsdr_offload_working" {
				working = strconv.FormatFloat(f.Metric[0].GetGauge().GetValue(), 'g', -1, 64)
			} else if c.offload == nil && strings.HasPrefix(f.GetName(), "lvsdr_offload") {
				t.Errorf("off, and there is %s", f.GetName())
			}
		}
		if working != c.working {
			t.Errorf("%+v: working is %q, want %q", c.offload, working, c.working)
		}
	}
}
