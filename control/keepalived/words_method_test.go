package keepalived

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// The verdicts are those of keepalived 2.2.7; TestKeepalivedItselfJudgesAlike asks it.
func TestForwardingIsReadAsKeepalivedReadsIt(t *testing.T) {
	tunnel := func(m conntrack.Method, port uint16, sum conntrack.Sum) Forwarding {
		return Forwarding{Kind: m, Tunnel: conntrack.Tunnel{Port: port, Sum: sum}}
	}
	nat := Forwarding{Kind: conntrack.Masquerade}
	for _, tt := range []struct {
		words string
		want  Forwarding
		err   string // part of it; "": none
	}{
		{"DR", Forwarding{}, ""},
		{"NAT", nat, ""},
		{"TUN", tunnel(conntrack.IPIP, 0, 0), ""},
		{"TUN type ipip", tunnel(conntrack.IPIP, 0, 0), ""},
		{"TUN type ipip nocsum", tunnel(conntrack.IPIP, 0, 0), ""},
		{"TUN type gre", tunnel(conntrack.GRE, 0, 0), ""},
		{"TUN type gre nocsum", tunnel(conntrack.GRE, 0, 0), ""},
		{"TUN type gre csum", tunnel(conntrack.GRE, 0, conntrack.FullSum), ""},
		{"TUN csum type gre", tunnel(conntrack.GRE, 0, conntrack.FullSum), ""},
		{"TUN type gre csum nocsum", tunnel(conntrack.GRE, 0, 0), ""},
		{"TUN type gre type ipip", tunnel(conntrack.IPIP, 0, 0), ""},
		{"TUN type gue port 6080", tunnel(conntrack.GUE, 6080, 0), ""},
		{"TUN port 6080 type gue", tunnel(conntrack.GUE, 6080, 0), ""},
		{"TUN type gue port 5 port 65535", tunnel(conntrack.GUE, 65535, 0), ""},
		{"TUN type gue port 6080 csum", tunnel(conntrack.GUE, 6080, conntrack.FullSum), ""},
		{"TUN type gue remcsum port 6080", tunnel(conntrack.GUE, 6080, conntrack.RemoteSum), ""},
		{"DR type gre csum", Forwarding{}, ""},
		{"NAT type gue port 5", nat, ""},
		{"dr", Forwarding{}, "upper and lower case count: write DR"},
		{"Nat", Forwarding{}, "write NAT"},
		{"tun type gre", Forwarding{}, "write TUN"},
		{"ROUTE", Forwarding{}, `"ROUTE" is no forwarding method: write DR, NAT or TUN`},
		{"DR x", Forwarding{}, `"x" is not understood`},
		{"NAT x", Forwarding{}, `"x" is not understood`},
		{"TUN gre", Forwarding{}, `"gre" is not understood`},
		{"TUN TYPE gre", Forwarding{}, `"TYPE" is not understood`},
		{"TUN type", Forwarding{}, "the value of type is missing"},
		{"TUN type vxlan", Forwarding{}, `"vxlan" is no tunnel`},
		{"TUN type gue", Forwarding{}, "a gue tunnel needs its port"},
		{"TUN type gue csum", Forwarding{}, "a gue tunnel needs its port"},
		{"TUN type gue port", Forwarding{}, "the value of port is missing"},
		{"TUN type gue port 0", Forwarding{}, "port: 0 is not between 1 and 65535"},
		{"TUN type gue port 65536", Forwarding{}, "port: 65536 is not between 1 and 65535"},
		{"TUN type gue port x", Forwarding{}, `port: "x" is not a whole number`},
		{"TUN port 6080", Forwarding{}, "only gue tunnels have a port, not ipip"},
		{"TUN type gre port 6080", Forwarding{}, "only gue tunnels have a port, not gre"},
		{"TUN csum", Forwarding{}, "ipip tunnels have no csum"},
		{"TUN type ipip remcsum", Forwarding{}, "ipip tunnels have no remcsum"},
		{"TUN type gre remcsum", Forwarding{}, "gre tunnels have no remcsum"},
		{"DR csum", Forwarding{}, "ipip tunnels have no csum"},
		{"NAT type gue", Forwarding{}, "a gue tunnel needs its port"},
	} {
		got, err := parseForwarding(strings.Fields(tt.words))
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%s: %v, %v, want %v", tt.words, got, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: %v, want %s", tt.words, err, tt.err)
		}
	}
}

func TestAForwardingReadsAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := drawMethod(rt)
		got, err := parseForwarding(strings.Fields(want.String()))
		if err != nil || got != want {
			rt.Fatalf("%s was read as %v, %v", want, got, err)
		}
	})
}

// reached are the servers of a service with their methods, the sorry server last.
func reached(v *VirtualServer) (all []string) {
	for _, r := range v.RealServers {
		all = append(all, netip.AddrPortFrom(r.Addr, r.Port).String()+" "+r.Method.String())
	}
	if s := v.SorryServer; s.Addr.IsValid() {
		all = append(all, "sorry "+netip.AddrPortFrom(s.Addr, s.Port).String()+" "+s.Method.String())
	}
	return all
}

// Which port and method servers get, as keepalived 2.2.7 lists them with ipvsadm.
func TestServersHavePortAndMethod(t *testing.T) {
	const head = "lb_algo rr\npersistence_timeout 50\n"
	at := func(service, lines string) string {
		return "virtual_server " + service + " {\n" + head + lines + "\n}\n"
	}
	for _, tt := range []struct{ name, in, want string }{
		{"a NAT server has its own port, or the service's", at("10.0.0.1 80", "protocol TCP\nlb_kind NAT\nreal_server 10.0.0.2 {\n}\nreal_server 10.0.0.3 0 {\n}\nreal_server 10.0.0.4 8080 {\n}\nreal_server 10.0.0.4 8081 {\n}"),
			"10.0.0.2:80 NAT, 10.0.0.3:80 NAT, 10.0.0.4:8080 NAT, 10.0.0.4:8081 NAT"},
		{"methods of servers go before the service's", at("10.0.0.1 80", "protocol TCP\nlb_kind NAT\nreal_server 10.0.0.2 8080 {\nlvs_method DR\n}\nreal_server 10.0.0.3 8080 {\nlvs_method TUN type gue port 5 csum\n}\nreal_server 10.0.0.4 8080 {\n}"),
			"10.0.0.2:80 DR, 10.0.0.3:80 TUN type gue port 5 csum, 10.0.0.4:8080 NAT"},
		{"the service's method may come after its servers", at("10.0.0.1 80", "protocol TCP\nreal_server 10.0.0.2 8080 {\n}\nlb_kind NAT"), "10.0.0.2:8080 NAT"},
		{"a mark's NAT server keeps the packet's port, or sets one", at("fwmark 3", "lb_kind NAT\nreal_server 10.0.0.2 81 {\n}\nreal_server 10.0.0.3 {\n}\nreal_server 10.0.0.4 84 {\nlvs_method DR\n}"),
			"10.0.0.2:81 NAT, 10.0.0.3:0 NAT, 10.0.0.4:0 DR"},
		{"a service of all ports", at("10.0.0.1", "protocol TCP\nlb_kind NAT\nreal_server 10.0.0.2 81 {\n}\nreal_server 10.0.0.3 {\n}"), "10.0.0.2:81 NAT, 10.0.0.3:0 NAT"},
		{"the sorry server by the service's method", at("10.0.0.1 80", "protocol TCP\nlb_kind NAT\nsorry_server 10.0.0.9 8081"), "sorry 10.0.0.9:8081 NAT"},
		{"the sorry server by the service's method without a port", at("10.0.0.1 80", "protocol TCP\nlb_kind NAT\nsorry_server 10.0.0.9"), "sorry 10.0.0.9:80 NAT"},
		{"the sorry server by its own method", at("10.0.0.1 80", "protocol TCP\nlb_kind DR\nsorry_server 10.0.0.9 8081\nsorry_server_lvs_method NAT"), "sorry 10.0.0.9:8081 NAT"},
		{"the sorry server by a tunnel", at("10.0.0.1 80", "protocol TCP\nlb_kind NAT\nsorry_server 10.0.0.9 8081\nsorry_server_lvs_method TUN"), "sorry 10.0.0.9:80 TUN"},
		{"a mark whose servers are all behind tunnels is of IPv4", at("fwmark 3", "lb_kind TUN\nreal_server 2001:db8::2 {\n}"), "[2001:db8::2]:0 TUN"},
	} {
		c, ds := load(t, tt.in, func(o *Options) { o.IPv6 = true })
		if len(c.VirtualServers) != 1 {
			t.Errorf("%s: %d services, %v", tt.name, len(c.VirtualServers), ds)
			continue
		}
		if got := strings.Join(reached(c.VirtualServers[0]), ", "); got != tt.want || c.VirtualServers[0].IPv6 {
			t.Errorf("%s:\n%s, want\n%s; %v", tt.name, got, tt.want, ds)
		}
	}
}

