package keepalived

import (
	"fmt"
	"strings"
	"testing"
)

// instance is a vrrp_instance that keepalived takes, with more lines in it, and
// with these lines of addresses.
func instance(more, addresses string) string {
	return "vrrp_instance site {\ninterface eth0\nvirtual_router_id 77\npriority 10\n" + more + "\nvirtual_ipaddress {\n" + addresses + "\n}\n}\n"
}

// second is another instance, on the same interface.
func second() string {
	return strings.NewReplacer("site", "two", "77", "78").Replace(instance("", "10.0.0.8"))
}

// loadTested reads text on a host with the user and the group root, and the
// commands /usr/bin/there and there.
func loadTested(t *testing.T, text string) Diagnostics {
	t.Helper()
	_, ds := load(t, text, func(o *Options) {
		o.Files.User, o.Files.Group = isRoot, isRoot
		o.Files.Command = func(name string) bool { return strings.TrimPrefix(name, "/usr/bin/") == "there" }
	})
	return ds
}

// verdicts states the exit codes of keepalived 2.2.7 -t for each text.
func verdicts(t *testing.T, code int, texts []string, around func(string) string) {
	t.Helper()
	for _, text := range texts {
		ds := loadTested(t, around(text))
		if got := ds.ExitCode(); got != code {
			t.Errorf("exit code %d, want %d: %s\n%v", got, code, text, ds)
		}
	}
}

func TestAddressesOfInstancesAreJudgedAsKeepalivedDoes(t *testing.T) {
	around := func(lines string) string { return instance("", lines) }
	verdicts(t, ExitOK, []string{
		"10.0.0.9", "10.0.0.9/24", "10.0.0.9/", "0.0.0.0", "224.0.0.5", "fe80::60", "2001:db8::1/64", "10.0.0.9 dev eth0",
		"10.0.0.9 label eth0:1", "10.0.0.9 brd 10.0.0.255", "10.0.0.9/24 brd +", "10.0.0.9 scope link", "10.0.0.9 scope 200",
		"10.0.0.9 peer 10.0.0.1", "10.0.0.9 no_track", "2001:db8::1 preferred_lft forever", "2001:db8::1 preferred_lft 100",
		`"10.0.0.9"`, "10.0.0.9 use_vmac", "10.0.0.9\n10.0.0.9", "10.0.0.9 # word", "10.0.0.9 noprefixroute home mngtmpaddr",
	}, around)
	verdicts(t, ExitConfig, []string{
		"", "10.0.0", "10.0.0.300", "1", "abc", "10.0.0.1,10.0.0.2", "10.0.0.1 10.0.0.2", "10.0.0.1-3", "default", "10.0.0.9;", "010.0.0.9",
		"10.0.0.9/33", "10.0.0.9/-1", "10.0.0.9/a", "10.0.0.9/255.255.255.0", "2001:db8::1/129", "2001:db8::zz", "fe80::1%eth0",
		"10.0.0.9 dev", "10.0.0.9 eth0", "10.0.0.9 label", "10.0.0.9 label eth0:1234567890123456", "10.0.0.9 brd +", "10.0.0.9 brd xx",
		"2001:db8::1 brd 10.0.0.1", "10.0.0.9 scope xx", "10.0.0.9 scope 300", "10.0.0.9 peer 10.0.0.1/32", "10.0.0.9 metric 5",
		"10.0.0.9 dev eth0 dev eth0", "10.0.0.9 via 10.0.0.1", "dev eth0 10.0.0.9", "10.0.0.9 { }", "$X", "${X}", "10.0.0.9\n2001:db8::1",
		"2001:db8::1 preferred_lft xx", "use_vmac",
	}, around)
	verdicts(t, ExitOK, []string{"10.0.0.9/24 dev eth0", "10.0.0.9/24 brd + dev eth0 scope global", ""},
		func(line string) string { return "static_ipaddress {\n" + line + "\n}\n" })
	verdicts(t, ExitConfig, []string{"abc dev eth0", "10.0.0.9 dev eth0 foo"},
		func(line string) string { return "static_ipaddress {\n" + line + "\n}\n" })
}

