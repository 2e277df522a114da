package keepalived

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lvsdr/dataplane/frame"
)

// Defaults of absent words.
const (
	defaultPriority         = 100
	ownerPriority           = 255
	defaultAdvertInterval   = time.Second
	defaultDownTimerAdverts = 3
	defaultGARPDelay        = 5 * time.Second
	defaultGARPRepeat       = 5
	longestV3Interval       = 40950 * time.Millisecond
	maxGARPDelay            = 4294 // seconds
	maxScriptSeconds        = 4294
	maxTrackWeight          = 253
	maxVRRPAddresses        = 255 // an advert counts them in a byte
)

// An instanceDraft is a vrrp_instance that keepalived takes.
type instanceDraft struct {
	node *Node
	is6  bool
}

// resolveVRRP makes the Config's part of all blocks of VRRP, when every block is read.
func (r *reader) resolveVRRP(nodes []*Node) VRRP {
	global := &Node{Keyword: "global_defs"}
	for _, n := range nodes {
		if n.Keyword == "global_defs" {
			global.Children = append(global.Children, n.Children...)
		}
	}
	all := &Node{Children: nodes}
	v := &r.vrrp.made
	v.Global = r.vrrpGlobal(global)
	v.StaticAddresses = virtualAddresses(all.lines("static_ipaddress"))
	v.StaticRoutes = r.virtualRoutes(all.lines("static_routes"))
	v.StaticRules = r.virtualRules(all.lines("static_rules"))
	for _, n := range all.all("track_process", "vrrp_track_process") {
		r.addProcess(n)
	}
	for _, d := range r.vrrp.drafts {
		if i, ok := r.resolveInstance(d, global); ok {
			v.Instances = append(v.Instances, i)
		}
	}
	for _, n := range r.vrrp.groups {
		r.resolveGroup(n)
	}
	v.Files = without(v.Files, func(f *TrackFile) bool { return !v.tracks(TrackOfFile, f.Name) })
	return *v
}

// tracks reports whether an instance or a group tracks this.
func (v *VRRP) tracks(kind TrackKind, name string) bool {
	is := func(t Track) bool { return t.Kind == kind && t.Name == name }
	return slices.ContainsFunc(v.Instances, func(i *Instance) bool { return slices.ContainsFunc(i.Tracks, is) }) ||
		slices.ContainsFunc(v.Groups, func(g *SyncGroup) bool { return slices.ContainsFunc(g.Tracks, is) })
}

// vrrpGlobal resolves the words of global_defs that are of no single instance.
func (r *reader) vrrpGlobal(n *Node) VRRPGlobal {
	const longest = 4294967295 * time.Microsecond
	return VRRPGlobal{
		StartupDelay:   n.timer("vrrp_startup_delay", time.Microsecond, longest, 0),
		DelayAfterBoot: n.flag("vrrp_delay_after_boot", false),
		GARPInterval:   n.timer("vrrp_garp_interval", time.Microsecond, longest, 0),
		GNAInterval:    n.timer("vrrp_gna_interval", time.Microsecond, longest, 0),
		FIFO:           n.text("vrrp_notify_fifo"),
		FIFOScript:     n.command("vrrp_notify_fifo_script"),
		FIFOOnReload:   n.has("fifo_write_vrrp_states_on_reload"),
		LogUnknown:     n.flag("log_unknown_vrids", false),
	}
}

