package site

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/control/health"
	"lvsdr/control/hostnet"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// tester is *testing.T or *rapid.T.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// The links of the hosts of the tests.
var (
	eth0 = hostnet.Link{Name: "eth0", Index: 2, MAC: frame.MAC{2, 0, 0, 0, 0, 2}, MTU: 1500, Up: true}
	eth1 = hostnet.Link{Name: "eth1", Index: 3, MAC: frame.MAC{2, 0, 0, 0, 0, 3}, MTU: 9000, Up: true}
)

// network is a host with 192.168.1.10/24 on eth0, 10.0.0.10/8 and fd00::10/64 on
// eth1, and a router for the rest. change alters it before it is looked at.
func network(change ...func(*hostnet.Snapshot)) *hostnet.Snapshot {
	prefix := netip.MustParsePrefix
	h := &hostnet.Snapshot{
		Links: []hostnet.Link{eth0, eth1},
		Addrs: []hostnet.Addr{{Link: 2, Prefix: prefix("192.168.1.10/24")}, {Link: 3, Prefix: prefix("10.0.0.10/8")}, {Link: 3, Prefix: prefix("fd00::10/64")}},
		Routes: []hostnet.Route{
			{To: prefix("192.168.1.0/24"), Link: 2}, {To: prefix("10.0.0.0/8"), Link: 3}, {To: prefix("fd00::/64"), Link: 3},
			{To: prefix("0.0.0.0/0"), Link: 2, Gateway: netip.MustParseAddr("192.168.1.1")},
		},
		HidesLocal: true,
	}
	for _, c := range change {
		c(h)
	}
	return h
}

// without takes a link away from a host, with its addresses and routes.
func without(link int) func(*hostnet.Snapshot) {
	return func(h *hostnet.Snapshot) {
		h.Links = slices.DeleteFunc(h.Links, func(l hostnet.Link) bool { return l.Index == link })
		h.Addrs = slices.DeleteFunc(h.Addrs, func(a hostnet.Addr) bool { return a.Link == link })
		h.Routes = slices.DeleteFunc(h.Routes, func(r hostnet.Route) bool { return r.Link == link })
	}
}

// withAddr gives a host one more address.
func withAddr(link int, addr string) func(*hostnet.Snapshot) {
	return func(h *hostnet.Snapshot) {
		h.Addrs = append(h.Addrs, hostnet.Addr{Link: link, Prefix: netip.MustParsePrefix(addr)})
	}
}

// routeTo gives a host a route by a gateway.
func routeTo(to string, link int, by string) func(*hostnet.Snapshot) {
	return func(h *hostnet.Snapshot) {
		h.Routes = append(h.Routes, hostnet.Route{To: netip.MustParsePrefix(to), Link: link, Gateway: netip.MustParseAddr(by)})
	}
}

// withLink replaces eth0.
func withLink(change func(*hostnet.Link)) func(*hostnet.Snapshot) {
	return func(h *hostnet.Snapshot) { change(&h.Links[0]) }
}

// config reads the text of a configuration.
func config(t tester, text string) *keepalived.Config {
	t.Helper()
	cfg, found, err := keepalived.Load("test.conf", keepalived.Options{IPv6: true, Files: keepalived.Files{
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}})
	if err != nil || found.Max() >= keepalived.Error {
		t.Fatal(err, found, text)
	}
	return cfg
}

// vs is the text of a service, "ADDR PORT" or "group NAME", with these lines and
// real servers, "ADDR PORT LINES"; semicolons stand for new lines.
func vs(name, lines string, servers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "virtual_server %s {\n lb_algo rr\n lb_kind DR\n protocol TCP\n persistence_timeout 0\n%s\n", name, strings.ReplaceAll(lines, ";", "\n"))
	for _, s := range servers {
		f := append(strings.SplitN(s, " ", 3), "", "")
		fmt.Fprintf(&b, " real_server %s %s {\n%s\n }\n", f[0], f[1], strings.ReplaceAll(f[2], ";", "\n"))
	}
	return b.String() + "}\n"
}

// web is a service on 192.168.1.100:80 with real servers of network 192.168.1,
// "NUMBER LINES".
func web(servers ...string) string {
	var all []string
	for _, s := range servers {
		n, lines, _ := strings.Cut(s, " ")
		all = append(all, "192.168.1."+n+" 80 "+lines)
	}
	return vs("192.168.1.100 80", "", all...)
}

// A scene is a site with a director that gets all the edits.
type scene struct {
	tester
	s        *State
	director *dataplane.Director
	notices  []Notice // of the last event
	reloads  bool     // lawOfLoaded is stated of each file
}

// newScene is a scene on the host network.
func newScene(t tester) *scene {
	sc := &scene{tester: t, s: New(Options{DRChecks: true, LocalInterface: "far"}), director: newDirector(t)}
	sc.do(HostChanged{network()})
	return sc
}

// do applies an event that must be accepted.
func (sc *scene) do(e Event) Changes {
	sc.Helper()
	c, err := sc.try(e)
	if err != nil {
		sc.Fatalf("%+v is refused: %v", e, err)
	}
	return c
}

