package control

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/control/hostnet"
	"lvsdr/control/keepalived"
	"lvsdr/control/notify"
	"lvsdr/control/routing"
	"lvsdr/control/shield"
	"lvsdr/control/vrrp"
	"lvsdr/dataplane/frame"
)

// virtualRouter is the text of a VRRP instance on eth0 with these lines and addresses.
func virtualRouter(name string, id int, lines string, addrs ...string) string {
	return fmt.Sprintf("vrrp_instance %s {\n state BACKUP\n interface eth0\n virtual_router_id %d\n priority 100\n advert_int 1\n%s\n virtual_ipaddress {\n%s\n }\n}\n",
		name, id, strings.ReplaceAll(lines, ";", "\n"), strings.Join(addrs, "\n"))
}

// role tells the loop of a role.
func (r *rig) role(instance string, role vrrp.Role) {
	r.put(vrrp.Change{Instance: instance, Role: role, Priority: 100})
}

// messages are those that the notifier got since the last call, as "LINE | COMMAND ARGS".
func (r *rig) messages() (all []string) {
	for _, m := range r.Messages {
		all = append(all, strings.TrimSpace(m.Line+" | "+m.Command.Line+" "+strings.Join(m.Args, " ")))
	}
	r.Messages = nil
	return all
}

// The master announces at once and takes frames; a backup does neither, and has all else.
func TestAVIPFollowsTheRoleOfItsInstance(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1)+service(other, rs2)+virtualRouter("A", 51, "", vip))
		if got := r.Announced(); !slices.Equal(got, []netip.Addr{ip(other)}) {
			t.Errorf("before the election: announced %v", got)
		}
		if len(r.Election.Instances) != 1 || !slices.Contains(r.notified, "READY=1") || len(r.content()) != 2 {
			t.Fatalf("VRRP has %+v; told %q", r.Election, r.notified)
		}
		r.Calls = nil
		r.role("A", vrrp.Master)
		if want := []string{"shield.Set", "director.Change", "redirect.Open", "interfaces.Set", "redirect.Set", "ARP.SetVIPs"}; !slices.Equal(r.Calls, want) {
			t.Errorf("as master calls %v, want %v", r.Calls, want)
		}
		v := r.VIPs[ip(vip)]
		if v.MAC != eth0.MAC || v.Elected.Rounds != 5 || v.Elected.Delay != 5*time.Second || r.VIPs[ip(other)].Elected.Rounds != 0 {
			t.Errorf("announced %+v", r.VIPs)
		}
		if got := r.Received(); !slices.Contains(got, vip+" eth0") {
			t.Errorf("received %v", got)
		}
		r.Calls = nil
		r.role("A", vrrp.Backup)
		if r.Calls[0] != "ARP.SetVIPs" || r.Calls[len(r.Calls)-1] != "shield.Set" {
			t.Errorf("as backup calls %v, want the announcement first and the shield last", r.Calls)
		}
		if _, ok := r.VIPs[ip(vip)]; ok || slices.Contains(r.Received(), vip+" eth0") || r.Guards[guardOf(vip)] {
			t.Errorf("as backup:\n%s", r.world())
		}
		if len(r.content()) != 2 || len(r.Own) != 2 {
			t.Errorf("the services of a backup: %v", r.content())
		}
	})
}

// An instance takes part when the host can serve: not before the servers' MAC addresses
// are known, or patience ends.
func TestNoInstanceTakesPartBeforeTheHostCanServe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, service(vip, rs1)+virtualRouter("A", 51, "", vip)).start()
		r.pass(neighbourPatience - 1)
		if len(r.Election.Instances) != 0 {
			t.Error("it takes part too early")
		}
		if got := r.Tracked[vrrp.Tracker{Kind: trackInterface, Name: "eth0"}]; !got.Up {
			t.Error("VRRP does not know its interface before it begins")
		}
		r.pass(1)
		if len(r.Election.Instances) != 1 {
			t.Error("it does not take part")
		}
		r.role("A", vrrp.Master)
		if got := r.Announced(); len(got) != 1 {
			t.Errorf("announced %v", got)
		}
	})
}

