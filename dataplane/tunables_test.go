package dataplane_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"lvsdr/dataplane"
)

// The tunables by the names of their sysctls, and what each changes.
var tunables = []struct {
	name        string
	flag        func(t *dataplane.Tunables) *bool
	number      func(t *dataplane.Tunables) *int
	least, most int
}{
	{name: "expire_nodest_conn", flag: func(t *dataplane.Tunables) *bool { return &t.ExpireNodestConn }},
	{name: "expire_quiescent_template", flag: func(t *dataplane.Tunables) *bool { return &t.ExpireQuiescentTemplate }},
	{name: "sloppy_tcp", flag: func(t *dataplane.Tunables) *bool { return &t.SloppyTCP }},
	{name: "sloppy_sctp", flag: func(t *dataplane.Tunables) *bool { return &t.SloppySCTP }},
	{name: "schedule_icmp", flag: func(t *dataplane.Tunables) *bool { return &t.ScheduleICMP }},
	{name: "pmtu_disc", flag: func(t *dataplane.Tunables) *bool { return &t.PMTUDisc }},
	{name: "conn_reuse_mode", number: func(t *dataplane.Tunables) *int { return &t.ConnReuseMode }, most: 3},
	{name: "drop_entry", number: func(t *dataplane.Tunables) *int { return &t.DropEntry }, most: 3},
	{name: "drop_packet", number: func(t *dataplane.Tunables) *int { return &t.DropPacket }, most: 3},
	{name: "secure_tcp", number: func(t *dataplane.Tunables) *int { return &t.SecureTCP }, most: 3},
	{name: "am_droprate", number: func(t *dataplane.Tunables) *int { return &t.AMDropRate }, least: 1, most: 1 << 20},
	{name: "backup_only", flag: func(t *dataplane.Tunables) *bool { return &t.BackupOnly }},
	{name: "sync_persist_mode", flag: func(t *dataplane.Tunables) *bool { return &t.SyncPersistMode }},
	{name: "sync_refresh_period", number: func(t *dataplane.Tunables) *int { return &t.SyncRefreshPeriod }, most: 1 << 20},
	{name: "sync_retries", number: func(t *dataplane.Tunables) *int { return &t.SyncRetries }, most: 3},
	{name: "sync_version", number: func(t *dataplane.Tunables) *int { return &t.SyncVersion }, most: 1},
	{name: "sync_qlen_max", number: func(t *dataplane.Tunables) *int { return &t.SyncQueueMax }, most: 1<<31 - 1},
	{name: "sync_sock_size", number: func(t *dataplane.Tunables) *int { return &t.SyncSockSize }, most: 1<<31 - 1},
	{name: "lblc_expiration", number: func(t *dataplane.Tunables) *int { return &t.LBLCExpiration }, least: 1, most: 1<<31 - 1},
	{name: "lblcr_expiration", number: func(t *dataplane.Tunables) *int { return &t.LBLCRExpiration }, least: 1, most: 1<<31 - 1},
}

// Each name sets its tunable and no other, within its range; what is beyond it
// is refused by name and range, and changes nothing.
func TestSetTunables(t *testing.T) {
	for _, c := range tunables {
		for _, v := range []int{-1 << 40, -1, 0, 1, 2, 3, 4, 10, 1 << 20, 1<<20 + 1, 1 << 40} {
			got := dataplane.DefaultTunables()
			want, ok := got, true
			if c.flag != nil {
				*c.flag(&want) = v != 0 // as the kernel reads them
			} else if ok = v >= c.least && v <= c.most; ok {
				*c.number(&want) = v
			}
			err := got.Set(c.name, strconv.Itoa(v))
			if (err == nil) != ok || got != want {
				t.Errorf("%s=%d: %v, %+v, want %+v", c.name, v, err, got, want)
			}
			if err != nil && (!strings.Contains(err.Error(), c.name) || !strings.Contains(err.Error(), fmt.Sprint(c.most))) {
				t.Errorf("%s=%d: the error %q does not say what is allowed", c.name, v, err)
			}
		}
		for _, v := range []string{"", " ", "1 ", "x", "1.0", "0x1", "true", "on", "99999999999999999999"} {
			got := dataplane.DefaultTunables()
			err := got.Set(c.name, v)
			if err == nil || got != dataplane.DefaultTunables() || !strings.Contains(err.Error(), c.name) || !strings.Contains(err.Error(), strconv.Quote(v)) {
				t.Errorf("%s=%q: %v, %+v", c.name, v, err, got)
			}
		}
	}
	for _, name := range []string{"", "drop_entr", "Drop_Entry", "net.ipv4.vs.drop_entry", "late_thresholds", "reschedule_syn", "sync_period", "sync_state"} {
		got := dataplane.DefaultTunables()
		if err := got.Set(name, "1"); err == nil || got != dataplane.DefaultTunables() || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v, %+v", name, err, got)
		}
	}
}

