package facts

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/procnet"
	"lvsdr/dataplane/frame"
)

func prefixes(all ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestTheAddressToAskFromIsOfTheSameNetworkIfItCanBe(t *testing.T) {
	for _, c := range []struct {
		name  string
		addrs []netip.Prefix
		want  string // empty: none
	}{
		{"of the same network", prefixes("10.0.0.1/24", "192.168.1.10/24"), "192.168.1.10"},
		{"of another network, where there is none of the same", prefixes("192.168.1.100/32", "10.0.0.1/24"), "10.0.0.1"},
		{"one without a network, where there is no other", prefixes("192.168.1.100/32"), "192.168.1.100"},
		{"not the address itself", prefixes("192.168.1.11/24"), ""},
		{"not one of the other family", prefixes("fd00::1/64"), ""},
		{"nothing without addresses", nil, ""},
	} {
		l := &Link{Addrs: c.addrs}
		got := l.Source(netip.MustParseAddr("192.168.1.11"))
		if want := c.want; got.IsValid() != (want != "") || want != "" && got.String() != want {
			t.Errorf("%s: %v, want %q", c.name, got, want)
		}
	}
	l := &Link{Addrs: prefixes("fe80::1/64")}
	if got := l.Source(netip.MustParseAddr("fd00::2")); got.IsValid() {
		t.Errorf("a link-local address is asked from: %v", got)
	}
}

func TestAListenerTakesWhatIsForItsAddress(t *testing.T) {
	for _, c := range []struct {
		at, a string
		want  bool
	}{
		{"192.168.1.100:80", "192.168.1.100:80", true},
		{"192.168.1.100:80", "192.168.1.100:81", false},
		{"192.168.1.10:80", "192.168.1.100:80", false},
		{"0.0.0.0:80", "192.168.1.100:80", true},
		{"[::]:80", "192.168.1.100:80", true},
		{"[::]:80", "[fd00::1]:80", true},
		{"0.0.0.0:80", "[fd00::1]:80", false},
	} {
		h := &Host{Listeners: []Listener{{Protocol: "tcp", At: netip.MustParseAddrPort(c.at)}}}
		if _, got := h.Listens("tcp", netip.MustParseAddrPort(c.a)); got != c.want {
			t.Errorf("at %s, for %s: %v", c.at, c.a, got)
		}
		if _, got := h.Listens("udp", netip.MustParseAddrPort(c.a)); got {
			t.Errorf("a TCP socket at %s takes datagrams", c.at)
		}
	}
}

func TestTheGreaterSettingCounts(t *testing.T) {
	h := &Host{Sysctls: map[string]string{"net.ipv4.conf.all.rp_filter": "1", "net.ipv4.conf.eth0.rp_filter": "2", "net.ipv4.conf.eth1.rp_filter": "0", "net.ipv4.conf.eth2.rp_filter": "?"}}
	for ifname, want := range map[string]int{"eth0": 2, "eth1": 1, "eth2": 1, "eth3": 1} {
		if got := h.Greatest(ifname, "rp_filter"); got != want {
			t.Errorf("%s: %d, want %d", ifname, got, want)
		}
	}
	if got := h.Setting("net.ipv4.conf.all.rp_filter"); got != "net.ipv4.conf.all.rp_filter = 1" {
		t.Errorf("shown as %q", got)
	}
}

func TestLinksAreFound(t *testing.T) {
	h := &Host{Links: []Link{{Index: 2, Name: "eth0", MAC: frame.MAC{2}, Addrs: prefixes("192.168.1.10/24")}, {Index: 1, Name: "lo", Loopback: true, MAC: frame.MAC{}}}}
	if l := h.Link(2); l == nil || l != h.Named("eth0") || !l.Ethernet() {
		t.Errorf("link 2 is %+v", l)
	}
	if h.Link(3) != nil || h.Named("eth1") != nil || h.Named("lo").Ethernet() {
		t.Error("a link that there is not, or that lo is Ethernet")
	}
	if l, p := h.Owner(netip.MustParseAddr("192.168.1.10")); l != h.Link(2) || p.Bits() != 24 {
		t.Errorf("owner %+v, %v", l, p)
	}
	if l, p := h.Owner(netip.MustParseAddr("192.168.1.11")); l != nil || p.IsValid() {
		t.Errorf("owner of another host's address: %+v, %v", l, p)
	}
}

// network is s for netlink.
func network(s string) *net.IPNet {
	p := netip.MustParsePrefix(s)
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// rule is a policy rule as netlink reads it.
func rule(priority, table int, iif, to string) netlink.Rule {
	r := netlink.NewRule()
	r.Priority, r.Table, r.IifName = priority, table, iif
	if to != "" {
		r.Dst = network(to)
	}
	return *r
}

func TestRulesThatEndPacketsBeforeTheLocalTable(t *testing.T) {
	jump := rule(5, 0, "", "192.168.1.104/32")
	jump.Goto = 100
	h := &Host{}
	h.takeRules(unix.AF_INET, []netlink.Rule{
		rule(0, unix.RT_TABLE_LOCAL, "", ""),
		rule(0, 0, "", "192.168.1.100/32"),
		rule(0, 0, "eth0", ""),
		rule(100, 0, "", "192.168.1.101/32"), // too late
		jump,
		rule(1, 77, "lo", "192.168.1.102/32"),
		rule(1, 77, "lo", "192.168.1.0/24"), // not of one address
		rule(1, 77, "eth0", "192.168.1.103/32"),
		rule(32766, unix.RT_TABLE_MAIN, "", ""),
	})
	want := []Block{
		{0, netip.MustParsePrefix("192.168.1.100/32"), "ip rule: 0: to 192.168.1.100/32, which ends packets"},
		{0, netip.MustParsePrefix("0.0.0.0/0"), "ip rule: 0: to 0.0.0.0/0 iif eth0, which ends packets"},
	}
	if !slices.Equal(h.Blocks, want) {
		t.Errorf("blocks %v, want %v", h.Blocks, want)
	}
	if want := []netip.Addr{netip.MustParseAddr("192.168.1.102")}; !slices.Equal(h.Led, want) {
		t.Errorf("led %v, want %v", h.Led, want)
	}
	h = &Host{}
	h.takeRules(unix.AF_INET6, []netlink.Rule{rule(0, 0, "", "")})
	if len(h.Blocks) != 1 || h.Blocks[0].To != netip.MustParsePrefix("::/0") {
		t.Errorf("blocks of IPv6 %v", h.Blocks)
	}
}

func TestDefaultRoutesAreThoseToEverywhere(t *testing.T) {
	h := &Host{}
	h.takeDefaults([]netlink.Route{
		{LinkIndex: 2, Gw: net.IPv4(192, 168, 1, 1), Type: unix.RTN_UNICAST},
		{LinkIndex: 2, Dst: network("192.168.1.0/24"), Type: unix.RTN_UNICAST},
		{Type: unix.RTN_BLACKHOLE},
		{LinkIndex: 3, Dst: network("::/0"), Via: &netlink.Via{Addr: net.ParseIP("fe80::1")}, Src: net.ParseIP("fd00::2"), Type: unix.RTN_UNICAST},
	})
	want := []Route{
		{Ifindex: 2, Gateway: netip.MustParseAddr("192.168.1.1")},
		{Ifindex: 3, Gateway: netip.MustParseAddr("fe80::1"), Source: netip.MustParseAddr("fd00::2")},
	}
	if !slices.Equal(h.Defaults, want) {
		t.Errorf("default routes %v, want %v", h.Defaults, want)
	}
}

func TestSocketsHaveProcesses(t *testing.T) {
	owners := map[uint64]process{1: {7, "nginx"}, 2: {8, "named"}, 5: {9, "lvsdr"}, 6: {10, "tcpdump"}}
	at := netip.MustParseAddrPort
	h := &Host{}
	h.takeListeners("tcp", []procnet.Socket{
		{Local: at("[::ffff:192.168.1.100]:80"), State: procnet.Listening, Inode: 1},
		{Local: at("192.168.1.100:80"), State: 1, Inode: 1}, // a connection
		{Local: at("[::]:81"), State: procnet.Listening, Inode: 99},
	}, owners)
	h.takeListeners("udp", []procnet.Socket{{Local: at("0.0.0.0:53"), State: procnet.Unconnected, Inode: 2}}, owners)
	want := []Listener{{"tcp", at("192.168.1.100:80"), "nginx, process 7"}, {"tcp", at("[::]:81"), ""}, {"udp", at("0.0.0.0:53"), "named, process 8"}}
	if !slices.Equal(h.Listeners, want) {
		t.Errorf("listeners %v, want %v", h.Listeners, want)
	}
	h.takeTaps([]procnet.Tap{
		{Protocol: 3, Ifindex: 2, Inode: 6}, {Protocol: 3, Ifindex: 2, Inode: 6}, // one each for two workers
		{Protocol: 3, Ifindex: 2, Inode: 5},      // our own
		{Protocol: 0, Ifindex: 2, Inode: 6},      // receives nothing
		{Protocol: 0x806, Ifindex: 3, Inode: 98}, // of an unknown process
	}, owners, 9)
	if want := []Tap{{2, 10, "tcpdump"}, {Ifindex: 3}}; !slices.Equal(h.Taps, want) {
		t.Errorf("taps %v, want %v", h.Taps, want)
	}
}

func TestOwnersAreReadFromProc(t *testing.T) {
	proc := t.TempDir()
	link := func(pid, fd, to string) {
		if err := os.MkdirAll(filepath.Join(proc, pid, "fd"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(proc, pid, "fd", fd)); err != nil {
			t.Fatal(err)
		}
	}
	link("7", "0", "/dev/null")
	link("7", "3", "socket:[4711]")
	link("7", "4", "socket:[no number]")
	link("8", "3", "socket:[4712]") // it has ended: there is no name
	link("self", "3", "socket:[4713]")
	if err := os.WriteFile(filepath.Join(proc, "7", "comm"), []byte("nginx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := socketOwners(proc); len(got) != 1 || got[4711] != (process{7, "nginx"}) {
		t.Errorf("owners %v", got)
	}
	if got := socketOwners("[no pattern"); len(got) != 0 {
		t.Errorf("owners %v without a /proc", got)
	}
}

func TestAFirewallsRuleRefusesAnAddress(t *testing.T) {
	vip := netip.MustParseAddr("192.168.1.100")
	names := &expr.Cmp{Op: expr.CmpOpEq, Data: vip.AsSlice()}
	for _, c := range []struct {
		name  string
		exprs []expr.Any
		want  []netip.Addr
	}{
		{"drop", []expr.Any{names, &expr.Verdict{Kind: expr.VerdictDrop}}, []netip.Addr{vip}},
		{"reject", []expr.Any{names, &expr.Reject{}}, []netip.Addr{vip}},
		{"reject of iptables-nft", []expr.Any{names, &expr.Target{Name: "REJECT"}}, []netip.Addr{vip}},
		{"accept", []expr.Any{names, &expr.Verdict{Kind: expr.VerdictAccept}}, nil},
		{"another target", []expr.Any{names, &expr.Target{Name: "LOG"}}, nil},
		{"drop of all but the address", []expr.Any{&expr.Cmp{Op: expr.CmpOpNeq, Data: vip.AsSlice()}, &expr.Verdict{Kind: expr.VerdictDrop}}, nil},
		{"drop of a port", []expr.Any{&expr.Cmp{Op: expr.CmpOpEq, Data: []byte{0, 80}}, &expr.Verdict{Kind: expr.VerdictDrop}}, nil},
	} {
		if got := refused(c.exprs); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	r := Ruleset{Drops: []DropRule{{"a", vip}, {"b", netip.MustParseAddr("192.168.1.101")}, {"c", vip}}}
	if got := r.Naming(vip); len(got) != 2 || got[0].Where != "a" || got[1].Where != "c" {
		t.Errorf("naming %v", got)
	}
}
