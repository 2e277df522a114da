package site

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lvsdr/control/health"
	"lvsdr/dataplane"
)

// planText is everything in a plan but what its parts are made of.
func planText(p *plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %v %v %v\n", p.checks, p.vips, p.servers, p.addrs)
	for i, f := range p.services {
		fmt.Fprintf(&b, "%v: %+v %+v %v\n", p.sources[i].Pos, f.config, f.sorry, f.addrs)
		for k := range f.servers {
			fmt.Fprintf(&b, " %v: %+v %d\n", p.sources[i].RealServers[k].Pos, f.servers[k].config, f.servers[k].probed)
		}
	}
	for _, s := range p.probed {
		fmt.Fprintf(&b, "%s %v %v %+v %+v %+v %v\n", s.name, s.addr, s.service, s.config, s.policy, s.start, s.of)
	}
	return b.String()
}

// lawOfPlan states that a plan which shares parts with one before it is as one that
// is made of its file alone.
func lawOfPlan(t tester, p *plan) {
	t.Helper()
	fresh := newPlan(p.config)
	if got, want := planText(p), planText(fresh); got != want {
		t.Fatalf("the plan is\n%swant\n%s", got, want)
	}
	if !slices.Equal(p.sources, fresh.sources) {
		t.Fatal("the plan has not the positions of its file")
	}
	for i, f := range p.services {
		if !f.source.Equal(fresh.sources[i]) {
			t.Fatalf("service %d is made of\n%+v\nwant\n%+v", i, f.source, fresh.sources[i])
		}
		for k, r := range f.servers {
			if !r.source.Equal(fresh.services[i].servers[k].source) {
				t.Fatalf("server %d of service %d is made of\n%+v", k, i, r.source)
			}
		}
	}
	for i, s := range p.probed {
		if !slices.EqualFunc(s.checks, fresh.probed[i].checks, sameCheck) {
			t.Fatalf("the checks of %s are %+v", s.name, s.checks)
		}
	}
}

// elsewhere is a host that gives the answers of another one. A State takes it for
// another host, and looks at all that there is.
type elsewhere struct{ Host }

// lawOfLoaded states that what a file changes does not depend on how much of it was
// there before. next and notices come of e after old.
func lawOfLoaded(t tester, old, next *State, e Loaded, notices []Notice) {
	t.Helper()
	lawOfPlan(t, next.plan)
	whole := *old
	whole.plan = newPlan(old.plan.config)
	e.Host = elsewhere{hostOrNone(e.Host)}
	want, wantNotices, err := whole.Apply(e)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(next), describe(want); got != want {
		t.Fatalf("after a look at what differs it is\n%safter one at all\n%s", got, want)
	}
	if !reflect.DeepEqual(notices, wantNotices) {
		t.Fatalf("the notices are %+v, want %+v", notices, wantNotices)
	}
	at, ok := next.NextTick()
	if wantAt, wantOK := want.NextTick(); at != wantAt || ok != wantOK {
		t.Fatalf("the next tick is due at %v, %v; want %v, %v", at, ok, wantAt, wantOK)
	}
	if got, want := Diff(old.table, next.table), Diff(old.table, want.table); !reflect.DeepEqual(got, want) {
		t.Fatalf("the edits are %+v, want %+v", got, want)
	}
}

// drawSettings draws an outline, and is what draws files that have it: they differ
// in settings only, and in how many lines are empty.
func drawSettings(t *rapid.T) func(*rapid.T) string {
	type service struct {
		name    string
		sorry   bool
		servers map[string]int // how many checks
	}
	var services []service
	for _, name := range []string{"192.168.1.100 80", "192.168.1.101 80", "group g", "172.16.0.1 80"} {
		s := service{name, rapid.Bool().Draw(t, "sorry"), map[string]int{}}
		for _, addr := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"192.168.1.11", "192.168.1.12", "10.0.0.12", "10.0.0.13"}), rapid.ID[string]).Draw(t, "servers") {
			s.servers[addr] = rapid.IntRange(0, 2).Draw(t, "checks")
		}
		if rapid.IntRange(0, 3).Draw(t, "service") > 0 {
			services = append(services, s)
		}
	}
	return func(t *rapid.T) string {
		text := strings.Repeat("\n", rapid.IntRange(0, 2).Draw(t, "empty lines"))
		text += rapid.SampledFrom([]string{"", "global_defs {\n dr_check off\n}\n", "global_defs {\n lvs_timeouts tcp 60\n default_interface eth1\n}\n"}).Draw(t, "global")
		text += "virtual_server_group g {\n 192.168.1.105-106 80\n 10.0.0.105 443\n}\n"
		for _, s := range services {
			lines := rapid.SampledFrom([]string{"", "lb_algo wrr", "quorum 2;hysteresis 1", "persistence_timeout 50"}).Draw(t, "lines")
			if s.sorry {
				lines += ";sorry_server 10.0.0.99 80" + rapid.SampledFrom([]string{"", ";sorry_server_inhibit"}).Draw(t, "inhibit")
			}
			var servers []string
			for _, addr := range slices.Sorted(func(yield func(string) bool) {
				for addr := range s.servers {
					if !yield(addr) {
						return
					}
				}
			}) {
				settings := rapid.SampledFrom([]string{"", "weight 2", "weight 0", "inhibit_on_failure", "alpha", "uthreshold 9;lthreshold 3", "weight 5;alpha;retry 3"}).Draw(t, "settings")
				check := rapid.SampledFrom([]string{tcpCheck, "TCP_CHECK {;connect_port 81;}", "TCP_CHECK {;alpha;connect_timeout 9;}"}).Draw(t, "check")
				servers = append(servers, addr+" 80 "+settings+strings.Repeat(";"+check, s.servers[addr]))
			}
			text += vs(s.name, lines, servers...)
		}
		return text
	}
}