// Each call of each actor fails once: in the end all is as if none had failed.
func TestRolesAreFollowedWhateverFails(t *testing.T) {
	file := service(vip, rs1) + service(other, rs2) + virtualRouter("A", 51, "", vip) + virtualRouter("B", 52, "", other)
	story := func(r *rig) {
		r.resolve()
		for _, step := range []struct {
			name string
			role vrrp.Role
		}{{"A", vrrp.Master}, {"B", vrrp.Backup}, {"A", vrrp.Backup}, {"B", vrrp.Master}, {"A", vrrp.Fault}, {"A", vrrp.Master}, {"B", vrrp.Fault}} {
			r.role(step.name, step.role)
		}
		r.pass(3 * maxRetry)
		r.resolve() // what was not asked for before
		r.pass(3 * maxRetry)
	}
	var want string
	var calls []string
	bubble(t, func(t *testing.T) {
		r := newRig(t, file).start()
		story(r)
		want, calls = r.world(), slices.Clone(r.Calls)
		if !slices.Equal(r.Announced(), []netip.Addr{ip(vip)}) {
			t.Errorf("announced %v", r.Announced())
		}
	})
	for n := range calls {
		bubble(t, func(t *testing.T) {
			r := newRig(t, file)
			at := 0
			r.Fail = func(string) error {
				if at++; at == n+1 {
					return fmt.Errorf("call %d fails", n)
				}
				return nil
			}
			r.start()
			story(r)
			if got := r.world(); got != want {
				t.Errorf("%s, call %d, fails once; then there is\n%swant\n%s", calls[n], n, got, want)
			}
			if p := r.l.view.Load().Problems; len(p) != 0 {
				t.Errorf("%s fails once; problems %q", calls[n], p)
			}
		})
	}
}

// What is not announced is not received, and what is received has a guard.
func TestABackupIsNeverAnnouncedWhateverOrderNewsComesIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1)+virtualRouter("A", 51, "", vip))
		for i := range 64 {
			role := vrrp.Role(i % 5)
			switch i % 3 {
			case 0:
				r.put(hostChanged{})
			case 1:
				r.put(guardChanged{})
			}
			r.role("A", role)
			if got := len(r.VIPs) == 1; got != (role == vrrp.Master) {
				t.Fatalf("as %v: announced %v", role, got)
			}
			if got := slices.Contains(r.Received(), vip+" eth0"); got && !r.Guards[guardOf(vip)] {
				t.Fatalf("as %v: received without a guard", role)
			}
		}
	})
}

func TestAVirtualMACIsAnnounced(t *testing.T) {
	for _, c := range []struct {
		name, lines, addr string
		want              frame.MAC
	}{
		{"of the interface", "", vip, eth0.MAC},
		{"virtual", "use_vmac", vip, frame.MAC{0, 0, 0x5e, 0, 1, 51}},
		{"of an address on another interface", "use_vmac", "10.0.0.100 dev eth1", eth1.MAC},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				addr, _, _ := strings.Cut(c.addr, " ")
				r := running(t, service(addr, rs1)+virtualRouter("A", 51, c.lines, c.addr))
				r.role("A", vrrp.Master)
				if got := r.VIPs[ip(addr)].MAC; got != c.want {
					t.Errorf("announced at %v, want %v", got, c.want)
				}
				if i := r.Election.Instances[0]; (i.MAC != frame.MAC{}) != (c.lines != "") {
					t.Errorf("adverts come from %v", i.MAC)
				}
			})
		})
	}
}

