package shield

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/policyroute"
)

var (
	guard4 = Guard{VIP: vip4, Interface: "eth0"}
	guard6 = Guard{VIP: vip6, Interface: "eth0"}
	onLo   = Guard{VIP: other4, Interface: "lo"}
)

// each runs a test with both parts.
func each(t *testing.T, f func(t *testing.T, p part)) {
	for _, p := range []part{earlyPart, latePart} {
		t.Run(string(p), func(t *testing.T) { f(t, p) })
	}
}

func TestAShieldIsAsItWasSetAndGoesWhole(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	each(t, func(t *testing.T, p part) {
		l := newLab(t)
		s := l.open(p)
		for _, guards := range [][]Guard{{guard4, guard6}, {guard4, guard4}, {guard6}, {guard6, onLo}, {guard4}, nil, {guard4, guard6}} {
			l.set(s, guards...)
			l.guarded(slices.Compact(slices.Clone(guards))...)
			if missing := l.missing(s); len(missing) != 0 {
				t.Errorf("right after Set(%v) there is missing %q", guards, missing)
			}
		}
		l.close(s)
	})
}

// The cost of a packet does not grow with the VIPs: there are as many rules for
// thousands as for one, and all of the VIPs are hidden.
func TestRulesDoNotGrowWithTheVIPs(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	each(t, func(t *testing.T, p part) {
		l := newLab(t)
		s := l.open(p)
		count := func() (n int) {
			rules, err := l.director.Netlink().RuleList(netlink.FAMILY_ALL)
			must(t, err)
			must(t, l.director.Do(func() error {
				nft, err := openNFT()
				if err != nil {
					return err
				}
				have, err := nft.read()
				for _, c := range have.chains {
					n += len(c)
				}
				return err
			}))
			return n + len(rules)
		}
		l.set(s, guard4, guard6)
		few := count()
		guards := many(3000, "eth0")
		l.set(s, guards...)
		l.guarded(guards...)
		if n := count(); n != few {
			t.Errorf("%d rules for one VIP of each family, %d for 3000", few, n)
		}
		l.set(s, guard4, guard6)
		l.guarded(guard4, guard6)
		l.close(s)
	})
}

// many are n VIPs of each family on an interface.
func many(n int, ifname string) []Guard {
	var all []Guard
	for i := range n {
		all = append(all, Guard{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), ifname},
			Guard{netip.AddrFrom16([16]byte{0xfd, 14: byte(i >> 8), 15: byte(i)}), ifname})
	}
	return all
}

// With the early part the kernel is silent even about a VIP that is its own, on
// lo or on the interface, in both families, about nothing else, while the
// director's packet socket sees everything. It does not matter whether the
// address or the shield was there first.
func TestTheEarlyPartHidesAnAddressOfTheHost(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for _, c := range []struct {
		name, ifname string
		late         bool
		vip, own     netip.Addr
	}{
		{"IPv4 on lo", "lo", false, vip4, own4},
		{"IPv4 on the interface", "eth0", false, vip4, own4},
		{"IPv4 on the interface, added later", "eth0", true, vip4, own4},
		{"IPv6 on lo", "lo", false, vip6, own6},
		{"IPv6 on the interface", "eth0", false, vip6, own6},
		{"IPv6 on the interface, added later", "eth0", true, vip6, own6},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			s := l.open(earlyPart)
			guard := Guard{VIP: c.vip, Interface: "eth0"}
			if !c.late {
				l.on(c.ifname, c.vip)
				if c.ifname == "eth0" {
					if got := l.ask(c.vip, refused); got != refused {
						t.Fatalf("without a shield: %s", got)
					}
				}
				must(t, l.client.ForgetNeighbour("eth0", c.vip))
			}
			l.set(s, guard)
			if c.late {
				l.on(c.ifname, c.vip)
			}
			fd := l.tap()
			if got := l.ask(c.vip, silent); got != silent {
				t.Errorf("the VIP's MAC address is found: %s", got)
			}
			l.sees(fd, "a question for the VIP", func(b []byte) bool {
				return bytes.Contains(b, c.vip.AsSlice()) && (b[12] == 8 && b[13] == 6 || b[12] == 0x86 && b[20] == 58)
			})
			l.know(c.vip)
			if got := l.ask(c.vip, silent); got != silent {
				t.Errorf("the kernel answers a SYN: %s", got)
			}
			l.sees(fd, "a SYN", func(b []byte) bool { return bytes.Contains(b, c.vip.AsSlice()) && (b[23] == 6 || b[20] == 6) })
			if got := l.ask(c.own, refused); got != refused {
				t.Errorf("the shield hides %s", c.own)
			}
			l.close(s)
			l.know(c.vip)
			if got := l.ask(c.vip, refused); got != refused {
				t.Errorf("the shield is closed: %s", got)
			}
		})
	}
}

