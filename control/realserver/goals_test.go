package realserver

import (
	"net/netip"
	"strings"
	"testing"

	"lvsdr/control/hostnet"
	"lvsdr/dataplane/frame"
)

func TestInterfaceAndSourceAreFound(t *testing.T) {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	net := &hostnet.Snapshot{}
	for i, a := range []struct{ ifname, addr string }{
		{"lo", "127.0.0.1/8"}, {"lo", "192.168.1.100/32"},
		{"eth0", "192.168.0.11/16"}, {"eth1", "192.168.1.11/24"}, {"eth1", "192.168.1.12/24"},
		{"eth2", "10.0.0.1/8"}, {"eth3", "fe80::1/64"}, {"eth3", "fd00:1::11/64"},
	} {
		link, ok := net.LinkByName(a.ifname)
		if !ok {
			link = hostnet.Link{Name: a.ifname, Index: i + 1, MAC: frame.MAC{2, 5: byte(i)}, Up: true}
			if a.ifname == "lo" {
				link.MAC, link.Kind = frame.MAC{}, hostnet.Loopback
			}
		}
		p := prefix(a.addr)
		links, addrs, routes := net.Links, net.Addrs, net.Routes
		if !ok {
			links = append(links, link)
		}
		routes = append(routes, hostnet.Route{To: netip.PrefixFrom(p.Addr(), p.Addr().BitLen()), Table: hostnet.TableLocal, Type: hostnet.Local, Link: link.Index})
		if a.ifname != "lo" {
			routes = append(routes, hostnet.Route{To: p.Masked(), Link: link.Index})
		}
		net = &hostnet.Snapshot{Links: links, Addrs: append(addrs, hostnet.Addr{Link: link.Index, Prefix: p}), Routes: routes}
	}
	for _, c := range []struct {
		name   string
		o      Options
		ifname string
		source string
		err    string
	}{
		{name: "the longest network, its first address", o: Options{VIP: vipA}, ifname: "eth1", source: "192.168.1.11"},
		{name: "the source is given", o: Options{VIP: vipA, Source: addr("192.168.1.12")}, ifname: "eth1", source: "192.168.1.12"},
		{name: "a source in another network", o: Options{VIP: vipA, Source: addr("10.0.0.1")}, ifname: "eth2", source: "10.0.0.1"},
		{name: "the interface is given", o: Options{VIP: vipA, Interface: "eth2"}, ifname: "eth2", source: "10.0.0.1"},
		{name: "both are given", o: Options{VIP: vipA, Interface: "x", Source: addr("1.2.3.4")}, ifname: "x", source: "1.2.3.4"},
		{name: "IPv6, not link-local", o: Options{VIP: vip6}, ifname: "eth3", source: "fd00:1::11"},
		{name: "no network", o: Options{VIP: addr("203.0.113.1")}, err: "--interface"},
		{name: "an interface without an address", o: Options{VIP: vip6, Interface: "eth2"}, err: "--source"},
		{name: "a source that no interface has", o: Options{VIP: vipA, Source: addr("10.9.9.9")}, err: "--interface"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := locate(c.o, net)
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want one that says %s", err, c.err)
				}
			case err != nil || o.Interface != c.ifname || o.Source.String() != c.source:
				t.Errorf("%s %s, %v; want %s %s", o.Interface, o.Source, err, c.ifname, c.source)
			}
		})
	}
}

// The strict reverse path filter is the greater value of all and the
// interface, and accept_local is either's.
func TestWhatComesBackIsLetIn(t *testing.T) {
	for all := 0; all <= 2; all++ {
		for own := 0; own <= 2; own++ {
			for _, acceptAll := range []string{"0", "1"} {
				ws := acceptOwn("eth0", facts{rpFilterAll: string(rune('0' + all)), acceptLocalAll: acceptAll})
				if got, want := ws[1].satisfied(string(rune('0'+own))), max(all, own) != 1; got != want {
					t.Errorf("rp_filter all %d, eth0 %d: good is %v, want %v", all, own, got, want)
				}
				if got := ws[0].satisfied("0"); got != (acceptAll == "1") {
					t.Errorf("accept_local all %s, eth0 0: good is %v", acceptAll, got)
				}
			}
		}
	}
}

func TestCheckRefusesWhatCannotWork(t *testing.T) {
	good := Options{VIP: vipA, Balance: []Port{web}, Source: netip.MustParseAddr("192.168.1.11")}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, o := range map[string]Options{
		"no VIP":                     {},
		"loopback":                   {VIP: netip.MustParseAddr("127.0.0.1")},
		"multicast":                  {VIP: netip.MustParseAddr("ff02::1")},
		"broadcast":                  {VIP: netip.MustParseAddr("255.255.255.255")},
		"a zone":                     {VIP: netip.MustParseAddr("fd00::1%eth0")},
		"IPv4 in IPv6":               {VIP: netip.MustParseAddr("::ffff:192.0.2.1")},
		"an interface for nothing":   {VIP: vipA, Interface: "eth0"},
		"a source of another family": {VIP: vip6, Balance: good.Balance, Source: good.Source},
		"the VIP as source":          {VIP: vipA, Balance: good.Balance, Source: vipA},
	} {
		if o.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParsePort(f *testing.F) {
	for _, s := range []string{"80", "53/udp", "0", "65536", "80/", "80/sctp", "+80", "tcp/80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePort(s)
		if err != nil {
			return
		}
		again, err := ParsePort(p.String())
		if err != nil || again != p || p.Number == 0 || p.Protocol != frame.ProtoTCP && p.Protocol != frame.ProtoUDP {
			t.Errorf("%q is %v, and that is %v, %v", s, p, again, err)
		}
	})
}
