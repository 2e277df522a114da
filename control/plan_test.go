package control

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/control/drroute"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A fakeNetwork has 192.168.1.0/24 on eth0 and 10.0.0.0/8 on eth1; the rest is
// behind a router.
type fakeNetwork struct{}

var (
	eth0 = &net.Interface{Index: 2, Name: "eth0", MTU: 1500, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 2}}
	eth1 = &net.Interface{Index: 3, Name: "eth1", MTU: 9000, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 3}}
)

func (fakeNetwork) server(a netip.Addr) (onLink, error) {
	switch {
	case netip.MustParsePrefix("192.168.1.0/24").Contains(a):
		return onLink{link: eth0, source: netip.MustParseAddr("192.168.1.10")}, nil
	case netip.MustParsePrefix("10.0.0.0/8").Contains(a):
		return onLink{link: eth1, source: netip.MustParseAddr("10.0.0.10")}, nil
	}
	return onLink{}, errors.New("is not on a network of this host")
}

func (n fakeNetwork) vip(a netip.Addr, ifname string) (onLink, error) {
	if ifname == "eth1" {
		return onLink{link: eth1}, nil
	}
	return n.server(a)
}

func loadText(t *testing.T, text string) *keepalived.Config {
	t.Helper()
	cfg, found, err := keepalived.Load("test.conf", keepalived.Options{IPv6: true, Files: keepalived.Files{
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}})
	if err != nil || found.Max() >= keepalived.Error {
		t.Fatal(err, found)
	}
	return cfg
}

func planOf(t *testing.T, text string) *plan {
	t.Helper()
	p, err := newPlan(loadText(t, text), "", fakeNetwork{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// service is the text of a service with persistence off and these server lines.
func service(servers ...string) string {
	var b strings.Builder
	b.WriteString("virtual_server 192.168.1.100 80 {\n lb_algo wrr\n lb_kind DR\n protocol TCP\n persistence_timeout 0\n")
	for _, s := range servers {
		addr, more, _ := strings.Cut(s, " ")
		b.WriteString(" real_server " + addr + " 80 {\n" + strings.ReplaceAll(more, ";", "\n") + "\n }\n")
	}
	return b.String() + "}\n"
}

func TestAPlanNamesInterfacesAndLeavesOutWhatCannotBeReached(t *testing.T) {
	p := planOf(t, service("192.168.1.11 weight 3", "10.1.1.1", "203.0.113.9")+
		"virtual_server 192.168.1.101 53 {\n lb_algo rr\n lb_kind DR\n protocol UDP\n real_server 192.168.1.12 53 {\n }\n}\n")
	if at := p.servers[netip.MustParseAddr("10.1.1.1")]; at.link != eth1 {
		t.Errorf("10.1.1.1 is on %v, want eth1", at.link)
	}
	if len(p.problems) != 1 || !strings.Contains(p.problems[0], "test.conf:") || !strings.Contains(p.problems[0], "[203.0.113.9]:tcp:80 is left out") {
		t.Errorf("problems %q", p.problems)
	}
	if n := len(p.services[0].servers); n != 2 {
		t.Errorf("%d servers, want 2", n)
	}
	if got := p.services[1].cfg.Persistence; got != 120*time.Second {
		t.Errorf("persistence by default is %v, want 120 s", got)
	}
	vips := p.interfaces()
	if len(vips) != 2 || len(vips[eth0.Index]) != 2 || len(vips[eth1.Index]) != 0 {
		t.Errorf("interfaces %v, want two VIPs on eth0 and none on eth1", vips)
	}
}

func TestAVIPThatCannotBeServedIsAnErrorWithItsPlace(t *testing.T) {
	text := strings.Replace(service(), "192.168.1.100", "203.0.113.1", 1)
	_, err := newPlan(loadText(t, text), "", fakeNetwork{})
	if err == nil || !strings.HasPrefix(err.Error(), "test.conf:1: virtual_server [203.0.113.1]:tcp:80: ") {
		t.Errorf("error %v", err)
	}
	p, err := newPlan(loadText(t, text), "eth1", fakeNetwork{})
	if err != nil || p.vips[netip.MustParseAddr("203.0.113.1")].link != eth1 {
		t.Errorf("with -i eth1: %v, %v", p, err)
	}
}

func TestChecksOfTheServersOwnPortAlsoProveDirectRouting(t *testing.T) {
	p := planOf(t, service("192.168.1.11 TCP_CHECK { ; }", "192.168.1.12 TCP_CHECK { ; connect_port 81 ; }", "192.168.1.13"))
	specs, paths := p.checks(nil, false)
	if len(specs) != 2 || len(paths) != 0 {
		t.Fatalf("%d checks, %d paths without a router, want 2 and 0", len(specs), len(paths))
	}
	if checkedServer(specs[0].ID) != "[192.168.1.11]:tcp:80 of VS [192.168.1.100]:tcp:80" || specs[0].Settings.DelayLoop != time.Minute {
		t.Errorf("first check %+v", specs[0])
	}
}

// The services of a group share the checks that are the same, and one of them
// proves Direct Routing; each keeps its own servers.
func TestTheServicesOfAGroupAreCheckedOnce(t *testing.T) {
	text := "virtual_server_group g {\n 192.168.1.100 443\n 192.168.1.101-103 80\n}\n" +
		strings.Replace(service("192.168.1.11 TCP_CHECK { ; }", "192.168.1.12", "203.0.113.9 TCP_CHECK { ; }"), "192.168.1.100 80", "group g", 1)
	for _, c := range []struct {
		law, server string
		checks      int
		paths       string
		downToo     string // services that lose 192.168.1.11 with the first one
	}{
		{"on the server's own port there is one, proved for the first service on that port", " 80 ", 1, "192.168.1.101 via 192.168.1.11 dev 2", "101 102 103"},
		{"on the port of each service there is one for each port", " ", 2, "192.168.1.100 via 192.168.1.11 dev 2, 192.168.1.101 via 192.168.1.11 dev 2", ""},
	} {
		cfg := loadText(t, strings.ReplaceAll(text, " 80 {", c.server+"{"))
		p, err := newPlan(cfg, "", fakeNetwork{})
		if err != nil {
			t.Fatal(err)
		}
		specs, paths := p.checks(new(drroute.Router), false)
		var got []string
		for _, p := range paths {
			got = append(got, p.String())
		}
		if len(specs) != c.checks || strings.Join(got, ", ") != c.paths {
			t.Errorf("%s: %d checks, paths %v", c.law, len(specs), got)
		}
		first := p.services[0].servers[0].name
		if checkedServer(specs[0].ID) != first {
			t.Errorf("%s: the first check is of %s, want %s", c.law, specs[0].ID, first)
		}
		var lost []string
		for i, w := range p.wanted(func(server string) bool { return server != first }) {
			if i > 0 && len(w.servers) == 1 {
				lost = append(lost, p.services[i].source.Addr.String()[len("192.168.1."):])
			}
		}
		if strings.Join(lost, " ") != c.downToo {
			t.Errorf("%s: with the first service %v lose the server", c.law, lost)
		}
		if len(p.services) != 4 || len(p.vips) != 4 || len(p.services[3].servers) != 2 {
			t.Errorf("%s: services %+v", c.law, p.services)
		}
		if len(p.problems) != 2 { // on each of two ports
			t.Errorf("%s: problems %q", c.law, p.problems)
		}
	}
}

func TestAPlanKeepsProtocolAndOnePacket(t *testing.T) {
	p := planOf(t, strings.Replace(service(), "TCP", "SCTP", 1)+strings.Replace(service(), "TCP", "UDP\n ops", 1))
	if c := p.services[0].cfg; c.Key.Proto != frame.ProtoSCTP || c.OnePacket {
		t.Errorf("SCTP becomes %+v", c)
	}
	if c := p.services[1].cfg; c.Key.Proto != frame.ProtoUDP || !c.OnePacket {
		t.Errorf("UDP with ops becomes %+v", c)
	}
}

// A rig is a director with a clock, and the wanted state of a configuration.
type rig struct {
	*testing.T
	d    *dataplane.Director
	p    *plan
	down map[string]bool
}

func newRig(t *testing.T) *rig {
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: 1 << 10}, Tunables: dataplane.DefaultTunables()})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{T: t, d: d, down: map[string]bool{}}
}

