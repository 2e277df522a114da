package control

import (
	"net/netip"
	"slices"
	"time"

	"lvsdr/arp"
	"lvsdr/control/keepalived"
	"lvsdr/control/script"
	"lvsdr/control/track"
	"lvsdr/control/vrrp"
	"lvsdr/dataplane/frame"
)

// Kinds of trackers that have no block of their own.
const (
	trackInterface = "track_interface"
	trackSource    = "track_src_ip"
)

// electionOf are the settings of VRRP that a file asks for. With hold masters are not taken over from that are heard.
func electionOf(v *keepalived.VRRP, hold bool) vrrp.Settings {
	s := vrrp.Settings{StartupDelay: v.Global.StartupDelay, Hold: hold, LogUnknown: v.Global.LogUnknown}
	for _, i := range v.Instances {
		s.Instances = append(s.Instances, instanceOf(i))
	}
	for _, g := range v.Groups {
		s.Groups = append(s.Groups, vrrp.Group{Name: g.Name, Members: g.Members, Tracks: tracksOf(g.Tracks)})
	}
	return s
}

// instanceOf is one of them.
func instanceOf(i *keepalived.Instance) vrrp.Instance {
	out := vrrp.Instance{Name: i.Name, Interface: i.Interface, ReceiveBuffer: int(i.ReceiveBuffer), ID: i.ID, Version: i.Version, IPv6: i.IPv6,
		StartMaster: i.StartMaster, Priority: i.Priority, Interval: i.Interval,
		Source: i.Source, Group: i.Group, NeedsPeer: i.UnicastFaultNoPeer, TTL: i.UnicastTTL, PeersOnly: i.CheckUnicastSource, Checksum: checksumOf(i), Password: passwordOf(i),
		SkipAddresses: i.SkipCheckAddresses, Strict: i.Strict,
		Preempt: i.Preempt, PreemptDelay: i.PreemptDelay, DownAdverts: int(i.DownTimerAdverts), QuietLower: i.LowerPrioNoAdvert,
		SpeakHigher: i.HigherPrioSendAdvert, OwnerIgnores: i.OwnerIgnoreAdverts, LateBackup: i.TimerExpiredBackup,
		Tracks: tracksOf(i.Tracks)}
	if mac, ok := i.Virtual(); ok && !i.VMAC.XmitBase {
		out.MAC = mac
	}
	for _, p := range i.Peers {
		out.Peers = append(out.Peers, vrrp.Peer{Addr: p.Addr, MinTTL: p.MinTTL, MaxTTL: p.MaxTTL})
	}
	for _, a := range i.Addresses {
		out.Addresses = append(out.Addresses, a.Prefix.Addr())
	}
	for _, name := range interfacesOf(i) {
		t := vrrp.Track{Tracker: vrrp.Tracker{Kind: trackInterface, Name: name}}
		if !slices.ContainsFunc(out.Tracks, func(o vrrp.Track) bool { return o.Tracker == t.Tracker && o.Weight == 0 && !o.Reverse }) {
			out.Tracks = append(out.Tracks, t)
		}
	}
	if i.TrackSource && i.Source.IsValid() {
		out.Tracks = append(out.Tracks, vrrp.Track{Tracker: vrrp.Tracker{Kind: trackSource, Name: i.Source.String()}})
	}
	return out
}

// interfacesOf are the interfaces that an instance needs: its own, and those of its
// addresses.
func interfacesOf(i *keepalived.Instance) (all []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	if !i.DontTrackPrimary {
		add(i.Interface)
	}
	for _, a := range slices.Concat(i.Addresses, i.Excluded) {
		if !a.NoTrack && a.Interface != i.Interface {
			add(a.Interface)
		}
	}
	return all
}

func checksumOf(i *keepalived.Instance) vrrp.Checksum {
	switch {
	case i.V3ChecksumAsV2:
		return vrrp.NoPseudoHeader
	case i.OldUnicastChecksum == keepalived.AlwaysOld:
		return vrrp.GroupHeader
	}
	return vrrp.PseudoHeader
}

func passwordOf(i *keepalived.Instance) string {
	if i.Auth == keepalived.AuthPASS {
		return i.Password
	}
	return ""
}

