package site

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lvsdr/control/health"
	"lvsdr/control/hostnet"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// hosts are networks with something missing or otherwise.
func hosts() []*hostnet.Snapshot {
	return []*hostnet.Snapshot{network(), network(without(3)),
		network(withLink(func(l *hostnet.Link) { l.MAC = frame.MAC{2, 9, 9, 9, 9, 9} })),
		network(func(h *hostnet.Snapshot) { h.Routes[1].To = netip.MustParsePrefix("10.1.0.0/16") }),
		network(withAddr(3, "10.0.0.100/32")), network(routeTo("203.0.113.0/24", 3, "10.0.0.12"))}
}

// badHosts are networks on which web has no place.
func badHosts() []*hostnet.Snapshot {
	return []*hostnet.Snapshot{network(without(2)), network(without(2), without(3))}
}

// drawServers draws real servers of a network, without those to be avoided.
func drawServers(t *rapid.T, prefix string, avoid ...int) []string {
	var all []string
	for n := 11; n < 15; n++ {
		if !slices.Contains(avoid, n) && rapid.Bool().Draw(t, "server") {
			lines := rapid.SampledFrom([]string{"", "weight 2", "weight 0", tcpCheck, tcpCheck + ";TCP_CHECK {;connect_port 81;}",
				"inhibit_on_failure;" + tcpCheck, "alpha;weight 5;" + tcpCheck, "uthreshold 9;lthreshold 3", "lvs_method TUN;" + tcpCheck, "lvs_method TUN type gre csum"}).Draw(t, "lines")
			all = append(all, fmt.Sprintf("%s%d 80 %s", prefix, n, lines))
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "behind a router") == 0 {
		all = append(all, "203.0.113."+rapid.SampledFrom([]string{"9 80", "9 80 lvs_method TUN", "9 80 lvs_method TUN type gue port 7;" + tcpCheck, "10 80 lvs_method TUN"}).Draw(t, "router"))
	}
	return all
}

// drawOthers draws services beside web.
func drawOthers(t *rapid.T) string {
	text := rapid.SampledFrom([]string{"", "global_defs {\n lvs_timeouts tcp 60\n}\n", "global_defs {\n dr_check off\n default_interface eth1\n}\n"}).Draw(t, "global")
	for _, vip := range []string{"192.168.1.101 80", "192.168.1.100 443", "10.0.0.100 80", "172.16.0.1 80", "10.0.0.12 80"} {
		if rapid.Bool().Draw(t, "service") {
			lines := rapid.SampledFrom([]string{"", "lb_algo wrr", "quorum 2", "sorry_server 10.0.0.99 80", "quorum 2;hysteresis 1;sorry_server 192.168.1.99 80;sorry_server_inhibit"}).Draw(t, "lines")
			text += vs(vip, lines, append(drawServers(t, "10.0.0."), drawServers(t, "192.168.1.")...)...)
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "group") == 0 {
		text += "virtual_server_group g {\n 192.168.1.105-106 80\n 10.0.0.105 443\n}\n" + vs("group g", "", drawServers(t, "192.168.1.")...)
	}
	return text
}

// drawWeb draws the web service with a server of its own, 11, or none.
func drawWeb(t *rapid.T, algorithm, server string, avoid ...int) string {
	servers := drawServers(t, "192.168.1.", append(avoid, 11)...)
	if server != "" {
		servers = slices.Insert(servers, rapid.IntRange(0, len(servers)).Draw(t, "at"), "192.168.1.11 80 "+server)
	}
	return vs("192.168.1.100 80", "lb_algo "+algorithm, servers...)
}

// drawEvent draws an event that is not one of ipvsadm's. Files come from text;
// checks whose IDs have avoid in them are not told of.
func drawEvent(t *rapid.T, sc *scene, hosts []*hostnet.Snapshot, text func() string, avoid string) Event {
	now := sc.s.now + time.Duration(rapid.IntRange(0, 5).Draw(t, "seconds"))*second
	addr := netip.MustParseAddr(rapid.SampledFrom([]string{"192.168.1.11", "192.168.1.12", "10.0.0.12", "192.168.1.100", "10.0.0.100", "192.168.1.1"}).Draw(t, "address"))
	switch rapid.IntRange(0, 10).Draw(t, "event") {
	case 10:
		return Strangers{[]netip.Addr{addr, netip.MustParseAddr("10.0.0.77")}[:rapid.IntRange(0, 2).Draw(t, "strangers")]}
	case 0, 1:
		return Loaded{Config: slowly(config(t, text()), time.Duration(rapid.IntRange(0, 2).Draw(t, "slow start"))*5*second), Host: rapid.SampledFrom(hosts).Draw(t, "host"), At: now}
	case 2:
		return HostChanged{rapid.SampledFrom(hosts).Draw(t, "host")}
	case 3:
		return Neighbour{addr, rapid.IntRange(2, 3).Draw(t, "link"), frame.MAC{byte(rapid.IntRange(0, 2).Draw(t, "mac"))}}
	case 4:
		return Activate{addr, rapid.Bool().Draw(t, "active")}
	case 5:
		return Activate{Active: true}
	case 6:
		if at, ok := sc.s.NextTick(); ok {
			return Tick{at}
		}
		return Tick{now}
	}
	checks := slices.DeleteFunc(sc.s.Checks(), func(c Check) bool { return avoid != "" && strings.Contains(c.ID, avoid) })
	e := Checked{ID: "nosuch", Result: health.Result{Up: rapid.Bool().Draw(t, "up"), Weight: health.Weight{Kind: health.WeightKind(rapid.IntRange(0, 2).Draw(t, "weight"))}}, Now: now}
	if len(checks) > 0 {
		e.ID = rapid.SampledFrom(checks).Draw(t, "check").ID
	}
	return e
}

// drawAdmin draws edits of ipvsadm's that leave a service, or a server of it,
// alone.
func drawAdmin(t *rapid.T, spared func(Edit) bool) Admin {
	var e Admin
	for range rapid.IntRange(1, 4).Draw(t, "edits") {
		edit := Edit{Op: Op(rapid.IntRange(int(AddService), int(DelServer)).Draw(t, "op"))}
		edit.Service = config4(rapid.SampledFrom([]dataplane.ServiceKey{webKey, tcp("192.168.1.101", 80), tcp("10.0.0.11", 80), tcp("172.16.0.1", 80), {Mark: 3}}).Draw(t, "key"),
			rapid.SampledFrom([]string{"rr", "wlc", "nosuch"}).Draw(t, "scheduler"))
		edit.Server = dataplane.ServerConfig{Addr: addr(fmt.Sprint(rapid.SampledFrom([]string{"192.168.1.", "10.0.0.", "203.0.113."}).Draw(t, "network"), rapid.IntRange(11, 16).Draw(t, "number"))),
			Port: 80, Weight: rapid.IntRange(-1, 9).Draw(t, "weight"), Method: rapid.SampledFrom([]dataplane.Method{dataplane.Direct, dataplane.Direct, dataplane.IPIP}).Draw(t, "method")}
		if !spared(edit) {
			e.Edits = append(e.Edits, edit)
		}
	}
	return e
}

// tryEvent applies an event of ipvsadm's, of which a part may be refused.
func (sc *scene) tryEvent(e Event) {
	sc.Helper()
	if _, err := sc.try(e); err != nil && !errors.As(err, new(Refusals)) {
		sc.Fatalf("%+v: %v", e, err)
	}
}

func TestWhateverHappensTheLawsOfAStateHold(t *testing.T) {
	all := append(hosts(), badHosts()...)
	rapid.Check(t, func(t *rapid.T) {
		sc := newScene(t)
		sc.reloads = true
		text := func() string {
			return drawOthers(t) + drawWeb(t, rapid.SampledFrom([]string{"rr", "sh"}).Draw(t, "algorithm"), rapid.SampledFrom([]string{"", "weight 3", tcpCheck}).Draw(t, "11"))
		}
		for range rapid.IntRange(1, 15).Draw(t, "events") {
			switch rapid.IntRange(0, 9).Draw(t, "by") {
			case 0, 1:
				sc.tryEvent(drawAdmin(t, func(Edit) bool { return false }))
			case 2:
				if rapid.IntRange(0, 3).Draw(t, "flush") == 0 {
					sc.tryEvent(Admin{[]Edit{{Op: Flush}}})
				}
			default:
				sc.do(drawEvent(t, sc, all, text, ""))
			}
		}
	})
}

// A thing is a change of the web service by ipvsadm, and the part of it that is to stay.
type thing struct {
	name  string
	edits []Edit
	mine  func(Edit) bool             // an edit is about it
	is    func(*Table) string         // how it is
	text  func(t *rapid.T) string     // a file that does not change it
	other func(t *rapid.T) string     // a file that does; nil: there is none
	whole func(t *rapid.T, is string) // it is as the other file has it
}

// server is how the server 192.168.1.n of web is.
func server(n int) func(*Table) string {
	return func(t *Table) string {
		s := t.Service(webKey)
		if s == nil {
			return "no service"
		}
		i := s.find(weight(AddServer, n, 0).Edits[0].Server)
		if i < 0 {
			return "none"
		}
		return fmt.Sprintf("%+v", s.Servers[i].Config)
	}
}

func things() []thing {
	const mine = "weight 3;" + tcpCheck
	serverIs := func(n int) func(Edit) bool {
		return func(e Edit) bool {
			return e.Service.Key == webKey && (e.Op == DelService || e.Op >= AddServer && e.Server.Addr == addr(fmt.Sprintf("192.168.1.%d", n)))
		}
	}
	keep := func(t *rapid.T) string {
		return drawOthers(t) + drawWeb(t, rapid.SampledFrom([]string{"rr", "sh"}).Draw(t, "algorithm"), mine, 13)
	}
	change := func(t *rapid.T) string { return drawWeb(t, "rr", "weight 4;"+tcpCheck) }
	hasWeight := func(n, w int) func(*rapid.T, string) {
		return func(t *rapid.T, is string) {
			if want := fmt.Sprintf("Weight:%d", w); !strings.Contains(is, want) {
				t.Fatalf("the file makes server %d %s, want %s", n, is, want)
			}
		}
	}
	return []thing{
		{name: "another weight of a server of the file", edits: weight(EditServer, 11, 7).Edits, mine: serverIs(11), is: server(11), text: keep, other: change, whole: hasWeight(11, 4)},
		{name: "a server of the file that is removed", edits: weight(DelServer, 11, 0).Edits, mine: serverIs(11), is: server(11), text: keep, other: change, whole: hasWeight(11, 4)},
		{name: "a server that is added", edits: weight(AddServer, 13, 7).Edits, mine: serverIs(13), is: server(13), text: keep,
			other: func(t *rapid.T) string { return web("13 weight 4") }, whole: hasWeight(13, 4)},
		{name: "another scheduler", edits: []Edit{{Op: EditService, Service: config4(webKey, "nq")}},
			mine: func(e Edit) bool { return e.Service.Key == webKey && e.Op < AddServer },
			is: func(t *Table) string {
				if s := t.Service(webKey); s != nil {
					return s.Config.Scheduler
				}
				return "none"
			},
			text:  func(t *rapid.T) string { return drawOthers(t) + drawWeb(t, "rr", mine) },
			other: func(t *rapid.T) string { return drawWeb(t, "sh", mine) },
			whole: func(t *rapid.T, is string) {
				if is != "sh" {
					t.Fatalf("the file makes the scheduler %s, want sh", is)
				}
			}},
		{name: "a service that is added", edits: []Edit{{Op: AddService, Service: config4(tcp("192.168.1.200", 80), "nq")},
			{Op: AddServer, Service: config4(tcp("192.168.1.200", 80), ""), Server: dataplane.ServerConfig{Addr: addr("192.168.1.16"), Weight: 1}}},
			mine: func(e Edit) bool { return e.Service.Key == tcp("192.168.1.200", 80) },
			is: func(t *Table) string {
				if s := t.Service(tcp("192.168.1.200", 80)); s != nil {
					return fmt.Sprintf("%+v", *s)
				}
				return "none"
			},
			text: keep},
	}
}

func TestWhatIpvsadmDidStaysUntilThatVeryThingIsChanged(t *testing.T) {
	for _, thing := range things() {
		t.Run(thing.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				sc := newScene(t)
				sc.load(thing.text(t))
				sc.do(Admin{thing.edits})
				want := thing.is(sc.s.table)
				for range rapid.IntRange(1, 6).Draw(t, "events") {
					var e Event = drawAdmin(t, thing.mine)
					if rapid.IntRange(0, 3).Draw(t, "by") > 0 {
						e = drawEvent(t, sc, hosts(), func() string { return thing.text(t) }, "192.168.1.11]")
					}
					sc.tryEvent(e)
					if got := thing.is(sc.s.table); got != want {
						t.Fatalf("%s: after %+v it is %s, want %s", thing.name, e, got, want)
					}
				}
				if thing.other != nil {
					sc.do(Loaded{Config: config(t, thing.other(t)), Host: network(), At: sc.s.now})
					thing.whole(t, thing.is(sc.s.table))
				}
			})
		})
	}
}

