package site

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/control/health"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

const tcpCheck = "TCP_CHECK {;}"

// aboutChecks says which checks there are, as "SERVER#N" with their ways of
// Direct Routing.
func (sc *scene) aboutChecks() string {
	var all []string
	for _, c := range sc.s.Checks() {
		text := c.ID
		if c.DR != nil {
			text += fmt.Sprintf(" DR %v via %v dev %d", c.DR.VIP, c.DR.Server, c.DR.Ifindex)
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n")
}

func TestChecksOfTheServersOwnPortAlsoProveDirectRouting(t *testing.T) {
	sc := newScene(t)
	text := web("11 "+tcpCheck, "12 TCP_CHECK {;connect_port 81;}", "13", "14 TCP_CHECK {;connect_ip 192.168.1.15;}") +
		strings.Replace(vs("192.168.1.101 53", "", "192.168.1.11 53 "+tcpCheck), "TCP", "UDP", 1)
	sc.load(text)
	const of = " of VS [192.168.1.100]:tcp:80 TCP_CHECK#1"
	const udp = "\n[192.168.1.11]:udp:53 of VS [192.168.1.101]:udp:53 TCP_CHECK#1"
	want := "[192.168.1.11]:tcp:80" + of + " DR 192.168.1.100:80 via 192.168.1.11 dev 2\n[192.168.1.12]:tcp:80" + of + "\n[192.168.1.14]:tcp:80" + of + udp
	if got := sc.aboutChecks(); got != want {
		t.Errorf("checks\n%s\nwant\n%s", got, want)
	}
	plain := strings.Replace(want, " DR 192.168.1.100:80 via 192.168.1.11 dev 2", "", 1)
	sc.load("global_defs {\n dr_check off\n}\n" + text)
	if got := sc.aboutChecks(); got != plain {
		t.Errorf("with dr_check off\n%s\nwant\n%s", got, plain)
	}
	sc.s, sc.director = New(Options{}), newDirector(t)
	sc.do(HostChanged{network()})
	sc.load("global_defs {\n checker_log_all_failures on\n}\n" + text)
	if got := sc.aboutChecks(); got != plain || !sc.s.Checks()[0].LogAll {
		t.Errorf("where they cannot be made\n%s\nwant\n%s", got, plain)
	}
	if c := sc.s.Checks()[0]; c.Spec.DelayLoop != time.Minute || c.Server != "[192.168.1.11]:tcp:80 of VS [192.168.1.100]:tcp:80" {
		t.Errorf("the first check is %+v", c)
	}
}

// A check over UDP says nothing about a connection, whatever its service is.
func TestACheckOverUDPProvesNoDirectRouting(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11 DNS_CHECK {;}", "12 UDP_CHECK {;}", "13 SMTP_CHECK {;}"))
	const of, dr = " of VS [192.168.1.100]:tcp:80 ", " DR 192.168.1.100:80 via 192.168.1.13 dev 2"
	want := "[192.168.1.11]:tcp:80" + of + "DNS_CHECK#1\n[192.168.1.12]:tcp:80" + of + "UDP_CHECK#1\n[192.168.1.13]:tcp:80" + of + "SMTP_CHECK#1" + dr
	if got := sc.aboutChecks(); got != want {
		t.Errorf("checks\n%s\nwant\n%s", got, want)
	}
}

// The services of a group share the checks that are the same, and one of them
// proves Direct Routing; each keeps its own servers.
func TestTheServicesOfAGroupAreCheckedOnce(t *testing.T) {
	group := "virtual_server_group g {\n 192.168.1.100 443\n 192.168.1.101-103 80\n}\n"
	for _, c := range []struct {
		law, port string
		checks    string
		downToo   string // services that lose 192.168.1.11 with the first one
	}{
		{"on the server's own port there is one, proved for the first service on that port", " 80",
			"[192.168.1.11]:tcp:443 of VS [192.168.1.100]:tcp:443 TCP_CHECK#1 DR 192.168.1.101:80 via 192.168.1.11 dev 2", "101 102 103"},
		{"on the port of each service there is one for each port", "",
			"[192.168.1.11]:tcp:443 of VS [192.168.1.100]:tcp:443 TCP_CHECK#1 DR 192.168.1.100:443 via 192.168.1.11 dev 2\n" +
				"[192.168.1.11]:tcp:80 of VS [192.168.1.101]:tcp:80 TCP_CHECK#1 DR 192.168.1.101:80 via 192.168.1.11 dev 2", ""},
	} {
		sc := newScene(t)
		sc.load(group + strings.ReplaceAll(vs("group g", "", "192.168.1.11 80 "+tcpCheck, "192.168.1.12 80"), " 80 {", c.port+" {"))
		if got := sc.aboutChecks(); got != c.checks {
			t.Fatalf("%s: checks\n%s\nwant\n%s", c.law, got, c.checks)
		}
		sc.check(":443 TCP_CHECK#1", false)
		var lost []string
		for n := 101; n <= 103; n++ {
			if sc.servers(fmt.Sprintf("192.168.1.%d", n), 80) == "12*1" {
				lost = append(lost, fmt.Sprint(n))
			}
		}
		if strings.Join(lost, " ") != c.downToo || sc.servers("192.168.1.100", 443) != "12*1" {
			t.Errorf("%s: with the first service %v lose the server", c.law, lost)
		}
		if len(sc.notices) != 1 || sc.notices[0].Name != "[192.168.1.11]:tcp:443 of VS [192.168.1.100]:tcp:443" {
			t.Errorf("%s: notices %+v", c.law, sc.notices)
		}
	}
}

// A report that was on its way when a reload took the server's checks away made
// it down for ever: no check was left to report that it is up.
func TestAReportAboutACheckThatIsGoneChangesNothing(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11 " + tcpCheck))
	id := sc.s.Checks()[0].ID
	down := Checked{ID: id, Result: health.Result{Reason: "connection refused"}}
	sc.load(web("11"))
	if c := sc.do(down); len(c.Edits) != 0 || len(sc.notices) != 0 {
		t.Errorf("a check that is not in the file: %+v, %v", c, sc.notices)
	}
	sc.load(web("11 " + tcpCheck))
	sc.do(HostChanged{network(without(2))})
	sc.do(down)
	sc.do(HostChanged{network()})
	if got := sc.servers("192.168.1.100", 80); got != "11*1" {
		t.Errorf("a check of a server that has no place: servers %q", got)
	}
}

// Where an interface went and came before the checks' actor was told, the check
// runs on and says nothing new, though the state takes it as untried.
func TestTheStateSaysWhatItTakesACheckFor(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11 " + tcpCheck))
	id := sc.s.Checks()[0].ID
	for _, c := range []struct {
		law    string
		e      Event
		up, ok bool
	}{
		{"at first it is up", Tick{}, true, true},
		{"a failure", Checked{ID: id}, false, true},
		{"without a place it is none", HostChanged{network(without(2))}, false, false},
		{"then it is untried", HostChanged{network()}, true, true},
		{"until it is told again", Checked{ID: id}, false, true},
	} {
		sc.do(c.e)
		if k, ok := sc.s.Check(id); ok && k.Up() != c.up || ok != c.ok {
			t.Errorf("%s: up %v, known %v", c.law, k.Up(), ok)
		}
	}
	if _, ok := sc.s.Check("nosuch"); ok {
		t.Error("a check that is not there is known")
	}
}

func TestNoticesTellWhatChangedOnce(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11 "+tcpCheck, "12 "+tcpCheck))
	const name = "[192.168.1.11]:tcp:80 of VS [192.168.1.100]:tcp:80"
	about := func() string {
		var all []string
		for _, n := range sc.notices {
			reason, _, _ := strings.Cut(n.Reason, ";") // without the remedy
			all = append(all, fmt.Sprint(n.Kind, " ", n.Name, " ", reason))
		}
		return strings.Join(all, "; ")
	}
	for _, c := range []struct {
		law  string
		do   func()
		want string
	}{
		{"a server that fails", func() { sc.check(".11", false) }, "server-down " + name + " refused"},
		{"again", func() { sc.check(".11", false) }, ""},
		{"the last one takes the service with it", func() { sc.check(".12", false) },
			"server-down [192.168.1.12]:tcp:80 of VS [192.168.1.100]:tcp:80 refused; service-down [192.168.1.100]:tcp:80 "},
		{"a server that is back brings it back", func() { sc.check(".11", true) }, "server-up " + name + " ; service-up [192.168.1.100]:tcp:80 "},
		{"a reload that changes nothing", func() { sc.load(web("11 "+tcpCheck, "12 "+tcpCheck)) }, ""},
		{"a reload that changes how a server that is down is checked", func() { sc.load(web("11 "+tcpCheck, "12 TCP_CHECK {;connect_port 81;}")) }, ""},
		{"an interface that goes", func() { sc.do(HostChanged{network(without(2))}) },
			"server-down " + name + " find the interface of 192.168.1.11: no route leads there; service-down [192.168.1.100]:tcp:80 "},
		{"and comes, with every server untried", func() { sc.do(HostChanged{network()}) },
			"server-up " + name + " ; server-up [192.168.1.12]:tcp:80 of VS [192.168.1.100]:tcp:80 ; service-up [192.168.1.100]:tcp:80 "},
		{"an interface that goes with a reload", func() {
			sc.do(Loaded{Config: sc.s.Config(), Host: network(without(2))})
			sc.notices = slices.DeleteFunc(sc.notices, func(n Notice) bool { return n.Kind == ServiceDown || n.Name != name })
		}, "server-down " + name + " find the interface of 192.168.1.11: no route leads there"},
		{"and comes with one", func() {
			sc.do(Loaded{Config: sc.s.Config(), Host: network()})
			sc.notices = slices.DeleteFunc(sc.notices, func(n Notice) bool { return n.Kind == ServiceUp || n.Name != name })
		}, "server-up " + name + " "},
		{"a service that is new, and a server that is gone", func() { sc.load(web("11 "+tcpCheck) + vs("192.168.1.101 80", "", "192.168.1.11 80")) },
			"server-down [192.168.1.12]:tcp:80 of VS [192.168.1.100]:tcp:80 it is not in the file any more; service-up [192.168.1.101]:tcp:80 "},
	} {
		if c.do(); about() != c.want {
			t.Errorf("%s: %q, want %q", c.law, about(), c.want)
		}
	}
	if got := NoticeKind(9).String(); got != "notice?" {
		t.Errorf("no kind is called %s", got)
	}
}

func TestAReloadThatTakesTheOnlyFailingCheckAwayBringsTheServerBack(t *testing.T) {
	sc := newScene(t)
	both := "11 " + tcpCheck + ";TCP_CHECK {;connect_port 81;}"
	sc.load(web(both))
	sc.check("#2", false)
	sc.load(web("11 " + tcpCheck))
	if len(sc.notices) != 2 || sc.notices[0].Kind != ServerUp || sc.notices[1].Kind != ServiceUp {
		t.Errorf("notices %+v", sc.notices)
	}
	if got := sc.servers("192.168.1.100", 80); got != "11*1" {
		t.Errorf("servers %s", got)
	}
	sc.check("#1", false)
	sc.load(web(both)) // one more check, which is up until it fails
	if v, _ := sc.s.View(webKey); v.Servers[0].Up || v.Servers[0].Reason != "refused" || len(v.Servers[0].Checks) != 2 {
		t.Errorf("the server is shown as %+v", v.Servers[0])
	}
}

func TestTheQuorumDecidesBetweenTheServersAndTheSorryServer(t *testing.T) {
	const three = "quorum 2;hysteresis 1;sorry_server 192.168.1.99 80;"
	servers := []string{"192.168.1.11 80 " + tcpCheck, "192.168.1.12 80 " + tcpCheck, "192.168.1.13 80 inhibit_on_failure;" + tcpCheck}
	for _, story := range []struct {
		name, lines string
		steps       []step
	}{
		{"a sorry server", three, []step{
			{"with 3 of 2 + 1 there is a quorum", func(*scene) {}, "13*1 12*1 11*1"},
			{"with 2 too", func(sc *scene) { sc.check(".11", false) }, "13*1 12*1"},
			{"with 1 of 2 - 1 too", func(sc *scene) { sc.check(".13", false) }, "13*0 12*1"},
			{"with none there is not", func(sc *scene) { sc.check(".12", false) }, "99*1 13*0"},
			{"1 does not bring it back, and stays inhibited", func(sc *scene) { sc.check(".13", true) }, "99*1 13*0"},
			{"until it fails again", func(sc *scene) { sc.check(".13", false) }, "99*1 13*0"},
			{"2 do not bring it back", func(sc *scene) { sc.check(".11", true); sc.check(".12", true) }, "99*1 13*0"},
			{"a reload does not either", func(sc *scene) { sc.load(vs("192.168.1.100 80", three, servers...)) }, "99*1 13*0"},
			{"3 do", func(sc *scene) { sc.check(".13", true) }, "12*1 11*1 13*1"},
			{"a sorry server that cannot be reached does not serve", func(sc *scene) {
				sc.load(vs("192.168.1.100 80", "sorry_server 203.0.113.1 80", servers...))
				sc.check(".11", false)
				sc.check(".12", false)
				sc.check(".13", false)
			}, "13*0"},
		}},
		{"an inhibited one", three + "sorry_server_inhibit", []step{
			{"is there with weight 0", func(*scene) {}, "99*0 13*1 12*1 11*1"},
			{"without the quorum it serves", func(sc *scene) { sc.check(".11", false); sc.check(".12", false); sc.check(".13", false) }, "99*1 13*0"},
			{"with it, it is quiesced", func(sc *scene) { sc.check(".11", true); sc.check(".12", true); sc.check(".13", true) }, "12*1 11*1 99*0 13*1"},
		}},
		{"one that is a server too", "sorry_server 192.168.1.11 80", []step{
			{"is there once", func(*scene) {}, "13*1 12*1 11*1"},
			{"also without the quorum", func(sc *scene) { sc.check(".11", false); sc.check(".12", false); sc.check(".13", false) }, "11*1 13*0"},
		}},
		{"a server that is up and inhibited", "quorum 3;sorry_server 192.168.1.99 80", []step{
			{"serves with the quorum", func(*scene) {}, "13*1 12*1 11*1"},
			{"stays with weight 0 beside the sorry server", func(sc *scene) { sc.check(".11", false) }, "99*1 13*0"},
			{"and has its weight again with the quorum", func(sc *scene) { sc.check(".11", true) }, "12*1 11*1 13*1"},
		}},
		{"a quorum alone", "quorum 3", []step{
			{"with enough servers", func(*scene) {}, "13*1 12*1 11*1"},
			{"its loss takes no server away", func(sc *scene) { sc.check(".11", false) }, "13*1 12*1"},
		}},
	} {
		t.Run(story.name, func(t *testing.T) {
			sc := newScene(t)
			sc.load(vs("192.168.1.100 80", story.lines, servers...))
			for _, step := range story.steps {
				step.do(sc)
				if got := sc.servers("192.168.1.100", 80); got != step.want {
					t.Fatalf("%s: %q, want %q", step.law, got, step.want)
				}
			}
		})
	}
}

// While the sorry server comes, or goes, the service is never without servers.
func TestTheSorryServerComesBeforeTheOthersGo(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "quorum 2;sorry_server 192.168.1.99 80", "192.168.1.11 80 "+tcpCheck, "192.168.1.12 80 "+tcpCheck))
	id := sc.s.Checks()[0].ID
	c := sc.do(Checked{ID: id, Result: health.Result{}})
	if len(c.Edits) != 3 || c.Edits[0].Op != AddServer || c.Edits[1].Op != DelServer || c.Edits[2].Op != DelServer {
		t.Errorf("edits %+v", c.Edits)
	}
	if v, _ := sc.s.View(webKey); v.Up || len(v.Servers) != 3 || v.Servers[2].Config.Addr != addr("192.168.1.99") || !v.Servers[2].In || v.Servers[1].In || !v.Servers[1].Up {
		t.Errorf("the service is shown as %+v", v)
	}
	if c = sc.do(Checked{ID: id, Result: health.Result{Up: true}}); len(c.Edits) != 3 || c.Edits[2].Op != DelServer {
		t.Errorf("edits %+v", c.Edits)
	}
}