func TestAnAdvertOfALowerPriorityRepeatsTheAnnouncements(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1)+service(other, rs2)+virtualRouter("A", 51, "garp_lower_prio_delay 2;garp_lower_prio_repeat 3;notify_master_rx_lower_pri /bin/lower", vip, other))
		r.role("A", vrrp.Master)
		r.messages()
		r.put(vrrp.Change{Instance: "A", Role: vrrp.Master, Priority: 100, Cause: vrrp.LowerPriority})
		if want := fmt.Sprintln(int32(2), []netip.Addr{ip(vip), ip(other)}, 3, 2*time.Second); !slices.Equal(r.Repeated, []string{want}) {
			t.Errorf("repeated %q, want %q", r.Repeated, want)
		}
		if got := r.messages(); !slices.Equal(got, []string{"| /bin/lower"}) {
			t.Errorf("told %q", got)
		}
		r.put(vrrp.Change{Instance: "gone", Role: vrrp.Master, Cause: vrrp.LowerPriority})
		if len(r.Repeated) != 1 {
			t.Error("an instance that is gone repeats announcements")
		}
	})
}

// Programs are told as keepalived does.
func TestProgramsAreToldOfRoles(t *testing.T) {
	commands := "notify /bin/any;notify_master /bin/master;notify_backup /bin/backup;notify_fault /bin/fault;notify_stop /bin/stop;smtp_alert"
	group := "vrrp_sync_group G {\n group {\n A\n B\n }\n notify_master /bin/gmaster\n notify /bin/gany\n}\n"
	file := service(vip, rs1) + virtualRouter("A", 51, commands, vip) + virtualRouter("B", 52, "", other) + group
	bubble(t, func(t *testing.T) {
		r := running(t, "global_defs {\n router_id r1\n notification_email {\n a@example.org\n }\n notification_email_from b@example.org\n smtp_server 127.0.0.1\n}\n"+file)
		r.messages()
		for _, c := range []struct {
			change vrrp.Change
			want   []string
		}{
			{vrrp.Change{Instance: "A", Role: vrrp.Init, Priority: 100}, nil},
			{vrrp.Change{Instance: "A", Role: vrrp.Backup, Priority: 100}, []string{`INSTANCE "A" BACKUP 100 | /bin/backup`, "| /bin/any INSTANCE A BACKUP 100"}},
			{vrrp.Change{Instance: "A", Role: vrrp.Master, Priority: 150}, []string{`INSTANCE "A" MASTER 150 | /bin/master`, "| /bin/any INSTANCE A MASTER 150"}},
			{vrrp.Change{Group: "G", Role: vrrp.Master}, []string{`GROUP "G" MASTER 0 | /bin/gmaster`, "| /bin/gany GROUP G MASTER 0"}},
			{vrrp.Change{Instance: "A", Role: vrrp.Master, Priority: 140, Cause: vrrp.PriorityChanged}, nil},
			{vrrp.Change{Instance: "B", Role: vrrp.Master, Priority: 100}, []string{`INSTANCE "B" MASTER 100 |`}},
			{vrrp.Change{Instance: "A", Role: vrrp.Fault, Priority: 100}, []string{`INSTANCE "A" FAULT 100 | /bin/fault`, "| /bin/any INSTANCE A FAULT 100"}},
			{vrrp.Change{Instance: "gone", Role: vrrp.Master, Priority: 100}, nil},
		} {
			r.put(c.change)
			mails := slices.ContainsFunc(r.Messages, func(m notify.Message) bool { return m.Title != "" })
			if want := c.change.Instance == "A" && len(c.want) > 0; mails != want {
				t.Errorf("%+v: mails %v, want %v", c.change, mails, want)
			}
			if got := r.messages(); !slices.Equal(got, c.want) {
				t.Errorf("%+v: told\n%q, want\n%q", c.change, got, c.want)
			}
		}
		if got := r.l.linger(); got != time.Second {
			t.Errorf("the master of B lingers for %v", got)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(r.messages(), "\n")
		for _, want := range []string{`GROUP "G" STOP 0 |`, "| /bin/gany GROUP G STOP 0", `INSTANCE "A" STOP 100 | /bin/stop`, "| /bin/any INSTANCE A STOP 100", `INSTANCE "B" STOP 100 |`} {
			if !strings.Contains(got, want) {
				t.Errorf("at the end told\n%s\nwithout %q", got, want)
			}
		}
	})
}

// An instance that a reload takes away is told of as deleted, or as a fault.
func TestAReloadTellsOfDeletedInstances(t *testing.T) {
	for _, c := range []struct{ lines, want string }{
		{"notify_fault /bin/fault;notify /bin/any", "INSTANCE \"A\" FAULT 100 | /bin/fault\n| /bin/any INSTANCE A FAULT 100"},
		{"notify_fault /bin/fault;notify_deleted /bin/deleted;notify /bin/any", "INSTANCE \"A\" DELETED 100 | /bin/deleted\n| /bin/any INSTANCE A DELETED 100"},
	} {
		bubble(t, func(t *testing.T) {
			b := virtualRouter("B", 52, "", other)
			r := running(t, service(vip, rs1)+virtualRouter("A", 51, c.lines, vip)+b)
			r.role("A", vrrp.Master)
			r.messages()
			if _, err := r.reload(service(vip, rs1) + b); err != nil {
				t.Fatal(err)
			}
			r.role("A", vrrp.Stopped) // what VRRP says of it then
			if got := strings.Join(r.messages(), "\n"); got != c.want {
				t.Errorf("told\n%s\nwant\n%s", got, c.want)
			}
			if len(r.Election.Instances) != 1 || !slices.Contains(r.Announced(), ip(vip)) || r.VIPs[ip(vip)].Elected.Rounds != 0 {
				t.Errorf("VRRP has %v; announced %v", r.Election.Instances, r.VIPs)
			}
		})
	}
}

// A reload that changes nothing of VRRP does not tell it anything.
func TestAReloadWithoutNewsLeavesVRRPAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := service(vip, rs1) + virtualRouter("A", 51, "", vip)
		r := running(t, file)
		r.role("A", vrrp.Master)
		r.Calls = nil
		if _, err := r.reload(file + "# a comment\n"); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(r.Calls, "VRRP.Set") || len(r.VIPs) != 1 {
			t.Errorf("calls %v", r.Calls)
		}
		if _, err := r.reload(strings.Replace(file, "priority 100", "priority 101", 1)); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(r.Calls, "VRRP.Set") || r.Election.Instances[0].Priority != 101 || len(r.VIPs) != 1 {
			t.Errorf("calls %v, instances %+v", r.Calls, r.Election.Instances)
		}
	})
}