func TestInstancesAreJudgedAsKeepalivedDoes(t *testing.T) {
	peer := "unicast_peer {\n10.0.0.2\n}\n"
	auth := func(lines string) string { return "authentication {\n" + lines + "\n}" }
	around := func(lines string) string { return instance(lines, "10.0.0.9") }
	verdicts(t, ExitOK, []string{
		peer, "unicast_src_ip 10.0.0.1\n" + peer, "unicast_peer {\n10.0.0.2 min_ttl 3 max_ttl 255\n}", auth("auth_type PASS\nauth_pass 12345678"), auth(""), auth("auth_pass 1"),
		"state BACKUP\nnopreempt", "nopreempt", "preempt_delay 5", "preempt_delay 1.5", "version 3\nadvert_int 0.5", "advert_int 3", "use_vmac\nvmac_xmit_base",
		"garp_master_delay 0", "garp_master_refresh 0", "lower_prio_no_advert", "strict_mode off", "debug 1", "unicast_ttl 3\n" + peer,
		"virtual_ipaddress_excluded {\n2001:db8::1\n}", "track_interface {\neth1 weight -20\n}",
	}, around)
	verdicts(t, ExitConfig, []string{
		"unicast_peer {\n}", "unicast_src_ip 10.0.0.1", "unicast_ttl 3", "check_unicast_src", "unicast_peer {\nabc\n}", "unicast_peer {\n10.0.0.2 10.0.0.3\n}", "unicast_peer {\n2001:db8::2\n}",
		auth("auth_type PASS\nauth_pass 123456789"), auth("auth_type PASS"), "version 3\n" + auth("auth_type PASS\nauth_pass 1"),
		"state MASTER\nnopreempt", "state MASTER\npreempt_delay 5", "nopreempt\npreempt_delay 5", "native_ipv6", "mcast_src_ip abc",
		"advert_int 1.5", "advert_int 256", "version 3\nadvert_int 41", "vmac_xmit_base", "garp_master_repeat 0", "garp_master_delay 5000", "lower_prio_no_advert maybe", "debug 9",
		"lvs_sync_daemon_interface eth0", "linkbeat_use_polling", "virtual_ipaddress_excluded {\nabc\n}",
		"track_interface {\neth0\n}", "track_interface {\neth1\neth1\n}", "track_interface {\neth1 weight 300\n}", "track_interface {\neth1 weight\n}", "track_interface {\neth1 foo\n}",
	}, around)
	verdicts(t, ExitOK, []string{"garp_extra_if 100", "garp_extra_if all 100", "garp_extra_if 0"}, around)
	verdicts(t, ExitConfig, []string{"garp_extra_if", "garp_extra_if all", "garp_extra_if 86401", "garp_extra_if 100 x", "garp_extra_if -1", "vmac_garp_intvl 100", "vmac_garp_intvl", "vrf blue"}, around)
	verdicts(t, ExitConfig, []string{
		strings.Replace(instance("", "10.0.0.9"), "interface eth0\n", "", 1), strings.Replace(instance("", "10.0.0.9"), "virtual_router_id 77\n", "", 1),
		instance("", "10.0.0.9") + instance("", "10.0.0.8"), instance("", "10.0.0.9") + strings.Replace(second(), "78", "77", 1),
		"global_defs {\nvrrp_version 3\n}\n" + instance(auth("auth_type PASS\nauth_pass 1"), "10.0.0.9"),
	}, func(text string) string { return text })
	verdicts(t, ExitConfig, []string{strings.Replace(instance("", "10.0.0.9"), "site", "site b", 1), instance("state master", "10.0.0.9"), instance(auth("auth_type pass\nauth_pass 1"), "10.0.0.9")},
		func(text string) string { return text })
	verdicts(t, ExitMissing, []string{"vrrp_instance {\nvirtual_router_id 1\n}\n", "vrrp_script {\nscript /usr/bin/gone\n}\n"}, func(text string) string { return text })
}

