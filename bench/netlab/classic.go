package netlab

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// A Classic stands on the lab's director for a director with kernel IPVS, as far
// as clients on its own host are concerned. The host has the VIP, which IPVS
// needs, and what it sends itself to the VIP's port goes to a real server as
// IPVS would send it in Direct Routing: in a frame for that server, with both IP
// addresses as they are. The source is the VIP too, because that is what the
// kernel gives to a connection to an address of the host. All else for the VIP,
// such as a ping, is for the host itself.
//
// There is no IPVS in it but policy routing:
//
//	ip addr add VIP/32 dev eth0
//	ip rule add pref 2 lookup local
//	ip rule del pref 0
//	ip route add VIP via RIP dev eth0 onlink src VIP table 100
//	ip rule add pref 1 iif lo to VIP ipproto tcp dport PORT lookup 100
//
// Where it differs: it always chooses the same real server, and serves only the
// host itself.
type Classic struct {
	node *Node
	vip  netip.Prefix
	undo []func() error // in the order of their making
}

// Table and rules of a Classic.
const (
	// ClassicTable is the routing table that leads to the real server.
	ClassicTable = 100

	classicPriority      = 1
	classicLocalPriority = 2
)

// StartClassic makes the lab's director a Classic that sends to the real server
// to. Its Stop takes everything back.
func (l *Lab) StartClassic(port uint16, to *Node) (*Classic, error) {
	own := l.Director.PortOn(to.Ports[0].Switch)
	c := &Classic{node: l.Director, vip: netip.PrefixFrom(l.Spec.VIP, l.Spec.VIP.BitLen())}
	if err := c.start(own.Ifname, port, to); err != nil {
		return nil, errors.Join(fmt.Errorf("start classic director: %w", err), c.Stop())
	}
	return c, nil
}

func (c *Classic) start(ifname string, port uint16, to *Node) error {
	nl := c.node.Netlink()
	link, err := nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("find %s: %w", ifname, err)
	}
	if err := c.node.AddAddr(ifname, c.vip); err != nil {
		return err
	}
	c.undo = append(c.undo, func() error { return nl.AddrDel(link, &netlink.Addr{IPNet: netns.IPNet(c.vip)}) })
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: netns.IPNet(c.vip), Gw: to.Addr.AsSlice(), Src: c.vip.Addr().AsSlice(),
		Flags: int(netlink.FLAG_ONLINK), Table: ClassicTable}
	first, behind := c.rule(0, unix.RT_TABLE_LOCAL), c.rule(classicLocalPriority, unix.RT_TABLE_LOCAL)
	lead := c.rule(classicPriority, ClassicTable)
	lead.IifName, lead.Dst, lead.IPProto, lead.Dport = "lo", netns.IPNet(c.vip), unix.IPPROTO_TCP, netlink.NewRulePortRange(port, port)
	// The rule for the local table is added behind before it is deleted in front.
	for _, step := range []struct{ do, undo func() error }{
		{func() error { return nl.RouteAdd(route) }, func() error { return nl.RouteDel(route) }},
		{func() error { return nl.RuleAdd(behind) }, func() error { return nl.RuleDel(behind) }},
		{func() error { return nl.RuleDel(first) }, func() error { return nl.RuleAdd(first) }},
		{func() error { return nl.RuleAdd(lead) }, func() error { return nl.RuleDel(lead) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("lead %s to %s: %w", c.vip.Addr(), to.Name(), err)
		}
		c.undo = append(c.undo, step.undo)
	}
	return nil
}

func (c *Classic) rule(priority, table int) *netlink.Rule {
	r := netlink.NewRule()
	r.Family, r.Priority, r.Table = unix.AF_INET, priority, table
	if c.vip.Addr().Is6() {
		r.Family = unix.AF_INET6
	}
	return r
}

// Stop makes the host what it was before. A second Stop does nothing.
func (c *Classic) Stop() error {
	var errs []error
	for len(c.undo) > 0 {
		last := len(c.undo) - 1
		errs = append(errs, c.undo[last]())
		c.undo = c.undo[:last]
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop classic director: %w", err)
	}
	return nil
}
