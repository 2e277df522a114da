package facts

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"lvsdr/bench/netns"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// TestReadSeesAHostAsItIs makes a host in a namespace and reads it.
func TestReadSeesAHostAsItIs(t *testing.T) {
	h := netns.NewTestHost(t, "rs", netns.HostConfig{IPv6: true})
	sw, err := netns.NewSwitch("switch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sw.Close() })
	if err := sw.Connect(t.Context(), h, netns.Cable{Ifname: "eth0", Addrs: prefixes("192.168.1.11/24", "fd00:1::11/64")}); err != nil {
		t.Fatal(err)
	}
	vip := netip.MustParseAddr("192.168.1.100")
	if err := h.AddAddr("lo", netip.PrefixFrom(vip, 32)); err != nil {
		t.Fatal(err)
	}
	if err := h.Sysctl("net.ipv4.conf.eth0.arp_ignore", "1"); err != nil {
		t.Fatal(err)
	}
	l, err := h.Listen("tcp", "0.0.0.0:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	blocked := rule(0, 0, "", "192.168.1.101/32")
	blocked.Type = 6 // FR_ACT_BLACKHOLE, <linux/fib_rules.h>
	if err := h.Netlink().RuleAdd(&blocked); err != nil {
		t.Fatal(err)
	}
	if err := h.Do(func() error { return dropping(vip) }); err != nil {
		t.Fatal(err)
	}
	asked := []netip.Addr{vip, netip.MustParseAddr("192.168.1.50"), netip.MustParseAddr("fd00:1::50"), netip.MustParseAddr("203.0.113.1")}
	var host *Host
	if err := h.Do(func() (err error) { host, err = Read(asked); return err }); err != nil {
		t.Fatal(err)
	}
	eth0 := host.Named("eth0")
	if eth0 == nil || !eth0.Up || !eth0.Ethernet() || !slices.Contains(eth0.Addrs, netip.MustParsePrefix("192.168.1.11/24")) ||
		!slices.Contains(eth0.Addrs, netip.MustParsePrefix("fd00:1::11/64")) {
		t.Fatalf("eth0 is %+v", eth0)
	}
	if lo, p := host.Owner(vip); lo == nil || !lo.Loopback || p.Bits() != 32 {
		t.Errorf("the VIP is on %+v, %v", lo, p)
	}
	for a, want := range map[string]Route{
		asked[0].String(): {Ifindex: host.Named("lo").Index, Local: true, Source: vip},
		asked[1].String(): {Ifindex: eth0.Index, Source: netip.MustParseAddr("192.168.1.11")},
		asked[2].String(): {Ifindex: eth0.Index, Source: netip.MustParseAddr("fd00:1::11")},
	} {
		if got := host.Routes[netip.MustParseAddr(a)]; got != want {
			t.Errorf("route to %s: %+v, want %+v", a, got, want)
		}
	}
	if got := host.Routes[asked[3]]; got.Err == nil {
		t.Errorf("route to a network that cannot be reached: %+v", got)
	}
	if len(host.Defaults) != 0 || host.Greatest("eth0", "arp_ignore") != 1 || host.Sysctls["net.ipv4.ip_forward"] == "" {
		t.Errorf("default routes %v, sysctls %v", host.Defaults, host.Sysctls)
	}
	if len(host.Blocks) != 1 || host.Blocks[0].To != netip.MustParsePrefix("192.168.1.101/32") {
		t.Errorf("blocks %v", host.Blocks)
	}
	found, ok := host.Listens("tcp", netip.AddrPortFrom(vip, 8080))
	if !ok || !strings.Contains(found.Process, fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("the listener is %+v, %v", found, ok)
	}
	if drops := host.Firewall.Naming(vip); host.Firewall.Err != nil || host.Firewall.Rules != 1 || len(drops) != 1 || drops[0].Where != "table filter, chain input" {
		t.Errorf("firewall %+v", host.Firewall)
	}
	if len(host.Guards) != 0 {
		t.Errorf("guards %v without a director", host.Guards)
	}
}

// dropping makes a firewall that drops what is for a.
func dropping(a netip.Addr) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := c.AddTable(&nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4})
	chain := c.AddChain(&nftables.Chain{Name: "input", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: a.AsSlice()},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
	return c.Flush()
}