// Without ipvsadm the table is what the file says of the servers that have a
// place and are up, whatever came before.
func TestWithoutIpvsadmTheTableIsWhatFilePlacesAndHealthSay(t *testing.T) {
	all := append(hosts(), badHosts()...)
	rapid.Check(t, func(t *rapid.T) {
		sc := newScene(t)
		text := func() string {
			return drawWeb(t, "rr", rapid.SampledFrom([]string{"", tcpCheck}).Draw(t, "11")) +
				vs("10.0.0.100 80", "", append(drawServers(t, "10.0.0."), drawServers(t, "192.168.1.")...)...)
		}
		sc.load(text())
		for range rapid.IntRange(0, 12).Draw(t, "events") {
			e := drawEvent(t, sc, all, text, "")
			if c, ok := e.(Checked); ok { // weights would have to be remembered
				c.Result.Weight = health.Weight{}
				e = c
			}
			if l, ok := e.(Loaded); ok {
				e = Loaded{Config: slowly(l.Config, 0), Host: l.Host, At: l.At}
			}
			sc.do(e)
		}
		want := map[string]bool{}
		for _, v := range sc.s.Config().VirtualServers {
			view, _ := sc.s.View(tcp(v.Addr.String(), v.Port))
			for i, r := range v.RealServers {
				_, err := sc.s.host.Server(r.Addr)
				if r.Method.Kind != dataplane.Direct && errors.As(err, new(*hostnet.RouterError)) {
					err = nil // only Direct Routing needs a common network
				}
				weight := int(r.Weight)
				switch {
				case err != nil, !view.Servers[i].Up && !r.InhibitOnFailure:
					continue
				case !view.Servers[i].Up:
					weight = 0
				}
				want[fmt.Sprint(v.Name(), r.Addr, weight)] = true
			}
		}
		got := map[string]bool{}
		for s := range sc.s.table.All() {
			for _, r := range s.Servers {
				got[fmt.Sprint(serviceName(s.Config.Key), r.Config.Addr, r.Config.Weight)] = true
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || sc.s.table.Len() != len(sc.s.Config().VirtualServers) {
			t.Fatalf("the table has %v, want %v", got, want)
		}
	})
}

func FuzzEvents(f *testing.F) {
	all := append(hosts(), badHosts()...)
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		sc := newScene(t)
		for range rapid.IntRange(1, 10).Draw(t, "events") {
			if rapid.Bool().Draw(t, "by ipvsadm") {
				sc.tryEvent(drawAdmin(t, func(Edit) bool { return false }))
			} else {
				sc.do(drawEvent(t, sc, all, func() string { return drawOthers(t) + drawWeb(t, "rr", tcpCheck) }, ""))
			}
		}
	}))
}
