package realserver

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/control/hostnet"
)

var (
	rip4 = netip.MustParseAddr("192.168.1.11")
	rip6 = netip.MustParseAddr("fd00:1::11")
)

// Each kind of tunnel ends at the device that the kernel has for it, in each pair
// of families, and costs what ipvsadm(8) counts.
func TestEachTunnelHasItsDevice(t *testing.T) {
	for _, c := range []struct {
		name     string
		vip      netip.Addr
		tunnel   Tunnel
		device   string
		overhead int
	}{
		{"IPv4 in IPv4", vipA, Tunnel{Kind: KindIPIP}, "tunl0 type ipip", 20},
		{"IPv4 in IPv4, the address named", vipA, Tunnel{Kind: KindIPIP, Local: rip4}, "tunl0 type ipip", 20},
		{"IPv6 in IPv6", vip6, Tunnel{Kind: KindIPIP}, "ip6tnl0 type ip6tnl", 40},
		{"IPv6 in IPv4", vip6, Tunnel{Kind: KindIPIP, Local: rip4}, "sit0 type sit", 20},
		{"IPv4 in IPv6, which ip6tnl0 does not take", vipA, Tunnel{Kind: KindIPIP, Local: rip6}, "lvsdr4in6 type ip6tnl local fd00:1::11", 40},
		{"IPv4 by GUE", vipA, Tunnel{Kind: KindGUE, Port: 6080}, "tunl0 type ipip", 32},
		{"IPv6 by GUE in IPv4", vip6, Tunnel{Kind: KindGUE, Port: 6080, Local: rip4}, "sit0 type sit", 32},
		{"IPv4 by GUE in IPv6", vipA, Tunnel{Kind: KindGUE, Port: 6080, Local: rip6}, "lvsdr4in6 type ip6tnl local fd00:1::11", 52},
		{"IPv6 by GUE", vip6, Tunnel{Kind: KindGUE, Port: 6080}, "ip6tnl0 type ip6tnl", 52},
		{"GRE takes both families", vipA, Tunnel{Kind: KindGRE}, "gre0 type gre", 24},
		{"IPv6 by GRE in IPv4", vip6, Tunnel{Kind: KindGRE, Local: rip4}, "gre0 type gre", 24},
		{"IPv6 by GRE", vip6, Tunnel{Kind: KindGRE}, "ip6gre0 type ip6gre", 44},
		{"GRE with checksums, which gre0 does not take", vipA, Tunnel{Kind: KindGRE, Local: rip4, CSum: true}, "lvsdrgre type gre local 192.168.1.11 icsum", 28},
		{"GRE in IPv6 with checksums", vipA, Tunnel{Kind: KindGRE, Local: rip6, CSum: true}, "lvsdrgre type ip6gre local fd00:1::11 icsum", 48},
	} {
		if err := c.tunnel.check(c.vip); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		d := c.tunnel.device(c.vip)
		if d.String() != c.device || c.tunnel.overhead(c.vip) != c.overhead || !tunnelKind(d.Kind) {
			t.Errorf("%s: %s, %d bytes; want %s, %d bytes", c.name, d, c.tunnel.overhead(c.vip), c.device, c.overhead)
		}
		if !ofTunnelDevice(conf4(d.Name, "rp_filter").Sysctl) {
			t.Errorf("%s: the sysctls of %s are not taken for a tunnel device's", c.name, d.Name)
		}
		if link := d.link(); link.Attrs().Name != d.Name || link.Type() != d.Kind {
			t.Errorf("%s: netlink makes %s of type %s", c.name, link.Attrs().Name, link.Type())
		}
	}
	for _, sysctl := range []string{"", "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/eth0/rp_filter"} {
		if ofTunnelDevice(sysctl) {
			t.Errorf("%q is taken for a tunnel device's", sysctl)
		}
	}
}