// The kernel's defaults: all 0, but for conn_reuse_mode, pmtu_disc, am_droprate, sync_version and the
// expirations, which are a day in ticks of 10 ms.
func TestDefaultTunables(t *testing.T) {
	d := dataplane.DefaultTunables()
	for _, c := range tunables {
		want := map[string]int{"pmtu_disc": 1, "conn_reuse_mode": 1, "am_droprate": 10, "lblc_expiration": 8640000, "lblcr_expiration": 8640000, "sync_version": 1}[c.name]
		if c.flag != nil && *c.flag(&d) != (want == 1) || c.number != nil && *c.number(&d) != want {
			t.Errorf("%s is not %d by default: %+v", c.name, want, d)
		}
	}
	if d.LateThresholds {
		t.Error("thresholds are late by default")
	}
	if d.RescheduleSYN {
		t.Error("a SYN leaves a removed server by the kernel's defaults")
	}
	// A director takes them up, and says so.
	l := defaultLab(t)
	d.DropEntry = 2
	l.d.SetTunables(d)
	if got := l.d.Tunables(); got != d {
		t.Errorf("%+v, want %+v", got, d)
	}
}

// The expirations of lblc and lblcr are taken up by the schedulers.
func TestExpirationsOfLocality(t *testing.T) {
	for _, c := range []struct {
		sched string
		set   func(*dataplane.Tunables, int)
	}{
		{"lblc", func(v *dataplane.Tunables, n int) { v.LBLCExpiration = n }},
		{"lblcr", func(v *dataplane.Tunables, n int) { v.LBLCRExpiration = n }},
	} {
		for _, ticks := range []int{0, 3000} {
			l := newLab(t, unlimited, 1<<12)
			l.service(tcpService(80), 0, 1)
			l.must(l.d.EditService(dataplane.ServiceConfig{Key: tcpService(80), Scheduler: c.sched}))
			if ticks > 0 {
				l.tune(func(v *dataplane.Tunables) { c.set(v, ticks) })
			}
			l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
			l.add(tcpService(80), 2, 5) // lighter from now on
			l.pass(31 * time.Minute)
			want := byte(1)
			if ticks > 0 {
				want = 2
			}
			l.expect(tcp(4001, 80, "S"), dataplane.Scheduled, want)
		}
	}
}

// sync_threshold is two numbers, of which the second may be absent; sync_ports a power of
// two. The kernel refuses the same.
func TestTunablesOfSyncWithRulesOfTheirOwn(t *testing.T) {
	for _, c := range []struct {
		name, value       string
		threshold, period int // 0, 0: refused
	}{
		{"the default", "3 50", 3, 50},
		{"blanks", " 5\t 10 ", 5, 10},
		{"no period", "7 0", 7, 0},
		{"one number, which leaves the period", "4", 4, 50},
		{"the period itself", "50 50", 0, 0},
		{"beyond the period", "51 50", 0, 0},
		{"none", " ", 0, 0},
		{"three", "1 2 3", 0, 0},
		{"negative", "-1 50", 0, 0},
		{"a word", "3 x", 0, 0},
		{"too great", "4294967296 0", 0, 0},
	} {
		got := dataplane.DefaultTunables()
		want := got
		err := got.Set("sync_threshold", c.value)
		if refused := c.threshold == 0; refused != (err != nil) || err != nil && !strings.Contains(err.Error(), "sync_threshold") {
			t.Errorf("%s: error %v", c.name, err)
		}
		if err == nil {
			want.SyncThreshold, want.SyncPeriod = c.threshold, c.period
		}
		if got != want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	for v := -1; v <= 130; v++ {
		got := dataplane.DefaultTunables()
		err := got.Set("sync_ports", strconv.Itoa(v))
		if ok := v >= 1 && v <= 64 && v&(v-1) == 0; ok != (err == nil) || ok != (got.SyncPorts == v) && v != 1 {
			t.Errorf("sync_ports %d: %v, %+v", v, err, got)
		}
	}
}
