package keepalived

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// The words of the blocks about VRRP, and those of other blocks that are not used yet. All are listed so that a typing
// error in them is found.

// vrrpBlocks are the blocks about VRRP, BFD and what they track.
func vrrpBlocks() []word {
	track := trackBlocks()
	notify := slices.Concat(withValue("notify notify_master notify_backup notify_fault notify_stop",
		vrrpCommands("notify notify_master notify_backup notify_fault notify_stop")),
		tested(names(used, "notify_priority_changes smtp_alert"), rule{"notify_priority_changes smtp_alert", isBool}))
	notifyOne := withValue("notify_master_rx_lower_pri", vrrpCommands("notify_deleted notify_master_rx_lower_pri"))
	process := withValue("process quorum quorum_max fork_delay terminate_delay delay",
		names(used, "process param_match weight quorum quorum_max fork_delay terminate_delay delay full_command"))
	group := named("vrrp_sync_group", (*reader).endSyncGroup,
		inUse(dataBlocks("group")), track, notify, names(deprecated, "global_tracking"), names(used, "sync_group_tracking_weight"))
	group.min = 0
	bfd := unused("bfd_instance", bfdWords())
	bfd.min, bfd.end, bfd.why = 1, defines("track_bfd"), noBFD
	return []word{
		named("vrrp_instance", (*reader).endInstance, instanceWords(), track, notify, notifyOne),
		group,
		named("vrrp_script", (*reader).endTrackScript, scriptWords()),
		trackFileBlock("track_file"), trackFileBlock("vrrp_track_file"),
		verbatim(word{name: "track_process", max: anyArgs, block: &block{name: "track_process", words: process}}),
		verbatim(word{name: "vrrp_track_process", max: anyArgs, block: &block{name: "vrrp_track_process", words: process}}),
		bfd,
		garpGroup(),
		unused("track_group", dataBlocks("group")), unused("static_track_group", dataBlocks("group")),
	}
}

// named is a block with a name; end is called behind its last line.
func named(name string, end func(*reader, *Node), words ...[]word) word {
	return verbatim(word{name: name, min: 1, max: anyArgs, end: end, block: &block{name: name, words: slices.Concat(words...)}})
}

// verbatim is w, whose values and those of the words in its block keep apostrophes around
// them, as they do for keepalived.
func verbatim(w word) word {
	w.text = true
	if w.status == used && w.set == nil && w.block == nil {
		w.set = atItsEnd
	}
	if w.block != nil {
		for i := range w.block.words {
			w.block.words[i] = verbatim(w.block.words[i])
		}
	}
	return w
}

// atItsEnd is set for words that are read when all blocks are, by resolveVRRP.
func atItsEnd(*reader, *Node) {}

// inUse is ws, which are used.
func inUse(ws []word) []word {
	for i := range ws {
		ws[i].status = used
	}
	return ws
}

// scriptWords are the words of vrrp_script.
func scriptWords() []word {
	ws := withValue("interval timeout weight rise fall user", names(used, "interval timeout weight rise fall user init_fail"))
	ws = tested(ws, rule{"interval timeout", integers(1, 4294)}, rule{"rise fall", integers(1, math.MaxInt32)}, rule{"weight", isScriptWeight})
	for i := range ws {
		if ws[i].name == "user" {
			ws[i].set = (*reader).checkUser
		}
	}
	return append(ws, word{name: "script", max: anyArgs, text: true})
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
	instance := names(used, `interface use_vmac vmac_xmit_base use_vmac_addr
		mcast_src_ip unicast_src_ip mcast_dst_ip track_src_ip unicast_ttl check_unicast_src unicast_fault_no_peer old_unicast_checksum
		v3_checksum_as_v2 no_virtual_ipaddress promote_secondaries accept no_accept preempt nopreempt preempt_delay down_timer_adverts
		garp_master_delay garp_master_repeat garp_master_refresh garp_master_refresh_repeat garp_lower_prio_delay garp_lower_prio_repeat
		lower_prio_no_advert higher_prio_send_advert skip_check_adv_addr strict_mode owner_ignore_adverts
		timer_expired_backup dont_track_primary kernel_rx_buf_size native_ipv6`)
	instance = append(instance, because("the virtual MAC address is on no interface of its own", names(noEffect, "use_ipvlan"))...)
	instance = append(instance, slices.Concat(names(used, "garp_extra_if"), because("an instance is on its interface", names(noEffect, "vrf")), names(noEffect, "debug"), renamedTo("garp_extra_if", "vmac_garp_intvl", 0))...)
	instance = withValue(`interface mcast_src_ip unicast_src_ip mcast_dst_ip unicast_ttl preempt_delay down_timer_adverts
		garp_master_delay garp_master_repeat garp_master_refresh garp_master_refresh_repeat garp_lower_prio_delay garp_lower_prio_repeat
		debug vrf`, testedInstance(instance))
	return slices.Concat(instance,
		because("write the global lvs_sync_daemon", names(refused, "lvs_sync_daemon_interface")), because("it is a word of the outermost level", names(refused, "linkbeat_use_polling")),
		inUse(slices.Concat(
			lineBlocks("virtual_ipaddress virtual_ipaddress_excluded", lineTest(isAddressLine)),
			lineBlocks("virtual_routes", lineTest(isRouteLine)), lineBlocks("virtual_rules", lineTest(isRuleLine)),
			lineBlocks("unicast_peer", lineTest(isPeerLine)))),
		[]word{
			{name: "virtual_router_id", min: 1, max: anyArgs, set: valid(numbers(1, 255))},
			{name: "priority", min: 1, max: anyArgs, set: valid(numbers(1, 255))},
			{name: "advert_int", min: 1, max: anyArgs, set: valid(seconds(10*time.Millisecond, 255*time.Second))},
			{name: "state", min: 1, max: anyArgs, set: valid(oneOfExactly("MASTER", "BACKUP"))},
			{name: "version", min: 1, max: anyArgs, set: valid(numbers(2, 3))},
			{name: "authentication", max: anyArgs, block: &block{name: "authentication", words: []word{
				{name: "auth_type", min: 1, max: anyArgs, set: valid(oneOfExactly("AH", "PASS"))},
				{name: "auth_pass", min: 1, max: anyArgs, set: valid(isPassword)},
			}}},
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
		{"garp_extra_if", isExtraInterfaces(0)},
	}...)
}

