package keepalived

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// routers loads text and returns its virtual routers; /usr/bin/there is a command, and root the user.
func routers(t *testing.T, text string) (VRRP, Diagnostics) {
	t.Helper()
	c, ds := load(t, text, func(o *Options) {
		o.Files.User, o.Files.Group = isRoot, isRoot
		o.Files.Command = func(name string) bool { return name == "/usr/bin/there" }
	})
	return c.VRRP, ds
}

// onlyRouter is the single instance of text.
func onlyRouter(t *testing.T, text string) *Instance {
	t.Helper()
	v, ds := routers(t, text)
	if len(v.Instances) != 1 {
		t.Fatalf("%d instances, want 1: %v", len(v.Instances), ds)
	}
	return v.Instances[0]
}

func TestAMinimalInstanceHasTheDefaultsOfKeepalived(t *testing.T) {
	want := &Instance{
		Name: "site", Interface: "eth0", ID: 77, Version: 2, Priority: 10, Interval: time.Second, Group: netip.MustParseAddr("224.0.0.18"),
		UnicastTTL: 255, Addresses: []VirtualAddress{{Prefix: netip.MustParsePrefix("10.0.0.9/32"), Pos: Pos{"f", 7}}},
		Accept: true, Preempt: true, DownTimerAdverts: 3, Pos: Pos{"f", 1},
		GARP: GARP{Delay: 5 * time.Second, Repeat: 5, RefreshRepeat: 1, LowerPrioDelay: 5 * time.Second, LowerPrioRepeat: 5},
	}
	if got := onlyRouter(t, instance("", "10.0.0.9")); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	six := onlyRouter(t, instance("", "fe80::9"))
	if !six.IPv6 || six.Version != 3 || six.Group != netip.MustParseAddr("ff02::12") {
		t.Errorf("IPv6: %+v, want version 3 and the group ff02::12", six)
	}
	if p := onlyRouter(t, strings.Replace(instance("", "10.0.0.9"), "priority 10\n", "", 1)).Priority; p != 100 {
		t.Errorf("without priority it is %d, want 100", p)
	}
}