// apply puts text in force and lists the servers, newest first, as addr*weight.
func (r *rig) apply(text string) []string {
	r.Helper()
	if text != "" {
		r.p = planOf(r.T, text)
	}
	up := func(server string) bool { return !r.down[server[:strings.Index(server, "]")+1]] }
	if err := apply(r.d, r.p.wanted(up), 0); err != nil {
		r.Fatal(err)
	}
	var list []string
	for _, s := range r.d.Services() {
		for _, sv := range s.Servers {
			list = append(list, sv.Config.Addr.String()[len("192.168.1."):]+"*"+string(rune('0'+sv.Config.Weight)))
		}
	}
	return list
}

func TestApplyEditsOnlyWhatChanges(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		law, text string
		down      string
		want      string
	}{
		{"servers are added in the order of the file, so the last is at the head", service("192.168.1.11 weight 3", "192.168.1.12 weight 2"), "", "12*2 11*3"},
		{"an edited server keeps its place", service("192.168.1.11 weight 5", "192.168.1.12 weight 2"), "", "12*2 11*5"},
		{"the order of the file alone changes nothing", service("192.168.1.12 weight 2", "192.168.1.11 weight 5"), "", "12*2 11*5"},
		{"a new server enters at the head, a missing one goes", service("192.168.1.13", "192.168.1.11 weight 5"), "", "13*1 11*5"},
		{"a server that is down is taken out", "", "[192.168.1.11]", "13*1"},
		{"one that is back enters at the head", "", "", "11*5 13*1"},
		{"one inhibited on failure stays, with weight 0", service("192.168.1.13", "192.168.1.11 weight 5;inhibit_on_failure"), "[192.168.1.11]", "11*0 13*1"},
		{"and gets its weight back in its place", "", "", "11*5 13*1"},
		{"a service that is not wanted any more goes", strings.Replace(service("192.168.1.11"), "1.100", "1.101", 1), "", "11*1"},
	} {
		r.down = map[string]bool{c.down: true}
		if got := strings.Join(r.apply(c.text), " "); got != c.want {
			t.Fatalf("%s: %s, want %s", c.law, got, c.want)
		}
	}
	if n := len(r.d.Services()); n != 1 {
		t.Errorf("%d services, want 1", n)
	}
}

func TestAServiceThatIsEditedKeepsItsServers(t *testing.T) {
	r := newRig(t)
	r.apply(service("192.168.1.11"))
	k := dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom(netip.MustParseAddr("192.168.1.100")), Port: 80}
	r.apply(strings.Replace(service("192.168.1.11"), "persistence_timeout 0", "persistence_timeout 50", 1))
	i := slices.IndexFunc(r.d.Services(), func(s dataplane.ServiceStatus) bool { return s.Config.Key == k })
	if i < 0 || r.d.Services()[i].Config.Persistence != 50*time.Second || len(r.d.Services()[i].Servers) != 1 {
		t.Errorf("services %+v", r.d.Services())
	}
}