// staticBlocks are the other blocks at the top.
func staticBlocks() []word {
	return slices.Concat(
		inUse(slices.Concat(lineBlocks("static_ipaddress", lineTest(isAddressLine)),
			lineBlocks("static_routes", lineTest(isRouteLine)), lineBlocks("static_rules", lineTest(isRuleLine)))),
		dataBlocks("linkbeat_interfaces interface_up_down_delays"),
		sslBlock(),
		withValue("child_wait_time", names(noEffect, "net_namespace net_namespace_ipvs namespace_with_ipsets instance use_pid_dir linkbeat_use_polling child_wait_time")),
	)
}

// unusedGlobals are the words of global_defs that are not used.
func unusedGlobals() []word {
	ws := slices.Concat(
		laterRead("smtp_alert_vrrp vrrp_notify_fifo fifo_write_vrrp_states_on_reload"),
		names(later, `no_email_faults set_supplementary_groups startup_script_timeout
			shutdown_script_timeout include_check
			reload_time_file reload_repeat reload_file`),
		globalCommands(),
		because("a reload always checks the file before", names(noEffect, "reload_check_config")),
		because("the table begins empty with the director, and ends with it", names(noEffect, "lvs_flush lvs_flush_on_stop lvs_flush_onstop")),
		because(noSNMP, names(noEffect, `snmp_vs_stats_update_interval snmp_rs_stats_update_interval snmp_socket enable_snmp_keepalived
			enable_snmp_vrrp enable_snmp_checker enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3 enable_traps`)),
		names(noEffect, "json_version data_use_instance"),
		laterRead(`vrrp_mcast_group4 vrrp_mcast_group6 vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_lower_prio_delay
			vrrp_garp_lower_prio_repeat vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat vrrp_garp_interval vrrp_gna_interval
			vrrp_min_garp vrrp_strict vrrp_skip_check_adv_addr vrrp_check_unicast_src vrrp_lower_prio_no_advert
			vrrp_higher_prio_send_advert vrrp_down_timer_adverts vrrp_startup_delay vrrp_delay_after_boot vrrp_notify_priority_changes vrrp_owner_ignore_adverts
			v3_checksum_as_v2 log_unknown_vrids`),
		tested(laterRead("vrrp_garp_extra_if"), rule{"vrrp_garp_extra_if", isExtraInterfaces(1)}),
		because("VIPs need no rules of a firewall", names(noEffect, `vrrp_iptables vrrp_ipsets nftables nftables_priority nftables_counters nftables_ifindex
			nftables_ipvs nftables_ipvs_priority nftables_ipvs_start_fwmark`)),
		because("interfaces may come and go", names(noEffect, "dynamic_interfaces")), names(noEffect, "disable_local_igmp"),
		because("the virtual MAC address is on no interface of its own", names(noEffect, "vmac_prefix vmac_addr_prefix")),
		because("there is no D-Bus", names(noEffect, "enable_dbus dbus_service_name dbus_no_interface_name")),
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
	ws = append(ws, word{name: "vrrp_version", min: 1, max: anyArgs, set: (*reader).setVRRPVersion})
	return withValue(`bfd_process_name bfd_rlimit_rtime bfd_rlimit_rttime checker_process_name checker_rlimit_rtime checker_rlimit_rttime config_save_dir
		lvs_process_name nftables_ipvs_priority nftables_ipvs_start_fwmark nftables_priority process_name random_seed smtp_connect_timeout smtp_server
		umask vmac_addr_prefix vmac_prefix vrrp_down_timer_adverts vrrp_garp_interval vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat
		vrrp_garp_master_delay vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat vrrp_garp_master_repeat vrrp_gna_interval
		vrrp_mcast_group4 vrrp_mcast_group6 vrrp_process_name vrrp_rlimit_rtime vrrp_rlimit_rttime vrrp_startup_delay`, testedGlobals(ws))
}

// notYet is ws, which are not used yet.
func notYet(ws []word) []word {
	for i := range ws {
		ws[i].status = later
	}
	return ws
}

// laterRead makes used words of those in list, which are read when all blocks are.
func laterRead(list string) []word {
	ws := names(used, list)
	for i := range ws {
		ws[i].set, ws[i].text = atItsEnd, true
	}
	return ws
}