// In a group a NAT server has its port behind each of the services, others that of each.
func TestAGroupsNATServersKeepTheirPorts(t *testing.T) {
	c, ds := load(t, "virtual_server_group g {\n10.0.0.1 80\n10.0.0.2 81\n}\nvirtual_server group g {\nlb_algo rr\nlb_kind NAT\nprotocol TCP\npersistence_timeout 0\n"+
		"real_server 10.0.0.11 8080 {\nTCP_CHECK {\n}\n}\nreal_server 10.0.0.12 {\nTCP_CHECK {\n}\n}\nreal_server 10.0.0.13 {\nlvs_method DR\n}\n}\n", nil)
	if len(c.VirtualServers) != 2 || ds.Max() > Note {
		t.Fatalf("%d services, %v", len(c.VirtualServers), ds)
	}
	for i, want := range []string{"10.0.0.11:8080 NAT, 10.0.0.12:80 NAT, 10.0.0.13:80 DR", "10.0.0.11:8080 NAT, 10.0.0.12:81 NAT, 10.0.0.13:81 DR"} {
		v := c.VirtualServers[i]
		if got := strings.Join(reached(v), ", "); got != want {
			t.Errorf("service %d: %s, want %s", i, got, want)
		}
		for _, r := range v.RealServers[:2] {
			if port := r.Checks[0].ConnectPort; port != r.Port {
				t.Errorf("%s is checked on port %d", r.Name(frame.ProtoTCP), port)
			}
		}
	}
	if c.VirtualServers[0].RealServers[0].Checks[0] != c.VirtualServers[1].RealServers[0].Checks[0] {
		t.Error("the check of a server with one port is made twice")
	}
}

// Two configurations that differ in a method alone are not the same.
func TestAMethodMakesADifference(t *testing.T) {
	read := func(kind, lines string) *VirtualServer {
		c, _ := load(t, "virtual_server 10.0.0.1 80 {\nlb_algo rr\nprotocol TCP\npersistence_timeout 0\nlb_kind "+kind+"\nsorry_server 10.0.0.9\nreal_server 10.0.0.2 80 {\n"+lines+"\n}\n}\n", nil)
		return c.VirtualServers[0]
	}
	base := read("DR", "")
	for _, other := range []*VirtualServer{read("NAT", ""), read("TUN type gre", ""), read("DR", "lvs_method TUN type gre csum"), read("DR", "lvs_method NAT")} {
		if base.Equal(other) {
			t.Errorf("%v is taken for the same as %v", reached(other), reached(base))
		}
	}
	if !base.Equal(read("DR", "lvs_method DR type gre")) {
		t.Error("the same method is taken for another")
	}
}