// The late part hides a VIP that is not the host's own, where the host forwards.
func TestTheLatePartEndsPacketsSilently(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for _, vip := range []netip.Addr{vip4, vip6} {
		l := newLab(t)
		must(t, l.director.Sysctl("net.ipv4.ip_forward", "1"))
		must(t, l.director.Sysctl("net.ipv6.conf.all.forwarding", "1"))
		s := l.open(latePart)
		if s.Early() == nil {
			t.Fatal("it says that it is early")
		}
		l.set(s, Guard{VIP: vip, Interface: "eth0"})
		l.know(vip)
		proto, counter := "Ip", "ForwDatagrams"
		if got := l.ask(vip, silent); got != silent {
			t.Errorf("%s: %s", vip, got)
		}
		if vip.Is4() {
			if n, err := l.director.Counter(proto, counter); err != nil || n != 0 {
				t.Errorf("%s: %d packets were forwarded, %v", vip, n, err)
			}
		}
		l.close(s)
	}
}

// An interface keeps its table, and no two have one.
func TestInterfacesKeepTheirTables(t *testing.T) {
	l := newLab(t)
	s := l.open(latePart)
	tables := func() map[string]int {
		var all map[string]int
		must(t, l.director.Do(func() (err error) { all, err = s.tables(); return err }))
		return all
	}
	l.set(s, guard4, onLo)
	first := tables()
	l.set(s, onLo)
	l.set(s, onLo, guard6, guard4)
	second := tables()
	if len(first) != 2 || first["eth0"] == first["lo"] || second["lo"] != first["lo"] || second["eth0"] == second["lo"] {
		t.Errorf("%v, then %v", first, second)
	}
	l.close(s)
}

// A start after a crash takes over what is there: in between there is no packet
// that the kernel answers. The same holds for what an earlier version has left,
// for any change of others, and from one part to the other.
func TestAStartTakesOverWithoutAGap(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for _, c := range []struct {
		name   string
		before func(l *lab)
		p      part
	}{
		{"after a crash", func(l *lab) { l.set(l.open(earlyPart), guard4, Guard{other4, "eth0"}) }, earlyPart},
		{"after a stop for a restart", func(l *lab) {
			s := l.open(earlyPart)
			l.set(s, guard4)
			must(l.t, s.Close(true))
		}, earlyPart},
		{"after an earlier version", oldShield, earlyPart},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			l.on("eth0", vip4)
			l.know(vip4)
			c.before(l)
			stop := l.bombard(vip4)
			s := l.open(c.p)
			for range 10 {
				l.set(s, guard4, guard6)
				l.set(s, append(many(1500, "eth0"), guard4)...)
				l.set(s, guard4, onLo)
			}
			if sent, answers := stop(); sent == 0 || answers != 0 {
				t.Errorf("the kernel answered %d times to %d datagrams", answers, sent)
			}
			l.close(s)
			if got := l.ask(vip4, refused); got != refused {
				t.Errorf("without a shield the kernel is silent: this test proves nothing")
			}
		})
	}
}