// VRRP knows which of the interfaces it needs are up.
func TestInterfacesAreTracked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1)+virtualRouter("A", 51, "track_interface {;eth1 weight -20;eth7;}", vip))
		up := func(name string) bool { return r.Tracked[vrrp.Tracker{Kind: trackInterface, Name: name}].Up }
		if !up("eth0") || !up("eth1") || up("eth7") || len(r.Tracked) != 3 {
			t.Errorf("at the start: %v", r.Tracked)
		}
		down := eth1
		down.Up = false
		r.Snapshot = network(eth0, down)
		r.put(hostChanged{})
		if up("eth1") || !up("eth0") {
			t.Errorf("without eth1: %v", r.Tracked)
		}
		seventh := hostnet.Link{Name: "eth7", Index: 7, MAC: frame.MAC{2, 0, 0, 0, 0, 7}, MTU: 1500, Up: true}
		r.Snapshot = network(eth0, eth1, seventh)
		r.put(hostChanged{})
		if !up("eth1") || !up("eth7") {
			t.Errorf("with all: %v", r.Tracked)
		}
		want := map[string]int{"eth0": 0, "eth1": -20, "eth7": 0}
		for _, x := range r.Election.Instances[0].Tracks {
			if w, ok := want[x.Name]; !ok || w != x.Weight {
				t.Errorf("tracks %+v", x)
			}
			delete(want, x.Name)
		}
		if len(want) != 0 {
			t.Errorf("not tracked: %v", want)
		}
	})
}

// guardOf is the guard of a VIP on eth0.
func guardOf(addr string) shield.Guard { return shield.Guard{VIP: ip(addr), Interface: "eth0"} }

