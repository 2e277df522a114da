package site

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/health"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// marked is a file whose lines give mark 7 to HTTP and HTTPS of one address and to a
// range of ports of another, with a service of the mark that has these servers.
func marked(servers ...string) string {
	return marking("lvsdr_mark 7 192.168.1.100 80 tcp", "lvsdr_mark 7 192.168.1.100 443 tcp", "lvsdr_mark 7 192.168.1.101 8000-8080 tcp") + byMark(7, servers...)
}

func marking(lines ...string) string { return "global_defs {\n" + strings.Join(lines, "\n") + "\n}\n" }

// byMark is a service by mark, with servers as those of web.
func byMark(mark int, servers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "virtual_server fwmark %d {\nlb_algo rr\nlb_kind DR\npersistence_timeout 50\n", mark)
	for _, s := range servers {
		n, lines, _ := strings.Cut(s, " ")
		fmt.Fprintf(&b, "real_server 192.168.1.%s {\n%s\n}\n", n, strings.ReplaceAll(lines, ";", "\n"))
	}
	return b.String() + "}\n"
}

var mark7 = dataplane.ServiceKey{Mark: 7}

// own are the addresses that the site has a place for.
func (sc *scene) own() string {
	var all []string
	for _, v := range sc.s.VIPs() {
		all = append(all, v.Addr.String())
	}
	return strings.Join(all, " ")
}

func TestAddressesOfMarksAreVIPs(t *testing.T) {
	sc := newScene(t)
	sc.load(marked("11", "12"))
	if got := sc.own(); got != "192.168.1.100 192.168.1.101" {
		t.Fatalf("the VIPs are %s", got)
	}
	v, ok := sc.s.View(mark7)
	if !ok || v.Name != "FWM 7" || len(v.Marks) != 3 || v.Place.Link.Index != eth0.Index || len(v.Servers) != 2 || v.Servers[0].Config.Port != 0 {
		t.Errorf("the service is %+v", v)
	}
	want := []dataplane.MarkRule{{Mark: 7, Proto: frame.ProtoTCP, Addr: addr("192.168.1.100"), First: 80, Last: 80},
		{Mark: 7, Proto: frame.ProtoTCP, Addr: addr("192.168.1.100"), First: 443, Last: 443},
		{Mark: 7, Proto: frame.ProtoTCP, Addr: addr("192.168.1.101"), First: 8000, Last: 8080}}
	if got := sc.s.Marks(); !slices.Equal(got, want) {
		t.Errorf("the rules are %v, want %v", got, want)
	}
	if p := sc.s.Problems(); len(p) > 0 {
		t.Errorf("problems %q", p)
	}
}

// A line comes and goes with the file, and its address with it, unless another service
// has that.
func TestAReloadChangesMarks(t *testing.T) {
	for _, tt := range []struct{ name, file, own, problem string }{
		{"a line less", marking("lvsdr_mark 7 192.168.1.100 80 tcp") + byMark(7, "11"), "192.168.1.100", ""},
		{"another address", marking("lvsdr_mark 7 192.168.1.102 80 tcp") + byMark(7, "11"), "192.168.1.102", ""},
		{"no line", byMark(7, "11"), "", "FWM 7 of IPv4 gets no packets: no lvsdr_mark line gives them its mark, and the marks of netfilter are not seen here"},
		{"lines of another mark", marking("lvsdr_mark 8 192.168.1.100 80 tcp") + byMark(7, "11"), "", "FWM 7 of IPv4 gets no packets"},
		{"no service of the mark", marking("lvsdr_mark 7 192.168.1.100 80 tcp"), "", ""},
		{"a service of its own at the address", byMark(7, "11") + web("11"), "192.168.1.100", "FWM 7 of IPv4 gets no packets"},
		{"a service of its own beside the line", marking("lvsdr_mark 7 192.168.1.100 443 tcp") + byMark(7, "11") + web("11"), "192.168.1.100", ""},
		{"a line for an address off every network", marking("lvsdr_mark 7 203.0.113.9 80 tcp") + byMark(7, "11"), "", "test.conf:2: lvsdr_mark 7 203.0.113.9 80 tcp: "},
		{"the same in other places", "\n\n" + marked("11"), "192.168.1.100 192.168.1.101", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sc := newScene(t)
			sc.load(marked("11"))
			sc.do(Activate{Active: true})
			sc.load(tt.file)
			if got := sc.own(); got != tt.own {
				t.Errorf("the VIPs are %q, want %q", got, tt.own)
			}
			p := sc.s.Problems()
			if has := slices.ContainsFunc(p, func(s string) bool { return strings.HasPrefix(s, tt.problem) }); tt.problem == "" && len(p) > 0 || tt.problem != "" && !has {
				t.Errorf("problems %q, want %q", p, tt.problem)
			}
			// From any file back to the first one.
			sc.load(marked("11"))
			if got := sc.own(); got != "192.168.1.100 192.168.1.101" {
				t.Errorf("back again the VIPs are %q", got)
			}
		})
	}
}

