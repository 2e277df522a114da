// Package localclient lets processes of the director's own host be clients of
// the virtual addresses. What they send never comes in by an interface, so no
// port would see it; the kernel would ask by ARP for an address that nobody on
// the network answers for.
//
// A pair of veth interfaces and policy routing bring it to the director:
//
//	ip link add lvsdr-l0 type veth peer name lvsdr-l1
//	ip rule add pref 77 iif lo to VIP dport 1-65534 lookup 0x6c770002
//	ip route add VIP dev lvsdr-l0 src SOURCE table 0x6c770002
//
// The director receives on lvsdr-l1 as on any interface and forwards to the
// real server, which answers the host directly: the packets have its own
// address SOURCE. What the director itself answers (echo replies, resets, ICMP
// errors) it sends back by lvsdr-l1, and the host receives it on lvsdr-l0.
//
// Why so. A veth pair exists wherever containers do; tun needs a device file,
// and a dummy interface cannot carry the director's own answers back. It passes
// segmentation-offload super-frames and unfinished checksums on to the port.
//
// Both ends have the same MAC address and lvsdr-l0 has no ARP, so that each
// frame is addressed to lvsdr-l1 without an entry in the neighbour table. The
// kernel's copy there ends in the shield.
//
// "iif lo" selects what this host itself sends. The reverse path filter asks
// for the way back with "iif lo" too, but without protocol and ports (unless a
// rule with ports and without iif lo makes the kernel look at them): a rule with
// ports is not for it. One rule serves TCP, UDP, SCTP and ICMP, whose type and
// code lie where the port does in the kernel's key (union flowi_uli,
// <net/flow.h>; an echo request is 0x0800, in IPv6 0x8000). A plain look-up of
// the VIP, as by "ip route get", has port 0 and is not led away; 65535 is a
// bound that the kernel does not take.
//
// So the reverse path filter expects the answers of real servers where the main
// table says, and would drop those of the director on lvsdr-l0. With rp_filter=1
// it accepts an interface that one of the route's next hops has; for it alone,
// which knows the source,
//
//	ip rule add pref 78 iif lo from SOURCE to VIP lookup 0x6c770003
//	ip route add VIP table 0x6c770003 nexthop dev lvsdr-l0 nexthop dev IF...
//
// (__fib_validate_source in net/ipv4/fib_frontend.c, fib_rule_requires_fldissect
// in <net/fib_rules.h>). IPv6 has no such filter.
//
// The rules come after those of the checks by Direct Routing (76), whose marked
// connections thus go to the real server they are meant for.
package localclient

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/rtnl"
)

// The names of the pair: Near is the host's end, Far the director's.
const (
	Near = "lvsdr-l0"
	Far  = "lvsdr-l1"
)

// The tables, and the priorities of the rules that lead there. The tables and
// all in them belong to Gate.
const (
	Table         = 0x6c770002 // out to Near
	ReplyTable    = 0x6c770003 // for the reverse path filter
	Priority      = 77
	ReplyPriority = 78

	protocol = 118 // marks rules and routes as the director's
)

// pairMAC is the MAC address of both ends, 02 and "lvsdr". It tells the pair
// from an interface of somebody else that happens to have the name, and is
// never seen on another interface.
const pairMAC = "\x02lvsdr"

// A VIP is a virtual address for clients of this host. All its addresses are of
// one family.
type VIP struct {
	Addr netip.Addr
	// Source is the host's own address that the clients get if they do not
	// choose one; the real servers must be able to answer it.
	Source netip.Addr
	// Replies are the indexes of the interfaces by which the real servers'
	// answers come in.
	Replies []int
}

// A Gate is the way of this host's own clients to the director, in one network
// namespace; there must be only one. It is not safe for concurrent use. Its
// methods need CAP_NET_ADMIN; without it their errors wrap os.ErrPermission and
// name it.
type Gate struct {
	handle *netlink.Handle
	pair   *netlink.Veth // Near; nil: not opened
	vips   map[netip.Addr]VIP
}

// New opens a netlink socket in the calling thread's network namespace and
// removes the rules and routes that a predecessor which was killed has left. Its
// pair of interfaces stays for Open to take over, or for Close to remove.
func New() (*Gate, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("local clients: open a netlink socket: %w", err)
	}
	g := &Gate{handle: h, vips: map[netip.Addr]VIP{}}
	if err := g.clean(); err != nil {
		h.Close()
		return nil, err
	}
	return g, nil
}

