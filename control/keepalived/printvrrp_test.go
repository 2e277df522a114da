package keepalived

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// nodes are v as lines; what follows from other lines is not written.
func (v VRRP) nodes() []*Node {
	var all []*Node
	if g := v.Global.nodes(); len(g) > 0 {
		all = append(all, blockOf(line("global_defs"), g))
	}
	static := func(word string, l lines) {
		if len(l) > 0 {
			all = append(all, blockOf(line(word), l))
		}
	}
	static("static_ipaddress", addressLines(v.StaticAddresses))
	static("static_routes", routeLines(v.StaticRoutes))
	static("static_rules", ruleLines(v.StaticRules))
	for _, s := range v.Scripts {
		all = append(all, s.node())
	}
	for _, p := range v.Processes {
		all = append(all, p.node())
	}
	for _, f := range v.Files {
		n := blockOf(line("track_file", f.Name), fileNode(&f.File).Children)
		var l lines
		l.addIf(true, "weight", weighed(int(f.File.Weight), f.File.Reverse)...)
		n.Children = append(n.Children, l...)
		all = append(all, n)
	}
	for _, g := range v.GARPGroups {
		l := lines{line("garp_interval", formatTimer(g.GARPInterval)), line("gna_interval", formatTimer(g.GNAInterval))}
		var names lines
		for _, name := range g.Interfaces {
			names = append(names, line(name))
		}
		l.addBlock("interfaces", names)
		all = append(all, blockOf(line("garp_group"), l))
	}
	for _, i := range v.Instances {
		all = append(all, i.node())
	}
	for _, g := range v.Groups {
		l := lines{line("sync_group_tracking_weight")}
		var members lines
		for _, m := range g.Members {
			members = append(members, line(m))
		}
		l = append(l, blockOf(line("group"), members))
		l.tracks(g.Tracks)
		l.notifies(g.Notify)
		l.addIf(g.Alert, "smtp_alert")
		l.addIf(g.NotifyPriority, "notify_priority_changes")
		all = append(all, blockOf(line("vrrp_sync_group", g.Name), l))
	}
	return all
}

func blockOf(n *Node, children []*Node) *Node {
	n.HasBlock, n.Children = true, children
	return n
}

func weighed(weight int, reverse bool) []any {
	if reverse {
		return []any{weight, "reverse"}
	}
	return []any{weight}
}

func (g VRRPGlobal) nodes() []*Node {
	var l lines
	l.addIf(g.StartupDelay > 0, "vrrp_startup_delay", formatTimer(g.StartupDelay))
	l.addIf(g.DelayAfterBoot, "vrrp_delay_after_boot")
	l.addIf(g.GARPInterval > 0, "vrrp_garp_interval", formatTimer(g.GARPInterval))
	l.addIf(g.GNAInterval > 0, "vrrp_gna_interval", formatTimer(g.GNAInterval))
	l.addIf(g.FIFO != "", "vrrp_notify_fifo", g.FIFO)
	g.FIFOScript.addTo(&l, "vrrp_notify_fifo_script")
	l.addIf(g.FIFOOnReload, "fifo_write_vrrp_states_on_reload")
	l.addIf(g.LogUnknown, "log_unknown_vrids")
	return l
}

func (s *TrackScript) node() *Node {
	l := lines{line("script", s.Command.Line), line("interval", int(s.Interval/time.Second)), line("timeout", int(s.Timeout/time.Second)),
		line("weight", weighed(s.Weight, s.Reverse)...), line("rise", s.Rise), line("fall", s.Fall)}
	l.addIf(s.InitFail, "init_fail")
	if s.Command.User != "" {
		n := line("user", s.Command.User)
		if s.Command.Group != "" {
			n.Args = append(n.Args, s.Command.Group)
		}
		l = append(l, n)
	}
	return blockOf(line("vrrp_script", s.Name), l)
}

func (p *TrackProcess) node() *Node {
	process := line("process", strings.Join(append([]string{quoteArg(p.Path)}, quoteArgs(p.Params)...), " "))
	l := lines{process, line("weight", weighed(p.Weight, p.Reverse)...), line("quorum", p.Quorum), line("quorum_max", p.QuorumMax),
		line("fork_delay", formatTimer(p.ForkDelay)), line("terminate_delay", formatTimer(p.TerminateDelay))}
	switch {
	case p.InitialParams:
		l.addIf(true, "param_match", "initial")
	case p.PartialParams:
		l.addIf(true, "param_match", "partial")
	default:
		l.addIf(p.HasParams, "param_match")
	}
	l.addIf(p.FullCommand, "full_command")
	return blockOf(line("track_process", p.Name), l)
}