func TestAWeightOfACheckIsTheServersWeight(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11 weight 3;"+tcpCheck, "12"))
	id := sc.s.Checks()[0].ID
	set := func(n int) health.Result {
		return health.Result{Up: true, Weight: health.Weight{Kind: health.SetWeight, N: n}}
	}
	for _, c := range []struct {
		law  string
		r    health.Result
		want string
	}{
		{"it is set in place", set(9), "12*1 11*9"},
		{"to 0 too", set(0), "12*1 11*0"},
		{"a check that says nothing leaves the configured one", health.Result{Up: true}, "12*1 11*3"},
	} {
		if sc.do(Checked{ID: id, Result: c.r}); sc.servers("192.168.1.100", 80) != c.want {
			t.Errorf("%s: %s, want %s", c.law, sc.servers("192.168.1.100", 80), c.want)
		}
	}
}

// slowly is a configuration whose servers start slowly.
func slowly(cfg *keepalived.Config, slow time.Duration) *keepalived.Config {
	for _, vs := range cfg.VirtualServers {
		for _, rs := range vs.RealServers {
			rs.SlowStart = slow
		}
	}
	return cfg
}

func TestAServerThatComesBackGetsItsWeightByTicks(t *testing.T) {
	sc := newScene(t)
	load := func(text string, slow time.Duration) {
		sc.do(Loaded{Config: slowly(config(t, text), slow), Host: sc.s.host, At: sc.s.now})
	}
	load(web("11 weight 100;"+tcpCheck, "12"), 20*second)
	if at, ok := sc.s.NextTick(); ok {
		t.Errorf("a tick is due at %v though no weight grows", at)
	}
	id := sc.s.Checks()[0].ID
	sc.do(Checked{ID: id, Now: 10 * second})
	sc.do(Checked{ID: id, Result: health.Result{Up: true}, Now: 30 * second})
	if got := sc.servers("192.168.1.100", 80); got != "11*1 12*1" {
		t.Fatalf("it comes back as %s", got)
	}
	sc.do(Tick{sc.s.now})
	ticks := 0
	for at, ok := sc.s.NextTick(); ok; at, ok = sc.s.NextTick() {
		if ticks++; at != 30*second+time.Duration(ticks)*second {
			t.Fatalf("tick %d is due at %v", ticks, at)
		}
		if ticks == 10 { // a reload goes on where it was
			load(web("11 weight 200;"+tcpCheck, "12"), 20*second)
		}
		c := sc.do(Tick{at})
		if len(c.Edits) != 1 || c.Edits[0].Op != EditServer || c.Edits[0].Server.Weight != (5+ticks/10*5)*ticks && ticks != 20 {
			t.Fatalf("tick %d makes %+v", ticks, c.Edits)
		}
	}
	if got := sc.servers("192.168.1.100", 80); got != "11*200 12*1" || ticks != 20 {
		t.Errorf("after %d ticks the servers are %s", ticks, got)
	}
	sc.do(Checked{ID: id, Now: 60 * second})
	sc.do(Checked{ID: id, Result: health.Result{Up: true}, Now: 60 * second})
	if load(web("11 weight 100;"+tcpCheck), 0); sc.servers("192.168.1.100", 80) != "11*100" {
		t.Errorf("without slow start it has %s", sc.servers("192.168.1.100", 80))
	}
	if _, ok := sc.s.NextTick(); ok {
		t.Error("a tick is due though no weight grows any more")
	}
}