func TestTrackedNamesAndGroupsAreJudgedAsKeepalivedDoes(t *testing.T) {
	defined := "global_defs {\nenable_script_security\nscript_user root\n}\nvrrp_script s {\nscript /usr/bin/there\n}\ntrack_file f {\nfile /run/f\n}\nbfd_instance b {\nneighbor_ip 10.0.0.2\n}\n"
	track := func(line string) string {
		word, rest, _ := strings.Cut(line, " ")
		return defined + instance(word+" {\n"+rest+"\n}", "10.0.0.9")
	}
	verdicts(t, ExitOK, []string{"track_script s", "track_script s weight 253", "track_script s weight 5 reverse", "track_script", "track_file f weight 254", "track_bfd b weight 5"}, track)
	verdicts(t, ExitConfig, []string{
		"track_script t", "track_script s\ns", "track_script s weight 254", "track_script s weight a", "track_script s weight", "track_script s foo", "track_script s reverse",
		"track_file g", "track_file f weight 255", "track_file f foo", "track_bfd c", "track_bfd b weight 254",
	}, track)
	group := func(members string) string {
		return instance("", "10.0.0.9") + second() + "vrrp_sync_group g {\ngroup {\n" + members + "\n}\n}\n"
	}
	verdicts(t, ExitOK, []string{"site\ntwo", "site two"}, group)
	verdicts(t, ExitConfig, []string{"site", "site\nsite", "site\nnone", "", "none"}, group)
	verdicts(t, ExitConfig, []string{"g h", ""}, func(name string) string {
		return strings.Replace(group("site\ntwo"), "vrrp_sync_group g", "vrrp_sync_group "+name, 1)
	})
	tracking := func(weight, more string) func(string) string {
		return func(line string) string {
			word, rest, _ := strings.Cut(line, " ")
			return strings.Replace(defined, "script /usr/bin/there\n", "script /usr/bin/there\n"+weight, 1) + instance(word+" {\n"+rest+"\n}", "10.0.0.9") + second() +
				"vrrp_sync_group g {\ngroup {\nsite\ntwo\n}\n" + more + "}\n"
		}
	}
	weighed := []string{"track_interface eth1 weight 5", "track_script s weight 5", "track_script s weight 5 reverse", "track_file f", "track_file f weight 2", "track_bfd b weight 5"}
	verdicts(t, ExitConfig, weighed, tracking("", ""))
	verdicts(t, ExitOK, weighed, tracking("", "sync_group_tracking_weight\n"))
	verdicts(t, ExitOK, []string{"track_interface eth1", "track_interface eth1 weight 0", "track_script s", "track_bfd b"}, tracking("", ""))
	verdicts(t, ExitConfig, []string{"track_script s"}, tracking("weight 5\n", ""))
	verdicts(t, ExitOK, []string{"track_script s weight 0"}, tracking("weight 5\n", ""))
	verdicts(t, ExitConfig, []string{"track_script s"}, tracking("", "global_tracking\n"))
	verdicts(t, ExitConfig, []string{"vrrp_sync_group g {\n}\n"}, func(text string) string { return instance("", "10.0.0.9") + text })
}

func TestRoutesAndRulesAreJudgedAsKeepalivedDoes(t *testing.T) {
	for _, block := range []string{"static_routes {\n%s\n}\n", instance("virtual_routes {\n%s\n}", "10.0.0.9")} {
		around := func(line string) string { return fmt.Sprintf(block, line) }
		verdicts(t, ExitOK, []string{"10.1.0.0/16 via 10.0.0.1 dev eth0", "10.1.0.0/16 dev eth0", "src 10.0.0.9 to 10.0.0.0/8 via 10.0.0.1 dev eth0", "default via 10.0.0.1 dev eth0 metric 5 table 100", ""}, around)
		verdicts(t, ExitConfig, []string{"10.1.0.0/16 via 10.0.0.1", "10.1.0.0/33 dev eth0", "abc dev eth0", "10.1.0.0/16 via abc dev eth0", "10.1.0.0/16 gw 10.0.0.1 dev eth0", "10.1.0.0/16 via 10.0.0.1 or 10.0.0.2 dev eth0", "10.1.0.0/16 unknown 3", "default via"}, around)
	}
	for _, block := range []string{"static_rules {\n%s\n}\n", instance("virtual_rules {\n%s\n}", "10.0.0.9")} {
		around := func(line string) string { return fmt.Sprintf(block, line) }
		verdicts(t, ExitOK, []string{"from 10.0.0.0/8 table 100 priority 5", "to 10.0.0.0/8 table 100 preference 5", "from all blackhole preference 3", ""}, around)
		verdicts(t, ExitConfig, []string{"from 10.0.0.0/8 table 100", "from abc table 100 priority 5", "from 10.0.0.0/8 priority 5", "from 10.0.0.0/8 lookup main pref 5", "from"}, around)
	}
}