func TestTunnelsThatCannotWorkAreRefused(t *testing.T) {
	for _, c := range []struct {
		tunnel Tunnel
		says   string
	}{
		{Tunnel{Kind: "vxlan"}, "there are ipip, gre, gue"},
		{Tunnel{}, "there are ipip"},
		{Tunnel{Kind: KindGUE}, "its port is missing"},
		{Tunnel{Kind: KindIPIP, Port: 6080}, "no port"},
		{Tunnel{Kind: KindGUE, Port: 6080, CSum: true}, "only gre needs to know"},
		{Tunnel{Kind: KindGRE, CSum: true}, "name the address"},
		{Tunnel{Kind: KindIPIP, Local: vipA}, "not an address that this host has for itself"},
		{Tunnel{Kind: KindIPIP, Local: netip.IPv6Unspecified()}, "not an address"},
		{Tunnel{Kind: KindIPIP, Local: netip.MustParseAddr("fe80::1%eth0")}, "not an address"},
	} {
		err := Options{VIP: vipA, Tunnels: []Tunnel{c.tunnel}}.Check()
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want an error that says %q", c.tunnel, err, c.says)
		}
	}
}

// The goals in words, in their order: silent first, the device before the address on it.
func TestWhatATunnelServerNeeds(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		all  string // net.ipv4.conf.all.rp_filter
		want []string
	}{
		{"IPv4", Options{VIP: vipA, Tunnels: []Tunnel{{Kind: KindIPIP}}}, "1", []string{
			"net.ipv4.conf.all.arp_ignore = 1 2 3", "net.ipv4.conf.all.arp_announce = 2", "device tunl0 type ipip = up",
			"net.ipv4.conf.tunl0.rp_filter = 2", "address 192.168.1.100/32 dev tunl0 = present"}},
		{"IPv4, the filter is off on all", Options{VIP: vipA, Tunnels: []Tunnel{{Kind: KindGRE}}}, "0", []string{
			"net.ipv4.conf.all.arp_ignore = 1 2 3", "net.ipv4.conf.all.arp_announce = 2", "device gre0 type gre = up",
			"net.ipv4.conf.gre0.rp_filter = 2 0", "address 192.168.1.100/32 dev gre0 = present"}},
		{"IPv4 by GUE, the filter is loose on all", Options{VIP: vipA, Tunnels: []Tunnel{{Kind: KindGUE, Port: 6080}}}, "2", []string{
			"net.ipv4.conf.all.arp_ignore = 1 2 3", "net.ipv4.conf.all.arp_announce = 2", "device tunl0 type ipip = up",
			"net.ipv4.conf.tunl0.rp_filter = 2 0 1", "fou port 6080 gue = present", "address 192.168.1.100/32 dev tunl0 = present"}},
		{"IPv6 has the VIP on lo, and no filter", Options{VIP: vip6, Tunnels: []Tunnel{{Kind: KindGUE, Port: 6080}}}, "1", []string{
			"device ip6tnl0 type ip6tnl = up", "fou port 6080 gue -6 = present", "address fd00:1::100/128 dev lo = present"}},
		{"two directors with different tunnels", Options{VIP: vip6, Tunnels: []Tunnel{{Kind: KindIPIP}, {Kind: KindGRE}}}, "1", []string{
			"device ip6tnl0 type ip6tnl = up", "device ip6gre0 type ip6gre = up", "address fd00:1::100/128 dev lo = present"}},
	} {
		var got []string
		for _, g := range goals(c.o, facts{rpFilterAll: c.all}) {
			got = append(got, strings.Join(append([]string{g.item.String(), "=", g.value}, g.also...), " "))
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// The advice has the route that is there, and the numbers of the tunnel.
func TestAdviceAboutTheMTU(t *testing.T) {
	v := view{net: &hostnet.Snapshot{
		Links: []hostnet.Link{{Name: "eth0", Index: 2, MTU: 1400}},
		Routes: []hostnet.Route{
			{To: netip.MustParsePrefix("10.0.0.0/8"), Link: 2, Gateway: netip.MustParseAddr("192.168.1.2")},
			{To: netip.MustParsePrefix("0.0.0.0/0"), Link: 2, Gateway: netip.MustParseAddr("192.168.1.1")}}}}
	for _, c := range []struct {
		o    Options
		want []string
	}{
		{Options{VIP: vipA}, nil},
		{Options{VIP: vipA, Tunnels: []Tunnel{{Kind: KindIPIP}}}, []string{"ipip takes 20 bytes", "of 1400 bytes", "may have 1380",
			"ip route change default via 192.168.1.1 dev eth0 advmss 1340"}},
		{Options{VIP: vip6, Tunnels: []Tunnel{{Kind: KindGRE}}}, []string{"gre takes 44 bytes", "may have 1456", "ip -6 route change default via GATEWAY advmss 1396"}},
	} {
		got := v.advice(c.o)
		if len(got) != len(c.o.Tunnels) {
			t.Errorf("%+v: %q", c.o, got)
		}
		for _, w := range c.want {
			if !strings.Contains(strings.Join(got, " "), w) {
				t.Errorf("%+v: %q does not say %q", c.o, got, w)
			}
		}
	}
}

func TestWhatIsInTheWayOfATunnelIsNamed(t *testing.T) {
	v := view{net: &hostnet.Snapshot{
		Links: []hostnet.Link{{Name: "eth0", Index: 2}, {Name: "tunl0", Index: 3, Kind: "dummy"}, {Name: "gre0", Index: 4, Kind: "gre"}},
		Addrs: []hostnet.Addr{{Link: 2, Prefix: netip.MustParsePrefix("192.168.1.11/24")}, {Link: 4, Prefix: netip.MustParsePrefix("192.168.1.100/32")}}}}
	for _, c := range []struct {
		tunnel Tunnel
		says   string
	}{
		{Tunnel{Kind: KindIPIP}, "ip link set tunl0 name NAME"},
		{Tunnel{Kind: KindGRE}, ""},
		{Tunnel{Kind: KindGRE, Local: rip4}, ""},
		{Tunnel{Kind: KindGRE, Local: rip6}, "no such address"},
	} {
		err := v.clash(Options{VIP: vipA, Tunnels: []Tunnel{c.tunnel}})
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.tunnel, err, c.says)
		}
	}
	if err := v.misplaced(vipA); err != nil {
		t.Errorf("the VIP on a tunnel's device is refused: %v", err)
	}
}