// Open sees that the pair is there and up, with this MTU in bytes, and gives the
// director's end, to be received on before Set leads anybody there. It may be
// called again.
func (g *Gate) Open(mtu int) (*net.Interface, error) {
	pair, err := g.find()
	if err == nil && pair == nil {
		pair, err = g.add(mtu)
	}
	if err != nil {
		return nil, explain("make the interfaces "+Near+" and "+Far, err)
	}
	g.pair = pair
	if err := g.raise(mtu); err != nil {
		return nil, explain("bring up the interfaces "+Near+" and "+Far, err)
	}
	far, err := net.InterfaceByName(Far)
	if err != nil {
		return nil, fmt.Errorf("local clients: interface %s: %w", Far, err)
	}
	return far, nil
}

// find is the near end of the pair, nil if there is none. An interface that
// only has its name is an error.
func (g *Gate) find() (*netlink.Veth, error) {
	link, err := g.handle.LinkByName(Near)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if pair, ok := link.(*netlink.Veth); ok && string(pair.HardwareAddr) == pairMAC {
		return pair, nil
	}
	return nil, fmt.Errorf("an interface %s that is not lvsdr's exists; rename or remove it", Near)
}

func (g *Gate) add(mtu int) (*netlink.Veth, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = Near, mtu, net.HardwareAddr(pairMAC)
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerHardwareAddr = Far, net.HardwareAddr(pairMAC)
	return pair, g.handle.LinkAdd(pair)
}

// raise makes both ends as they should be. Where there is no IPv6, its
// addresses need not be switched off.
func (g *Gate) raise(mtu int) error {
	const noAddrs = 1 // IN6_ADDR_GEN_MODE_NONE, <linux/if_link.h>
	far, err := g.handle.LinkByName(Far)
	if err != nil {
		return err
	}
	for _, link := range []netlink.Link{g.pair, far} {
		if link.Attrs().MTU != mtu {
			if err := g.handle.LinkSetMTU(link, mtu); err != nil {
				return err
			}
		}
		if link.Attrs().Flags&net.FlagUp != 0 {
			continue
		}
		_ = g.handle.LinkSetIP6AddrGenMode(link, noAddrs)
		if err := g.handle.LinkSetARPOff(link); err != nil {
			return err
		}
		if err := g.handle.LinkSetUp(link); err != nil {
			return err
		}
	}
	return nil
}

// Set leads the clients of exactly these VIPs to the director; Open was called
// before, if there are any. What stays is not interrupted, and what has been
// lost is installed again. What cannot be is named in the error.
func (g *Gate) Set(vips []VIP) error {
	want := map[netip.Addr]VIP{}
	for _, v := range vips {
		want[v.Addr] = v
	}
	var errs []error
	for addr, old := range g.vips {
		if v, ok := want[addr]; !ok || v.Source != old.Source {
			errs = append(errs, g.remove(old))
			delete(g.vips, addr)
		}
	}
	for addr, v := range want {
		g.vips[addr] = v // half of one is to be removed too
		errs = append(errs, g.install(v))
	}
	return errors.Join(errs...)
}

// install puts the rule that leads there last. The way for replies is not
// worth giving up for: few hosts look whether it is there.
func (g *Gate) install(v VIP) error {
	var errs []error
	if v.Addr.Is4() {
		errs = append(errs, g.handle.RouteReplace(g.replies(v)), rtnl.Ignore(g.handle.RuleAdd(v.replyRule()), unix.EEXIST))
	}
	err := g.handle.RouteReplace(g.way(v))
	if err == nil {
		err = rtnl.Ignore(g.handle.RuleAdd(v.rule()), unix.EEXIST)
	}
	return explain("lead this host's clients of "+v.Addr.String()+" to the director", errors.Join(append(errs, err)...))
}