// oldShield makes what an earlier version had: a rule of nftables and one of
// policy routing for each VIP.
func oldShield(l *lab) {
	l.t.Helper()
	must(l.t, l.director.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		t := c.AddTable(table())
		chain := c.AddChain(&nftables.Chain{Table: t, Name: "eth0", Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress,
			Priority: nftables.ChainPriorityRef(ingressPriority), Device: "eth0"})
		for _, vip := range []netip.Addr{vip4, other4} {
			c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: []expr.Any{
				&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(unix.ETH_P_IP)},
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offDst4, Len: 4},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: vip.AsSlice()},
				&expr.Verdict{Kind: expr.VerdictDrop},
			}})
		}
		return c.Flush()
	}))
	const oldTable = 0x6c770001
	nl := l.director.Netlink()
	must(l.t, nl.RouteAdd(&netlink.Route{Table: oldTable, Type: unix.RTN_BLACKHOLE, Protocol: policyroute.Protocol,
		Dst: netlink.NewIPNet(netip.IPv4Unspecified().AsSlice())}))
	for _, vip := range []netip.Addr{vip4, other4} {
		r := netlink.NewRule()
		r.Family, r.Priority, r.Table, r.IifName, r.Dst, r.Protocol = unix.AF_INET, 75, oldTable, "eth0", netlink.NewIPNet(vip.AsSlice()), policyroute.Protocol
		must(l.t, nl.RuleAdd(r))
	}
}

func TestWhatEarlierVersionsLeftIsReplaced(t *testing.T) {
	each(t, func(t *testing.T, p part) {
		l := newLab(t)
		if p == latePart {
			l.t.Log("the early part of an earlier version is not looked at without nftables")
		}
		oldShield(l)
		s := l.open(p)
		l.set(s, guard4, guard6)
		rules, err := l.director.Netlink().RuleList(netlink.FAMILY_V4)
		must(t, err)
		for _, r := range rules {
			if r.Table == 0x6c770001 {
				t.Errorf("an old rule is left: %s", r)
			}
		}
		if p == earlyPart {
			l.guarded(guard4, guard6)
			l.close(s)
		}
	})
}

// What others remove is named by Check and restored by Set, part by part.
func TestWhatOthersRemoveIsFoundAndRestored(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	s := l.open(earlyPart)
	l.set(s, guard4, guard6)
	nft := func(f func(c *nftables.Conn)) func() {
		return func() {
			must(t, l.director.Do(func() error {
				f(s.nft.c)
				return s.nft.c.Flush()
			}))
		}
	}
	set := setOf(table(), port{name: "eth0"}, 0)
	for _, c := range []struct {
		name   string
		remove func()
		want   string
	}{
		{"nft flush ruleset", nft(func(c *nftables.Conn) { c.FlushRuleset() }), "table netdev lvsdr"},
		{"a firewall that is loaded anew", func() { must(t, l.director.Do(Flush)) }, "table netdev lvsdr"},
		{"a chain", nft(func(c *nftables.Conn) { c.DelChain(&nftables.Chain{Table: table(), Name: "eth0"}) }), "chain eth0"},
		{"the rules of a chain", nft(func(c *nftables.Conn) { c.FlushChain(&nftables.Chain{Table: table(), Name: "eth0"}) }), "chain eth0"},
		{"the rules of the last chain", nft(func(c *nftables.Conn) { c.FlushChain(&nftables.Chain{Table: table(), Name: hidden}) }), "chain " + hidden},
		{"an address", nft(func(c *nftables.Conn) {
			must(t, c.SetDeleteElements(set, []nftables.SetElement{{Key: vip4.AsSlice()}}))
		}), "192.168.1.100 in set eth0-ipv4"},
		{"all addresses", nft(func(c *nftables.Conn) { c.FlushSet(set) }), "192.168.1.100 in set eth0-ipv4"},
	} {
		c.remove()
		if missing := l.missing(s); len(missing) != 1 || !strings.HasSuffix(missing[0], c.want) {
			t.Errorf("%s: missing is %q, want %s", c.name, missing, c.want)
		}
		l.set(s, guard4, guard6)
		if missing := l.missing(s); len(missing) != 0 {
			t.Errorf("%s: after Set there is missing %q", c.name, missing)
		}
		l.guarded(guard4, guard6)
	}
	// What others have added is not ours to keep.
	nft(func(c *nftables.Conn) {
		must(t, c.SetAddElements(set, []nftables.SetElement{{Key: other4.AsSlice()}}))
		c.AddChain(&nftables.Chain{Table: table(), Name: "another"})
	})()
	l.set(s, guard4, guard6)
	l.guarded(guard4, guard6)
	l.close(s)
}

