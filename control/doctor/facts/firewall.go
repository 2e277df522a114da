package facts

import "net/netip"

// A Ruleset is as much of this host's packet filter as can be seen.
type Ruleset struct {
	Rules  int      // of nftables, and so of iptables-nft
	Legacy []string // tables of the older iptables that are in use; their rules are not seen
	// Drops are rules that refuse packets which compare with one of the
	// addresses.
	Drops []DropRule
	Err   error // why it cannot be seen
}

// A DropRule refuses what is for an address, or some of it.
type DropRule struct {
	Where string     // family, table, chain
	Addr  netip.Addr // it names
}

// Naming are the rules that name an address.
func (r *Ruleset) Naming(a netip.Addr) []DropRule {
	var all []DropRule
	for _, d := range r.Drops {
		if d.Addr == a {
			all = append(all, d)
		}
	}
	return all
}