// remove takes the rules away before the routes.
func (g *Gate) remove(v VIP) error {
	rules, tables := []*netlink.Rule{v.rule()}, []int{Table}
	if v.Addr.Is4() {
		rules, tables = append(rules, v.replyRule()), append(tables, ReplyTable)
	}
	var errs []error
	for _, r := range rules {
		errs = append(errs, rtnl.Ignore(g.handle.RuleDel(r), unix.ENOENT))
	}
	for _, t := range tables {
		errs = append(errs, rtnl.Ignore(g.handle.RouteDel(&netlink.Route{Table: t, Dst: host(v.Addr)}), unix.ESRCH))
	}
	return explain("stop leading this host's clients of "+v.Addr.String()+" to the director", errors.Join(errs...))
}

// rule is the one that leads to way.
func (v VIP) rule() *netlink.Rule {
	r := v.anyRule(Priority, Table)
	r.Dport = netlink.NewRulePortRange(1, 65534)
	return r
}

// replyRule is the one that leads to replies.
func (v VIP) replyRule() *netlink.Rule {
	r := v.anyRule(ReplyPriority, ReplyTable)
	r.Src = host(v.Source)
	return r
}

func (v VIP) anyRule(priority, table int) *netlink.Rule {
	r := netlink.NewRule()
	r.Family = family(v.Addr)
	r.Priority, r.Table = priority, table
	r.IifName = "lo"
	r.Dst = host(v.Addr)
	r.Protocol = protocol
	return r
}

// way is the route of the clients' packets.
func (g *Gate) way(v VIP) *netlink.Route {
	return &netlink.Route{Table: Table, Dst: host(v.Addr), Src: v.Source.AsSlice(), LinkIndex: g.pair.Index, Protocol: protocol}
}

// replies is the route that the reverse path filter compares with.
func (g *Gate) replies(v VIP) *netlink.Route {
	r := &netlink.Route{Table: ReplyTable, Dst: host(v.Addr), Protocol: protocol,
		MultiPath: []*netlink.NexthopInfo{{LinkIndex: g.pair.Index}}}
	for _, i := range v.Replies {
		r.MultiPath = append(r.MultiPath, &netlink.NexthopInfo{LinkIndex: i})
	}
	return r
}

// Close removes everything, whoever installed it. The director has stopped
// receiving on the pair.
func (g *Gate) Close() error {
	defer g.handle.Close()
	err := g.clean()
	pair, _ := g.find() // one of somebody else stays
	if pair != nil {
		err = errors.Join(err, explain("remove the interface "+Near, g.handle.LinkDel(pair)))
	}
	return err
}

// clean removes everything that is in the tables or leads there.
func (g *Gate) clean() error {
	clear(g.vips)
	var errs []error
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		for _, table := range []int{Table, ReplyTable} {
			errs = append(errs, g.cleanTable(family, table))
		}
	}
	return explain("remove what leads this host's clients to the director", errors.Join(errs...))
}

func (g *Gate) cleanTable(family, table int) error {
	rules, err := rtnl.Dump(func() ([]netlink.Rule, error) {
		return g.handle.RuleListFiltered(family, &netlink.Rule{Table: table}, netlink.RT_FILTER_TABLE)
	})
	errs := []error{err}
	for i := range rules {
		rules[i].Family = family
		errs = append(errs, rtnl.Ignore(g.handle.RuleDel(&rules[i]), unix.ENOENT))
	}
	routes, err := rtnl.Dump(func() ([]netlink.Route, error) {
		return g.handle.RouteListFiltered(family, &netlink.Route{Table: table}, netlink.RT_FILTER_TABLE)
	})
	errs = append(errs, err)
	for _, r := range routes {
		bare := netlink.Route{Table: table, Dst: r.Dst, Scope: r.Scope, Priority: r.Priority}
		errs = append(errs, rtnl.Ignore(g.handle.RouteDel(&bare), unix.ESRCH))
	}
	return errors.Join(errs...)
}

// explain says what was attempted, and what is missing where it is known.
func explain(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("local clients: %s: %w (needs CAP_NET_ADMIN in this network namespace)", what, err)
	case errors.Is(err, errors.ErrUnsupported):
		return fmt.Errorf("local clients: %s: %w (this kernel lacks veth, try modprobe veth on the machine, or policy routing by ports, since Linux 4.17)", what, err)
	}
	return fmt.Errorf("local clients: %s: %w", what, err)
}

func family(a netip.Addr) int {
	if a.Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

// host is a alone as a prefix.
func host(a netip.Addr) *net.IPNet { return netlink.NewIPNet(a.AsSlice()) }