func TestWhatOthersRemoveOfTheLatePartIsFoundAndRestored(t *testing.T) {
	l := newLab(t)
	s := l.open(latePart)
	l.set(s, guard4, guard6)
	rules, err := l.director.Netlink().RuleList(netlink.FAMILY_V4)
	must(t, err)
	k := slices.IndexFunc(rules, func(r netlink.Rule) bool { return r.Priority == 75 })
	must(t, l.director.Netlink().RuleDel(&rules[k]))
	if missing := l.missing(s); len(missing) != 1 || !strings.Contains(missing[0], "75: from all iif eth0") {
		t.Errorf("missing is %q", missing)
	}
	l.set(s, guard4, guard6)
	l.guarded(guard4, guard6)
	l.close(s)
}

// An interface that is made anew needs a chain that is made anew.
func TestAnInterfaceThatComesBackIsGuardedAgain(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	s := l.open(earlyPart)
	add := func() {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "eth1"
		veth := netlink.NewVeth(attrs)
		veth.PeerName = "eth2"
		must(t, l.director.Netlink().LinkAdd(veth))
	}
	add()
	guard := Guard{VIP: vip4, Interface: "eth1"}
	l.set(s, guard, guard6)
	eth1, err := l.director.Netlink().LinkByName("eth1")
	must(t, err)
	must(t, l.director.Netlink().LinkDel(eth1))
	if missing := l.missing(s); len(missing) != 0 {
		t.Errorf("the interface is not there, and its chain is missing: %q", missing)
	}
	err = l.director.Do(func() error { return s.Set([]Guard{guard, guard6}) })
	if err == nil || !strings.Contains(err.Error(), "hide 192.168.1.100: interface eth1 is not there") {
		t.Errorf("%v", err)
	}
	l.guarded(guard6)
	add()
	if missing := l.missing(s); len(missing) == 0 {
		t.Error("the interface is another one, and nothing is missing")
	}
	l.set(s, guard, guard6)
	l.guarded(guard, guard6)
	l.close(s)
}