func tracksOf(all []keepalived.Track) (out []vrrp.Track) {
	for _, t := range all {
		out = append(out, vrrp.Track{Tracker: vrrp.Tracker{Kind: t.Kind.String(), Name: t.Name}, Weight: t.Weight, Reverse: t.Reverse,
			Factor: t.Kind == keepalived.TrackOfFile})
	}
	return out
}

// trackersOf are the trackers that the instances and groups of a file need.
func trackersOf(cfg *keepalived.Config) (s track.Settings) {
	v := &cfg.VRRP
	for _, x := range v.Scripts {
		argv, err := script.Split(x.Command.Line)
		if err != nil {
			continue // keepalived.Load has told of it
		}
		c := script.Command{Argv: argv, User: x.Command.User, Group: x.Command.Group, Secure: cfg.Global.ScriptSecurity}
		if c.User == "" {
			c.User, c.Group = cfg.Global.ScriptUser, cfg.Global.ScriptGroup
		}
		s.Scripts = append(s.Scripts, track.Script{Name: x.Name, Command: c, Interval: x.Interval, Timeout: x.Timeout,
			Rise: int(x.Rise), Fall: int(x.Fall), InitFail: x.InitFail})
	}
	for _, x := range v.Processes {
		s.Processes = append(s.Processes, track.Process{Name: x.Name, Path: x.Path, Full: x.FullCommand, HasArgs: x.HasParams, Args: x.Params,
			Partial: x.PartialParams, Initial: x.InitialParams, Quorum: int(x.Quorum), Most: int(x.QuorumMax), UpDelay: x.ForkDelay, DownDelay: x.TerminateDelay})
	}
	for _, x := range v.Files {
		s.Files = append(s.Files, track.File{Name: x.Name, Path: x.File.Path})
	}
	return s
}

// macOf is the MAC address at which a VIP is announced on an interface that has the address own: that
// of its instance, if it has one, and the VIP is on the instance's interface or it says that
// all are (use_vmac_addr).
func macOf(i *keepalived.Instance, link string, own frame.MAC) frame.MAC {
	if i == nil || !i.VMAC.Use || link != i.Interface && !i.VMAC.UseAddr {
		return own
	}
	mac, _ := i.Virtual()
	return mac
}

// announcedBy says how a VIP of an instance is announced on a link, with the virtual MAC or not;
// nil: VRRP does not decide about it.
func announcedBy(i *keepalived.Instance, v *keepalived.VRRP, vip netip.Addr, link string, virtual bool) arp.Elected {
	if i == nil {
		return arp.Elected{}
	}
	e := arp.Elected{Rounds: max(int(i.GARP.Repeat), 1), Delay: i.GARP.Delay, Every: i.GARP.Refresh, EveryRounds: int(i.GARP.RefreshRepeat)}
	if extra := i.GARP.Extra; extra > 0 && link != i.Interface && (virtual || i.GARP.ExtraAll) && (e.Every == 0 || extra < e.Every) {
		e.Every, e.EveryRounds = extra, 1
	}
	e.Interval, e.Queue = spacingOf(v, vip, link)
	if i.GARP.Minimal {
		e.Rounds, e.Delay = 1, 0
	}
	return e
}

// spacingOf is the least time between two announcements of a VIP on a link, and the queue of a
// group of links that share it; 0: the link has its own.
func spacingOf(v *keepalived.VRRP, vip netip.Addr, link string) (interval time.Duration, queue int32) {
	arps, adverts := v.Global.GARPInterval, v.Global.GNAInterval
	if n := slices.IndexFunc(v.GARPGroups, func(g keepalived.GARPGroup) bool { return slices.Contains(g.Interfaces, link) }); n >= 0 {
		arps, adverts, queue = v.GARPGroups[n].GARPInterval, v.GARPGroups[n].GNAInterval, -int32(n)-1
	}
	if vip.Is6() {
		return adverts, queue
	}
	return arps, queue
}

// repeats is how often the VIPs of an instance are announced again after an advert of a
// lower priority, and after which time once more.
func repeats(i *keepalived.Instance) (rounds int, delay time.Duration) {
	if i.GARP.Minimal {
		return min(int(i.GARP.LowerPrioRepeat), 1), 0
	}
	return int(i.GARP.LowerPrioRepeat), i.GARP.LowerPrioDelay
}
