package checks

import (
	"net/netip"
	"testing"

	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
)

func TestSettingsOfARealServerAreJudged(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*RealServer)
		want string
	}{
		{"all is well", func(*RealServer) {}, ""},
		{"no VIP", func(x *RealServer) { x.Host.Links[0].Addrs = nil }, findings.RSWithoutVIP},
		{"the VIP with its network", func(x *RealServer) {
			x.Host.Links[0].Addrs[0] = netip.PrefixFrom(vip, 24)
		}, findings.BadVIPPrefix},
		{"the VIP on the network's interface", func(x *RealServer) {
			x.Host.Links[0].Addrs, x.Host.Links[1].Addrs = nil, append(x.Host.Links[1].Addrs, netip.PrefixFrom(vip, 32))
		}, findings.RSAnswersARP},
		{"arp_ignore on lo alone", func(x *RealServer) {
			x.Host.Sysctls["net.ipv4.conf.all.arp_ignore"], x.Host.Sysctls["net.ipv4.conf.lo.arp_ignore"] = "0", "1"
		}, findings.RSAnswersARP},
		{"arp_ignore on the interface", func(x *RealServer) {
			x.Host.Sysctls["net.ipv4.conf.all.arp_ignore"], x.Host.Sysctls["net.ipv4.conf.eth0.arp_ignore"] = "0", "1"
		}, ""},
		{"arp_announce is 1", func(x *RealServer) { x.Host.Sysctls["net.ipv4.conf.all.arp_announce"] = "1" }, findings.RSAnnouncesVIP},
		{"a listener on another port", func(x *RealServer) {
			x.Host.Listeners[0].At = netip.MustParseAddrPort("0.0.0.0:8081")
		}, findings.RSWrongPort},
		{"a listener on the own address", func(x *RealServer) {
			x.Host.Listeners[0].At = netip.AddrPortFrom(rs, port)
		}, findings.RSWrongPort},
		{"a listener on the VIP", func(x *RealServer) { x.Host.Listeners[0].At = netip.AddrPortFrom(vip, port) }, ""},
		{"a listener on all addresses of both families", func(x *RealServer) {
			x.Host.Listeners[0].At = netip.MustParseAddrPort("[::]:8080")
		}, ""},
		{"a strict filter and another interface", func(x *RealServer) {
			l := x.Host.Links[1]
			l.Index, l.Name, l.Addrs = 3, "eth1", []netip.Prefix{netip.MustParsePrefix("10.0.0.11/24")}
			x.Host.Links = append(x.Host.Links, l)
		}, findings.RPFilter},
		{"a firewall that drops the VIP", func(x *RealServer) {
			x.Host.Firewall.Drops = []facts.DropRule{{Where: "table t, chain c", Addr: vip}, {Addr: rs}}
		}, findings.RSFirewall},
		{"a firewall of which only the number of rules is known", func(x *RealServer) { x.Host.Firewall.Rules = 7 }, ""},
		{"a rule that blackholes the VIP", func(x *RealServer) {
			x.Host.Blocks = []facts.Block{{To: netip.PrefixFrom(vip, 32), Text: "text"}}
		}, findings.RSFirewall},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := server()
			c.edit(x)
			r, err := x.Examine(t.Context(), nil)
			if got := worst(t, r, err); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}