// Addresses of an instance that no virtual service has are put on the interface of the
// master, before they are announced, and taken off a backup after that has ended.
func TestOtherAddressesAreOnTheInterfaceOfTheMaster(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const gateway = "192.168.1.200"
		r := running(t, service(vip, rs1)+virtualRouter("A", 51, "", vip, gateway+"/24 label eth0:1", "10.0.0.200 dev eth1"))
		text := func() (here, elsewhere []string) {
			for _, a := range r.Fakes.Addresses.Here {
				here = append(here, a.Link+" "+a.Prefix.String())
			}
			for _, a := range r.Fakes.Addresses.Elsewhere {
				elsewhere = append(elsewhere, a.Link+" "+a.Prefix.String())
			}
			return here, elsewhere
		}
		both := []string{"eth0 " + gateway + "/24", "eth1 10.0.0.200/32"}
		if here, elsewhere := text(); len(here) != 0 || !slices.Equal(elsewhere, both) {
			t.Errorf("before the election: here %v, elsewhere %v", here, elsewhere)
		}
		r.Calls = nil
		r.role("A", vrrp.Master)
		if here, elsewhere := text(); !slices.Equal(here, both) || len(elsewhere) != 0 {
			t.Errorf("as master: here %v, elsewhere %v", here, elsewhere)
		}
		if slices.Index(r.Calls, "addresses.Set") > slices.Index(r.Calls, "ARP.SetVIPs") {
			t.Errorf("as master calls %v", r.Calls)
		}
		if v := r.VIPs[ip(gateway)]; !v.Kernel || v.MAC != eth0.MAC || v.Elected.Rounds != 5 || r.VIPs[ip(vip)].Kernel || len(r.VIPs) != 3 {
			t.Errorf("announced %+v", r.VIPs)
		}
		r.Calls = nil
		r.role("A", vrrp.Backup)
		if here, _ := text(); len(here) != 0 || len(r.VIPs) != 0 {
			t.Errorf("as backup: here %v, announced %v", here, r.VIPs)
		}
		if slices.Index(r.Calls, "addresses.Set") < slices.Index(r.Calls, "ARP.SetVIPs") {
			t.Errorf("as backup calls %v", r.Calls)
		}
		r.role("A", vrrp.Master)
		if _, err := r.reload(service(vip, rs1) + service(gateway, rs2) + virtualRouter("A", 51, "", vip, gateway+"/24")); err != nil {
			t.Fatal(err)
		}
		if here, elsewhere := text(); len(here)+len(elsewhere) != 0 || r.VIPs[ip(gateway)].Kernel {
			t.Errorf("with a service at the address: here %v, elsewhere %v, announced %v", here, elsewhere, r.VIPs)
		}
	})
}

