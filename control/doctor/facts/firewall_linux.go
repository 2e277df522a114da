package facts

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// readFirewall lists the rules of this host, which needs CAP_NET_ADMIN.
func readFirewall() Ruleset {
	var r Ruleset
	for _, name := range []string{"ip_tables_names", "ip6_tables_names"} {
		if b, err := os.ReadFile("/proc/net/" + name); err == nil {
			r.Legacy = append(r.Legacy, strings.Fields(string(b))...)
		}
	}
	c, err := nftables.New()
	if err != nil {
		r.Err = fmt.Errorf("list the firewall's rules: %w", err)
		return r
	}
	chains, err := c.ListChains()
	if err != nil {
		r.Err = fmt.Errorf("list the firewall's chains: %w", err)
		return r
	}
	for _, chain := range chains {
		rules, err := c.GetRules(chain.Table, chain)
		if err != nil {
			r.Err = fmt.Errorf("list the rules of chain %s: %w", chain.Name, err)
			continue
		}
		r.Rules += len(rules)
		for _, rule := range rules {
			for _, a := range refused(rule.Exprs) {
				r.Drops = append(r.Drops, DropRule{Where: fmt.Sprintf("table %s, chain %s", chain.Table.Name, chain.Name), Addr: a})
			}
		}
	}
	return r
}

// refused are the addresses that a rule compares with, if it drops or rejects.
func refused(exprs []expr.Any) []netip.Addr {
	var named []netip.Addr
	drops := false
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Cmp:
			if a, ok := netip.AddrFromSlice(e.Data); ok && e.Op == expr.CmpOpEq {
				named = append(named, a)
			}
		case *expr.Verdict:
			drops = drops || e.Kind == expr.VerdictDrop
		case *expr.Reject:
			drops = true
		case *expr.Target: // of iptables-nft
			drops = drops || e.Name == "REJECT"
		}
	}
	if !drops {
		return nil
	}
	return named
}
