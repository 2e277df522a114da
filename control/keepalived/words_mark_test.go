package keepalived

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// byMark is a service by firewall mark 7, with more lines in it.
func byMark(more string) string {
	return "virtual_server fwmark 7 {\nlb_algo rr\nlb_kind DR\npersistence_timeout 5\n" + more + "\n}\n"
}

// marking is global_defs with these lines.
func marking(lines string) string { return "global_defs {\n" + lines + "\n}\n" }

// wantReport wants a report that begins so, and with "" none above a Note.
func wantReport(t *testing.T, ds Diagnostics, prefix string) {
	t.Helper()
	begins := func(d Diagnostic) bool { return strings.HasPrefix(d.String(), prefix) }
	if prefix == "" && ds.Max() > Note || prefix != "" && !slices.ContainsFunc(ds, begins) {
		t.Errorf("reports %v, want %q", ds, prefix)
	}
}

// The exit codes are those of keepalived -t, 2.2.7, but for "another family" and
// "twice", where that one crashes.
func TestServicesByMark(t *testing.T) {
	const server = "real_server 10.0.0.2 {\n}\n"
	for _, tt := range []struct {
		name, in string
		exit     int
		report   string // begins one of the reports
		want     string // family and servers of the first service; "": it is left out
	}{
		{"with what is needed", byMark(server), 0, "f:1: note: virtual_server: FWM 7: no lvsdr_mark line of global_defs gives packets its mark", "IPv4 10.0.0.2:0"},
		{"with a line that marks", marking("lvsdr_mark 7 10.0.0.1 80 tcp") + byMark(server), 0, "", "IPv4 10.0.0.2:0"},
		{"of IPv6 by its servers", byMark("real_server fd00::2 {\n}"), 0, "", "IPv6 [fd00::2]:0"},
		{"of IPv6 by ip_family", byMark("ip_family inet6\n" + server), 5, "f:6: error: real_server: [10.0.0.2] is of another address family than its service, which is one of IPv6", "IPv6"},
		{"ip_family after a server", byMark(server + "ip_family inet6"), 5, "f:7: error: ip_family: the service is one of IPv4; the line is left out", "IPv4 10.0.0.2:0"},
		{"with servers of both families", byMark(server + "real_server fd00::2 {\n}"), 5, "f:7: error: real_server: [fd00::2] is of another address family", "IPv4 10.0.0.2:0"},
		{"without servers", byMark(""), 0, "f:1: note: virtual_server: FWM 7 has no real servers", "IPv4"},
		{"a server's port is for its checks", byMark("real_server 10.0.0.2 81 {\nTCP_CHECK {\n}\n}"), 5, "f:5: warning: real_server: [10.0.0.2]:none:81: a packet of FWM 7 keeps its port; port 81 is for checks alone", "IPv4 10.0.0.2:0 check 81"},
		{"a server's port 0", byMark("real_server 10.0.0.2 0 {\n}"), 0, "", "IPv4 10.0.0.2:0"},
		{"a check of no port", byMark("real_server 10.0.0.2 {\nTCP_CHECK {\n}\n}"), 5, "f:6: error: TCP_CHECK: the service has no port, so connect_port is needed", "IPv4"},
		{"protocol", byMark("protocol TCP\n" + server), 5, "f:5: warning: protocol: FWM 7: its packets are of any protocol; the line is left out", "IPv4 10.0.0.2:0"},
		{"ha_suspend", byMark("ha_suspend\n" + server), 5, "f:5: warning: ha_suspend: FWM 7: a mark has no address", "IPv4 10.0.0.2:0"},
		{"ops", byMark("ops\n" + server), 0, "", "IPv4 10.0.0.2:0"},
		{"a sorry server with a port", byMark("sorry_server 10.0.0.3 80\n" + server), 5, "f:5: warning: sorry_server: a packet of FWM 7 keeps its port; port 80 is left out", "IPv4 10.0.0.2:0"},
		{"a sorry server without a port", byMark("sorry_server 10.0.0.3\n" + server), 0, "", "IPv4 10.0.0.2:0"},
		{"a granularity before its servers", byMark("persistence_granularity 64\nreal_server fd00::2 {\n}"), 0, "", "IPv6 [fd00::2]:0"},
		{"a granularity of the other family", byMark("persistence_granularity 255.255.255.0\nreal_server fd00::2 {\n}"), 5, "f:5: error: persistence_granularity: 255.255.255.0 is no mask of the service's family, IPv6", "IPv6 [fd00::2]:0"},
		{"the mark 0", strings.Replace(byMark(server), "7", "0", 1), 5, "f:1: error: virtual_server: mark: 0 is not between 1 and 4294967295; the service is left out", ""},
		{"a mark that is no number", strings.Replace(byMark(server), "7", "0x7", 1), 5, `f:1: error: virtual_server: mark: "0x7" is not a whole number; the service is left out`, ""},
		{"no mark", "virtual_server fwmark {\n}", 5, "f:1: error: virtual_server: the mark is missing", ""},
		{"twice", byMark(server) + byMark("real_server 10.0.0.3 {\n}"), 0, "f:9: note: virtual_server: FWM 7 is defined already at f:1: the real servers of this block join those there", "IPv4 10.0.0.2:0 10.0.0.3:0"},
		{"NAT", strings.Replace(byMark("real_server 10.0.0.2 81 {\n}\nreal_server 10.0.0.3 {\n}"), "DR", "NAT", 1), 0, "", "IPv4 10.0.0.2:81 10.0.0.3:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, ds := load(t, tt.in, func(o *Options) { o.IPv6 = true })
			wantReport(t, ds, tt.report)
			if got := ds.ExitCode(); got != tt.exit {
				t.Errorf("exit code %d, want %d: %v", got, tt.exit, ds)
			}
			got := ""
			for _, v := range c.VirtualServers {
				got = "IPv4"
				if v.IPv6 {
					got = "IPv6"
				}
				if v.Mark != 7 || v.Protocol != 0 || v.Port != 0 || v.Addr.IsValid() || v.Name() != "FWM 7" {
					t.Errorf("it is %+v", v)
				}
				for _, r := range v.RealServers {
					host := r.Addr.String()
					if r.Addr.Is6() {
						host = "[" + host + "]"
					}
					got += fmt.Sprintf(" %s:%d", host, r.Port)
					for _, k := range r.Checks {
						got += fmt.Sprintf(" check %d", k.ConnectPort)
					}
				}
			}
			if got != tt.want || len(c.VirtualServers) > 1 {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestMarkLines(t *testing.T) {
	const both = "10.0.0.1 80-90 tcp"
	for _, tt := range []struct {
		name, lines string
		want        string // the marks, or the report
	}{
		{"a port", "lvsdr_mark 7 10.0.0.1 80 tcp", "7 10.0.0.1 80 tcp"},
		{"ports", "lvsdr_mark 7 10.0.0.1 80-90 UDP", "7 10.0.0.1 80-90 udp"},
		{"every port", "lvsdr_mark 7 10.0.0.1 0 sctp", "7 10.0.0.1 0-65535 sctp"},
		{"the greatest mark, and IPv6", "lvsdr_mark 4294967295 fd00::1 65535 tcp", "4294967295 fd00::1 65535 tcp"},
		{"a range of addresses", "lvsdr_mark 7 10.0.0.1-3 80 tcp", "7 10.0.0.1 80 tcp, 7 10.0.0.2 80 tcp, 7 10.0.0.3 80 tcp"},
		{"a network", "lvsdr_mark 7 10.0.0.2/31 80 tcp", "7 10.0.0.2 80 tcp, 7 10.0.0.3 80 tcp"},
		{"ports beside each other", "lvsdr_mark 7 10.0.0.1 80-90 tcp\nlvsdr_mark 8 10.0.0.1 91 tcp", "7 10.0.0.1 80-90 tcp, 8 10.0.0.1 91 tcp"},
		{"the same port of two protocols", "lvsdr_mark 7 10.0.0.1 80 tcp\nlvsdr_mark 8 10.0.0.1 80 udp", "7 10.0.0.1 80 tcp, 8 10.0.0.1 80 udp"},
		{"a port twice", "lvsdr_mark 7 " + both + "\nlvsdr_mark 8 10.0.0.1 90-91 tcp", "f:3: error: lvsdr_mark: 10.0.0.1 port 80-90 has mark 7 at f:2 already; the line is left out"},
		{"a port twice, over the whole", "lvsdr_mark 7 " + both + "\nlvsdr_mark 7 10.0.0.1 0 tcp", "f:3: error: lvsdr_mark: 10.0.0.1 port 80-90 has mark 7 at f:2 already"},
		{"the mark 0", "lvsdr_mark 0 " + both, "f:2: error: lvsdr_mark: mark: 0 is not between 1 and 4294967295"},
		{"too great a mark", "lvsdr_mark 4294967296 " + both, "f:2: error: lvsdr_mark: mark: 4294967296 is not between"},
		{"a mark in hexadecimal", "lvsdr_mark 0x7 " + both, `f:2: error: lvsdr_mark: mark: "0x7" is not a whole number`},
		{"no address", "lvsdr_mark 7 vip 80 tcp", `f:2: error: lvsdr_mark: "vip" is not an IP address`},
		{"a group of hosts", "lvsdr_mark 7 224.0.0.1 80 tcp", "f:2: error: lvsdr_mark: 224.0.0.1 is not the address of one host"},
		{"no port", "lvsdr_mark 7 10.0.0.1 http tcp", `f:2: error: lvsdr_mark: port: "http" is not a whole number`},
		{"too great a port", "lvsdr_mark 7 10.0.0.1 65536 tcp", "f:2: error: lvsdr_mark: port: 65536 is not between 0 and 65535"},
		{"too great a last port", "lvsdr_mark 7 10.0.0.1 80-65536 tcp", "f:2: error: lvsdr_mark: port: 65536 is not between 0 and 65535"},
		{"ports the wrong way round", "lvsdr_mark 7 10.0.0.1 90-80 tcp", "f:2: error: lvsdr_mark: ports 90-80: the last is less than the first"},
		{"no protocol of services", "lvsdr_mark 7 10.0.0.1 80 icmp", `f:2: error: lvsdr_mark: protocol "icmp"`},
		{"a value is missing", "lvsdr_mark 7 10.0.0.1 80", "f:2: error: lvsdr_mark: 4 values are needed"},
		{"too many addresses", "lvsdr_mark 7 10.1.0.0-10.1.16.0 80 tcp", "f:2: error: lvsdr_mark: with it there are more than 4096 marked addresses"},
		{"no service of the mark", "lvsdr_mark 8 " + both, "f:2: note: lvsdr_mark: no virtual_server has mark 8 of IPv4; it has no effect until ipvsadm adds one"},
		{"a service of the other family", "lvsdr_mark 7 fd00::1 80 tcp", "f:2: note: lvsdr_mark: no virtual_server has mark 7 of IPv6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, ds := load(t, marking(tt.lines)+byMark("real_server 10.0.0.9 {\n}"), func(o *Options) { o.IPv6 = true })
			if strings.HasPrefix(tt.want, "f:") {
				wantReport(t, ds, tt.want)
				return
			}
			var got []string
			for _, m := range c.Global.Marks {
				got = append(got, strings.TrimPrefix(m.String(), "lvsdr_mark "))
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("%s, want %s; %v", strings.Join(got, ", "), tt.want, ds)
			}
		})
	}
}

// Points are where clients reach services: the lines of its mark, for a service by mark.
func TestPointsOfAConfig(t *testing.T) {
	c, _ := load(t, marking("lvsdr_mark 7 10.0.0.1-2 443 tcp\nlvsdr_mark 7 10.0.0.1 53 udp\nlvsdr_mark 7 10.0.0.1 8000-8080 tcp\nlvsdr_mark 8 10.0.0.5 1 tcp\nlvsdr_mark 7 fd00::1 443 tcp")+
		service("real_server 10.0.0.9 80 {\n}")+byMark("real_server 10.0.0.9 {\n}"), func(o *Options) { o.IPv6 = true })
	var got []string
	for _, p := range c.Points() {
		got = append(got, fmt.Sprintf("%s at %v %v:%d", p.Service.Name(), p.Protocol, p.Addr, p.Port))
	}
	want := []string{"[10.0.0.1]:tcp:80 at tcp 10.0.0.1:80", "FWM 7 at tcp 10.0.0.1:443", "FWM 7 at tcp 10.0.0.2:443", "FWM 7 at udp 10.0.0.1:53", "FWM 7 at tcp 10.0.0.1:0"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Two configurations are equal where they say the same of marks.
func TestServicesByMarkAreComparedByMarkAndFamily(t *testing.T) {
	a := VirtualServer{Mark: 7}
	for _, b := range []VirtualServer{{Mark: 8}, {Mark: 7, IPv6: true}, {}} {
		if a.Equal(&b) {
			t.Errorf("%+v equals %+v", a, b)
		}
	}
	if !a.Equal(&VirtualServer{Mark: 7, Pos: Pos{"f", 1}}) {
		t.Error("the place in a file counts")
	}
	m := Mark{Mark: 7, First: 1, Last: 2}
	if other := (Mark{Mark: 7, First: 1, Last: 3}); m.Same(other) || !m.Same(Mark{Mark: 7, First: 1, Last: 2, Pos: Pos{"f", 1}}) {
		t.Error("marks are the same by what they say, not by where")
	}
}