func TestValuesOfUnusedWordsAreJudgedAsKeepalivedDoes(t *testing.T) {
	global := func(line string) string { return "global_defs {\n" + line + "\n}\n" }
	verdicts(t, ExitOK, []string{
		"smtp_server 10.0.0.1 25", "smtp_server mail.example.org", "smtp_connect_timeout 30", "smtp_alert", "smtp_alert off", "lvs_flush_on_stop VS", "lvs_flush_on_stop",
		"lvs_sync_daemon eth0 site", "lvs_sync_daemon eth0 inst site id 3", "lvs_sync_daemon eth0 site id 3 maxlen 100 port 8848 ttl 3 group 224.0.0.81",
		"vrrp_mcast_group4 224.0.0.18", "vrrp_mcast_group6 ff02::12", "vrrp_version 3", "vrrp_garp_interval 0.001", "vrrp_garp_master_refresh 0", "vrrp_startup_delay 5.5", "vrrp_garp_extra_if 100", "vrrp_garp_extra_if all 86400",
		"umask 022", "umask S_IWGRP|S_IWOTH", "max_auto_priority", "max_auto_priority -1", "vrrp_priority -5", "checker_rt_priority 9", "vrrp_cpu_affinity 0 1", "vrrp_rx_bufs_multiplier 3",
		"script_user root", "script_user root root", "lvs_timeouts tcp 0", "nftables_priority -1", "dynamic_interfaces allow_if_changes", "startup_script_timeout 5",
	}, global)
	verdicts(t, ExitConfig, []string{
		"smtp_server mail@host", "smtp_connect_timeout 0", "smtp_connect_timeout 5s", "smtp_alert maybe", "lvs_flush_on_stop all", "lvs_sync_daemon", "lvs_sync_daemon eth0 site foo", "lvs_sync_daemon eth0 site id 256", "lvs_sync_daemon eth0 site maxlen a",
		"vrrp_mcast_group4 10.0.0.1", "vrrp_mcast_group6 224.0.0.18", "vrrp_version 4", "vrrp_garp_interval 0", "vrrp_gna_interval 0", "vrrp_garp_master_repeat 0", "vrrp_garp_master_delay -1", "vrrp_down_timer_adverts 101", "vrrp_garp_extra_if 0", "vrrp_garp_extra_if 86401", "vrrp_vmac_garp_intvl 100",
		"umask 999999", "umask 022 1", "umask rwx", "max_auto_priority 255", "vrrp_priority", "vrrp_priority 20", "checker_rt_priority 0", "vrrp_cpu_affinity eth0", "vrrp_rx_bufs_multiplier 1 2", "vrrp_netlink_cmd_rcv_bufs -1",
		"script_user", "script_user nobody", "script_user root users", "notification_email_from", "notify_fifo", "startup_script_timeout 0", "startup_script_timeout 1001", "reload_time_file a b", "startup_script /usr/bin/gone nobody", "startup_script \"\"",
	}, global)
	bfd := func(line string) string { return "bfd_instance b {\nneighbor_ip 10.0.0.2\n" + line + "\n}\n" }
	verdicts(t, ExitOK, []string{"min_rx 200", "min_tx 1.5", "idle_tx 1000", "multiplier 5", "max_hops -1", "weight -253", "source_ip 10.0.0.1"}, bfd)
	verdicts(t, ExitConfig, []string{"min_rx 0", "min_tx a", "idle_tx 999", "multiplier 256", "max_hops 256", "weight 254", "source_ip eth0", "neighbor_ip 10.0.0"}, bfd)
	script := func(line string) string {
		return "vrrp_script s {\nscript /usr/bin/gone\n" + line + "\n}\n"
	}
	verdicts(t, ExitOK, []string{"interval 2", "timeout 3", "weight -20", "weight 5 reverse", "rise 1", "user root", "init_fail"}, script)
	verdicts(t, ExitConfig, []string{"interval 0", "interval 1.5", "timeout 5000", "weight 254", "weight 5 backwards", "rise 0", "fall a", "user nobody", "user root users"}, script)
}