// A kernel without the tunnel gets the name of the module, not "not supported".
func TestARefusedTunnelNamesTheModule(t *testing.T) {
	device := func(vip netip.Addr, u Tunnel) Item { return Item{Device: u.device(vip)} }
	for _, c := range []struct {
		item Item
		err  error
		says string
	}{
		{device(vipA, Tunnel{Kind: KindIPIP}), unix.EOPNOTSUPP, "modprobe ipip"},
		{device(vip6, Tunnel{Kind: KindIPIP}), unix.EOPNOTSUPP, "modprobe ip6_tunnel"},
		{device(vip6, Tunnel{Kind: KindIPIP, Local: rip4}), unix.EOPNOTSUPP, "modprobe sit"},
		{device(vipA, Tunnel{Kind: KindGRE}), unix.EOPNOTSUPP, "modprobe ip_gre"},
		{device(vip6, Tunnel{Kind: KindGRE}), unix.EOPNOTSUPP, "modprobe ip6_gre"},
		{device(vipA, Tunnel{Kind: KindIPIP, Local: rip6}), unix.EEXIST, "name another address"},
		{device(vipA, Tunnel{Kind: KindIPIP}), unix.EPERM, "CAP_NET_ADMIN"},
		{Item{GUE: GUE{Port: 6080}}, unix.ENOENT, "modprobe fou "},
		{Item{GUE: GUE{Port: 6080, IPv6: true}}, unix.EAFNOSUPPORT, "modprobe fou6"},
		{Item{GUE: GUE{Port: 6080}}, unix.EADDRINUSE, "UDP port 6080"},
		{Item{GUE: GUE{Port: 6080}}, unix.EPERM, "outside of user namespaces"},
		{Item{GUE: GUE{Port: 6080}}, unix.ENOMEM, "cannot allocate memory"},
	} {
		err := explain(c.item, Up, fmt.Errorf("ask: %w", c.err))
		if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, %v: %v, want %q", c.item, c.err, err, c.says)
		}
	}
}