// Two servers of one service on one address with different ports ended as an
// error and one server.
func TestServersOnOneAddressWithDifferentPortsAreTwo(t *testing.T) {
	sc := newScene(t)
	cfg := config(t, web("11 weight 1;"+tcpCheck, "12 weight 2;"+tcpCheck))
	second := cfg.VirtualServers[0].RealServers[1]
	second.Addr, second.Port = netip.MustParseAddr("192.168.1.11"), 8080
	second.Checks[0].ConnectIP, second.Checks[0].ConnectPort = second.Addr, 8080
	sc.do(Loaded{Config: cfg, Host: sc.s.host})
	if got := sc.servers("192.168.1.100", 80); got != "11*2 11*1" {
		t.Errorf("servers %s", got)
	}
	sc.check("[192.168.1.11]:tcp:8080", false)
	if got := sc.servers("192.168.1.100", 80); got != "11*1" {
		t.Errorf("without one of them %s", got)
	}
	if n := len(sc.s.Targets()); n != 1 {
		t.Errorf("%d MAC addresses are asked for, want 1", n)
	}
	v, _ := sc.s.View(webKey)
	if len(v.Servers) != 2 || !v.Servers[0].In || v.Servers[1].In || v.Servers[1].Up {
		t.Errorf("they are shown as %+v", v.Servers)
	}
}