// Routes and rules of an instance are set on the master, behind its addresses, and removed from a backup; those of the file are
// there in every role.
func TestRoutesAndRulesFollowTheRole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := "static_ipaddress {\n 10.0.0.77/8 dev eth1\n 10.0.0.78/8\n}\nstatic_routes {\n 198.51.100.0/24 dev eth1\n}\nstatic_rules {\n from 10.0.0.0/8 table 7 preference 8\n}\n"
		r := running(t, file+service(vip, rs1)+virtualRouter("A", 51, "virtual_routes {;192.0.2.0/24 via 192.168.1.1 dev eth0;};virtual_rules {;to 192.0.2.0/24 table 9 preference 5;}", vip))
		text := func(s routing.Set) (all []string) {
			for _, x := range s.Routes {
				all = append(all, x.Destination.String())
			}
			for _, x := range s.Rules {
				all = append(all, fmt.Sprint(x.Priority))
			}
			return all
		}
		static, both := []string{"198.51.100.0/24", "8"}, []string{"198.51.100.0/24", "192.0.2.0/24", "8", "5"}
		expect := func(when string, here, elsewhere []string) {
			t.Helper()
			if w := r.Fakes.Routing; !slices.Equal(text(w.Here), here) || !slices.Equal(text(w.Elsewhere), elsewhere) {
				t.Errorf("%s: here %v, elsewhere %v; want %v, %v", when, text(w.Here), text(w.Elsewhere), here, elsewhere)
			}
		}
		own := []string{"192.0.2.0/24", "5"}
		expect("before the election", static, own)
		if a := r.Fakes.Addresses.Here; len(a) != 2 || a[0].Link != "eth1" || a[1].Link != "eth0" {
			t.Errorf("addresses of every role: %+v", a)
		}
		r.Calls = nil
		r.role("A", vrrp.Master)
		expect("as master", both, nil)
		r.Calls = nil
		r.Snapshot = network(eth0, eth1)
		r.put(hostChanged{})
		if !slices.Contains(r.Calls, "routing.Set") {
			t.Errorf("when the networks change: calls %v", r.Calls)
		}
		r.role("A", vrrp.Fault)
		expect("in fault", static, own)
		if p := r.l.view.Load().Problems; len(p) != 0 {
			t.Errorf("problems %q", p)
		}
		r.Fail = func(call string) error {
			if call == "routing.Set" {
				return errors.New("test.conf:9: route 192.0.2.0/24: set it: network is unreachable")
			}
			return nil
		}
		r.role("A", vrrp.Master)
		if p := r.l.view.Load().Problems; len(p) != 1 || !strings.Contains(p[0], "routes and rules of VRRP: test.conf:9: ") {
			t.Errorf("problems %q", p)
		}
		r.Fail = nil
		r.pass(2 * maxRetry)
		expect("after another attempt", both, nil)
		if _, err := r.reload(service(vip, rs1)); err != nil {
			t.Fatal(err)
		}
		expect("with a file without any", nil, nil)
	})
}

// A route that is tracked counts by its interface; one without an interface by those by which its hops are reached.
func TestRoutesThatAreTrackedFollowTheirHops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1)+virtualRouter("A", 51, "virtual_routes {;198.51.100.0/24 via 10.0.0.1 dev eth1;192.0.2.0/24 via 10.0.0.1;"+
			"203.0.113.0/24 nexthop via 10.0.0.1 nexthop via 192.168.1.1;10.99.0.0/16 via 172.31.0.1;10.98.0.0/16 via 172.31.0.1 no_track;blackhole 10.97.0.0/16;}", vip))
		kind := keepalived.TrackOfRoute.String()
		state := func() string {
			var all []string
			for t, is := range r.Tracked {
				if t.Kind == kind {
					all = append(all, fmt.Sprint(t.Name, " ", is.Up))
				}
			}
			slices.Sort(all)
			return strings.Join(all, ", ")
		}
		for _, c := range []struct {
			law   string
			links []hostnet.Link
			want  string
		}{
			{"both interfaces are up", []hostnet.Link{eth0, eth1}, "eth1 true, to 10.99.0.0/16 false, to 192.0.2.0/24 true, to 203.0.113.0/24 true"},
			{"the second is gone: one of two hops is left", []hostnet.Link{eth0}, "eth1 false, to 10.99.0.0/16 false, to 192.0.2.0/24 false, to 203.0.113.0/24 true"},
			{"no hop is left", nil, "eth1 false, to 10.99.0.0/16 false, to 192.0.2.0/24 false, to 203.0.113.0/24 false"},
			{"both are back", []hostnet.Link{eth0, eth1}, "eth1 true, to 10.99.0.0/16 false, to 192.0.2.0/24 true, to 203.0.113.0/24 true"},
		} {
			r.Snapshot = network(c.links...)
			r.put(hostChanged{})
			if got := state(); got != c.want {
				t.Errorf("%s: %s, want %s", c.law, got, c.want)
			}
		}
		for _, name := range []string{"eth1", "to 192.0.2.0/24", "to 203.0.113.0/24", "to 10.99.0.0/16"} {
			if !slices.ContainsFunc(r.Election.Instances[0].Tracks, func(x vrrp.Track) bool { return x.Kind == kind && x.Name == name && x.Weight == 0 }) {
				t.Errorf("%s does not count for the instance", name)
			}
		}
	})
}
