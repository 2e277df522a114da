package keepalived

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// The words of blocks that are not used yet. They are listed so that a typing
// error in them is found.

// vrrpBlocks are the blocks about VRRP, BFD and what they track.
func vrrpBlocks() []word {
	track := trackBlocks()
	notify := slices.Concat(withValue("notify notify_master notify_backup notify_fault notify_stop",
		vrrpCommands("notify notify_master notify_backup notify_fault notify_stop")),
		tested(names(later, "notify_priority_changes smtp_alert"), rule{"notify_priority_changes smtp_alert", isBool}))
	notifyOne := withValue("notify_master_rx_lower_pri", vrrpCommands("notify_deleted notify_master_rx_lower_pri"))
	process := withValue("process quorum quorum_max fork_delay terminate_delay delay",
		names(later, "process param_match weight quorum quorum_max fork_delay terminate_delay delay full_command"))
	group := named("vrrp_sync_group", (*reader).endSyncGroup,
		dataBlocks("group"), track, notify, names(deprecated, "global_tracking"), names(later, "sync_group_tracking_weight"))
	group.min = 0
	return []word{
		named("vrrp_instance", (*reader).endInstance, instanceWords(), track, notify, notifyOne),
		group,
		named("vrrp_script", (*reader).endTrackScript, scriptWords()),
		trackFileBlock("track_file"), trackFileBlock("vrrp_track_file"),
		unused("track_process", process), unused("vrrp_track_process", process),
		named("bfd_instance", defines("track_bfd"), bfdWords()),
		unused("garp_group", withValue("garp_interval gna_interval interface", names(later, "garp_interval gna_interval interface")), dataBlocks("interfaces")),
		unused("track_group", dataBlocks("group")), unused("static_track_group", dataBlocks("group")),
	}
}

// named is an unused block with a name; end is called behind its last line.
func named(name string, end func(*reader, *Node), words ...[]word) word {
	w := unused(name, words...)
	w.min, w.end = 1, end
	return w
}

// scriptWords are the words of vrrp_script.
func scriptWords() []word {
	ws := withValue("interval timeout weight rise fall user", names(later, "interval timeout weight rise fall user init_fail"))
	ws = tested(ws, rule{"interval timeout", integers(1, 4294)}, rule{"rise fall", integers(1, math.MaxInt32)}, rule{"weight", isScriptWeight})
	for i := range ws {
		if ws[i].name == "user" {
			ws[i].set = (*reader).checkUser
		}
	}
	return append(ws, word{name: "script", status: later, max: anyArgs, text: true})
}

// isScriptWeight tests N or N reverse.
func isScriptWeight(args []string) error {
	if len(args) > 1 && args[1] != "reverse" {
		return fmt.Errorf("%q is not understood", args[1])
	}
	return integers(-253, 253)(args)
}

// bfdWords are the words of bfd_instance, whose times are in milliseconds.
func bfdWords() []word {
	const longest = 4294967 // ms
	ws := withValue("neighbor_ip neighbour_ip source_ip min_rx min_tx idle_tx multiplier ttl hoplimit max_hops weight",
		names(later, "neighbor_ip neighbour_ip source_ip min_rx min_tx idle_tx multiplier passive ttl hoplimit max_hops multihop weight vrrp checker"))
	return tested(ws, []rule{
		{"neighbor_ip neighbour_ip source_ip", isOneIP},
		{"min_rx min_tx", milliseconds(1, longest)},
		{"idle_tx", milliseconds(1000, longest)},
		{"multiplier ttl hoplimit", integers(1, 255)},
		{"max_hops", integers(-1, 255)},
		{"weight", isScriptWeight},
	}...)
}

