package site

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/hostnet"
	"lvsdr/control/keepalived"
	"lvsdr/control/vrrp"
	"lvsdr/dataplane/frame"
)

// instances are VRRP instances, "NAME ADDR ADDR ...", all on eth0.
func instances(lines ...string) (all []*keepalived.Instance) {
	for _, l := range lines {
		words := strings.Fields(l)
		v := &keepalived.Instance{Name: words[0], Interface: "eth0", ID: uint8(len(all) + 1)}
		for _, a := range words[1:] {
			v.Addresses = append(v.Addresses, keepalived.VirtualAddress{Prefix: netip.PrefixFrom(netip.MustParseAddr(a), 32)})
		}
		all = append(all, v)
	}
	return all
}

// elect puts a file with VRRP instances in force.
func (sc *scene) elect(text string, all ...*keepalived.Instance) Changes {
	sc.Helper()
	cfg := config(sc, text)
	cfg.VRRP.Instances = all
	return sc.do(Loaded{Config: cfg, Host: sc.s.host, At: sc.s.now})
}

// role gives an instance a role: its name, or with ! that of another one.
func (sc *scene) role(instance string, r vrrp.Role) Changes {
	sc.Helper()
	return sc.do(Role{instance, r})
}

// aboutGuards says which addresses are guarded on eth0.
func (sc *scene) aboutGuards() string {
	var all []string
	for _, g := range sc.s.Guards() {
		if g.Interface == "eth0" {
			all = append(all, g.VIP.String())
		}
	}
	return strings.Join(all, " ")
}

// here states that these addresses are active, received and guarded, and no others, of
// 192.168.1.100 to 103.
func (sc *scene) here(when string, last ...int) {
	sc.Helper()
	var active, guards []string
	for _, n := range last {
		active = append(active, fmt.Sprintf("192.168.1.%d@eth0!", n))
		guards = append(guards, fmt.Sprintf("192.168.1.%d", n))
	}
	var got []string
	for _, v := range strings.Fields(sc.aboutVIPs()) {
		if strings.HasSuffix(v, "!") {
			got = append(got, v)
		}
	}
	if !slices.Equal(got, active) {
		sc.Errorf("%s: active are %v, want %v", when, got, active)
	}
	ready := !slices.ContainsFunc(sc.s.VIPs(), func(v VIP) bool { return !v.Ready }) // those that are not are guarded, too
	if got := sc.aboutGuards(); ready && got != strings.Join(guards, " ") {
		sc.Errorf("%s: guarded are %v, want %v", when, got, guards)
	}
	if got, want := sc.aboutNICs(), "eth0["+strings.Join(guards, " ")+"]"; got != want {
		sc.Errorf("%s: received are %v, want %v", when, got, want)
	}
	for v := range sc.s.Views() {
		if addr := v.Config.Key.Addr.IP(); v.Active != slices.Contains(guards, addr.String()) {
			sc.Errorf("%s: the view of %v has active %v", when, addr, v.Active)
		}
	}
}

// four are services at 192.168.1.100 to 103.
func four() string {
	text := web("11")
	for n := 101; n <= 103; n++ {
		text += vs(fmt.Sprintf("192.168.1.%d 80", n), "", "192.168.1.11 80")
	}
	return text
}

func TestAVirtualAddressIsHereWhileItsInstanceIsMaster(t *testing.T) {
	sc := newScene(t)
	sc.elect(four(), instances("A 192.168.1.100 192.168.1.101 192.168.1.200", "B 192.168.1.102")...)
	sc.here("before anything is ready")
	sc.do(Activate{Active: true})
	sc.here("without a role: what is in no instance", 103)
	for _, step := range []struct {
		instance string
		role     vrrp.Role
		last     []int
	}{
		{"A", vrrp.Init, []int{103}},
		{"A", vrrp.Backup, []int{103}},
		{"A", vrrp.Master, []int{100, 101, 103}},
		{"B", vrrp.Master, []int{100, 101, 102, 103}},
		{"A", vrrp.Fault, []int{102, 103}},
		{"unknown", vrrp.Master, []int{102, 103}},
		{"A", vrrp.Stopped, []int{102, 103}},
		{"A", vrrp.Master, []int{100, 101, 102, 103}},
		{"B", vrrp.Backup, []int{100, 101, 103}},
	} {
		table := sc.s.table
		ch := sc.role(step.instance, step.role)
		sc.here(fmt.Sprint(step), step.last...)
		if sc.s.table != table || len(ch.Edits)+len(ch.Hops) != 0 || ch.Targets {
			t.Errorf("%v changes the director: %+v", step, ch)
		}
		if got := sc.s.RoleOf(step.instance); step.instance != "unknown" && got != step.role {
			t.Errorf("%s is %v", step.instance, got)
		}
	}
	if own := len(sc.s.Own()); own != 4 {
		t.Errorf("%d addresses are the director's own, want all", own)
	}
}