// quoteArg is s in apostrophes, as script.Split reads it.
func quoteArg(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func quoteArgs(args []string) []string {
	var all []string
	for _, a := range args {
		all = append(all, quoteArg(a))
	}
	return all
}

func (i *Instance) node() *Node {
	l := lines{line("interface", i.Interface), line("virtual_router_id", i.ID), line("version", i.Version), line("priority", i.Priority),
		line("advert_int", formatTimer(i.Interval)), line("down_timer_adverts", i.DownTimerAdverts), line("mcast_dst_ip", i.Group)}
	l.addIf(i.IPv6, "native_ipv6")
	l.addIf(i.StartMaster, "state", "MASTER")
	l.addIf(i.Source.IsValid(), "mcast_src_ip", i.Source)
	var peers lines
	for _, p := range i.Peers {
		peers = append(peers, line(p.Addr.String(), "min_ttl", p.MinTTL, "max_ttl", p.MaxTTL))
	}
	l.addBlock("unicast_peer", peers)
	l.addIf(len(i.Peers) > 0, "unicast_ttl", i.UnicastTTL)
	l.addIf(i.OldUnicastChecksum == AlwaysOld, "old_unicast_checksum")
	l.addIf(i.OldUnicastChecksum == NeverOld, "old_unicast_checksum", "never")
	if i.Auth == AuthPASS {
		l = append(l, blockOf(line("authentication"), lines{line("auth_type", "PASS"), line("auth_pass", i.Password)}))
	}
	if i.VMAC.Use {
		n := line("use_vmac")
		if i.VMAC.Name != "" {
			n.Args = append(n.Args, "name", i.VMAC.Name)
		}
		if i.VMAC.MAC != ([6]byte{}) {
			n.Args = append(n.Args, i.VMAC.MAC.String())
		}
		l = append(l, n)
	}
	for _, f := range []struct {
		set  bool
		word string
	}{
		{i.TrackSource, "track_src_ip"}, {i.CheckUnicastSource, "check_unicast_src"}, {i.UnicastFaultNoPeer, "unicast_fault_no_peer"},
		{i.VMAC.XmitBase, "vmac_xmit_base"}, {i.VMAC.UseAddr, "use_vmac_addr"}, {i.PromoteSecondaries, "promote_secondaries"},
		{!i.Accept, "no_accept"}, {i.Accept, "accept"}, {!i.Preempt, "nopreempt"}, {i.DontTrackPrimary, "dont_track_primary"},
		{len(i.Addresses) == 0, "no_virtual_ipaddress"},
	} {
		l.addIf(f.set, f.word)
	}
	l.addIf(i.PreemptDelay > 0, "preempt_delay", formatTimer(i.PreemptDelay))
	l.addIf(i.TimerExpiredBackup > 0, "timer_expired_backup", i.TimerExpiredBackup)
	l.addIf(i.ReceiveBuffer > 0, "kernel_rx_buf_size", i.ReceiveBuffer)
	l.addIf(i.Debug > 0, "debug", i.Debug)
	l.bools(i)
	l.garp(i.GARP)
	l.addBlock("virtual_ipaddress", addressLines(i.Addresses))
	l.addBlock("virtual_ipaddress_excluded", addressLines(i.Excluded))
	l.addBlock("virtual_routes", routeLines(i.Routes))
	l.addBlock("virtual_rules", ruleLines(i.Rules))
	l.tracks(i.Tracks)
	l.notifies(i.Notify)
	return blockOf(line("vrrp_instance", i.Name), l)
}

func (l *lines) bools(i *Instance) {
	for _, f := range []struct {
		set  bool
		word string
	}{
		{i.V3ChecksumAsV2, "v3_checksum_as_v2"}, {i.LowerPrioNoAdvert, "lower_prio_no_advert"}, {i.HigherPrioSendAdvert, "higher_prio_send_advert"},
		{i.SkipCheckAddresses, "skip_check_adv_addr"}, {i.Strict, "strict_mode"}, {i.OwnerIgnoreAdverts, "owner_ignore_adverts"},
		{i.Alert, "smtp_alert"}, {i.NotifyPriority, "notify_priority_changes"},
	} {
		value := "off"
		if f.set {
			value = "on"
		}
		l.addIf(true, f.word, value)
	}
}

func (l *lines) garp(g GARP) {
	seconds := func(d time.Duration) int { return int(d / time.Second) }
	l.addIf(true, "garp_master_delay", seconds(g.Delay))
	l.addIf(true, "garp_master_repeat", g.Repeat)
	l.addIf(true, "garp_master_refresh", seconds(g.Refresh))
	l.addIf(true, "garp_master_refresh_repeat", g.RefreshRepeat)
	l.addIf(true, "garp_lower_prio_delay", seconds(g.LowerPrioDelay))
	l.addIf(true, "garp_lower_prio_repeat", g.LowerPrioRepeat)
	if l.addIf(!g.ExtraAll, "garp_extra_if", seconds(g.Extra)); g.ExtraAll {
		*l = append(*l, line("garp_extra_if", "all", seconds(g.Extra)))
	}
}

func (l *lines) addBlock(word string, children []*Node) {
	if len(children) > 0 {
		*l = append(*l, blockOf(line(word), children))
	}
}

func (l *lines) tracks(tracks []Track) {
	for _, t := range tracks {
		if t.Kind != TrackOfRoute {
			l.addBlock(t.Kind.String(), lines{line(t.Name, append([]any{"weight"}, weighed(t.Weight, t.Reverse)...)...)})
		}
	}
}

func (l *lines) notifies(n VRRPNotify) {
	for _, c := range []struct {
		word string
		Command
	}{
		{"notify", n.Any}, {"notify_master", n.Master}, {"notify_backup", n.Backup}, {"notify_fault", n.Fault}, {"notify_stop", n.Stop},
		{"notify_deleted", n.Deleted}, {"notify_master_rx_lower_pri", n.LowerPriority},
	} {
		c.addTo(l, c.word)
	}
}

func addressLines(list []VirtualAddress) lines {
	var l lines
	for _, a := range list {
		n := line(a.Prefix.String(), "scope", a.Scope)
		add := func(set bool, values ...any) {
			if set {
				n.Args = append(n.Args, line("", values...).Args...)
			}
		}
		add(a.Interface != "", "dev", a.Interface)
		add(a.Label != "", "label", a.Label)
		add(a.Broadcast.IsValid(), "brd", a.Broadcast)
		add(a.Peer.IsValid(), "peer", a.Peer)
		add(a.HasLifetime, "preferred_lft", int(a.PreferredLifetime/time.Second))
		add(a.NoTrack, "no_track")
		add(a.VMAC, "use_vmac")
		add(a.Home, "home")
		add(a.NoDAD, "-nodad")
		add(a.ManageTemp, "mngtmpaddr")
		add(a.NoPrefixRoute, "noprefixroute")
		add(a.AutoJoin, "autojoin")
		l = append(l, n)
	}
	return l
}

func routeLines(list []Route) lines {
	var l lines
	for _, r := range list {
		kind := ""
		for name, k := range routeKinds {
			if k == r.Kind {
				kind = name
			}
		}
		words := []any{r.Destination, "table", r.Table, "metric", r.Metric, "tos", r.TOS, "protocol", r.Protocol, "mtu", r.MTU, "advmss", r.AdvMSS}
		if r.MTULock {
			words = slices.Insert(words, slices.Index(words, any("mtu"))+1, any("lock"))
		}
		if r.HasScope {
			words = append(words, "scope", r.Scope)
		}
		if r.Source.IsValid() {
			words = append(words, "src", r.Source)
		}
		if r.Interface != "" {
			words = append(words, "dev", r.Interface)
		}
		if r.NoTrack {
			words = append(words, "no_track")
		}
		for _, o := range r.Options {
			words = append(words, o.Word, o.Value)
		}
		if place := []string{"", "add", "append"}[r.Place]; place != "" {
			words = append(words, place)
		}
		for _, h := range r.Hops {
			words = append(words, "nexthop")
			if h.Via.IsValid() {
				words = append(words, "via", h.Via)
			}
			if h.Interface != "" {
				words = append(words, "dev", h.Interface)
			}
			words = append(words, "weight", h.Weight)
			if h.OnLink {
				words = append(words, "onlink")
			}
		}
		l = append(l, line(kind, words...))
	}
	return l
}

func ruleLines(list []Rule) lines {
	var l lines
	for _, r := range list {
		words := []any{"preference", r.Priority}
		add := func(set bool, more ...any) {
			if set {
				words = append(words, more...)
			}
		}
		add(r.From.IsValid(), "from", r.From)
		add(r.To.IsValid(), "to", r.To)
		add(r.Not, "not")
		add(r.Mask != 0, "fwmark", fmt.Sprintf("%d/%d", r.Mark, r.Mask))
		add(r.TOS != 0, "tos", r.TOS)
		add(r.In != "", "iif", r.In)
		add(r.Out != "", "oif", r.Out)
		add(r.NoTrack, "no_track")
		add(r.Suppresses, "suppress_prefixlength", r.SuppressLength)
		add(r.Action == ToTable, "table", r.Table)
		add(r.Action == ToGoto, "goto", r.Goto)
		add(r.Action == ToNop, "nop")
		add(r.Action == ToBlackhole, "blackhole")
		add(r.Action == ToUnreachable, "unreachable")
		add(r.Action == ToProhibit, "prohibit")
		family := "inet"
		if r.IPv6 {
			family = "inet6"
		}
		l = append(l, line(family, words...))
	}
	return l
}

// withoutPlaces removes every Pos in v.
func withoutPlaces(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			withoutPlaces(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			withoutPlaces(v.Index(i))
		}
	case reflect.Struct:
		switch v.Interface().(type) {
		case Pos:
			v.SetZero()
		case netip.Addr, netip.Prefix:
		default:
			for i := range v.NumField() {
				withoutPlaces(v.Field(i))
			}
		}
	}
}