// instanceWords are the words of vrrp_instance that other blocks do not have.
func instanceWords() []word {
	instance := names(later, `interface use_vmac vmac_xmit_base use_vmac_addr use_ipvlan
		mcast_src_ip unicast_src_ip mcast_dst_ip track_src_ip unicast_ttl check_unicast_src unicast_fault_no_peer old_unicast_checksum
		v3_checksum_as_v2 no_virtual_ipaddress promote_secondaries accept no_accept preempt nopreempt preempt_delay down_timer_adverts
		garp_master_delay garp_master_repeat garp_master_refresh garp_master_refresh_repeat garp_lower_prio_delay garp_lower_prio_repeat
		garp_extra_if lower_prio_no_advert higher_prio_send_advert skip_check_adv_addr strict_mode owner_ignore_adverts
		timer_expired_backup dont_track_primary kernel_rx_buf_size debug native_ipv6 vrf`)
	instance = withValue(`interface mcast_src_ip unicast_src_ip mcast_dst_ip unicast_ttl preempt_delay down_timer_adverts
		garp_master_delay garp_master_repeat garp_master_refresh garp_master_refresh_repeat garp_lower_prio_delay garp_lower_prio_repeat
		debug vrf`, testedInstance(instance))
	return slices.Concat(instance,
		because("write the global lvs_sync_daemon", names(refused, "lvs_sync_daemon_interface")), because("it is a word of the outermost level", names(refused, "linkbeat_use_polling")),
		because("write garp_interval", names(refused, "vmac_garp_intvl")),
		lineBlocks("virtual_ipaddress virtual_ipaddress_excluded", lineTest(isAddressLine)),
		lineBlocks("virtual_routes", lineTest(isRouteLine)), lineBlocks("virtual_rules", lineTest(isRuleLine)),
		lineBlocks("unicast_peer", lineTest(isPeerLine)),
		[]word{
			{name: "virtual_router_id", status: later, min: 1, max: anyArgs, set: valid(numbers(1, 255))},
			{name: "priority", status: later, min: 1, max: anyArgs, set: valid(numbers(1, 255))},
			{name: "advert_int", status: later, min: 1, max: anyArgs, set: valid(seconds(10*time.Millisecond, 255*time.Second))},
			{name: "state", status: later, min: 1, max: anyArgs, set: valid(oneOfExactly("MASTER", "BACKUP"))},
			{name: "version", status: later, min: 1, max: anyArgs, set: valid(numbers(2, 3))},
			unused("authentication", []word{
				{name: "auth_type", status: later, min: 1, max: anyArgs, set: valid(oneOfExactly("AH", "PASS"))},
				{name: "auth_pass", status: later, min: 1, max: anyArgs, set: valid(isPassword)},
			}),
			unused("auth_hmac", names(later, "key active_key anti_replay time_window mode")),
		})
}

// milliseconds tests the first value: a number of them from lo to hi.
func milliseconds(lo, hi float64) valueTest {
	return func(args []string) error {
		if len(args) == 0 {
			return errMissing
		}
		if v, err := strconv.ParseFloat(args[0], 64); err != nil || v < lo || v > hi {
			return fmt.Errorf("%s is not between %.0f and %.0f milliseconds", args[0], lo, hi)
		}
		return nil
	}
}

// testedInstance is ws, words of vrrp_instance, with tests of their values.
func testedInstance(ws []word) []word {
	positive := integers(1, math.MaxUint32)
	return tested(ws, []rule{
		{"mcast_src_ip unicast_src_ip", isIP},
		{"unicast_ttl", integers(0, 255)},
		{"preempt_delay", seconds(0, 1000*time.Second)},
		{"down_timer_adverts", integers(1, 100)},
		{"garp_master_delay garp_lower_prio_delay", integers(0, 4294)},
		{"garp_master_repeat garp_master_refresh_repeat", positive},
		{"garp_master_refresh", integers(0, math.MaxUint32)},
		{"garp_lower_prio_repeat", integers(0, math.MaxInt32)},
		{"lower_prio_no_advert higher_prio_send_advert skip_check_adv_addr strict_mode", isBool},
		{"kernel_rx_buf_size", exactlyOne(integers(0, math.MaxUint32))},
		{"debug", integers(0, 4)},
	}...)
}

// staticBlocks are the other blocks at the top.
func staticBlocks() []word {
	return slices.Concat(
		lineBlocks("static_ipaddress", lineTest(isAddressLine)),
		lineBlocks("static_routes", lineTest(isRouteLine)), lineBlocks("static_rules", lineTest(isRuleLine)),
		dataBlocks("linkbeat_interfaces interface_up_down_delays"),
		sslBlock(),
		withValue("child_wait_time", names(noEffect, "net_namespace net_namespace_ipvs namespace_with_ipsets instance use_pid_dir linkbeat_use_polling child_wait_time")),
	)
}