// A role may come before the addresses are ready; then they are active when they are.
func TestReadinessAndRoleAreBothNeeded(t *testing.T) {
	sc := newScene(t)
	sc.elect(web("11"), instances("A 192.168.1.100")...)
	sc.role("A", vrrp.Master)
	sc.here("master, and not ready")
	sc.do(Activate{VIP: netip.MustParseAddr("192.168.1.100"), Active: true})
	sc.here("master and ready", 100)
	sc.role("A", vrrp.Backup)
	sc.here("backup")
	if v := sc.s.VIPs()[0]; !v.Ready || v.Active {
		t.Errorf("as a backup it is %+v", v)
	}
	sc.role("A", vrrp.Master)
	sc.here("master again, without another word", 100)
	sc.do(Activate{})
	sc.here("not ready any more")
}

func TestAnAddressOfSeveralInstancesIsHereIfOneIsMaster(t *testing.T) {
	sc := newScene(t)
	sc.elect(web("11"), instances("A 192.168.1.100", "B 192.168.1.100")...)
	sc.do(Activate{Active: true})
	addr := netip.MustParseAddr("192.168.1.100")
	for _, c := range []struct {
		a, b   vrrp.Role
		here   bool
		router string
	}{
		{vrrp.Backup, vrrp.Backup, false, "A"}, {vrrp.Master, vrrp.Backup, true, "A"}, {vrrp.Master, vrrp.Master, true, "A"},
		{vrrp.Fault, vrrp.Master, true, "B"}, {vrrp.Fault, vrrp.Fault, false, "A"},
	} {
		first := sc.role("A", c.a)
		ch := sc.role("B", c.b)
		if v := sc.s.VIPs()[0]; v.Active != c.here || v.Router.Name != c.router || sc.s.Router(addr).Name != c.router {
			t.Errorf("%v: active %v by %s", c, v.Active, v.Router.Name)
		}
		if !ch.VIPs && !first.VIPs {
			t.Errorf("%v: announcements may be others, and are not flagged", c)
		}
	}
}

// A reload keeps the roles of the instances that stay.
func TestAReloadKeepsRoles(t *testing.T) {
	for _, c := range []struct {
		name string
		next []string // instances
		last []int
	}{
		{"the same file", []string{"A 192.168.1.100 192.168.1.101", "B 192.168.1.102"}, []int{100, 101, 103}},
		{"an address moves to the backup", []string{"A 192.168.1.100", "B 192.168.1.101 192.168.1.102"}, []int{100, 103}},
		{"an address moves to the master", []string{"A 192.168.1.100 192.168.1.101 192.168.1.102", "B"}, []int{100, 101, 102, 103}},
		{"the backup is taken out", []string{"A 192.168.1.100 192.168.1.101"}, []int{100, 101, 102, 103}},
		{"the master is taken out", []string{"B 192.168.1.102"}, []int{100, 101, 103}},
		{"a new instance has no role", []string{"A 192.168.1.100 192.168.1.101", "B 192.168.1.102", "C 192.168.1.103"}, []int{100, 101}},
		{"without VRRP", nil, []int{100, 101, 102, 103}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := newScene(t)
			sc.elect(four(), instances("A 192.168.1.100 192.168.1.101", "B 192.168.1.102")...)
			sc.do(Activate{Active: true})
			sc.role("A", vrrp.Master)
			sc.role("B", vrrp.Backup)
			sc.elect(four(), instances(c.next...)...)
			sc.here("after a reload", c.last...)
			sc.elect(four(), instances("A 192.168.1.100 192.168.1.101", "B 192.168.1.102")...)
			if len(c.next) == 0 && sc.s.RoleOf("A") != vrrp.Init {
				t.Error("an instance that was taken out has its old role when it comes back")
			}
		})
	}
}

func TestARemovedInstanceIsForgottenByName(t *testing.T) {
	sc := newScene(t)
	sc.elect(web("11"), instances("A 192.168.1.100")...)
	sc.role("A", vrrp.Master)
	sc.elect(web("11"), instances("B 192.168.1.100")...)
	sc.role("A", vrrp.Master) // it was under way
	sc.do(Activate{Active: true})
	sc.here("of B")
}

// The interface of an instance, or dev of an address, says where it is received.
func TestAnInstanceSaysWhereItsAddressesAre(t *testing.T) {
	all := instances("A 172.16.0.1 172.16.0.2")
	all[0].Addresses[1].Interface = "eth1"
	sc := newScene(t)
	text := vs("172.16.0.1 80", "", "192.168.1.11 80") + vs("172.16.0.2 80", "", "192.168.1.11 80")
	sc.elect(text, all...)
	if got := sc.aboutVIPs(); got != "172.16.0.1@eth0 172.16.0.2@eth1" {
		t.Errorf("the addresses are at %s", got)
	}
	moved := instances("A 172.16.0.1 172.16.0.2")
	moved[0].Interface = "eth1"
	sc.elect(text, moved...)
	if got := sc.aboutVIPs(); got != "172.16.0.1@eth1 172.16.0.2@eth1" {
		t.Errorf("after a reload the addresses are at %s", got)
	}
}