// resolveInstance makes an Instance; ok is false where it cannot run here.
func (r *reader) resolveInstance(d instanceDraft, global *Node) (*Instance, bool) {
	n := d.node
	i := &Instance{
		Name: strings.Clone(n.Args[0]), Interface: n.text("interface"), ID: uint8(n.number("virtual_router_id", 1, 255, 0)),
		IPv6: d.is6, Pos: n.Pos, SyncGroup: r.groupOf(n.Args[0]),
		Priority:           uint8(n.number("priority", 1, 255, defaultPriority)),
		StartMaster:        n.startsAsMaster(),
		TrackSource:        n.has("track_src_ip"),
		PromoteSecondaries: n.has("promote_secondaries"),
		DownTimerAdverts:   uint8(n.number("down_timer_adverts", 1, 100, global.number("vrrp_down_timer_adverts", 1, 100, defaultDownTimerAdverts))),
		Debug:              uint8(n.number("debug", 0, 4, 0)),
		ReceiveBuffer:      n.number("kernel_rx_buf_size", 0, 1<<32-1, 0),
		DontTrackPrimary:   n.has("dont_track_primary"),
		TimerExpiredBackup: n.lateBackup(),
		Notify:             n.notifies(),
		Alert:              n.flag("smtp_alert", or(first(global.optionalFlag("smtp_alert_vrrp"), r.alerts), false)),
		NotifyPriority:     n.flag("notify_priority_changes", global.flag("vrrp_notify_priority_changes", false)),
	}
	i.resolveWire(n, global)
	i.resolveFlags(n, global)
	i.Preempt, i.PreemptDelay = !n.has("nopreempt"), n.timer("preempt_delay", 0, 1000*time.Second, 0)
	i.GARP = n.garp(global)
	if i.VMAC = n.vmac(); !i.VMAC.Use {
		i.VMAC = VMAC{}
	}
	i.Routes, i.Rules = r.virtualRoutes(n.lines("virtual_routes")), r.virtualRules(n.lines("virtual_rules"))
	i.resolveAddresses(n)
	i.Tracks = r.tracksOf(n, i)
	i.resolveStrict()
	if i.StartMaster || !i.Preempt { // keepalived clears what excludes the other
		i.PreemptDelay = 0
	}
	i.Preempt = i.Preempt || i.StartMaster
	if i.Auth == AuthAH {
		r.diags.put(Diagnostic{Pos: n.Pos, Severity: Error, Keyword: n.Keyword, LeftOut: true, Counts: AsGood,
			Text: i.Name + ": authentication AH is not supported, since RFC 3768 has withdrawn it; the instance is left out: write auth_type PASS, or none"})
		return nil, false
	}
	return i, true
}

// startsAsMaster reports whether the last good state is MASTER.
func (n *Node) startsAsMaster() bool {
	line := n.good("state", oneOfExactly("MASTER", "BACKUP"))
	return line != nil && line.Args[0] == "MASTER"
}

// lateBackup is the value of timer_expired_backup; without one it is 254.
func (n *Node) lateBackup() uint8 {
	if !n.has("timer_expired_backup") {
		return 0
	}
	return uint8(n.number("timer_expired_backup", 1, 254, 254))
}

// optionalFlag is the BOOL of n's word; nil: there is none.
func (n *Node) optionalFlag(word string) *bool {
	if n.good(word, isBool) == nil {
		return nil
	}
	v := n.flag(word, true)
	return &v
}

// resolveWire sets what the adverts are.
func (i *Instance) resolveWire(n, global *Node) {
	i.Version = uint8(n.number("version", 2, 3, global.number("vrrp_version", 2, 3, 2)))
	if i.IPv6 {
		i.Version = 3
	}
	i.Interval = n.timer("advert_int", 10*time.Millisecond, 255*time.Second, defaultAdvertInterval)
	if i.Version == 3 {
		i.Interval = min(i.Interval.Round(10*time.Millisecond), longestV3Interval)
	} else {
		i.Interval = max(i.Interval.Round(time.Second), time.Second)
	}
	for _, word := range []string{"mcast_src_ip", "unicast_src_ip"} {
		if a := n.ip(word); a.IsValid() && a.Is6() == i.IPv6 {
			i.Source = a
		}
	}
	i.Group = cmp.Or(n.groupAddr("mcast_dst_ip", i.IPv6), global.groupAddr("vrrp_mcast_group4", i.IPv6), global.groupAddr("vrrp_mcast_group6", i.IPv6))
	if !i.Group.IsValid() {
		i.Group = netip.AddrFrom4([4]byte{224, 0, 0, 18})
		if i.IPv6 {
			i.Group = netip.MustParseAddr("ff02::12")
		}
	}
	i.Peers = n.peers(i.IPv6)
	i.UnicastTTL = uint8(n.number("unicast_ttl", 0, 255, 255))
	i.V3ChecksumAsV2 = n.flag("v3_checksum_as_v2", global.flag("v3_checksum_as_v2", false))
	if line := n.last("old_unicast_checksum"); line != nil {
		i.OldUnicastChecksum = AlwaysOld
		if len(line.Args) > 0 && line.Args[0] == "never" {
			i.OldUnicastChecksum = NeverOld
		}
	}
	i.authenticate(n)
}

// groupAddr is the multicast address of this family in the last good line.
func (n *Node) groupAddr(word string, is6 bool) netip.Addr {
	if line := n.good(word, isMulticast(!is6)); line != nil {
		return n.ip(word)
	}
	return netip.Addr{}
}