// unusedGlobals are the words of global_defs that are not used.
func unusedGlobals() []word {
	ws := slices.Concat(
		names(later, `smtp_alert_vrrp lvs_sync_daemon no_email_faults
			set_supplementary_groups vrrp_notify_fifo fifo_write_vrrp_states_on_reload startup_script_timeout
			shutdown_script_timeout include_check
			reload_time_file reload_repeat reload_file`),
		globalCommands(),
		because("a reload always checks the file before", names(noEffect, "reload_check_config")),
		because("the table begins empty with the director, and ends with it", names(noEffect, "lvs_flush lvs_flush_on_stop lvs_flush_onstop")),
		because(noSNMP, names(noEffect, `snmp_vs_stats_update_interval snmp_rs_stats_update_interval snmp_socket enable_snmp_keepalived
			enable_snmp_vrrp enable_snmp_checker enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3 enable_traps`)),
		names(noEffect, "json_version data_use_instance"),
		names(later, `vrrp_mcast_group4 vrrp_mcast_group6 vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_lower_prio_delay
			vrrp_garp_lower_prio_repeat vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat vrrp_garp_interval vrrp_gna_interval
			vrrp_min_garp vrrp_garp_extra_if vrrp_strict vrrp_skip_check_adv_addr vrrp_check_unicast_src vrrp_lower_prio_no_advert
			vrrp_higher_prio_send_advert vrrp_down_timer_adverts vrrp_startup_delay vrrp_delay_after_boot vrrp_notify_priority_changes vrrp_owner_ignore_adverts vrrp_vmac_garp_intvl
			v3_checksum_as_v2 vrrp_iptables vrrp_ipsets nftables nftables_priority nftables_counters nftables_ifindex nftables_ipvs
			nftables_ipvs_priority nftables_ipvs_start_fwmark disable_local_igmp dynamic_interfaces log_unknown_vrids vmac_prefix vmac_addr_prefix
			enable_dbus dbus_service_name dbus_no_interface_name`),
		names(noEffect, `tmp_config_directory config_save_dir
			use_symlink_paths state_dump_file stats_dump_file json_dump_file state_file_location stats_file_location json_file_location
			iproute_etc_dir iproute_usr_dir
			process_names process_name vrrp_process_name checker_process_name lvs_process_name bfd_process_name umask random_seed
			max_auto_priority min_auto_priority_delay vrrp_priority checker_priority bfd_priority vrrp_no_swap checker_no_swap bfd_no_swap
			vrrp_cpu_affinity checker_cpu_affinity bfd_cpu_affinity vrrp_rt_priority checker_rt_priority bfd_rt_priority
			vrrp_rlimit_rttime checker_rlimit_rttime bfd_rlimit_rttime vrrp_rlimit_rtime checker_rlimit_rtime bfd_rlimit_rtime
			vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs vrrp_netlink_monitor_rcv_bufs_force
			lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs lvs_netlink_monitor_rcv_bufs_force
			process_monitor_rcv_bufs process_monitor_rcv_bufs_force vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier`),
		because("the line should go", names(refused, "lvs_id lvs_sync_daemon_interface")),
		because("it belongs outside of global_defs", names(refused, `instance use_pid_dir namespace_with_ipsets linkbeat_use_polling child_wait_time
			net_namespace net_namespace_ipvs`)),
	)
	ws = append(ws, word{name: "vrrp_version", status: later, min: 1, max: anyArgs, set: (*reader).setVRRPVersion})
	return withValue(`bfd_process_name bfd_rlimit_rtime bfd_rlimit_rttime checker_process_name checker_rlimit_rtime checker_rlimit_rttime config_save_dir
		lvs_process_name nftables_ipvs_priority nftables_ipvs_start_fwmark nftables_priority process_name random_seed smtp_connect_timeout smtp_server
		umask vmac_addr_prefix vmac_prefix vrrp_down_timer_adverts vrrp_garp_interval vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat
		vrrp_garp_master_delay vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat vrrp_garp_master_repeat vrrp_gna_interval
		vrrp_mcast_group4 vrrp_mcast_group6 vrrp_process_name vrrp_rlimit_rtime vrrp_rlimit_rttime vrrp_startup_delay`, testedGlobals(ws))
}
