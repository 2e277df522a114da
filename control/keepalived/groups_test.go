package keepalived

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// serviceNames are the services of c, in order.
func serviceNames(c *Config) string {
	var names []string
	for _, v := range c.VirtualServers {
		names = append(names, strings.Replace(v.Name(), ":tcp", "", 1))
	}
	return strings.Join(names, " ")
}

// groupService is a service of group g, with more lines in it.
func groupService(more string) string {
	return strings.Replace(service(more), "10.0.0.1 80", "group g", 1)
}

func TestGroupEntries(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       string // services, or the report about the line
	}{
		{"an address", "10.0.0.1 80", "[10.0.0.1]:80"},
		{"a range by its last part", "10.0.0.8-11 80", "[10.0.0.8]:80 [10.0.0.9]:80 [10.0.0.10]:80 [10.0.0.11]:80"},
		{"a range by its last address", "10.0.0.255-10.0.1.0 80", "[10.0.0.255]:80 [10.0.1.0]:80"},
		{"a network, with its first and last address", "10.0.0.8/30 80", "[10.0.0.8]:80 [10.0.0.9]:80 [10.0.0.10]:80 [10.0.0.11]:80"},
		{"a network of one", "10.0.0.9/32 80", "[10.0.0.9]:80"},
		{"IPv6", "2001:db8::1 80", "[2001:db8::1]:80"},
		{"an IPv6 range by its last part, in hexadecimal", "2001:db8::f-11 80", "[2001:db8::f]:80 [2001:db8::10]:80 [2001:db8::11]:80"},
		{"an IPv6 range by its last address", "2001:db8::ffff-2001:db8::1:0 80", "[2001:db8::ffff]:80 [2001:db8::1:0]:80"},
		{"an IPv6 range over the middle", "2001:db8::ffff:ffff:ffff:ffff-2001:db8:0:1:: 80", "[2001:db8::ffff:ffff:ffff:ffff]:80 [2001:db8:0:1::]:80"},
		{"an IPv6 network", "2001:db8::2/127 80", "[2001:db8::2]:80 [2001:db8::3]:80"},
		{"the last part is not greater", "10.0.0.9-9 80", "error: 10.0.0.9-9: the last address 10.0.0.9 is not greater than the first; it is left out of group g"},
		{"the last part is too great", "10.0.0.9-256 80", "error: 10.0.0.9-256: the last address: 256 is not between 0 and 255"},
		{"the last part is no hexadecimal number", "2001:db8::1-10000 80", `error: 2001:db8::1-10000: the last address: "10000" is not a hexadecimal number up to ffff`},
		{"nothing behind the dash", "10.0.0.9- 80", `error: 10.0.0.9-: the last address: "" is not a whole number`},
		{"a range of two families", "10.0.0.9-2001:db8::1 80", "error: 10.0.0.9-2001:db8::1: 10.0.0.9 and 2001:db8::1 are of different"},
		{"a range that ends among groups of hosts", "223.255.255.255-224.0.0.0 80", "error: 223.255.255.255-224.0.0.0: the last address: 224.0.0.0 is not the address of one host"},
		{"bits behind the prefix", "10.0.0.9/30 80", "error: 10.0.0.9/30: has bits set behind its prefix; the network is 10.0.0.8/30"},
		{"a prefix too long", "10.0.0.8/33 80", "error: 10.0.0.8/33: prefix length: 33 is not between 1 and 32"},
		{"a network with the broadcast address", "255.255.255.254/31 80", "error: 255.255.255.254/31: 255.255.255.255 is not the address of one host"},
		{"range and network", "10.0.0.8-9/31 80", "error: 10.0.0.8-9/31: has both"},
		{"network and range", "10.0.0.8/31-9 80", "error: 10.0.0.8/31-9: has both"},
		{"no address", "example.org 80", `error: example.org: "example.org" is not an IP address`},
		{"no port", "10.0.0.1 http", `error: 10.0.0.1: port: "http" is not a whole number`},
		{"a mark", "fwmark 3 inet", "FWM 3"},
		{"a mark of IPv6", "fwmark 3 inet6", "FWM 3"},
		{"an address and a mark", "10.0.0.1 80\nfwmark 4294967295", "[10.0.0.1]:80 FWM 4294967295"},
		{"a mark twice", "fwmark 3\nfwmark 3", "note: fwmark: FWM 3 is in group g already, at f:2; the second is left out"},
		{"a mark of another family than an address", "10.0.0.1 80\nfwmark 3 inet6", "error: fwmark: is of another address family than 10.0.0.1 at f:2; it is left out"},
		{"a mark of no family", "fwmark 3 ipv6", `error: fwmark: "ipv6" is neither inet nor inet6; it is left out`},
		{"a mark without a number", "fwmark", "error: fwmark: the mark is missing; it is left out"},
		{"the mark 0", "fwmark 0", "error: fwmark: mark: 0 is not between 1 and 4294967295; it is left out"},
		{"more than an address and a port", "10.0.0.1 80 81", `note: 10.0.0.1: "81" and what follows`},
		{"an address twice", "10.0.0.1-2 80\n10.0.0.2 80", "note: 10.0.0.2: [10.0.0.2]:tcp:80 is in group g already, at f:2; the second is left out"},
		{"two families", "10.0.0.1 80\n2001:db8::1 80", "error: 2001:db8::1: is of another address family than 10.0.0.1 at f:2; it is left out"},
		{"too many", "10.0.0.1-10.0.16.1 80", "error: 10.0.0.1-10.0.16.1: with it groups make more than 4096 services; it is left out of the virtual_server at f:"},
		{"far too many", "2001:db8::/32 80", "error: 2001:db8::/32: with it groups make more than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, ds := load(t, "virtual_server_group g {\n"+tt.line+"\n}\n"+groupService(""), func(o *Options) { o.IPv6 = true })
			_, wanted, ok := strings.Cut(tt.want, ": ")
			if !ok {
				if got := serviceNames(c); got != tt.want || ds.ExitCode() != ExitOK {
					t.Errorf("%s, want %s; %v", got, tt.want, ds)
				}
				return
			}
			for _, d := range ds {
				if strings.HasPrefix(d.String()[len(d.Pos.String())+2:], tt.want) && (d.Pos.Line == 2 || d.Pos.Line == 3) {
					return
				}
			}
			t.Errorf("reports %v, want %q about %s", ds, tt.want, wanted)
		})
	}
}