// Watch tells of a firewall that is loaded anew, so that what it has flushed can
// be restored.
func TestWatchTellsOfAFlush(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	s := l.open(earlyPart)
	ctx, cancel := context.WithCancel(t.Context())
	calls, ended := make(chan struct{}, 1000), make(chan error, 1)
	go func() {
		ended <- l.director.Do(func() error { return Watch(ctx, func() { calls <- struct{}{} }) })
	}()
	told := func() bool {
		select {
		case <-calls:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	}
	netns.Eventually(t, "Watch says that it watches", told)
	for told() {
	}
	l.set(s, guard4)
	netns.Eventually(t, "Watch tells of guards", told)
	for told() {
	}
	must(t, l.director.Do(Flush))
	netns.Eventually(t, "Watch tells of the flush", told)
	if missing := l.missing(s); len(missing) == 0 {
		t.Error("nothing is missing")
	}
	l.set(s, guard4)
	for told() {
	}
	late := l.open(latePart)
	l.set(late, guard4)
	netns.Eventually(t, "Watch tells of rules", told)
	cancel()
	must(t, <-ended)
	l.close(s)
}

func TestOnlyMessagesAboutTheTableCount(t *testing.T) {
	message := func(family byte, attrs ...string) syscall.NetlinkMessage {
		b := []byte{family, 0, 0, 0}
		for i, a := range attrs {
			n := 4 + len(a) + 1
			b = append(b, byte(n), 0, byte(i+1), 0)
			b = append(append(b, a...), 0)
			b = append(b, make([]byte, (4-n%4)%4)...)
		}
		return syscall.NetlinkMessage{Data: b}
	}
	for _, c := range []struct {
		name string
		m    syscall.NetlinkMessage
		want bool
	}{
		{"the table", message(unix.NFPROTO_NETDEV, "lvsdr"), true},
		{"a chain of it", message(unix.NFPROTO_NETDEV, "lvsdr", "eth0"), true},
		{"another table", message(unix.NFPROTO_NETDEV, "lvsdr-probe"), false},
		{"another family", message(unix.NFPROTO_INET, "lvsdr"), false},
		{"no attribute", message(unix.NFPROTO_NETDEV), false},
		{"nothing", syscall.NetlinkMessage{}, false},
		{"cut off", syscall.NetlinkMessage{Data: []byte{unix.NFPROTO_NETDEV, 0, 0, 0, 200, 0, 1, 0}}, false},
		{"too short a length", syscall.NetlinkMessage{Data: []byte{unix.NFPROTO_NETDEV, 0, 0, 0, 1, 0, 1, 0}}, false},
	} {
		if got := aboutTable(c.m); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// A table of the same name that is not of this program's making is replaced.
func TestATableOfTheSameNameIsReplaced(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	s := l.open(earlyPart)
	must(t, l.director.Do(func() error {
		tb := s.nft.c.AddTable(table())
		if err := s.nft.c.AddSet(&nftables.Set{Table: tb, Name: "eth0-ipv4", KeyType: nftables.TypeInetService}, nil); err != nil {
			return err
		}
		s.nft.c.AddChain(&nftables.Chain{Table: tb, Name: "eth0"})
		return s.nft.c.Flush()
	}))
	l.set(s, guard4)
	must(t, s.Early())
	l.guarded(guard4)
	l.close(s)
}

// Answers of real servers that this host routes back to the clients pass a
// reverse path filter: the shield does not catch the look-up of their source.
func TestRoutedAnswersPassTheReversePathFilter(t *testing.T) {
	l := newLab(t)
	sw, err := netns.NewSwitch("servers")
	must(t, err)
	t.Cleanup(func() { must(t, sw.Close()) })
	rs := netns.NewTestHost(t, "rs", netns.HostConfig{})
	must(t, sw.Connect(t.Context(), rs, netns.Cable{Ifname: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.11/24")}}))
	must(t, sw.Connect(t.Context(), l.director, netns.Cable{Ifname: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}))
	for _, c := range []string{"net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=2", "net.ipv4.conf.eth1.rp_filter=2"} {
		key, value, _ := strings.Cut(c, "=")
		must(t, l.director.Sysctl(key, value))
	}
	must(t, rs.AddAddr("lo", netip.PrefixFrom(vip4, 32)))
	must(t, rs.Netlink().RouteAdd(&netlink.Route{Dst: netlink.NewIPNet(netip.MustParseAddr("192.168.1.20").AsSlice()), Gw: netip.MustParseAddr("10.0.0.1").AsSlice()}))
	s := l.open(earlyPart)
	l.set(s, guard4)
	c, err := l.client.ListenPacket("udp", "192.168.1.20:9")
	must(t, err)
	defer c.Close()
	answer, err := rs.DialFrom(t.Context(), "udp", netip.AddrPortFrom(vip4, 80), "192.168.1.20:9")
	must(t, err)
	defer answer.Close()
	_, err = answer.Write([]byte("answer"))
	must(t, err)
	b := make([]byte, 16)
	must(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	if n, from, err := c.ReadFrom(b); err != nil || string(b[:n]) != "answer" {
		t.Errorf("%q from %v, %v", b[:n], from, err)
	}
	l.close(s)
}

func TestWithoutThePrivilegeTheErrorSaysSo(t *testing.T) {
	l := newLab(t)
	s := l.open(earlyPart)
	err := l.director.Do(func() error { return withoutPrivilege(func() error { return s.Set([]Guard{guard4}) }) })
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("%v", err)
	}
	l.close(s)
}
