package keepalived

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Tests of the values of words that are not used. keepalived leaves a line with a
// bad value out, which its -t counts as a mistake.

// A valueTest reports what is wrong with the values of a line, or nil.
type valueTest = func(args []string) error

// A rule is the test of the values of these words.
type rule struct {
	words string
	test  valueTest
}

// tested is ws, where the values of the words in rules are tested.
func tested(ws []word, rules ...rule) []word {
	for _, r := range rules {
		for name := range strings.FieldsSeq(r.words) {
			for i := range ws {
				if ws[i].name == name {
					ws[i].set = valid(r.test)
				}
			}
		}
	}
	return ws
}

var errMissing = errors.New("a value is missing")

// isText tests for a first value.
func isText(args []string) error {
	if len(args) == 0 {
		return errMissing
	}
	return nil
}

// isOneText tests for one value and no other.
func isOneText(args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%q is one value too many", args[1])
	}
	return isText(args)
}

// integers tests the first value: a whole number from lo to hi.
func integers(lo, hi int64) valueTest {
	return func(args []string) error {
		if len(args) == 0 {
			return errMissing
		}
		v, err := strconv.ParseInt(args[0], 10, 64)
		switch {
		case errors.Is(err, strconv.ErrSyntax):
			return fmt.Errorf("%q %w", args[0], errNoNumber)
		case err != nil || v < lo || v > hi:
			return fmt.Errorf("%s is not between %d and %d", args[0], lo, hi)
		}
		return nil
	}
}

// optional tests the first value if there is one.
func optional(test valueTest) valueTest {
	return func(args []string) error {
		if len(args) == 0 {
			return nil
		}
		return test(args)
	}
}

// exactlyOne tests the only value.
func exactlyOne(test valueTest) valueTest {
	return func(args []string) error {
		if err := isOneText(args); err != nil {
			return err
		}
		return test(args)
	}
}

// seconds tests the first value: seconds from lo to hi.
func seconds(lo, hi time.Duration) valueTest {
	return func(args []string) error {
		if len(args) == 0 {
			return errMissing
		}
		_, err := parseTimer(args[0], lo, hi)
		return err
	}
}

// parseIP reads an address as keepalived does, of one host or of a group.
func parseIP(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", s)
	}
	return a, nil
}

// isIP tests the first value.
func isIP(args []string) error {
	if len(args) == 0 {
		return errMissing
	}
	_, err := parseIP(args[0])
	return err
}

// isOneIP tests the only value.
func isOneIP(args []string) error { return exactlyOne(isIP)(args) }

// isMulticast tests the first value: an address of a group, of IPv4 or IPv6.
func isMulticast(is4 bool) valueTest {
	return func(args []string) error {
		if err := isIP(args); err != nil {
			return err
		}
		if a, _ := parseIP(args[0]); !a.IsMulticast() || a.Is4() != is4 {
			return fmt.Errorf("%s is not a multicast address of the family", a)
		}
		return nil
	}
}

// isMailServer tests the first value: an address or the name of a host, which is
// not looked up.
func isMailServer(args []string) error {
	if len(args) == 0 {
		return errMissing
	}
	if isIP(args) != nil && (strings.HasPrefix(args[0], "-") || strings.ContainsAny(args[0], "/:@,")) {
		return fmt.Errorf("%q is no IP address and no name of a host", args[0])
	}
	return nil
}

// isUmask tests the only value: bits as an octal number, or their names.
func isUmask(args []string) error {
	if _, err := strconv.ParseUint(args[0], 0, 16); err == nil {
		return nil
	}
	for name := range strings.SplitSeq(args[0], "|") {
		if !strings.HasPrefix(strings.TrimSpace(name), "S_I") {
			return fmt.Errorf("%q is no bit of a umask", name)
		}
	}
	return nil
}

// areCPUs tests the numbers of CPUs, which this host may have or not.
func areCPUs(args []string) error {
	if len(args) == 0 {
		return errMissing
	}
	for i := range args {
		if err := integers(0, 1023)(args[i:]); err != nil {
			return err
		}
	}
	return nil
}

// testedGlobals is ws, the words of global_defs, with tests of their values.
func testedGlobals(ws []word) []word {
	positive, natural := integers(1, math.MaxUint32), integers(0, math.MaxUint32)
	interval := seconds(time.Microsecond, math.MaxUint32*time.Microsecond)
	return tested(ws, []rule{
		{"vrrp_notify_fifo dbus_service_name tmp_config_directory", isText},
		{"reload_time_file snmp_socket", isOneText},
		{`smtp_alert_vrrp data_use_instance vrrp_min_garp
			vrrp_lower_prio_no_advert vrrp_higher_prio_send_advert vrrp_notify_priority_changes vrrp_netlink_cmd_rcv_bufs_force
			vrrp_netlink_monitor_rcv_bufs_force lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs_force`, isBool},
		{"lvs_flush_on_stop lvs_flush_onstop", optional(oneOf("VS"))},
		{"dynamic_interfaces", optional(oneOf("allow_if_changes"))},
		{"startup_script_timeout shutdown_script_timeout", integers(1, 1000)},
		{"vrrp_mcast_group4", isMulticast(true)},
		{"vrrp_mcast_group6", isMulticast(false)},
		{"vrrp_garp_master_delay vrrp_garp_lower_prio_delay", integers(0, 4294)},
		{`vrrp_garp_master_repeat vrrp_garp_master_refresh_repeat nftables_ipvs_start_fwmark vrrp_rlimit_rttime checker_rlimit_rttime
			bfd_rlimit_rttime vrrp_rlimit_rtime checker_rlimit_rtime bfd_rlimit_rtime`, positive},
		{"vrrp_garp_lower_prio_repeat", integers(0, math.MaxInt32)},
		{"vrrp_garp_master_refresh random_seed", natural},
		{"vrrp_garp_interval vrrp_gna_interval vrrp_startup_delay", interval},
		{"min_auto_priority_delay", integers(1, 1_000_000)},
		{"vrrp_down_timer_adverts", integers(1, 100)},
		{"nftables_priority nftables_ipvs_priority", integers(math.MinInt32, math.MaxInt32)},
		{"umask", exactlyOne(isUmask)},
		{"max_auto_priority", optional(integers(-1, 99))},
		{"vrrp_priority checker_priority bfd_priority", integers(-20, 19)},
		{"vrrp_cpu_affinity checker_cpu_affinity bfd_cpu_affinity", areCPUs},
		{"vrrp_rt_priority checker_rt_priority bfd_rt_priority", integers(1, 99)},
		{`vrrp_netlink_cmd_rcv_bufs vrrp_netlink_monitor_rcv_bufs lvs_netlink_cmd_rcv_bufs lvs_netlink_monitor_rcv_bufs
			process_monitor_rcv_bufs`, natural},
		{"vrrp_rx_bufs_multiplier", exactlyOne(positive)},
	}...)
}

// isSyncDaemon tests INTERFACE and then INSTANCE or options with values.
func isSyncDaemon(args []string) error {
	if len(args) == 0 {
		return errMissing
	}
	options := map[string]valueTest{
		"inst": isText, "id": integers(0, 255), "maxlen": integers(1, 65507), "port": integers(1, 65535),
		"ttl": integers(1, 255), "group": isIP,
	}
	for i := 1; i < len(args); i++ {
		test := options[args[i]]
		switch {
		case test == nil && i == 1:
			continue // the instance
		case test == nil:
			return fmt.Errorf("%q is no option of it", args[i])
		}
		if err := test(args[i+1:]); err != nil {
			return fmt.Errorf("%s: %w", args[i], err)
		}
		i++
	}
	return nil
}