func TestGroups(t *testing.T) {
	const two = "virtual_server_group g {\n10.0.0.1-2 80\n}\n"
	const rs = "real_server 10.0.0.9 80 {\n}"
	for _, tt := range []struct {
		name, in string
		services string
		report   string // ends one of the reports; "" when there is none above a Note
	}{
		{"defined before its use", two + groupService(rs), "[10.0.0.1]:80 [10.0.0.2]:80", ""},
		{"defined after its use", groupService(rs) + two, "[10.0.0.1]:80 [10.0.0.2]:80", ""},
		{"in the order of the file", service(rs) + groupService(rs) + strings.Replace(service(rs), "0.1 80", "0.3 80", 1) + strings.Replace(two, "1-2", "4-5", 1), "[10.0.0.1]:80 [10.0.0.4]:80 [10.0.0.5]:80 [10.0.0.3]:80", ""},
		{"for two protocols", two + groupService(rs) + groupService(rs+"\nprotocol UDP"), "[10.0.0.1]:80 [10.0.0.2]:80 [10.0.0.1]:udp:80 [10.0.0.2]:udp:80", ""},
		{"unknown", groupService(rs), "", "f:1: error: virtual_server: there is no group g; the service is left out"},
		{"misspelt", strings.Replace(two, "group g", "group webs", 1) + strings.Replace(groupService(rs), "group g", "group web", 1), "", "f:4: error: virtual_server: there is no group web, did you mean webs?; the service is left out"},
		{"without a name", "virtual_server group {\n}", "", "f:1: error: virtual_server: the name of the group is missing; the service is left out"},
		{"empty", "virtual_server_group g {\n}\n" + groupService(rs), "", "f:3: error: virtual_server: group g at f:1 has no address that can be served; the service is left out"},
		{"of marks only", "virtual_server_group g {\nfwmark 1\n}\n" + groupService(rs), "FWM 1", "f:9: warning: real_server: [10.0.0.9]:none:80: a packet of group g keeps its port; port 80 is for checks alone"},
		{"that nothing names", two, "", "f:1: note: virtual_server_group: no virtual_server names group g, so it has no effect"},
		{"twice", two + two + groupService(rs), "[10.0.0.1]:80 [10.0.0.2]:80", "f:4: error: virtual_server_group: g is defined already at f:1; this one is left out: put its addresses there"},
		{"for two services of one protocol", two + groupService(rs) + groupService(rs), "[10.0.0.1]:80 [10.0.0.2]:80", "f:12: note: virtual_server: [10.0.0.1]:tcp:80 is defined already at f:4, as are 1 more of group g: the real servers of this block join those there, and all else in it is left out"},
		{"beside a service at one of its addresses", service(rs) + two + groupService(rs), "[10.0.0.1]:80 [10.0.0.2]:80", "f:12: note: virtual_server: [10.0.0.1]:tcp:80 is defined already at f:1: the real servers of this block join those there, and all else in it is left out"},
		{"a server of another family", two + groupService("real_server 2001:db8::9 80 {\n}"), "[10.0.0.1]:80 [10.0.0.2]:80", "f:9: error: real_server: [2001:db8::9] is of another address family than its service [10.0.0.1], which only lvs_method TUN allows; the real server is left out"},
		{"a server on another port", two + groupService("real_server 10.0.0.9 8080 {\n}"), "[10.0.0.1]:80 [10.0.0.2]:80", "f:9: warning: real_server: [10.0.0.9]:tcp:8080: with DR a real server has the port of its service; port 80 is used instead of 8080"},
		{"a place without a port", "virtual_server_group g {\n10.0.0.1 80\n10.0.0.2\n}\n" + groupService("real_server 10.0.0.9 {\n}"), "[10.0.0.1]:80 [10.0.0.2]:0", "f:5: error: virtual_server: [10.0.0.2]:tcp:0: a service without a port must be persistent; its persistence_timeout is 360 s"},
		{"a check on every port", "virtual_server_group g {\n10.0.0.2\n}\n" + groupService("persistence_timeout 9\nreal_server 10.0.0.9 {\nTCP_CHECK {\n}\n}"), "[10.0.0.2]:0", "f:11: error: TCP_CHECK: the service has no port, so connect_port is needed; the real server [10.0.0.9]:tcp:0 is left out"},
		{"a check on the server's port", "virtual_server_group g {\n10.0.0.2\n}\n" + groupService("persistence_timeout 9\nreal_server 10.0.0.9 80 {\nTCP_CHECK {\n}\n}"), "[10.0.0.2]:0", "port 0 is used instead of 80"},
		{"IPv6 without the option", "virtual_server_group g {\n2001:db8::1 80\n}\n" + groupService(rs), "", "f:2: error: 2001:db8::1: IPv6 is not supported yet; it is left out of group g"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, ds := load(t, tt.in, nil)
			if got := serviceNames(c); got != tt.services {
				t.Errorf("services %s, want %s", got, tt.services)
			}
			found := tt.report == "" && ds.Max() == Note
			for _, d := range ds {
				found = found || tt.report != "" && strings.HasSuffix(d.String(), tt.report)
			}
			if !found {
				t.Errorf("reports %v, want %q", ds, tt.report)
			}
		})
	}
}