// load puts a configuration in force.
func (sc *scene) load(text string) Changes {
	sc.Helper()
	return sc.do(Loaded{Config: config(sc, text), Host: sc.s.host, At: sc.s.now})
}

// check tells the result of all checks of a server: of those whose IDs contain
// the text.
func (sc *scene) check(id string, up bool) {
	sc.Helper()
	found := false
	for _, c := range sc.s.Checks() {
		if strings.Contains(c.ID, id) {
			found = true
			r := health.Result{Up: up}
			if !up {
				r.Reason = "refused"
			}
			sc.do(Checked{ID: c.ID, Result: r, Now: sc.s.now})
		}
	}
	if !found {
		sc.Fatalf("no check of %s in %+v", id, sc.s.Checks())
	}
}

// try applies an event and states the laws of every event.
func (sc *scene) try(e Event) (Changes, error) {
	sc.Helper()
	old := sc.s
	before := describe(old)
	next, notices, err := old.Apply(e)
	if describe(old) != before {
		sc.Fatalf("%T changes the state before:\n%s\nnow\n%s", e, before, describe(old))
	}
	if _, partly := err.(Refusals); err != nil && !partly && next != old {
		sc.Fatalf("%T is refused and gives another state", e)
	}
	sc.s, sc.notices = next, notices
	c := Compare(old, next)
	lawOfChanges(sc, old, next, c)
	lawOfState(sc, next)
	if l, ok := e.(Loaded); ok && err == nil && sc.reloads {
		lawOfLoaded(sc, old, next, l, notices)
	}
	for _, edit := range c.Edits {
		if err := do(sc.director, edit); err != nil {
			sc.Fatalf("after %+v the director refuses %+v: %v", e, edit, err)
		}
	}
	if got, want := directorText(sc.director), text(next.table); got != want {
		sc.Fatalf("after %+v the director has\n%swant\n%s", e, got, want)
	}
	return c, err
}

// wishes are all that the actors are to have, by name.
func wishes(s *State) map[string]any {
	vips, mtu, lacking := s.LocalVIPs()
	var checks []string // wherever they are in the file
	for _, c := range s.Checks() {
		spec := *c.Spec
		spec.Pos = keepalived.Pos{}
		checks = append(checks, fmt.Sprintf("%s of %s: %+v %+v %v", c.ID, c.Server, c.DR, spec, c.LogAll))
	}
	return map[string]any{"Own": s.Own(), "Guards": s.Guards(), "NICs": s.NICs(), "Targets": s.Targets(), "VIPs": s.VIPs(),
		"Checks": checks, "Local": fmt.Sprint(vips, mtu, lacking), "Timeouts": s.Timeouts(), "Problems": s.Problems()}
}

// describe is everything that can be seen of a state.
func describe(s *State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%v %v %d %v\n", text(s.table), wishes(s), allHops(s), s.MissingMACs(), s.Config().Global)
	for v := range s.Views() {
		fmt.Fprintf(&b, "%+v\n", v)
	}
	return b.String()
}

// lawOfChanges states that what is not flagged did not change, and that the
// changes of hops lead from the old ones to the new ones.
func lawOfChanges(t tester, old, new *State, c Changes) {
	t.Helper()
	was, is := wishes(old), wishes(new)
	flags := reflect.ValueOf(c)
	for name := range was {
		if !flags.FieldByName(name).Bool() && !reflect.DeepEqual(was[name], is[name]) {
			t.Fatalf("%s is not flagged and changes from\n%+v\nto\n%+v", name, was[name], is[name])
		}
	}
	hops := map[netip.Addr]Hop{}
	for _, h := range allHops(old) {
		hops[h.Addr] = h
	}
	for _, h := range c.Hops {
		if hops[h.Addr] == h {
			t.Fatalf("%+v is no change", h)
		}
		if hops[h.Addr] = h; h.Link == (hostnet.Link{}) && !h.Local {
			delete(hops, h.Addr)
		}
	}
	want := map[netip.Addr]Hop{}
	for _, h := range allHops(new) {
		want[h.Addr] = h
	}
	if !reflect.DeepEqual(hops, want) {
		t.Fatalf("the hops become %+v, want %+v", hops, want)
	}
}