// What runs, and with which rights: the exit code 6 where something would run
// without enable_script_security, 5 where keepalived switches a script off.
func TestSecurityOfScriptsIsJudgedAsKeepalivedDoes(t *testing.T) {
	const secured = "global_defs {\nenable_script_security\nscript_user root\n}\n"
	const userless = "global_defs {\nenable_script_security\n}\n"
	one := instance("", "10.0.0.9")
	script := func(command string) string { return "vrrp_script s {\nscript " + command + "\n}\n" }
	for _, tt := range []struct {
		name, in string
		want     int
	}{
		{"a vrrp_script is looked at where there is an instance", script("/usr/bin/there") + one, ExitSecurity},
		{"tracked or not", script("/usr/bin/there") + instance("track_script {\ns\n}", "10.0.0.9"), ExitSecurity},
		{"without an instance it is not", script("/usr/bin/there"), ExitOK},
		{"a name without a slash is looked for", script("there") + one, ExitSecurity},
		{"with arguments in quotes", script(`"/usr/bin/there -x"`) + one, ExitSecurity},
		{"with arguments behind", script(`/usr/bin/there -x`) + one, ExitSecurity},
		{"one that is not there is switched off", script("/usr/bin/gone") + one, ExitConfig},
		{"and does not count without an instance", script("/usr/bin/gone"), ExitOK},
		{"one that opens a file runs nothing", script("</run/f") + one, ExitOK},
		{"one without a command", "vrrp_script s {\ninterval 1\n}\n", ExitConfig},
		{"one with an empty command", script(`""`), ExitConfig},
		{"with protection and a user", secured + script("/usr/bin/there") + one, ExitOK},
		{"with protection and without a user", userless + script("/usr/bin/there"), ExitConfig},
		{"with protection and a user of its own", userless + "vrrp_script s {\nscript /usr/bin/there\nuser root\n}\n", ExitOK},
		{"an instance's command", instance("notify_master there", "10.0.0.9"), ExitSecurity},
		{"an instance's command that is not there", instance("notify_master /usr/bin/gone", "10.0.0.9"), ExitOK},
		{"a service's command", service("quorum_up there"), ExitSecurity},
		{"a command of a service, with protection and without a user", userless + service("quorum_up /usr/bin/there"), ExitConfig},
		{"and with a user behind it", userless + service("quorum_up /usr/bin/there root"), ExitOK},
		{"protection behind it counts as well", service("quorum_up /usr/bin/there root") + userless, ExitOK},
		{"a command behind a FIFO", "global_defs {\nnotify_fifo_script /usr/bin/there\n}\n", ExitSecurity},
		{"a router's command behind a FIFO without a router", "global_defs {\nvrrp_notify_fifo_script /usr/bin/there\n}\n", ExitOK},
		{"a router's command behind a FIFO", "global_defs {\nvrrp_notify_fifo_script /usr/bin/there\n}\n" + one, ExitSecurity},
		{"a torn quote is a mistake, whatever is missing then", service("quorum_up 'a"), ExitConfig},
		{"a torn quote elsewhere drops the value", service("quorum \"1"), ExitMissing},
		{"a brace in single quotes is a brace", service("quorum_up '{a}'"), ExitConfig},
		{"a brace in double quotes is none", service(`quorum_up "{a}"`), ExitOK},
		{"a brace behind a backslash is a brace", service(`quorum_up a\{b`), ExitConfig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			verdicts(t, tt.want, []string{tt.in}, func(text string) string { return text })
		})
	}
}

// A ${NAME} that is not defined is a mistake wherever braces are; a $NAME is text.
func TestNamesThatAreNotDefined(t *testing.T) {
	global := func(line string) string { return "global_defs {\n" + line + "\n}\n" }
	verdicts(t, ExitConfig, []string{"router_id ${X}", "router_id x${X}", "router_id a ${X}", "router_id ${_NONE}", "router_id ${_RANDOM a}", "notification_email {\n${X}\n}", "startup_script '${X}'", "router_id ${_HASH}a"}, global)
	verdicts(t, ExitOK, []string{"router_id $X", "router_id x$X", `router_id "${X}"`, `router_id "a ${X} b"`, `startup_script "/usr/bin/gone ${X}"`, "router_id a # ${X}", "router_id a${_HASH}b", `router_id "${_HASH}"`}, global)
	_, ds := load(t, global("router_id a${X}b"), nil)
	if want := "f:2: error: router_id: ${X} is not defined"; len(ds) != 1 || !strings.HasPrefix(ds[0].String(), want) {
		t.Errorf("reports %v, want %q", ds, want)
	}
}

// A definition of several lines stands at the end of its line.
func TestDefinitionsOfSeveralLinesEndTheLine(t *testing.T) {
	const check = "$C=TCP_CHECK { \\\nconnect_timeout 3 \\\n}\n"
	around := func(line string) string { return check + service("real_server 10.0.0.2 80 {\n"+line+"\n}") }
	verdicts(t, ExitOK, []string{"$C", "${C}", "$C # word", "$C !"}, around)
	verdicts(t, ExitConfig, []string{"$C }", "$C weight 2", "${C} weight 2", "${C}x", "${C}${C}", "$C $C", "weight 2 $C"}, around)
}