// The services that groups make are bounded in all; what is too much is left
// out whole, and what is smaller still fits.
func TestGroupsMakeABoundedNumberOfServices(t *testing.T) {
	text := "virtual_server_group g {\n10.0.0.1-3 80\n10.0.0.10-12 80\n10.0.0.20 80\n}\n" + groupService("") + groupService("protocol UDP")
	c, ds := load(t, text, func(o *Options) { o.Limits.GroupServices = 5 })
	if got, want := serviceNames(c), "[10.0.0.1]:80 [10.0.0.2]:80 [10.0.0.3]:80 [10.0.0.20]:80 [10.0.0.20]:udp:80"; got != want {
		t.Errorf("services %s, want %s", got, want)
	}
	var about []string
	for _, d := range ds {
		if d.Severity == Error && d.LeftOut {
			about = append(about, fmt.Sprintf("%d %s", d.Pos.Line, d.Text[strings.LastIndex(d.Text, " ")+1:]))
		}
	}
	if got, want := strings.Join(about, ", "), "3 f:6, 2 f:13, 3 f:13"; got != want {
		t.Errorf("lines and virtual_servers %s, want %s; %v", got, want, ds)
	}
}

// A group stands for one virtual_server at each of its addresses and ports.
func TestAGroupIsItsServicesOneByOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		body := " {\nlb_algo " + rapid.SampledFrom(scheduler.Names()).Draw(rt, "scheduler") + "\nlb_kind DR\nprotocol " +
			rapid.SampledFrom([]string{"TCP", "UDP", "SCTP"}).Draw(rt, "protocol") + rapid.SampledFrom([]string{"", "\npersistence_timeout", "\npersistence_timeout 0",
			"\npersistence_granularity 255.255.0.0", "\ndelay_loop 7", "\nops", "\nquorum 2\nhysteresis 1", "\nsorry_server 10.9.9.9"}).Draw(rt, "more")
		for i := range rapid.IntRange(0, 3).Draw(rt, "servers") {
			body += fmt.Sprintf("\nreal_server 10.1.0.%d {\nTCP_CHECK {\n%s\n}\nTCP_CHECK {\nconnect_port 99\n}\n}", i+1,
				rapid.SampledFrom([]string{"", "connect_port 81", "connect_ip 10.2.0.1", "bindto 10.2.0.2"}).Draw(rt, "check"))
		}
		body += "\n}\n"
		group, single := "virtual_server_group g {\n", ""
		for i := range rapid.IntRange(1, 4).Draw(rt, "entries") {
			port := rapid.IntRange(1, 3).Draw(rt, "port")
			last := rapid.IntRange(1, 3).Draw(rt, "last")
			group += fmt.Sprintf("10.0.%d.0-%d %d\n", i+1, last, port)
			for a := range last + 1 {
				single += fmt.Sprintf("virtual_server 10.0.%d.%d %d%s", i+1, a, port, body)
			}
		}
		got, gotReports := load(t, "virtual_server group g"+body+group+"}\n", nil)
		want, wantReports := load(t, single, nil)
		if !reflect.DeepEqual(placeless(got), placeless(want)) || gotReports.Max() != wantReports.Max() {
			rt.Fatalf("as a group: %v\n%sone by one: %v\n%s", gotReports, dumped(t, got), wantReports, dumped(t, want))
		}
	})
}