func TestAReloadOfOtherSettingsComesToWhatAFirstLookAtTheFileComesTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := newScene(t)
		sc.reloads = true
		settings := drawSettings(t)
		text := func() string { return settings(t) }
		sc.load(text())
		for range rapid.IntRange(1, 10).Draw(t, "events") {
			outline := sc.s.plan.outline
			switch rapid.IntRange(0, 5).Draw(t, "by") {
			case 0:
				sc.tryEvent(drawAdmin(t, func(Edit) bool { return false }))
			case 1, 2:
				sc.do(drawEvent(t, sc, append(hosts(), badHosts()...), text, ""))
			default:
				sc.load(text())
			}
			if sc.s.plan.outline != outline {
				t.Fatal("the outline is made anew")
			}
		}
	})
}

func TestAFileIsComparedByItsOutlineAndTheSettingsOfEachService(t *testing.T) {
	other := vs("192.168.1.101 80", "", "192.168.1.11 80", "192.168.1.13 80 "+tcpCheck)
	group := "virtual_server_group g {\n 192.168.1.105-106 80\n}\n" + vs("group g", "", "192.168.1.14 80 "+tcpCheck)
	before := web("11 "+tcpCheck, "12 "+tcpCheck) + other + group
	for _, c := range []struct {
		name, text string
		outline    bool  // it is the one before
		services   []int // that are made anew
		servers    []int // likewise, of those with checks
	}{
		{"the same file", before, true, nil, nil},
		{"the same file with all in other lines", "\n\n" + before, true, nil, nil},
		{"other globals", "global_defs {\n default_interface eth1\n}\n" + before, true, nil, nil},
		{"another weight", web("11 "+tcpCheck, "12 weight 9;"+tcpCheck) + other + group, true, []int{0}, []int{0, 1}},
		{"another timing of a check", web("11 "+tcpCheck, "12 TCP_CHECK {;retry 7;}") + other + group, true, []int{0}, []int{0, 1}},
		{"another scheduler", before[:strings.Index(before, other)] + strings.Replace(other, "rr", "wlc", 1) + group, true, []int{1}, []int{2}},
		{"another weight behind a group", web("11 "+tcpCheck, "12 "+tcpCheck) + other + strings.Replace(group, tcpCheck[:9], "weight 3\n"+tcpCheck[:9], 1), true, []int{2, 3}, []int{3}},
		{"one more service", before + vs("192.168.1.109 80", ""), false, nil, nil},
		{"one service less", web("11 "+tcpCheck, "12 "+tcpCheck) + other, false, nil, nil},
		{"services in another order", other + web("11 "+tcpCheck, "12 "+tcpCheck) + group, false, nil, nil},
		{"servers in another order", web("12 "+tcpCheck, "11 "+tcpCheck) + other + group, false, nil, nil},
		{"one more server", web("11 "+tcpCheck, "12 "+tcpCheck, "13") + other + group, false, nil, nil},
		{"one check less", web("11 "+tcpCheck, "12") + other + group, false, nil, nil},
		{"a sorry server", web("11 "+tcpCheck, "12 "+tcpCheck) + strings.Replace(other, "lb_kind", "sorry_server 192.168.1.99 80\nlb_kind", 1) + group, false, nil, nil},
		{"a group that is two services with checks of their own", web("11 "+tcpCheck, "12 "+tcpCheck) + other +
			vs("192.168.1.105 80", "", "192.168.1.14 80 "+tcpCheck) + vs("192.168.1.106 80", "", "192.168.1.14 80 "+tcpCheck), false, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := newPlan(config(t, before))
			next := old.next(config(t, c.text))
			lawOfPlan(t, next)
			if (next.outline == old.outline) != c.outline {
				t.Fatalf("the outline is shared: %v", next.outline == old.outline)
			}
			if !c.outline {
				return
			}
			if got := differ(old.services, next.services); !slices.Equal(got, c.services) {
				t.Errorf("services %v are made anew, want %v", got, c.services)
			}
			if got := differ(old.probed, next.probed); !slices.Equal(got, c.servers) {
				t.Errorf("servers %v are made anew, want %v", got, c.servers)
			}
		})
	}
}

