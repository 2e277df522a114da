package realserver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"lvsdr/control/hostnet"
	"lvsdr/control/policyroute"
)

// Options say what a real server is to be.
type Options struct {
	VIP netip.Addr
	// Balance is the ports of the VIP whose local clients are to go to the
	// director. Default none: they end on this host.
	Balance []Port
	// Interface is where the director is, for Balance. Default: that of the
	// longest network with the VIP in it.
	Interface string
	// Source is the address of this host that local clients are to have, for
	// Balance. Default: that of the network by which Interface was found, or
	// the first one of Interface.
	Source netip.Addr
	// Tunnels are how the director's frames come in. Default: as they are (Direct Routing).
	Tunnels []Tunnel
}

// Check finds what can be known to be wrong without looking at the host.
func (o Options) Check() error {
	v := o.VIP
	switch {
	case !v.IsValid() || v.Is4In6() || v.Zone() != "":
		return fmt.Errorf("VIP %s: not a plain IPv4 or IPv6 address", v)
	case v.IsUnspecified() || v.IsLoopback() || v.IsMulticast() || v.IsLinkLocalUnicast() || v == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("VIP %s: no address that clients could reach", v)
	case len(o.Balance) == 0 && (o.Interface != "" || o.Source.IsValid()):
		return errors.New("an interface or a source address is only needed to balance local clients")
	case o.Source.IsValid() && o.Source.Is4() != v.Is4():
		return fmt.Errorf("source %s and VIP %s are not of one address family", o.Source, v)
	case o.Source == v:
		return fmt.Errorf("source %s is the VIP: answers would not come back to this host", v)
	}
	for _, t := range o.Tunnels {
		if err := t.check(v); err != nil {
			return err
		}
	}
	return nil
}

// A goal is an item and the values it may have.
type goal struct {
	item  Item
	value string   // to be set
	also  []string // values that are as good
}

func (w goal) satisfied(value string) bool {
	return value == w.value || slices.Contains(w.also, value)
}

// facts hold the facts that the goals depend on.
type facts struct {
	rpFilterAll    string // net.ipv4.conf.all.rp_filter
	acceptLocalAll string
	localRules     []Rule // unconditional, for the local table, in their order
}

// goals returns the items that make a host the real server of o, whose Interface and Source
// are filled in, in an order in which they can be set without harm at any
// moment: what keeps the host silent before the address, the second rule for
// the local table before the first one goes.
func goals(o Options, f facts) []goal {
	host := netip.PrefixFrom(o.VIP, o.VIP.BitLen())
	var all []goal
	if o.VIP.Is4() {
		confs := []string{"all", "lo"}
		if len(o.Tunnels) > 0 {
			confs = confs[:1]
		}
		for _, conf := range confs {
			all = append(all,
				// 2 and 3 hide the VIP as well: 2 is 1 and more, 3 hides
				// addresses of scope host, which the VIP gets.
				goal{item: conf4(conf, "arp_ignore"), value: "1", also: []string{"2", "3"}},
				goal{item: conf4(conf, "arp_announce"), value: "2"})
		}
		if len(o.Balance) > 0 {
			all = append(all, acceptOwn(o.Interface, f)...)
		}
	}
	for _, t := range o.Tunnels {
		all = append(all, tunnelGoals(t, o.VIP, f)...)
	}
	if len(o.Tunnels) == 0 || o.VIP.Is6() {
		all = append(all, goal{item: Item{Address: host}, value: Present})
	}
	if o.VIP.Is4() && len(o.Tunnels) == 0 {
		all = append(all, goal{item: Item{Route: Route{To: host, Interface: "lo", Table: unix.RT_TABLE_MAIN}}, value: Present})
	}
	if len(o.Balance) == 0 {
		return all
	}
	all = append(all, goal{item: Item{Route: Route{To: host, Interface: o.Interface, Source: o.Source, Table: policyroute.BalanceTable}}, value: Present})
	for _, p := range o.Balance {
		r := Rule{IPv6: o.VIP.Is6(), Priority: policyroute.BalancePref, Table: policyroute.BalanceTable, To: o.VIP, Port: p, Owner: policyroute.Protocol}
		all = append(all, goal{item: Item{Rule: r}, value: Present})
	}
	return append(all, localBehind(o.VIP.Is6(), f.localRules)...)
}

func conf4(conf, key string) Item { return Item{Sysctl: "net/ipv4/conf/" + conf + "/" + key} }

// acceptOwn lets packets come in by ifname whose source address is this host's
// own. accept_local counts if all or the interface has it; rp_filter is the
// greater of both, and only 1 is strict.
func acceptOwn(ifname string, f facts) []goal {
	accept := goal{item: conf4(ifname, "accept_local"), value: "1"}
	if f.acceptLocalAll == "1" {
		accept.also = []string{"0"}
	}
	return []goal{accept, looseFilter(ifname, f)}
}

// looseFilter wants the reverse path filter of ifname loose or off.
func looseFilter(ifname string, f facts) goal {
	loose := goal{item: conf4(ifname, "rp_filter"), value: "2"}
	switch f.rpFilterAll {
	case "0":
		loose.also = []string{"0"}
	case "2":
		loose.also = []string{"0", "1"}
	}
	return loose
}

// localBehind wants a rule for the local table behind the balancing ones, and
// none before them.
func localBehind(ipv6 bool, found []Rule) []goal {
	behind := Rule{IPv6: ipv6, Priority: policyroute.BehindBalancePref, Table: unix.RT_TABLE_LOCAL, Owner: policyroute.Protocol}
	before := []Rule{{IPv6: ipv6, Table: unix.RT_TABLE_LOCAL, Owner: unix.RTPROT_KERNEL}} // where the kernel has it
	for _, r := range slices.Backward(found) {
		switch {
		case r.Priority > policyroute.BalancePref:
			behind = r
		case r.Priority == 0:
			before[0] = r
		default:
			before = append(before, r)
		}
	}
	all := []goal{{item: Item{Rule: behind}, value: Present}}
	for _, r := range before {
		all = append(all, goal{item: Item{Rule: r}, value: Absent})
	}
	return all
}

// locate fills in o's Interface and Source from the host's networks.
func locate(o Options, s *hostnet.Snapshot) (Options, error) {
	switch {
	case o.Interface != "" && o.Source.IsValid():
		return o, nil
	case o.Source.IsValid():
		k := slices.IndexFunc(s.Addrs, func(a hostnet.Addr) bool { return a.Prefix.Addr() == o.Source })
		if k < 0 {
			return o, fmt.Errorf("no interface has the address %s; name the interface with --interface IFACE", o.Source)
		}
		link, _ := s.Link(s.Addrs[k].Link)
		o.Interface = link.Name
		return o, nil
	}
	s.HidesLocal = true // the VIP is an address of lo, or will be
	p, err := s.VIP(o.VIP, o.Interface)
	switch {
	case err != nil && o.Interface != "":
		return o, err
	case err != nil:
		return o, fmt.Errorf("no interface has an address in a network with %s; name it with --interface IFACE", o.VIP)
	case !p.Source.IsValid():
		return o, fmt.Errorf("interface %s has no address to be the source of local clients; name one with --source ADDR", p.Link.Name)
	}
	o.Interface, o.Source = p.Link.Name, p.Source
	return o, nil
}