// What happens to a host leaves the roles alone.
func TestRolesOutliveChangesOfTheHost(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*hostnet.Snapshot)
	}{
		{"another address", withAddr(2, "192.168.1.55/24")},
		{"another MAC address", withLink(func(l *hostnet.Link) { l.MAC = frame.MAC{2, 7} })},
		{"its link is down", down(2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := newScene(t)
			sc.elect(four(), instances("A 192.168.1.100 192.168.1.101", "B 192.168.1.102 192.168.1.103")...)
			sc.do(Activate{Active: true})
			sc.role("A", vrrp.Master)
			sc.do(HostChanged{network(c.change)})
			sc.here("then", 100, 101)
			sc.do(HostChanged{network(without(2))})
			sc.do(HostChanged{network()})
			sc.do(Activate{Active: true})
			sc.here("after its interface was away", 100, 101)
		})
	}
}

// A service of ipvsadm at an address of an instance follows its role, too.
func TestServicesOfIpvsadmFollowTheRole(t *testing.T) {
	sc := newScene(t)
	sc.elect(web("11"), instances("A 192.168.1.100 192.168.1.101")...)
	sc.do(Admin{[]Edit{{Op: AddService, Service: config4(tcp("192.168.1.101", 80), "rr")}}})
	sc.do(Activate{Active: true})
	sc.here("before it has a role")
	sc.role("A", vrrp.Master)
	sc.here("as master", 100, 101)
	sc.do(Admin{[]Edit{{Op: DelService, Service: config4(tcp("192.168.1.101", 80), "rr")}}})
	sc.here("without the service", 100)
}

// With ha_suspend the checks of a service wait while its address is elsewhere; servers
// keep their health meanwhile.
func TestChecksWaitWhileTheAddressIsElsewhere(t *testing.T) {
	suspend := func(word string) string {
		return vs("192.168.1.100 80", word, "192.168.1.11 80 "+tcpCheck, "192.168.1.12 80 "+tcpCheck)
	}
	waits := func(sc *scene) (all []bool) {
		for _, c := range sc.s.Checks() {
			all = append(all, c.Suspended)
		}
		return slices.Compact(all)
	}
	for _, c := range []struct {
		name, word  string
		instances   []string
		role        vrrp.Role
		wait, after bool
	}{
		{"as a backup", "ha_suspend", []string{"A 192.168.1.100"}, vrrp.Backup, true, true},
		{"as master", "ha_suspend", []string{"A 192.168.1.100"}, vrrp.Master, true, false},
		{"without the word", "", []string{"A 192.168.1.100"}, vrrp.Backup, false, false},
		{"an address of no instance", "ha_suspend", []string{"A 192.168.1.101"}, vrrp.Backup, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := newScene(t)
			sc.elect(suspend(c.word), instances(c.instances...)...)
			sc.do(Activate{Active: true})
			if got := waits(sc); !slices.Equal(got, []bool{c.wait}) {
				t.Errorf("before the role: suspended %v", got)
			}
			sc.check(".12", false)
			servers := sc.servers("192.168.1.100", 80)
			ch := sc.role("A", c.role)
			if got := waits(sc); !slices.Equal(got, []bool{c.after}) {
				t.Errorf("as %v: suspended %v", c.role, got)
			}
			if ch.Checks != (c.wait != c.after) {
				t.Errorf("changes of checks: %v", ch.Checks)
			}
			if got := sc.servers("192.168.1.100", 80); got != servers || len(sc.notices) != 0 {
				t.Errorf("servers %s, want %s; notices %v", got, servers, sc.notices)
			}
		})
	}
}

// A reload that adds ha_suspend, or takes it away, is one of the checks.
func TestAReloadMaySuspendChecks(t *testing.T) {
	sc := newScene(t)
	text := vs("192.168.1.100 80", "%s", "192.168.1.11 80 "+tcpCheck)
	sc.elect(fmt.Sprintf(text, ""), instances("A 192.168.1.100")...)
	for _, word := range []string{"ha_suspend", ""} {
		ch := sc.elect(fmt.Sprintf(text, word), instances("A 192.168.1.100")...)
		if got := sc.s.Checks()[0].Suspended; !ch.Checks || got != (word != "") {
			t.Errorf("%q: suspended %v, changes of checks %v", word, got, ch.Checks)
		}
	}
}

// Clients on this host are served by the director that has the address.
func TestLocalGuardsFollowTheRole(t *testing.T) {
	sc := newScene(t)
	sc.elect(web("11"), instances("A 192.168.1.100")...)
	sc.do(Activate{Active: true})
	if g := sc.s.Guards(); len(g) != 0 {
		t.Errorf("as a backup there are guards: %v", g)
	}
	sc.role("A", vrrp.Master)
	if g := sc.s.Guards(); len(g) != 2 || g[1].Interface != "far" {
		t.Errorf("as master there are guards: %v", g)
	}
}