// Checks of a group that are the same for its services are the same pointers.
func TestAGroupSharesChecks(t *testing.T) {
	const group = "virtual_server_group g {\n10.0.0.1-2 80\n10.0.0.1 443\n}\n"
	for _, tt := range []struct {
		name, server string
		ports        string // checked for the three services
		shared       string // which of services 1 and 2 have the check of 0
	}{
		{"on the server's own port", "10.1.0.1 80 {\nTCP_CHECK {\n}\n}", "[80 80 80]", "[true true]"},
		{"on a port that is named", "10.1.0.1 {\nTCP_CHECK {\nconnect_port 9\n}\n}", "[9 9 9]", "[true true]"},
		{"on the port of each service", "10.1.0.1 {\nTCP_CHECK {\n}\n}", "[80 80 443]", "[true false]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, ds := load(t, group+groupService("real_server "+tt.server), nil)
			if len(c.VirtualServers) != 3 {
				t.Fatal(ds)
			}
			var ports []uint16
			var shared []bool
			for i, v := range c.VirtualServers {
				r := v.RealServers[0]
				ports = append(ports, r.Checks[0].ConnectPort)
				if i > 0 {
					shared = append(shared, r.Checks[0] == c.VirtualServers[0].RealServers[0].Checks[0])
				}
				if r.Port != v.Port {
					t.Errorf("%s has %s", v.Name(), r.Name(frame.ProtoTCP))
				}
			}
			if fmt.Sprint(ports) != tt.ports || fmt.Sprint(shared) != tt.shared {
				t.Errorf("checked on %v, shared %v; want %s, %s", ports, shared, tt.ports, tt.shared)
			}
		})
	}
}

// The definition of span is a subtraction of whole numbers.
func TestSpan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xff}), 16, 16)
		a := netip.AddrFrom16([16]byte(bits.Draw(t, "a")))
		b := netip.AddrFrom16([16]byte(bits.Draw(t, "b")))
		if b.Less(a) {
			a, b = b, a
		}
		want := new(big.Int).Sub(new(big.Int).SetBytes(b.AsSlice()), new(big.Int).SetBytes(a.AsSlice()))
		want.Add(want, big.NewInt(1))
		most := new(big.Int).SetUint64(math.MaxUint64)
		if want.Cmp(most) > 0 {
			want = most
		}
		if got := span(a, b); new(big.Int).SetUint64(got).Cmp(want) != 0 {
			t.Fatalf("%v to %v are %d, want %d", a, b, got, want)
		}
	})
}