// As IPVS does, the director takes a service by mark whether anything is marked or not.
func TestIpvsadmAddsAServiceByMark(t *testing.T) {
	sc := newScene(t)
	sc.load(marking("lvsdr_mark 7 192.168.1.100 80 tcp"))
	add := func(k dataplane.ServiceKey, op Op) {
		sc.do(Admin{[]Edit{{Op: op, Service: dataplane.ServiceConfig{Key: k, Scheduler: "rr"}}}})
	}
	add(mark7, AddService)
	if got := sc.own(); got != "192.168.1.100" || len(sc.s.Problems()) > 0 {
		t.Errorf("VIPs %q, problems %q", got, sc.s.Problems())
	}
	for _, k := range []dataplane.ServiceKey{{Mark: 8}, {Mark: 7, IPv6: true}} {
		add(k, AddService)
		if p := sc.s.Problems(); len(p) != 1 || !strings.Contains(p[0], "gets no packets") {
			t.Errorf("%+v: problems %q", k, p)
		}
		add(k, DelService)
		if p := sc.s.Problems(); len(p) > 0 {
			t.Errorf("%+v is gone: problems %q", k, p)
		}
	}
	add(mark7, DelService)
	if got := sc.own(); got != "" {
		t.Errorf("without the service the VIPs are %q", got)
	}
}

// A server cannot have the address of a line: it would be the director's.
func TestAMarkedAddressIsNoServer(t *testing.T) {
	sc := newScene(t)
	sc.load(marked("11", "100"))
	if p := sc.s.Problems(); len(p) != 1 || !strings.Contains(p[0], "192.168.1.100 is a virtual address") {
		t.Errorf("problems %q", p)
	}
	_, err := sc.try(Admin{[]Edit{{Op: AddServer, Service: dataplane.ServiceConfig{Key: mark7}, Server: dataplane.ServerConfig{Addr: addr("192.168.1.101"), Weight: 1}}}})
	var refused Refusals
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "is a virtual address") {
		t.Errorf("ipvsadm: %v", err)
	}
}

// A check asks by Direct Routing at an address that has its port marked over TCP.
func TestChecksOfAMarkProveDirectRouting(t *testing.T) {
	for _, tt := range []struct{ name, check, want string }{
		{"at the first line of the port", "TCP_CHECK {;connect_port 443;}", "192.168.1.100:443"},
		{"at a range of ports", "TCP_CHECK {;connect_port 8001;}", "192.168.1.101:8001"},
		{"not for a port that is not marked", "TCP_CHECK {;connect_port 22;}", ""},
		{"not for another host", "TCP_CHECK {;connect_port 443;connect_ip 192.168.1.50;}", ""},
		{"not over UDP", "DNS_CHECK {;connect_port 443;}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sc := newScene(t)
			sc.load(marked("11 " + tt.check))
			checks := sc.s.Checks()
			if len(checks) != 1 {
				t.Fatalf("%d checks", len(checks))
			}
			got := ""
			if checks[0].DR != nil {
				got = checks[0].DR.VIP.String()
			}
			if got != tt.want {
				t.Errorf("it asks at %q, want %q", got, tt.want)
			}
		})
	}
}

// The lines of FIFOs and the names in logs are keepalived's own, as recorded.
func TestNoticesOfAMark(t *testing.T) {
	sc := newScene(t)
	sc.load(marked("11 TCP_CHECK {;connect_port 80;}"))
	id := sc.s.Checks()[0].ID
	if !strings.HasPrefix(id, "[192.168.1.11]:none:0 of VS FWM 7 TCP_CHECK") {
		t.Errorf("the check is called %s", id)
	}
	sc.do(Checked{ID: id, Result: health.Result{Reason: "refused"}})
	var lines []string
	for _, n := range sc.notices {
		lines = append(lines, n.Line())
	}
	if got := strings.Join(lines, "; "); got != "RS [192.168.1.11]:none:0 FWM 7 DOWN; VS FWM 7 DOWN" {
		t.Errorf("notices %q", got)
	}
}

// Clients on this host reach the address of a mark as any other.
func TestLocalClientsOfAMark(t *testing.T) {
	sc := newScene(t)
	sc.load(marking("lvsdr_mark 7 192.168.1.100 80 tcp") + byMark(7, "11"))
	vips, _, lacking := sc.s.LocalVIPs()
	if len(vips) != 1 || len(lacking) > 0 || vips[0].Source.String() != "192.168.1.10" {
		t.Errorf("%+v, %q", vips, lacking)
	}
}
