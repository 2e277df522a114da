package checks

import (
	"net/netip"
	"strings"
	"testing"

	"lvsdr/conntrack"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/realserver"
)

var gate = netip.MustParseAddr("192.168.1.10")

// tunnelServer is a healthy real server of IPIP.
func tunnelServer() *RealServer {
	x := server()
	x.Tunnel = realserver.Tunnel{Kind: realserver.KindIPIP}
	x.Host.Links[0].Addrs = nil
	x.Host.Links = append(x.Host.Links, facts.Link{Index: 3, Name: "tunl0", Up: true, NoARP: true, MTU: 1480, Addrs: []netip.Prefix{netip.PrefixFrom(vip, 32)}})
	return x
}

func TestARealServerOfATunnelIsJudged(t *testing.T) {
	for _, c := range []struct {
		name         string
		edit         func(*RealServer)
		want, remedy string
	}{
		{"all is well", func(*RealServer) {}, "", ""},
		{"the device is missing", func(x *RealServer) {
			x.Host.Links = x.Host.Links[:2]
			x.Host.Links[0].Addrs = []netip.Prefix{netip.PrefixFrom(vip, 32)}
		}, findings.TunnelMissing, "lvsdr realserver start --vip 192.168.1.100 --tun ipip"},
		{"the device is down", func(x *RealServer) { x.Host.Links[2].Up = false }, findings.TunnelMissing, "lvsdr realserver start"},
		{"the device of another tunnel", func(x *RealServer) { x.Tunnel = realserver.Tunnel{Kind: realserver.KindGRE} }, findings.TunnelMissing, "--tun gre"},
		{"GUE ends at the same device", func(x *RealServer) { x.Tunnel = realserver.Tunnel{Kind: realserver.KindGUE, Port: 6080} }, "", ""},
		{"GUE's port is in the remedy", func(x *RealServer) {
			x.Tunnel = realserver.Tunnel{Kind: realserver.KindGUE, Port: 6080}
			x.Host.Links[2].Up = false
		}, findings.TunnelMissing, "--tun gue --tun-port 6080"},
		{"the strict filter on the device", func(x *RealServer) { x.Host.Sysctls["net.ipv4.conf.tunl0.rp_filter"] = "1" }, findings.RPFilter, "--tun ipip"},
		{"the strict filter on all", func(x *RealServer) { x.Host.Sysctls["net.ipv4.conf.all.rp_filter"] = "1" }, findings.RPFilter, "--tun ipip"},
		{"the loose filter", func(x *RealServer) { x.Host.Sysctls["net.ipv4.conf.tunl0.rp_filter"] = "2" }, "", ""},
		{"the loose filter of a device without an address", func(x *RealServer) {
			x.Host.Sysctls["net.ipv4.conf.all.rp_filter"] = "2"
			x.Host.Links[0].Addrs, x.Host.Links[2].Addrs = x.Host.Links[2].Addrs, nil
		}, findings.RPFilter, "--tun ipip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := tunnelServer()
			c.edit(x)
			r, err := x.Examine(t.Context(), nil)
			if got := worst(t, r, err); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
			for _, f := range r.Findings {
				if f.Name == c.want && !strings.Contains(f.Remedy, c.remedy) {
					t.Errorf("remedy %q does not say %q", f.Remedy, c.remedy)
				}
			}
		})
	}
}

// NAT's real server needs its default route and no VIP.
func TestARealServerOfNATIsJudgedByItsDefaultRoute(t *testing.T) {
	for _, c := range []struct {
		name string
		via  []string
		want string
	}{
		{"by the director", []string{"192.168.1.10"}, ""},
		{"by another router", []string{"192.168.1.1"}, findings.NATGateway},
		{"none", nil, findings.NATGateway},
		{"by both", []string{"192.168.1.1", "192.168.1.10"}, ""},
		{"of the other family alone", []string{"fd00:1::1"}, findings.NATGateway},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := server()
			x.Director, x.Host.Links[0].Addrs = gate, nil
			for _, via := range c.via {
				x.Host.Defaults = append(x.Host.Defaults, facts.Route{Gateway: netip.MustParseAddr(via), Ifindex: 2})
			}
			r, err := x.Examine(t.Context(), nil)
			if got := worst(t, r, err); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
			for _, f := range r.Findings {
				if f.Name == findings.NATGateway && f.Remedy != "ip route replace default via 192.168.1.10" {
					t.Errorf("remedy %q", f.Remedy)
				}
			}
		})
	}
}

// A server behind a router is no fault but of Direct Routing.
func TestAServerBehindARouterIsNoFaultOfOtherMethods(t *testing.T) {
	for kind, want := range map[conntrack.Method]string{conntrack.Direct: findings.RSNotOnLink, conntrack.IPIP: "", conntrack.Masquerade: ""} {
		x := director(&fakeNetwork{})
		x.Host.Routes[rs] = facts.Route{Gateway: self.Addr(), Ifindex: 2}
		for _, vs := range x.Config.VirtualServers {
			for i := range vs.RealServers {
				vs.RealServers[i].Method.Kind = kind
			}
		}
		_, found := x.serverPlaces()
		name := ""
		for _, f := range found {
			if f.Severity > findings.Info {
				name = f.Name
			}
		}
		if name != want || len(found) == 0 {
			t.Errorf("%s: %+v, want %q", kind, found, want)
		}
	}
}