// peers are the good lines of unicast_peer of this family.
func (n *Node) peers(is6 bool) []Peer {
	var all []Peer
	for _, line := range n.lines("unicast_peer") {
		if isPeerLine(line.fields()) != nil {
			continue
		}
		a, _ := parseIP(line.Keyword) // isPeerLine has taken it
		if a.Is6() != is6 {
			continue
		}
		p := Peer{Addr: a, MaxTTL: 255}
		for k := 0; k+1 < len(line.Args); k += 2 {
			v, _ := parseNumber(line.Args[k+1], 0, 255) // likewise
			if line.Args[k] == "min_ttl" {
				p.MinTTL = uint8(v)
			} else {
				p.MaxTTL = uint8(v)
			}
		}
		all = append(all, p)
	}
	return all
}

// authenticate reads the authentication of version 2.
func (i *Instance) authenticate(n *Node) {
	block := n.last("authentication")
	if block == nil || i.Version == 3 {
		return
	}
	line := block.good("auth_type", oneOfExactly("AH", "PASS"))
	if line == nil {
		return
	}
	if i.Auth = AuthPASS; line.Args[0] == "AH" {
		i.Auth = AuthAH
	}
	if pass := block.last("auth_pass"); pass != nil && len(pass.Args) > 0 {
		i.Password = strings.Clone(pass.Args[0][:min(len(pass.Args[0]), maxPassword)])
	}
	if i.Auth == AuthPASS && i.Password == "" { // keepalived leaves the block out
		i.Auth = NoAuth
	}
}

// resolveFlags sets the words that are BOOLs in the instance and in global_defs.
func (i *Instance) resolveFlags(n, global *Node) {
	both := func(word string, strict bool) bool { return n.flag(word, global.flag("vrrp_"+word, false) || strict) }
	if i.Strict = n.flag("strict_mode", global.flag("vrrp_strict", false)); i.Strict {
		i.StartMaster = i.StartMaster && i.Priority == ownerPriority
	}
	i.CheckUnicastSource = n.has("check_unicast_src") || global.flag("vrrp_check_unicast_src", false)
	i.UnicastFaultNoPeer = n.has("unicast_fault_no_peer")
	i.LowerPrioNoAdvert = both("lower_prio_no_advert", i.Strict)
	i.HigherPrioSendAdvert = both("higher_prio_send_advert", false)
	i.SkipCheckAddresses = both("skip_check_adv_addr", false) && !i.Strict
	i.OwnerIgnoreAdverts = both("owner_ignore_adverts", false)
	i.Accept = !n.has("no_accept") && (!i.Strict || n.has("accept") && i.Version == 3)
}

// resolveStrict takes back what strict mode does not allow.
func (i *Instance) resolveStrict() {
	if !i.Strict {
		return
	}
	i.PreemptDelay = 0
	i.GARP.LowerPrioDelay, i.GARP.LowerPrioRepeat = 0, 0
}

// resolveAddresses takes the addresses of the instance's family; those that an advert has no place for are excluded.
func (i *Instance) resolveAddresses(n *Node) {
	i.Addresses = without(virtualAddresses(n.lines("virtual_ipaddress")), func(a VirtualAddress) bool {
		return a.Prefix.Addr().Is6() != i.IPv6
	})
	i.Excluded = virtualAddresses(n.lines("virtual_ipaddress_excluded"))
	if len(i.Addresses) > maxVRRPAddresses {
		i.Excluded = append(slices.Clone(i.Addresses[maxVRRPAddresses:]), i.Excluded...)
		i.Addresses = i.Addresses[:maxVRRPAddresses]
	}
}

// tracksOf are the tracks of an instance. Those with weights do not count for members of a group, except if it has
// sync_group_tracking_weight.
func (r *reader) tracksOf(n *Node, i *Instance) []Track {
	tracks := r.tracks(n)
	group := find(r.vrrp.groups, func(g *Node) bool { return g.Args[0] == i.SyncGroup })
	if group != nil && !group.has("sync_group_tracking_weight") {
		tracks = without(tracks, func(t Track) bool { return t.Weight != 0 })
	}
	for k := range i.Routes {
		if name := i.Routes[k].Followed(); name != "" {
			tracks = append(tracks, Track{Kind: TrackOfRoute, Name: name, Pos: i.Routes[k].Pos})
		}
	}
	return tracks
}

// groupOf is the group that the instance is in; empty: none.
func (r *reader) groupOf(name string) string {
	for _, g := range r.vrrp.groups {
		if slices.Contains(r.members(g), name) {
			return strings.Clone(g.Args[0])
		}
	}
	return ""
}