// Where a word of an instance is absent, that of global_defs counts.
func TestInstancesInheritFromGlobalDefs(t *testing.T) {
	for _, tt := range []struct {
		name, global, own string
		of                func(*Instance) any
		want              any
	}{
		{"the version", "vrrp_version 3", "", func(i *Instance) any { return i.Version }, uint8(3)},
		{"its own version goes before", "vrrp_version 3", "version 2", func(i *Instance) any { return i.Version }, uint8(2)},
		{"the group", "vrrp_mcast_group4 224.0.0.99", "", func(i *Instance) any { return i.Group.String() }, "224.0.0.99"},
		{"its own group goes before", "vrrp_mcast_group4 224.0.0.99", "mcast_dst_ip 224.0.0.98", func(i *Instance) any { return i.Group.String() }, "224.0.0.98"},
		{"adverts until it is down", "vrrp_down_timer_adverts 7", "", func(i *Instance) any { return i.DownTimerAdverts }, uint8(7)},
		{"strict mode, which does not answer lower priorities", "vrrp_strict", "", func(i *Instance) any { return []bool{i.Strict, i.LowerPrioNoAdvert, i.Accept} }, []bool{true, true, false}},
		{"strict mode switched off", "vrrp_strict", "strict_mode off", func(i *Instance) any { return i.Strict }, false},
		{"silence to lower priorities", "vrrp_lower_prio_no_advert", "", func(i *Instance) any { return i.LowerPrioNoAdvert }, true},
		{"silence taken back", "vrrp_lower_prio_no_advert", "lower_prio_no_advert off", func(i *Instance) any { return i.LowerPrioNoAdvert }, false},
		{"an advert to higher ones", "vrrp_higher_prio_send_advert on", "", func(i *Instance) any { return i.HigherPrioSendAdvert }, true},
		{"addresses not compared", "vrrp_skip_check_adv_addr", "", func(i *Instance) any { return i.SkipCheckAddresses }, true},
		{"but compared in strict mode", "vrrp_skip_check_adv_addr\nvrrp_strict", "", func(i *Instance) any { return i.SkipCheckAddresses }, false},
		{"sources checked", "vrrp_check_unicast_src", "", func(i *Instance) any { return i.CheckUnicastSource }, true},
		{"checksums of version 2", "v3_checksum_as_v2", "", func(i *Instance) any { return i.V3ChecksumAsV2 }, true},
		{"an owner that ignores", "vrrp_owner_ignore_adverts", "", func(i *Instance) any { return i.OwnerIgnoreAdverts }, true},
		{"notes of priorities", "vrrp_notify_priority_changes", "", func(i *Instance) any { return i.NotifyPriority }, true},
		{"mails about routers", "smtp_alert_vrrp", "", func(i *Instance) any { return i.Alert }, true},
		{"mails about everything", "smtp_alert", "", func(i *Instance) any { return i.Alert }, true},
		{"mails about everything but routers", "smtp_alert\nsmtp_alert_vrrp off", "", func(i *Instance) any { return i.Alert }, false},
		{"mails about others", "smtp_alert", "smtp_alert off", func(i *Instance) any { return i.Alert }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := onlyRouter(t, "global_defs {\n"+tt.global+"\n}\n"+instance(tt.own, "10.0.0.9"))
			if got := tt.of(i); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestGARPTimersFollowThoseOfTheMasterAndOfGlobalDefs(t *testing.T) {
	for _, tt := range []struct {
		name, global, own, want string
	}{
		{"defaults", "", "", "5s 5, 0s 1, 5s 5"},
		{"lower priorities follow the master's of global_defs", "vrrp_garp_master_delay 7\nvrrp_garp_master_repeat 2", "", "7s 2, 0s 1, 7s 2"},
		{"and not those of the instance", "", "garp_master_delay 7\ngarp_master_repeat 2", "7s 2, 0s 1, 5s 5"},
		{"all of global_defs", "vrrp_garp_master_delay 1\nvrrp_garp_master_repeat 2\nvrrp_garp_master_refresh 3\nvrrp_garp_master_refresh_repeat 4\nvrrp_garp_lower_prio_delay 6\nvrrp_garp_lower_prio_repeat 0", "", "1s 2, 3s 4, 6s 0"},
		{"all of the instance", "vrrp_garp_master_delay 99", "garp_master_delay 0\ngarp_master_repeat 2\ngarp_master_refresh 3\ngarp_master_refresh_repeat 4\ngarp_lower_prio_delay 0\ngarp_lower_prio_repeat 0", "0s 2, 3s 4, 0s 0"},
		{"the least", "vrrp_min_garp", "", "0s 1, 0s 1, 0s 1"},
		{"the least, but for one", "vrrp_min_garp\nvrrp_garp_master_repeat 3", "", "0s 3, 0s 1, 0s 3"},
		{"strict mode says nothing to lower priorities", "vrrp_strict", "garp_lower_prio_repeat 5", "5s 5, 0s 1, 0s 0"},
		{"a bad line is not there", "", "garp_master_delay 3\ngarp_master_delay 9999", "3s 5, 0s 1, 5s 5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := onlyRouter(t, "global_defs {\n"+tt.global+"\n}\n"+instance(tt.own, "10.0.0.9")).GARP
			got := fmt.Sprintf("%v %d, %v %d, %v %d", g.Delay, g.Repeat, g.Refresh, g.RefreshRepeat, g.LowerPrioDelay, g.LowerPrioRepeat)
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// What the words of one instance come to, where they change each other.
func TestWordsOfAnInstanceThatChangeEachOther(t *testing.T) {
	preempts := func(i *Instance) any { return fmt.Sprint(i.StartMaster, i.Preempt, i.PreemptDelay) }
	every := func(i *Instance) any { return i.Interval }
	auth := func(i *Instance) any { return fmt.Sprint(i.Auth, i.Password) }
	pass := "authentication {\nauth_type PASS\nauth_pass %s\n}"
	for _, tt := range []struct {
		name, words string
		of          func(*Instance) any
		want        any
	}{
		{"a backup waits", "preempt_delay 3.5", preempts, "false true 3.5s"},
		{"and stays", "nopreempt", preempts, "false false 0s"},
		{"one that stays does not wait", "nopreempt\npreempt_delay 4", preempts, "false false 0s"},
		{"state MASTER preempts", "state MASTER\nnopreempt", preempts, "true true 0s"},
		{"and does not wait", "state MASTER\npreempt_delay 4", preempts, "true true 0s"},
		{"a state that is none is not there", "state BACKUP\nstate master", preempts, "false true 0s"},
		{"in strict mode only the owner starts as master", "strict_mode\nstate MASTER", preempts, "false true 0s"},
		{"version 2 has whole seconds", "advert_int 1.6", every, 2 * time.Second},
		{"and one at least", "advert_int 0.2", every, time.Second},
		{"version 3 has hundredths", "version 3\nadvert_int 0.256", every, 260 * time.Millisecond},
		{"down to one", "version 3\nadvert_int 0.01", every, 10 * time.Millisecond},
		{"and 40.95 s at most", "version 3\nadvert_int 100", every, 40950 * time.Millisecond},
		{"a password", fmt.Sprintf(pass, "secret"), auth, "1secret"},
		{"eight bytes of a longer one", fmt.Sprintf(pass, "123456789"), auth, "112345678"},
		{"none in version 3", "version 3\n" + fmt.Sprintf(pass, "secret"), auth, "0"},
		{"without a password there is no authentication", "authentication {\nauth_type PASS\n}", auth, "0"},
		{"a password alone is none", "authentication {\nauth_pass x\n}", auth, "0"},
		{"accept needs version 3 in strict mode", "strict_mode\naccept", func(i *Instance) any { return i.Accept }, false},
		{"and has it there", "version 3\nstrict_mode\naccept", func(i *Instance) any { return i.Accept }, true},
		{"peers of the other family are left out", "unicast_peer {\n10.0.0.2\n2001:db8::2\n10.0.0.3 min_ttl 5 max_ttl 6\n}", func(i *Instance) any { return fmt.Sprint(i.Peers) }, "[{10.0.0.2 0 255} {10.0.0.3 5 6}]"},
		{"as a source is", "mcast_src_ip 2001:db8::1", func(i *Instance) any { return i.Source.IsValid() }, false},
		{"the unicast source", "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}", func(i *Instance) any { return i.Source.String() }, "10.0.0.1"},
		{"the old checksum", "old_unicast_checksum\nunicast_peer {\n10.0.0.2\n}", func(i *Instance) any { return i.OldUnicastChecksum }, AlwaysOld},
		{"never the old checksum", "old_unicast_checksum never\nunicast_peer {\n10.0.0.2\n}", func(i *Instance) any { return i.OldUnicastChecksum }, NeverOld},
		{"the own interface is not tracked twice", "track_interface {\neth0\neth1 weight -20 reverse\n}", func(i *Instance) any { return len(i.Tracks) }, 1},
		{"a route whose interface counts", "virtual_routes {\n10.1.0.0/16 dev eth5\n10.2.0.0/16 dev eth6 no_track\n}", func(i *Instance) any {
			return fmt.Sprintf("%v %s %d", i.Tracks[0].Kind, i.Tracks[0].Name, len(i.Tracks))
		}, "virtual_routes eth5 1"},
		{"a late timer", "timer_expired_backup", func(i *Instance) any { return i.TimerExpiredBackup }, uint8(254)},
		{"the last of two lines counts", "priority 20\npriority 30", func(i *Instance) any { return i.Priority }, uint8(30)},
		{"unless it is wrong", "priority 20\npriority 300", func(i *Instance) any { return i.Priority }, uint8(20)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.of(onlyRouter(t, instance(tt.words, "10.0.0.9"))); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestInstancesThatCannotRunAreLeftOut(t *testing.T) {
	one := instance("", "10.0.0.9")
	for _, tt := range []struct{ name, text, want string }{
		{"one", one, "site"},
		{"two", one + second(), "site two"},
		{"the name again", one + strings.Replace(one, "77", "78", 1), "site"},
		{"the virtual router ID again", one + strings.Replace(second(), "78", "77", 1), "site"},
		{"it again on another interface", one + strings.NewReplacer("78", "77", "eth0", "eth1").Replace(second()), "site two"},
		{"it again in the other family", one + strings.NewReplacer("78", "77", "10.0.0.8", "fe80::8").Replace(second()), "site two"},
		{"no address", instance("", "abc"), ""},
		{"no address, and none wanted", instance("no_virtual_ipaddress", ""), "site"},
		{"no interface", strings.Replace(one, "interface eth0\n", "", 1), ""},
		{"no virtual router ID", strings.Replace(one, "virtual_router_id 77", "", 1), ""},
		{"a wrong one", strings.Replace(one, "77", "256", 1), ""},
		{"AH", instance("authentication {\nauth_type AH\nauth_pass x\n}", "10.0.0.9"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, ds := routers(t, tt.text)
			var names []string
			for _, i := range v.Instances {
				names = append(names, i.Name)
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("%q, want %q: %v", got, tt.want, ds)
			}
		})
	}
	_, ds := routers(t, instance("authentication {\nauth_type AH\nauth_pass x\n}", "10.0.0.9"))
	refused := slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.LeftOut && strings.Contains(d.Text, "AH is not supported") })
	if !refused || ds.ExitCode() != ExitOK {
		t.Errorf("exit %d, %v: want a report that AH is not supported, and keepalived's 0", ds.ExitCode(), ds)
	}
}

// Tracks of instances and groups; the sentences were measured with keepalived 2.2.7.
func TestTracksOfInstancesAndGroups(t *testing.T) {
	const defined = "global_defs {\nenable_script_security\nscript_user root\n}\nvrrp_script s {\nscript /usr/bin/there\nweight 5 reverse\n}\n" +
		"track_file f {\nfile /run/f\nweight 3\n}\ntrack_process p {\nprocess /usr/sbin/bird -d\nweight -4\n}\n"
	show := func(tracks []Track) string {
		var b strings.Builder
		for _, k := range tracks {
			fmt.Fprintf(&b, "%v %s %d %v; ", k.Kind, k.Name, k.Weight, k.Reverse)
		}
		return b.String()
	}
	const all = "track_interface {\neth1 weight 9\neth2\n}\ntrack_script {\ns\n}\ntrack_process {\np\n}\ntrack_file {\nf\ng\n}\n"
	alone := onlyRouter(t, defined+instance(all, "10.0.0.9"))
	const want = "track_interface eth1 9 false; track_interface eth2 0 false; track_script s 5 true; track_process p -4 false; track_file f 3 false; "
	if got := show(alone.Tracks); got != want {
		t.Errorf("alone: %s, want %s", got, want)
	}
	own := show(onlyRouter(t, defined+instance("track_script {\ns weight 0\n}\ntrack_file {\nf weight -2 reverse\n}", "10.0.0.9")).Tracks)
	if own != "track_script s 0 false; track_file f -2 true; " {
		t.Errorf("a line with a weight: %s", own)
	}
	grouped := func(more string) VRRP {
		v, _ := routers(t, defined+instance(all, "10.0.0.9")+second()+"vrrp_sync_group g {\ngroup {\nsite\ntwo\nnone\n}\n"+more+"}\n")
		return v
	}
	v := grouped("track_script {\ns\n}\n")
	if got := show(v.Instances[0].Tracks); got != "track_interface eth2 0 false; " || v.Instances[0].SyncGroup != "g" {
		t.Errorf("a member of %q: %s, want only what has no weight", v.Instances[0].SyncGroup, got)
	}
	if got := show(v.Groups[0].Tracks) + fmt.Sprint(v.Groups[0].Members); got != "track_script s 5 true; [site two]" {
		t.Errorf("the group: %s", got)
	}
	if got := show(grouped("sync_group_tracking_weight\n").Instances[0].Tracks); got != want {
		t.Errorf("a member of a group with sync_group_tracking_weight: %s, want %s", got, want)
	}
}

func TestTrackedThings(t *testing.T) {
	v, _ := routers(t, "vrrp_script s {\nscript \"/usr/bin/there -x 'a b'\" \ninterval 2\nfall 3\nuser root root\ninit_fail\n}\n"+
		"vrrp_script gone {\nscript /usr/bin/gone\n}\ntrack_process a {\nprocess \"/bin/x -a\"\nparam_match partial\ndelay 2\nfork_delay 1\n}\n"+
		"track_process b {\nprocess y 1 2\nfull_command\nquorum 2\nquorum_max 3\n}\ntrack_process c {\n}\ntrack_file f {\nfile /run/f\ninit_file 4\n}\ntrack_file g {\nfile /run/g\n}\n"+
		instance("track_file {\nf\n}", "10.0.0.9"))
	scripts := []*TrackScript{{Name: "s", Command: Command{"/usr/bin/there -x 'a b'", "root", "root"}, Interval: 2 * time.Second, Timeout: 2 * time.Second, Rise: 1, Fall: 3, InitFail: true, Pos: Pos{"f", 1}}}
	if !reflect.DeepEqual(v.Scripts, scripts) {
		t.Errorf("scripts %+v", v.Scripts[0])
	}
	processes := []*TrackProcess{
		{Name: "a", Path: "/bin/x", Params: []string{"-a"}, HasParams: true, PartialParams: true, Quorum: 1, ForkDelay: time.Second, TerminateDelay: 2 * time.Second},
		{Name: "b", Path: "y", Params: []string{"1", "2"}, HasParams: true, FullCommand: true, Quorum: 2, QuorumMax: 3},
	}
	for _, p := range v.Processes {
		p.Pos = Pos{}
	}
	if !reflect.DeepEqual(v.Processes, processes) {
		t.Errorf("processes %+v %+v", v.Processes[0], v.Processes[1])
	}
	if len(v.Files) != 1 || v.Files[0].Name != "f" || v.Files[0].File.Path != "/run/f" || v.Files[0].File.Value != 4 {
		t.Errorf("files %+v, want the one that is tracked", v.Files)
	}
}

func TestAddressesRoutesAndRulesAreRead(t *testing.T) {
	i := onlyRouter(t, instance("use_vmac vrrp51 02:00:00:00:00:07\nvmac_xmit_base\nvirtual_routes {\nblackhole 10.5.0.0/16 table 7 no_track\n"+
		"src 10.0.0.9 to 10.1.2.3/16 via 10.0.0.1 dev eth0 metric 5 scope link tos 4 mtu lock 1400 onlink\ndefault dev eth0 nexthop via 10.0.0.1 dev eth0 weight 3 nexthop via 10.0.0.2 dev eth1\n10.9.0.0/16 table 0x1ffffffff dev eth0\n}\n"+
		"virtual_rules {\nnot from 10.1.0.0/16 to all fwmark 5/0xff iif eth1 table main preference 10 no_track\nto 2001:db8::/32 blackhole priority 3\nfrom all goto 99 prio 4\n}",
		"10.0.0.9/24 dev eth1 label eth1:1 brd + scope link peer 10.0.0.1 no_track\n10.0.0.8/24 brd 10.0.0.255 preferred_lft 7\n10.0.0.7/24 brd - use_vmac"))
	text := strings.Builder{}
	for _, l := range []lines{addressLines(i.Addresses), routeLines(i.Routes), ruleLines(i.Rules)} {
		for _, n := range l {
			fmt.Fprintln(&text, strings.Join(n.fields(), " "))
		}
	}
	const want = `10.0.0.9/24 scope 253 dev eth1 label eth1:1 brd 10.0.0.255 peer 10.0.0.1 no_track
10.0.0.8/24 scope 0 brd 10.0.0.255 preferred_lft 7
10.0.0.7/24 scope 0 brd 10.0.0.0 use_vmac
blackhole 10.5.0.0/16 table 7 metric 0 tos 0 protocol 18 mtu 0 advmss 0 no_track
unicast 10.1.0.0/16 table 254 metric 5 tos 4 protocol 18 mtu lock 1400 advmss 0 scope 253 src 10.0.0.9 dev eth0 nexthop via 10.0.0.1 dev eth0 weight 1 onlink
unicast 0.0.0.0/0 table 254 metric 0 tos 0 protocol 18 mtu 0 advmss 0 dev eth0 nexthop via 10.0.0.1 dev eth0 weight 3 nexthop via 10.0.0.2 dev eth1 weight 1
inet preference 10 from 10.1.0.0/16 not fwmark 5/255 iif eth1 no_track table 254
inet6 preference 3 to 2001:db8::/32 blackhole
inet preference 4 goto 99
`
	if text.String() != want {
		t.Errorf("got\n%swant\n%s", text.String(), want)
	}
	if mac, ok := i.Virtual(); !ok || mac.String() != "02:00:00:00:00:07" || i.VMAC.Name != "vrrp51" || !i.VMAC.XmitBase {
		t.Errorf("virtual MAC %v %v, %+v", mac, ok, i.VMAC)
	}
	for _, tt := range []struct{ words, addr, want string }{
		{"", "10.0.0.9", "00:00:00:00:00:00 false"}, {"use_vmac", "10.0.0.9", "00:00:5e:00:01:4d true"}, {"use_vmac", "fe80::9", "00:00:5e:00:02:4d true"},
	} {
		if mac, ok := onlyRouter(t, instance(tt.words, tt.addr)).Virtual(); fmt.Sprint(mac, ok) != tt.want {
			t.Errorf("%s with %s: %v %v, want %s", tt.words, tt.addr, mac, ok, tt.want)
		}
	}
}

func TestAddressesThatAnAdvertHasNoPlaceForAreExcluded(t *testing.T) {
	var lines []string
	for n := range 300 {
		lines = append(lines, fmt.Sprintf("10.0.%d.%d", n/200, n%200+1))
	}
	i := onlyRouter(t, instance("virtual_ipaddress_excluded {\n2001:db8::1\n}", strings.Join(lines, "\n")))
	if len(i.Addresses) != 255 || len(i.Excluded) != 46 || i.Excluded[0].Prefix.Addr().String() != "10.0.1.56" {
		t.Errorf("%d addresses and %d excluded from %v on", len(i.Addresses), len(i.Excluded), i.Excluded[0].Prefix)
	}
}

// A word that is used changes something in the Config, wherever it stands.
func TestEveryWordOfVRRPHasAnEffect(t *testing.T) {
	values := []string{"", " 7", " on", " off", " 224.0.0.99", " ff02::99", " 10.0.0.1", " MASTER", " 3", " /run/x", " PASS", " /usr/bin/there", " partial", " eth7", " -3", " root root"}
	blocks := map[string]func(string) string{
		"vrrp_instance": func(l string) string { return instance("nopreempt\nunicast_peer {\n10.0.0.2\n}\n"+l, "10.0.0.9") },
		"vrrp_sync_group": func(l string) string {
			return instance("track_interface {\neth9 weight 4\n}", "10.0.0.9") + second() + "vrrp_sync_group g {\ngroup {\nsite\ntwo\n}\n" + l + "\n}\n"
		},
		"vrrp_script":        func(l string) string { return "vrrp_script s {\nscript /usr/bin/there\n" + l + "\n}\n" },
		"track_process":      func(l string) string { return "track_process p {\nprocess x\n" + l + "\n}\n" },
		"vrrp_track_process": func(l string) string { return "vrrp_track_process p {\nprocess x\n" + l + "\n}\n" },
		"global_defs": func(l string) string {
			return "global_defs {\n" + l + "\n}\n" + instance("", "10.0.0.9") + strings.Replace(second(), "10.0.0.8", "fe80::8", 1)
		},
	}
	without := map[string]string{ // words that say what is so without them
		"preempt": "nopreempt counts", "accept": "only strict mode has not", "track_bfd": "not used", "no_virtual_ipaddress": "there are some", "group": "they are there",
	}
	data := []string{"eth7", "10.0.0.77", "10.7.0.0/16 dev eth7", "from 10.7.0.0/16 table 5 preference 5", "site", "fe80::7"}
	print := func(text string) string {
		v, _ := routers(t, text)
		c := placeless(&Config{VRRP: v})
		var b strings.Builder
		if err := printConfig(&b, c); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for in, around := range blocks {
		w := grammar().find(in)
		plain := print(around(""))
		for _, word := range w.block.words {
			if _, known := without[word.name]; known || word.status != used || in == "global_defs" && !isVRRPGlobal(word.name) {
				continue
			}
			var lines []string
			for _, v := range values {
				lines = append(lines, word.name+v)
			}
			for _, d := range data {
				if word.block != nil {
					lines = append(lines, word.name+" {\n"+d+"\n}")
				}
			}
			lines = append(lines, word.name+" {\nauth_type PASS\nauth_pass x\n}", "use_vmac\n"+word.name, "virtual_ipaddress {\n10.0.0.77\n}\n"+word.name)
			changes := slices.ContainsFunc(lines, func(l string) bool { return print(around(l)) != plain })
			if !changes && !slices.Contains([]string{"track_script", "track_file", "track_process"}, word.name) { // those need names; see TestTracksOfInstancesAndGroups
				t.Errorf("%s in %s changes nothing", word.name, in)
			}
		}
	}
}

// isVRRPGlobal reports whether a word of global_defs is about virtual routers.
func isVRRPGlobal(name string) bool {
	return strings.HasPrefix(name, "vrrp_") || strings.HasPrefix(name, "v3_") || name == "smtp_alert_vrrp" || name == "log_unknown_vrids"
}

// What keepalived 2.2.7 does with words that are odd: a preference is made up for each family, a route that is tracked has
// keepalived's protocol, and one without an interface is set. What is not set is said, with its place.
func TestOddRoutesAndRulesAreReadAsByKeepalived(t *testing.T) {
	v, ds := routers(t, "static_rules {\nfrom 10.1.0.0/16 table 100\nfrom 10.2.0.0/16 table 100 preference 39\nfrom 2001:db8::/64 table 100\n}\nstatic_routes {\n10.6.0.0/16 dev eth0 track_group g\n}\n"+
		instance("virtual_routes {\n10.1.0.0/16 dev eth0 protocol static\n10.2.0.0/16 dev eth0 protocol static no_track\n10.3.0.0/16 via 10.0.0.1\n"+
			"10.4.0.0/16 dev eth0 hoplimit 9 initcwnd 4 add\n10.5.0.0/16 dev eth0 append congctl cubic\nblackhole 10.7.0.0/16\n10.8.0.0/16 table nosuch dev eth0\n"+
			"10.9.0.0/16 nexthop via 10.0.0.1 dev eth0 nexthop via 10.0.0.2\n}\n"+
			"virtual_rules {\nfrom 10.3.0.0/16 table 100 suppress_prefixlength 8 uidrange 1-2\n}", "10.0.0.9"))
	text := strings.Builder{}
	for _, l := range []lines{routeLines(v.StaticRoutes), ruleLines(v.StaticRules), routeLines(v.Instances[0].Routes), ruleLines(v.Instances[0].Rules)} {
		for _, n := range l {
			fmt.Fprintln(&text, strings.ReplaceAll(strings.Join(n.fields(), " "), " table 254 metric 0 tos 0", ""))
		}
	}
	const want = `unicast 10.6.0.0/16 protocol 18 mtu 0 advmss 0 dev eth0
inet preference 16384 from 10.1.0.0/16 table 100
inet preference 39 from 10.2.0.0/16 table 100
inet6 preference 16384 from 2001:db8::/64 table 100
unicast 10.1.0.0/16 protocol 18 mtu 0 advmss 0 dev eth0
unicast 10.2.0.0/16 protocol 4 mtu 0 advmss 0 dev eth0 no_track
unicast 10.3.0.0/16 protocol 18 mtu 0 advmss 0 nexthop via 10.0.0.1 weight 1
unicast 10.4.0.0/16 protocol 18 mtu 0 advmss 0 dev eth0 hoplimit 9 initcwnd 4 add
unicast 10.5.0.0/16 protocol 18 mtu 0 advmss 0 dev eth0 append
blackhole 10.7.0.0/16 protocol 18 mtu 0 advmss 0
unicast 10.9.0.0/16 protocol 18 mtu 0 advmss 0 nexthop via 10.0.0.1 dev eth0 weight 1 nexthop via 10.0.0.2 weight 1
inet preference 16383 from 10.3.0.0/16 suppress_prefixlength 8 table 100
`
	if text.String() != want {
		t.Errorf("got\n%swant\n%s", text.String(), want)
	}
	var followed []string
	for _, x := range v.Instances[0].Tracks {
		followed = append(followed, x.Name)
	}
	if got := strings.Join(followed, ", "); got != "eth0, to 10.3.0.0/16, eth0, eth0, to 10.9.0.0/16" {
		t.Errorf("the instance follows %s", got)
	}
	for _, part := range []string{"f:7: warning: 10.6.0.0/16: the route is set without track_group g", ": the route is set without congctl cubic", "10.8.0.0/16: a value of the route is not understood, and the route is not set",
		": the rule is set without uidrange 1-2", "f:2: warning: from: the rule has no preference, and has 16384", "10.3.0.0/16: no interface is named with dev"} {
		if !slices.ContainsFunc(ds, func(d Diagnostic) bool { return strings.Contains(d.String(), part) }) {
			t.Errorf("%q is not said in %v", part, ds)
		}
	}
}