// lawOfState states what holds in every state.
func lawOfState(t tester, s *State) {
	t.Helper()
	vips, runtime := map[netip.Addr]bool{}, map[netip.Addr]int{}
	servers, tunnels, answering := 0, 0, map[Answer]int{}
	for service := range s.table.All() {
		if k := service.Config.Key; k.Mark == 0 {
			vips[k.Addr.IP()] = true
		}
		for _, m := range s.Config().Global.Marks {
			if k := service.Config.Key; m.Mark == k.Mark && m.Addr.Is6() == k.IPv6 {
				vips[m.Addr] = true
			}
		}
		servers += len(service.Servers)
		for _, r := range service.Servers {
			switch {
			case r.Config.Method.Tunnels():
				tunnels++
			case r.Config.Method == dataplane.Masquerade:
				answering[Answer{r.Config.Addr.IP(), service.Config.Key.Proto, r.Config.Port}]++
			}
			if r.Owner == Runtime {
				runtime[r.Config.Addr.IP()]++
			}
		}
	}
	if servers != s.table.count() {
		t.Fatalf("the table counts %d servers of %d", s.table.count(), servers)
	}
	if got := maps.Collect(s.answers.All()); s.tunnels != tunnels || !maps.Equal(got, answering) {
		t.Fatalf("%d servers behind tunnels, want %d; answers of %v, want %v", s.tunnels, tunnels, got, answering)
	}
	for addr, v := range s.vips.All() {
		if !vips[addr] || v.active && v.err != "" || (v.err == "") != (v.place != hostnet.Place{}) {
			t.Fatalf("virtual address %v, of a service: %v, is %+v", addr, vips[addr], v)
		}
		delete(vips, addr)
	}
	if len(vips) > 0 {
		t.Fatalf("the virtual addresses %v are forgotten", vips)
	}
	missing, behind := 0, map[gateway]int{}
	for addr, p := range s.places.All() {
		n, known := s.macs.Get(addr)
		if _, in := s.plan.servers[addr]; !in && runtime[addr] == 0 {
			t.Fatalf("%v is of no server", addr)
		}
		if known && (!p.ok() || n.ifindex != p.Link.Index) {
			t.Fatalf("%v is at %+v and has the MAC address %+v", addr, p, n)
		}
		if p.remote() && !known {
			missing++
		}
		if at, ok := p.gateway(); ok {
			behind[at]++
			if g, _ := s.gateways.Get(at); g.mac != n.mac {
				t.Fatalf("%v has the MAC address %v, and its gateway %v", addr, n.mac, g.mac)
			}
		}
	}
	for addr, p := range s.strangers.All() {
		if is := s.findStranger(addr); p == nil || *p != is {
			t.Fatalf("the stranger %v is at %+v, want %+v", addr, p, is)
		}
	}
	for addr, n := range s.macs.All() {
		if p := s.reached(addr); !p.ok() || p.Link.Index != n.ifindex {
			t.Fatalf("%v is at %+v and has the MAC address %+v", addr, p, n)
		}
	}
	if s.gateways.Len() != len(behind) {
		t.Fatalf("%d gateways, want %v", s.gateways.Len(), behind)
	}
	for at, n := range behind {
		if g, _ := s.gateways.Get(at); g.servers != n {
			t.Fatalf("%d servers behind %v, want %d", g.servers, at, n)
		}
	}
	if missing != s.MissingMACs() {
		t.Fatalf("%d MAC addresses are missing, not %d", missing, s.MissingMACs())
	}
	for _, d := range s.demands.All() {
		if now := s.demand(d.file, d); now.health.Up() != d.health.Up() || now.panics != d.panics {
			t.Fatalf("the health of %v is %+v, and would be %+v", d.file.config.Key, d.health, now.health)
		}
	}
	for addr := range runtime {
		if _, ok := s.places.Get(addr); !ok {
			t.Fatalf("the server %v has no place, and no problem", addr)
		}
	}
	if s.runtime.Len() != len(runtime) {
		t.Fatalf("servers of ipvsadm: %v, counted %d", runtime, s.runtime.Len())
	}
}

// allHops are how the real servers are reached that have a place.
func allHops(s *State) []Hop {
	var all []Hop
	for addr, p := range s.places.All() {
		if p.ok() {
			all = append(all, s.hop(addr))
		}
	}
	for addr, p := range s.strangers.All() {
		if p.ok() && s.place(addr) == nil {
			all = append(all, s.hop(addr))
		}
	}
	return all
}

// servers are those of the service, newest first, as "NUMBER*WEIGHT" with the
// last byte of the address; "-" where there is no service.
func (sc *scene) servers(vip string, port uint16) string {
	s := sc.s.table.Service(tcp(vip, port))
	if s == nil {
		return "-"
	}
	var all []string
	for _, r := range s.Servers {
		all = append(all, fmt.Sprintf("%d*%d", r.Config.Addr[15], r.Config.Weight))
	}
	return strings.Join(all, " ")
}

// tcp is the key of a TCP service.
func tcp(vip string, port uint16) dataplane.ServiceKey {
	return dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: addr(vip), Port: port}
}

// webKey is the key of web.
var webKey = tcp("192.168.1.100", 80)

// weight is an edit of ipvsadm's about server 192.168.1.n of web.
func weight(op Op, n, weight int) Admin {
	return Admin{[]Edit{{Op: op, Service: dataplane.ServiceConfig{Key: webKey},
		Server: dataplane.ServerConfig{Addr: addr(fmt.Sprintf("192.168.1.%d", n)), Port: 80, Weight: weight}}}}
}

var _ tester = (*testing.T)(nil)

// second is short for a time.
const second = time.Second

// config4 is a service with a scheduler, and nothing else.
func config4(k dataplane.ServiceKey, scheduler string) dataplane.ServiceConfig {
	return dataplane.ServiceConfig{Key: k, Scheduler: scheduler}
}
