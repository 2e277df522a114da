package shield

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"lvsdr/control/policyroute"
)

// latePolicy is the late part. An interface keeps the table that it has in the
// kernel, so that nothing is interrupted.
func (s *Shield) latePolicy(wanted map[port]*addrs) (policyroute.Policy, error) {
	tables, err := s.tables()
	if err != nil {
		return policyroute.Policy{}, err
	}
	ports := slices.SortedFunc(maps.Keys(wanted), func(a, b port) int { return cmp.Compare(a.name, b.name) })
	used, next := map[int]bool{}, policyroute.ShieldBase
	for _, p := range ports {
		used[tables[p.name]] = true
	}
	var all policyroute.Policy
	for _, p := range ports {
		table, ok := tables[p.name]
		if !ok {
			for next++; used[next]; next++ {
			}
			table = next
		}
		if table > policyroute.ShieldBase+policyroute.ShieldTables {
			return all, fmt.Errorf("shield: more than %d interfaces", policyroute.ShieldTables)
		}
		for k, vips := range wanted[p] {
			for vip := range vips {
				all.Routes = append(all.Routes, policyroute.Route{To: netip.PrefixFrom(vip, vip.BitLen()), Table: table, Type: unix.RTN_BLACKHOLE})
			}
			if len(vips) > 0 {
				all.Rules = append(all.Rules, policyroute.Rule{IPv6: k == 1, Pref: policyroute.ShieldPref, IIF: p.name, Table: table})
			}
		}
	}
	return all, nil
}

// tables are the tables of the interfaces as the kernel has them.
func (s *Shield) tables() (map[string]int, error) {
	all, taken := map[string]int{}, map[int]string{}
	for _, ipv6 := range []bool{false, true} {
		rules, err := s.kernel.Rules(ipv6)
		if err != nil {
			return nil, fmt.Errorf("shield: %w", err)
		}
		for _, r := range rules {
			span := policyroute.Span{First: policyroute.ShieldBase + 1, Last: policyroute.ShieldBase + policyroute.ShieldTables}
			if r.IIF == "" || r.To.IsValid() || !span.Has(r.Table) || taken[r.Table] != "" && taken[r.Table] != r.IIF {
				continue
			}
			if _, ok := all[r.IIF]; !ok {
				all[r.IIF], taken[r.Table] = r.Table, r.IIF
			}
		}
	}
	return all, nil
}
