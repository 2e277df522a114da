package policyroute

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// A Rule is a rule of policy routing. Rules can be compared; Same leaves out who
// made them.
type Rule struct {
	IPv6     bool
	Pref     int
	Not      bool         // it takes what the selectors do not fit
	From, To netip.Prefix // zero: all
	IIF      string       // name of the incoming interface; "lo": what this host sends
	Mark     uint32
	Mask     uint32      // bits of the mark that count; 0: none
	Proto    frame.Proto // 0: any
	Ports    Ports       // destination
	// Table is the routing table that is looked up. If it is 0, the next rule is
	// the one of preference Goto; if that is 0 too, the rule does nothing.
	Table, Goto int
	Protocol    uint8 // who made it, an RTPROT_* number of rtnetlink(7)
	// Other holds attributes this type has no field for; empty for all rules that this
	// program makes.
	Other string
}

// Ports is a range of ports; zero: all.
type Ports struct{ First, Last uint16 }

// Same is r without its maker, for comparisons.
func (r Rule) Same() Rule {
	r.Protocol = 0
	return r
}

// String is the rule as ip-rule(8) lists it.
func (r Rule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: ", r.Pref)
	if r.Not {
		b.WriteString("not ")
	}
	b.WriteString("from " + all(r.From))
	if r.To.IsValid() {
		b.WriteString(" to " + all(r.To))
	}
	if r.Mask != 0 {
		fmt.Fprintf(&b, " fwmark %#x", r.Mark)
		if r.Mask != allBits {
			fmt.Fprintf(&b, "/%#x", r.Mask)
		}
	}
	if r.IIF != "" {
		b.WriteString(" iif " + r.IIF)
	}
	if r.Proto != 0 {
		b.WriteString(" ipproto " + r.Proto.String())
	}
	switch {
	case r.Ports == (Ports{}):
	case r.Ports.First == r.Ports.Last:
		fmt.Fprintf(&b, " dport %d", r.Ports.First)
	default:
		fmt.Fprintf(&b, " dport %d-%d", r.Ports.First, r.Ports.Last)
	}
	if r.Other != "" {
		b.WriteString(" " + r.Other)
	}
	switch {
	case r.Table == unix.RT_TABLE_LOCAL:
		b.WriteString(" lookup local")
	case r.Table != 0:
		fmt.Fprintf(&b, " lookup %d", r.Table)
	case r.Goto != 0:
		fmt.Fprintf(&b, " goto %d", r.Goto)
	default:
		b.WriteString(" nop")
	}
	return b.String()
}

// all is how ip(8) writes a network.
func all(p netip.Prefix) string {
	switch {
	case !p.IsValid():
		return "all"
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}

const allBits = 0xffffffff

// actNop is FR_ACT_NOP of <linux/fib_rules.h>.
const actNop = 3

// netlink is the rule as the library has it.
func (r Rule) netlink() *netlink.Rule {
	n := netlink.NewRule()
	n.Family, n.Priority, n.Table, n.Protocol = family(r.IPv6), r.Pref, r.Table, r.Protocol
	n.Invert, n.IifName, n.IPProto = r.Not, r.IIF, int(r.Proto)
	n.Src, n.Dst = ipNet(r.From), ipNet(r.To)
	if r.Mask != 0 {
		n.Mark, n.Mask = r.Mark, &r.Mask
	}
	if r.Ports != (Ports{}) {
		n.Dport = netlink.NewRulePortRange(r.Ports.First, r.Ports.Last)
	}
	switch {
	case r.Table != 0:
	case r.Goto != 0:
		n.Goto = r.Goto
	default:
		n.Type = actNop
	}
	return n
}

// ruleOf is a rule of the library as a value.
func ruleOf(n *netlink.Rule, ipv6 bool) Rule {
	r := Rule{IPv6: ipv6, Pref: n.Priority, Not: n.Invert, From: prefix(n.Src), To: prefix(n.Dst), IIF: n.IifName,
		Proto: frame.Proto(n.IPProto), Table: n.Table, Goto: max(n.Goto, 0), Protocol: n.Protocol}
	if n.Mask != nil {
		r.Mark, r.Mask = n.Mark, *n.Mask
	}
	if n.Dport != nil {
		r.Ports = Ports{n.Dport.Start, n.Dport.End}
	}
	var other []string
	add := func(is bool, format string, a ...any) {
		if is {
			other = append(other, fmt.Sprintf(format, a...))
		}
	}
	add(n.OifName != "", "oif %s", n.OifName)
	add(n.Tos != 0, "tos %#x", n.Tos)
	add(n.TunID != 0, "tun_id %d", n.TunID)
	add(n.Sport != nil, "sport %v", n.Sport)
	add(n.UIDRange != nil, "uidrange %v", n.UIDRange)
	add(n.SuppressPrefixlen >= 0, "suppress_prefixlength %d", n.SuppressPrefixlen)
	add(n.SuppressIfgroup >= 0, "suppress_ifgroup %d", n.SuppressIfgroup)
	r.Other = strings.Join(other, " ")
	return r
}