// The library's own request names an inner protocol of 0, and newer kernels refused it.
func TestAPortOfGUEIsAskedForWithoutAnInnerProtocol(t *testing.T) {
	for _, c := range []struct {
		gue     GUE
		present bool
		want    string // attributes are in host byte order, the port is not
	}{
		{GUE{Port: 6080}, true, "01 01 0000  0600 0100 17c0 0000  0500 0200 02 000000  0500 0400 02 000000"},
		{GUE{Port: 6080, IPv6: true}, true, "01 01 0000  0600 0100 17c0 0000  0500 0200 0a 000000  0500 0400 02 000000"},
		{GUE{Port: 6080}, false, "02 01 0000  0600 0100 17c0 0000  0500 0200 02 000000"},
	} {
		m := c.gue.message(c.present)
		want := strings.ReplaceAll(c.want, " ", "")
		if got := fmt.Sprintf("%x", m.Serialize()); got != want || m.Len() != len(want)/2 {
			t.Errorf("%s, %v: %s, want %s", c.gue, c.present, got, want)
		}
	}
}

// Where the kernel has the tunnel it is set up, by a start with the strict filter,
// and taken back; where it has not, its module is named and nothing stays either.
func TestATunnelIsSetUpAndTakenBack(t *testing.T) {
	for _, o := range []Options{
		{VIP: vipA, Tunnels: []Tunnel{{Kind: KindIPIP}}},
		{VIP: vip6, Tunnels: []Tunnel{{Kind: KindIPIP}}},
		{VIP: vip6, Tunnels: []Tunnel{{Kind: KindIPIP, Local: rip4}}},
		{VIP: vipA, Tunnels: []Tunnel{{Kind: KindIPIP, Local: rip6}}},
		{VIP: vipA, Tunnels: []Tunnel{{Kind: KindGRE}}},
		{VIP: vipA, Tunnels: []Tunnel{{Kind: KindGRE, Local: rip4, CSum: true}}},
		{VIP: vipA, Tunnels: []Tunnel{{Kind: KindGUE, Port: 6080}}},
		{VIP: vip6, Tunnels: []Tunnel{{Kind: KindGUE, Port: 6080, Local: rip4}}},
		{VIP: vipA, Balance: []Port{web}, Tunnels: []Tunnel{{Kind: KindIPIP}, {Kind: KindGRE}}},
	} {
		t.Run(fmt.Sprintf("%s %+v", o.VIP, o.Tunnels), func(t *testing.T) {
			l := newLab(t)
			must(t, l.host.Sysctl("net.ipv4.conf.all.rp_filter", "1"))
			before := l.has()
			var r *Report
			l.with(func(h *Host) (err error) { r, err = h.Start(o); return err })
			if len(r.Notes) != len(o.Tunnels) || !strings.Contains(r.Notes[0], "advmss") {
				t.Errorf("notes %q", r.Notes)
			}
			if r.OK() {
				l.inPlace(o)
			} else {
				why := fmt.Sprint(r.Outcomes)
				gue := o.Tunnels[0].Kind == KindGUE && strings.Contains(why, "outside of user namespaces") // where tests may be
				if last := r.Outcomes[len(r.Outcomes)-1]; last.Result != NotTried || !gue && !strings.Contains(why, "modprobe ") {
					t.Errorf("%+v", r)
				}
			}
			if r := l.stop(o.VIP); !r.OK() {
				t.Errorf("stop: %+v", r)
			}
			l.same(before)
			must(t, l.host.Do(func() error {
				k, err := openKernel()
				if err != nil {
					return err
				}
				defer k.close()
				found, err := k.values([]Item{{Device: o.Tunnels[0].device(o.VIP)}})
				for i, v := range found {
					if v == Up || v != Absent && !i.Device.fallback() {
						t.Errorf("after stop %s is %s", i, v)
					}
				}
				return err
			}))
		})
	}
}

// inPlace wants everything in place, by the record alone and by the options, and a second
// start without a change.
func (l *lab) inPlace(o Options) {
	l.t.Helper()
	l.with(func(h *Host) error {
		for _, o := range []Options{o, {VIP: o.VIP}} {
			s, err := h.Status(o)
			if err != nil {
				return err
			}
			if !s.InPlace {
				l.t.Errorf("%+v", s)
			}
		}
		r, err := h.Start(o)
		if err == nil && strings.Contains(fmt.Sprint(r.Outcomes), "set ") {
			l.t.Errorf("a second start: %v", r.Outcomes)
		}
		return err
	})
}