func TestWhatTheFileSaysOfAServiceIsItsConfiguration(t *testing.T) {
	sc := newScene(t)
	sc.load(strings.Replace(vs("192.168.1.100 53", "ops;persistence_granularity 255.255.255.0;mh-port", "192.168.1.11 53 uthreshold 10;lthreshold 5;weight 7"),
		"lb_algo rr\n lb_kind DR\n protocol TCP\n persistence_timeout 0", "lb_algo mh\n lb_kind DR\n protocol UDP\n persistence_timeout 50", 1) +
		strings.Replace(vs("fd00::100 80", "", "fd00::11 80"), " persistence_timeout 0\n", "", 1) +
		strings.Replace(vs("192.168.1.100 53", ""), "TCP", "SCTP", 1))
	var got []string
	for v := range sc.s.Views() {
		got = append(got, fmt.Sprintf("%v %+v", v.Name, v.Config))
		for _, r := range v.Servers {
			got = append(got, fmt.Sprintf("%+v", r.Config))
		}
	}
	want := []string{
		"[192.168.1.100]:udp:53 {Key:{Proto:udp Addr:192.168.1.100 Port:53 Mark:0 IPv6:false} Scheduler:mh Flags:16 OnePacket:true Persistence:50s Mask:255.255.255.0}",
		fmt.Sprintf("%+v", dataplane.ServerConfig{Addr: addr("192.168.1.11"), Port: 53, Weight: 7, Upper: 10, Lower: 5}),
		"[fd00::100]:tcp:80 {Key:{Proto:tcp Addr:fd00::100 Port:80 Mark:0 IPv6:false} Scheduler:rr Flags:0 OnePacket:false Persistence:2m0s Mask:::}",
		fmt.Sprintf("%+v", dataplane.ServerConfig{Addr: addr("fd00::11"), Port: 80, Weight: 1}),
		"[192.168.1.100]:sctp:53 {Key:{Proto:sctp Addr:192.168.1.100 Port:53 Mark:0 IPv6:false} Scheduler:rr Flags:0 OnePacket:false Persistence:0s Mask:::}",
	}
	if !slices.Equal(got, want) {
		t.Errorf("services\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	v6 := dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: addr("fd00::100"), Port: 80}
	if v, _ := sc.s.View(v6); !v.PersistenceDefault {
		t.Error("the persistence is not known to be the default")
	}
	edited := config4(v6, "rr")
	sc.do(Admin{[]Edit{{Op: EditService, Service: edited}}})
	if v, _ := sc.s.View(v6); v.PersistenceDefault || v.Owner != File {
		t.Errorf("after ipvsadm has changed it, it is shown as %+v", v)
	}
}

// A configuration without lvs_timeouts left those of the one before it in force.
func TestTimeoutsAreTheFilesUntilIpvsadmSetsThem(t *testing.T) {
	sc := newScene(t)
	timeouts := func(words string) string { return "global_defs {\n lvs_timeouts " + words + "\n}\n" + web("11") }
	for _, c := range []struct {
		law  string
		do   func()
		want Timeouts
	}{
		{"those of the file", func() { sc.load(timeouts("tcp 60 udp 5")) }, Timeouts{TCP: 60, UDP: 5}},
		{"ipvsadm sets one", func() { sc.do(TimeoutsSet{Timeouts{TCPFin: 9}}) }, Timeouts{60, 9, 5}},
		{"which a reload leaves", func() { sc.load(timeouts("tcp 60 udp 5") + vs("192.168.1.101 80", "")) }, Timeouts{60, 9, 5}},
		{"another line in the file does not", func() { sc.load(timeouts("tcp 60 udp 6")) }, Timeouts{TCP: 60, UDP: 6}},
		{"nor does none", func() { sc.load(web("11")) }, Timeouts{}},
	} {
		if c.do(); sc.s.Timeouts() != c.want {
			t.Errorf("%s: %+v, want %+v", c.law, sc.s.Timeouts(), c.want)
		}
	}
	if _, err := sc.try(TimeoutsSet{Timeouts{TCP: -1}}); err == nil {
		t.Error("a negative timeout is set")
	}
}

func TestNoConfigurationIsRefusedAndNoHostIsAProblem(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11"))
	if _, err := sc.try(Loaded{}); err == nil || sc.servers("192.168.1.100", 80) != "11*1" {
		t.Errorf("no configuration is loaded: %v", err)
	}
	if c := sc.do(Loaded{Config: sc.s.Config()}); !c.Problems || len(sc.s.VIPs()) != 0 {
		t.Errorf("without a host: %+v", c)
	}
}

// Load lets none of these through.
func TestWhatTheTableRefusesOfAFileIsAProblem(t *testing.T) {
	sc := newScene(t)
	cfg := config(t, web("11", "12", "13")+vs("192.168.1.101 80", "")+vs("192.168.1.102 80", ""))
	cfg.VirtualServers[0].RealServers[0].Lower = 5
	cfg.VirtualServers[1].Scheduler = "nosuch"
	cfg.VirtualServers[2] = cfg.VirtualServers[0] // a second time
	sc.do(Loaded{Config: cfg, Host: sc.s.host})
	want := []string{"add server of [192.168.1.100]:tcp:80: " + dataplane.ErrThresholds.Error(), "add service of [192.168.1.101]:tcp:80: " + dataplane.ErrScheduler.Error()}
	for range 2 { // a second time it is refused again
		got := sc.s.Problems()
		if len(got) != 2 || got[0] != want[0] || !strings.HasPrefix(got[1], want[1]) {
			t.Errorf("problems %q, want %q", got, want)
		}
		sc.do(Loaded{Config: cfg, Host: sc.s.host})
	}
	if got := sc.servers("192.168.1.100", 80); got != "13*1 12*1" || sc.s.table.Len() != 1 {
		t.Errorf("servers %s of %d services", got, sc.s.table.Len())
	}
	cfg = config(t, web("11 "+tcpCheck))
	cfg.VirtualServers[0].RealServers[0].Lower = 5
	sc.do(Loaded{Config: cfg, Host: sc.s.host})
	for _, up := range []bool{false, true, false, true} {
		sc.check(".11", up)
		if n := len(sc.s.Problems()); n != 1 {
			t.Errorf("a server that is refused again and again: problems %q", sc.s.Problems())
		}
	}
	if sc.load(web("11")); len(sc.s.Problems()) != 0 {
		t.Errorf("a good file leaves the problems %q", sc.s.Problems())
	}
}
