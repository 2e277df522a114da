package dataplane

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"lvsdr/conntrack"
)

// Tunables change decisions as the sysctls net.ipv4.vs.* of the same names do
// (Documentation/networking/ipvs-sysctl.rst). The zero Tunables are not the
// default, see DefaultTunables.
type Tunables struct {
	ExpireNodestConn        bool // removing a server removes its connections
	ExpireQuiescentTemplate bool // weight 0 ends templates
	ConnReuseMode           int  // 0..3: which SYNs on a known connection begin a new one
	SloppyTCP               bool // any segment but a RST begins a connection
	SloppySCTP              bool // any packet but an ABORT begins an association
	ScheduleICMP            bool // an ICMP error about no known connection makes one

	// The defences: 0 never, 1 and 2 while the connection table is nearly full
	// (15/16 of its limit), 3 always.
	DropEntry  int // entries that are likely useless go, once a second
	DropPacket int // refuses one new connection in N
	SecureTCP  int // a SYN leads to SYNACK
	// LateThresholds makes an edit of a server look at its connections only
	// with the next one that comes or goes, as kernels before 6.12 do.
	LateThresholds bool

	// NATICMPSend has a packet from where a masqueraded server listens, but of no known
	// connection, answered with port unreachable (nat_icmp_send).
	NATICMPSend bool

	// AMDropRate is N for DropPacket 3 (am_droprate).
	AMDropRate int

	// LBLCExpiration and LBLCRExpiration are for how long the schedulers lblc
	// and lblcr remember an address that is not used, in ticks of 10 ms; 0: a
	// day.
	LBLCExpiration, LBLCRExpiration int

	// PMTUDisc has a packet that must not be fragmented answered with ICMP where it is
	// too long for its tunnel; else the tunnel's packet goes in fragments (pmtu_disc).
	PMTUDisc bool

	// BackupOnly has a director that runs a backup daemon of connection sync take no
	// packets. The others say of which packets a master tells: see conntrack.SyncRule.
	BackupOnly        bool
	SyncThreshold     int  // packets
	SyncPeriod        int  // packets; 0: there is none
	SyncRefreshPeriod int  // seconds; 0: none
	SyncRetries       int  // 0..3
	SyncPersistMode   bool // templates alone, where connections have one
	SyncVersion       int  // of the messages, 1 or 0
	SyncPorts         int  // UDP ports to send to, a power of two
	SyncQueueMax      int  // messages that may wait to be sent; 0: as many as need be
	SyncSockSize      int  // bytes of a socket's buffer; 0: as the host has it

	// RescheduleSYN has a SYN of a connection that is not open yet, and whose server
	// was removed, begin it anew with another server. IPVS has nothing like it, and
	// Set no name for it.
	RescheduleSYN bool
}

// expirationDay is a day, the default of LBLCExpiration and LBLCRExpiration.
const expirationDay = 24 * 60 * 60 * 100

// DefaultTunables are the kernel's defaults.
func DefaultTunables() Tunables {
	return Tunables{ConnReuseMode: 1, AMDropRate: 10, PMTUDisc: true, LBLCExpiration: expirationDay, LBLCRExpiration: expirationDay,
		SyncThreshold: 3, SyncPeriod: 50, SyncVersion: 1, SyncPorts: 1}
}

// Set changes the tunable that the sysctl net.ipv4.vs.key names.
func (t *Tunables) Set(key, value string) error {
	if key == syncThreshold {
		return t.setSyncThreshold(value)
	}
	v, err := strconv.Atoi(value)
	if err != nil {
		return fmt.Errorf("%s: the value %q is not a number", key, value)
	}
	flags := map[string]*bool{
		"expire_nodest_conn": &t.ExpireNodestConn, "expire_quiescent_template": &t.ExpireQuiescentTemplate,
		"backup_only": &t.BackupOnly, "sync_persist_mode": &t.SyncPersistMode,
		"sloppy_tcp": &t.SloppyTCP, "sloppy_sctp": &t.SloppySCTP, "schedule_icmp": &t.ScheduleICMP, "pmtu_disc": &t.PMTUDisc,
		"nat_icmp_send": &t.NATICMPSend,
	}
	if f := flags[key]; f != nil {
		*f = v != 0
		return nil
	}
	numbers := map[string]struct {
		to          *int
		least, most int
	}{
		"conn_reuse_mode": {&t.ConnReuseMode, 0, 3}, "drop_entry": {&t.DropEntry, 0, 3},
		"drop_packet": {&t.DropPacket, 0, 3}, "secure_tcp": {&t.SecureTCP, 0, 3}, "am_droprate": {&t.AMDropRate, 1, 1 << 20},
		"sync_refresh_period": {&t.SyncRefreshPeriod, 0, maxRefresh}, "sync_retries": {&t.SyncRetries, 0, 3},
		"sync_version": {&t.SyncVersion, 0, 1}, "sync_ports": {&t.SyncPorts, 1, maxSyncPorts},
		"sync_qlen_max": {&t.SyncQueueMax, 0, math.MaxInt32}, "sync_sock_size": {&t.SyncSockSize, 0, math.MaxInt32},
		"lblc_expiration": {&t.LBLCExpiration, 1, math.MaxInt32}, "lblcr_expiration": {&t.LBLCRExpiration, 1, math.MaxInt32},
	}
	n, ok := numbers[key]
	switch {
	case !ok:
		return fmt.Errorf("%s: not a tunable of this director", key)
	case v < n.least || v > n.most:
		return fmt.Errorf("%s: %d is not %d to %d", key, v, n.least, n.most)
	}
	if key == "sync_ports" && v&(v-1) != 0 {
		return fmt.Errorf("%s: %d is no power of two", key, v)
	}
	*n.to = v
	return nil
}

// syncThreshold is the tunable of two numbers: threshold and period.
const syncThreshold = "sync_threshold"

// The limits of the tunables of connection sync.
const (
	maxSyncPorts = 64
	maxRefresh   = 1 << 20 // seconds, 12 days
)

// setSyncThreshold sets SyncThreshold and SyncPeriod, the first of which must be below the
// second unless that is 0.
func (t *Tunables) setSyncThreshold(value string) error {
	words := strings.Fields(value)
	v := [2]int{t.SyncThreshold, t.SyncPeriod} // one number alone leaves the period
	if len(words) == 0 || len(words) > len(v) {
		return fmt.Errorf("%s: the value %q is not one number or two", syncThreshold, value)
	}
	for i, w := range words {
		n, err := strconv.ParseUint(w, 10, 31)
		if err != nil {
			return fmt.Errorf("%s: the value %q is not one number or two", syncThreshold, value)
		}
		v[i] = int(n)
	}
	if v[1] != 0 && v[0] >= v[1] {
		return fmt.Errorf("%s: %d is not below %d", syncThreshold, v[0], v[1])
	}
	t.SyncThreshold, t.SyncPeriod = v[0], v[1]
	return nil
}

// syncRule is the rule by which other directors are told of connections.
func (t Tunables) syncRule() conntrack.SyncRule {
	return conntrack.SyncRule{Threshold: uint32(t.SyncThreshold), Period: uint32(t.SyncPeriod), Refresh: uint32(t.SyncRefreshPeriod) * (1e9 / tick),
		Retries: uint32(t.SyncRetries), TemplatesOnly: t.SyncPersistMode, OldFormat: t.SyncVersion == 0}
}

// acts reports whether a defence of that mode is at work.
func acts(mode int, strained bool) bool { return mode == 3 || mode > 0 && strained }