// differ is the indexes at which a and b differ.
func differ[T comparable](a, b []T) (all []int) {
	for i := range a {
		if a[i] != b[i] {
			all = append(all, i)
		}
	}
	return all
}

func TestAReloadOfAnEqualFileChangesNothing(t *testing.T) {
	sc := newScene(t)
	text := web("11 "+tcpCheck, "12 weight 5;alpha;"+tcpCheck) + vs("172.16.0.1 80", "", "192.168.1.13 80")
	sc.load(text)
	sc.check("192.168.1.11]", false)
	sc.check("192.168.1.12]", true)
	sc.do(weight(EditServer, 12, 7))
	sc.do(Activate{Active: true})
	before := sc.s
	for _, moved := range []string{"", "\n\n"} {
		c := sc.load(moved + text)
		if !reflect.DeepEqual(c, Changes{Problems: true}) {
			t.Errorf("an equal file changes %+v", c)
		}
		if got := sc.servers("192.168.1.100", 80); got != "12*7" {
			t.Errorf("the servers are %q; ipvsadm's weight and the health are to stay", got)
		}
		if !before.places.Same(sc.s.places) || !before.vips.Same(sc.s.vips) || before.table != sc.s.table || !before.health.Same(sc.s.health) {
			t.Error("what is equal is not shared")
		}
		want := fmt.Sprintf("test.conf:%d: virtual_server [172.16.0.1]:tcp:80", 18+len(moved))
		if problems := strings.Join(sc.s.Problems(), "\n"); !strings.Contains(problems, want) {
			t.Errorf("the problems have not the lines of the newest file: %s", problems)
		}
	}
}

// What the table refused of the file is asked for again with each reload, and said
// again.
func TestWhatTheTableRefusesIsRefusedAgainByAReloadOfTheSameFile(t *testing.T) {
	sc := newScene(t)
	cfg := config(t, web("11", "12"))
	cfg.VirtualServers[0].Scheduler = "nosuch" // Load would not let it through
	for range 3 {
		s, _, err := sc.s.Apply(Loaded{Config: cfg, Host: sc.s.host})
		if err != nil || len(s.Problems()) != 1 || s.table.Len() != 0 {
			t.Fatalf("%v: problems %q, %d services", err, s.Problems(), s.table.Len())
		}
		sc.s = s
	}
}

func TestAWeightThatGrowsIsUpToDateAfterAReload(t *testing.T) {
	sc := newScene(t)
	load := func(weight int) {
		sc.do(Loaded{Config: slowly(config(t, web("11 weight 100;"+tcpCheck, fmt.Sprintf("12 weight %d", weight))), 20*second), Host: sc.s.host, At: sc.s.now})
	}
	load(1)
	sc.check("192.168.1.11]", false)
	sc.check("192.168.1.11]", true)
	sc.s.passed(sc.s.now + 10*second)
	load(2)
	if got := sc.servers("192.168.1.100", 80); got != "11*50 12*2" {
		t.Errorf("the servers are %q, want half of the weight after half of the time", got)
	}
}

// A VIP that ipvsadm serves too, and a server with its address, have their places
// also after a reload that looks at settings only.
func TestARuntimeEditIsFollowedByAReloadOfSettings(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11", "12"))
	key := tcp("192.168.1.200", 80)
	sc.do(Admin{[]Edit{{Op: AddService, Service: config4(key, "rr")},
		{Op: AddServer, Service: config4(key, ""), Server: dataplane.ServerConfig{Addr: addr("192.168.1.16"), Port: 80, Weight: 1}}}})
	c := sc.load(web("11", "12 weight 4"))
	if len(c.Edits) != 1 || c.Edits[0].Op != EditServer || c.VIPs || c.Targets || c.Local {
		t.Errorf("the reload changes %+v", c)
	}
	if got := sc.servers("192.168.1.200", 80); got != "16*1" {
		t.Errorf("ipvsadm's service has %q", got)
	}
	if v, ok := sc.s.vips.Get(netip.MustParseAddr("192.168.1.200")); !ok || v.err != "" {
		t.Errorf("its address is %+v", v)
	}
}

// A reload of settings keeps a server down whose check said so, and its policy is
// the new one.
func TestHealthLivesThroughAReloadOfSettings(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11 "+tcpCheck, "12 "+tcpCheck))
	sc.check("192.168.1.11]", false)
	sc.load(web("11 weight 3;inhibit_on_failure;"+tcpCheck, "12 "+tcpCheck))
	if got := sc.servers("192.168.1.100", 80); got != "11*0 12*1" {
		t.Errorf("the servers are %q, want the first inhibited", got)
	}
	id := sc.s.Checks()[0].ID
	if k, ok := sc.s.Check(id); k.Up() || !ok {
		t.Errorf("%s is up: %v, known: %v", id, k.Up(), ok)
	}
	sc.do(Checked{ID: id, Result: health.Result{Up: true}, Now: sc.s.now})
	if got := sc.servers("192.168.1.100", 80); got != "11*3 12*1" {
		t.Errorf("the servers are %q, want both up", got)
	}
}