// members are the instances of a group that are there and in no group before it.
func (r *reader) members(g *Node) []string {
	var names []string
	for _, line := range g.lines("group") {
		for _, name := range line.fields() {
			if r.vrrp.grouped[name] == g && !slices.Contains(names, name) {
				names = append(names, strings.Clone(name))
			}
		}
	}
	return names
}

// resolveGroup makes a group of the instances that run.
func (r *reader) resolveGroup(n *Node) {
	runs := func(name string) bool {
		return find(r.vrrp.made.Instances, func(i *Instance) bool { return i.Name == name }) != nil
	}
	members := without(r.members(n), func(name string) bool { return !runs(name) })
	if len(members) == 0 {
		return
	}
	r.vrrp.made.Groups = append(r.vrrp.made.Groups, &SyncGroup{
		Name: strings.Clone(n.Args[0]), Members: members, Tracks: r.tracks(n), Notify: n.notifies(), Alert: n.flag("smtp_alert", false),
		NotifyPriority: n.flag("notify_priority_changes", false), Pos: n.Pos,
	})
}

// garp resolves when addresses are announced.
func (n *Node) garp(global *Node) GARP {
	g := GARP{Delay: defaultGARPDelay, Repeat: defaultGARPRepeat, RefreshRepeat: 1}
	if global.flag("vrrp_min_garp", false) {
		g.Delay, g.Repeat = 0, 1
	}
	g.LowerPrioDelay, g.LowerPrioRepeat = -1, 0
	g = global.garpWords("vrrp_", g)
	if lower := global.good("vrrp_garp_lower_prio_repeat", numbers(0, 1<<31-1)); lower == nil {
		g.LowerPrioRepeat = g.Repeat
	}
	if g.LowerPrioDelay < 0 {
		g.LowerPrioDelay = g.Delay
	}
	return n.garpWords("", g)
}

// garpWords is g with what n's words say, whose names begin with prefix.
func (n *Node) garpWords(prefix string, g GARP) GARP {
	const most = 1<<32 - 1
	lower := n.wholeSeconds(prefix+"garp_lower_prio_delay", maxGARPDelay, 0)
	if n.good(prefix+"garp_lower_prio_delay", numbers(0, maxGARPDelay)) == nil {
		lower = g.LowerPrioDelay
	}
	old := "vrrp_vmac_garp_intvl"
	if prefix == "" {
		old = "vmac_garp_intvl"
	}
	extra, all := n.extraInterfaces(prefix+"garp_extra_if", old, g)
	return GARP{
		Extra:           extra,
		ExtraAll:        all,
		Delay:           n.wholeSeconds(prefix+"garp_master_delay", maxGARPDelay, g.Delay),
		Repeat:          n.number(prefix+"garp_master_repeat", 1, most, g.Repeat),
		Refresh:         n.wholeSeconds(prefix+"garp_master_refresh", most, g.Refresh),
		RefreshRepeat:   n.number(prefix+"garp_master_refresh_repeat", 1, most, g.RefreshRepeat),
		LowerPrioDelay:  lower,
		LowerPrioRepeat: n.number(prefix+"garp_lower_prio_repeat", 0, 1<<31-1, g.LowerPrioRepeat),
	}
}

// vmac reads [[name] IFNAME] [MAC] [netlink_notify_msg] [group G] of use_vmac.
func (n *Node) vmac() VMAC {
	line := n.last("use_vmac")
	v := VMAC{Use: line != nil, XmitBase: n.has("vmac_xmit_base"), UseAddr: n.has("use_vmac_addr")}
	if line == nil {
		return v
	}
	for i := 0; i < len(line.Args); i++ {
		switch word := line.Args[i]; {
		case word == "netlink_notify_msg":
		case word == "group":
			i++
		case word == "name" && i+1 < len(line.Args):
			i++
			v.Name = strings.Clone(line.Args[i])
		default:
			if mac, err := parseMAC(word); err == nil {
				v.MAC = mac
			} else if v.Name == "" {
				v.Name = strings.Clone(word)
			}
		}
	}
	return v
}

// Virtual is the MAC address of the instance's addresses and adverts where it has one of its own (use_vmac).
func (i *Instance) Virtual() (frame.MAC, bool) {
	if !i.VMAC.Use || i.VMAC.MAC != (frame.MAC{}) {
		return i.VMAC.MAC, i.VMAC.Use
	}
	mac := frame.MAC{0, 0, 0x5e, 0, 1, i.ID} // RFC 9568 section 7.3
	if i.IPv6 {
		mac[4] = 2
	}
	return mac, true
}
