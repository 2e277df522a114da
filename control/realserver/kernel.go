package realserver

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/hostnet"
	"lvsdr/control/policyroute"
)

// A kernel is the network namespace of the thread that made it, through netlink.
// Sysctls are those of the calling thread's namespace, which must be the same.
type kernel struct {
	nl     *netlink.Handle
	policy *policyroute.Kernel
}

func openKernel() (kernel, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return kernel{}, fmt.Errorf("open a netlink socket: %w", err)
	}
	policy, err := policyroute.Open()
	if err != nil {
		nl.Close()
		return kernel{}, err
	}
	return kernel{nl, policy}, nil
}

func (k kernel) close() {
	k.nl.Close()
	k.policy.Close()
}

// A view is the state of a kernel at one moment.
type view struct {
	net   *hostnet.Snapshot
	rules [2][]policyroute.Rule // of IPv4 and IPv6
	nl    *netlink.Handle       // for ports of GUE, which are looked for only where they are asked for
}

func (k kernel) look() (v view, err error) {
	if v.net, err = hostnet.Read(); err != nil {
		return v, err
	}
	for i := range v.rules {
		if v.rules[i], err = k.policy.Rules(i == 1); err != nil {
			return v, err
		}
	}
	v.nl = k.nl
	return v, nil
}

// get is the value of an item.
func (v view) get(i Item) (string, error) {
	there := false
	switch {
	case i.Sysctl != "":
		s, err := readSysctl(i.Sysctl)
		if ofTunnelDevice(i.Sysctl) && errors.Is(err, os.ErrNotExist) {
			// A device that is made has the values of conf/default.
			s, err = readSysctl(conf4("default", filepath.Base(i.Sysctl)).Sysctl)
		}
		if err != nil {
			return "", fmt.Errorf("look for %s: %w", i, err)
		}
		return s, nil
	case i.Address.IsValid():
		there = v.hasAddress(i.Address, i.on())
	case i.Route.To.IsValid():
		there = v.hasRoute(i.Route)
	case i.Device.Name != "":
		return v.device(i.Device), nil
	case i.GUE.Port != 0:
		all, err := listGUE(v.nl)
		if err != nil {
			return "", err
		}
		there = slices.Contains(all, i.GUE)
	default:
		there = v.hasRule(i.Rule)
	}
	if there {
		return Present, nil
	}
	return Absent, nil
}

func (v view) hasAddress(p netip.Prefix, ifname string) bool {
	link, ok := v.net.LinkByName(ifname)
	return ok && slices.ContainsFunc(v.net.Addrs, func(a hostnet.Addr) bool { return a.Link == link.Index && a.Prefix == p })
}

func (v view) hasRoute(r Route) bool {
	link, ok := v.net.LinkByName(r.Interface)
	return ok && slices.ContainsFunc(v.net.Routes, func(n hostnet.Route) bool {
		return n.To == r.To && n.Table == r.Table && n.Link == link.Index && n.Type == hostnet.Unicast && !n.Gateway.IsValid() &&
			(!r.Source.IsValid() || n.Source == r.Source)
	})
}

// hasRule compares everything but the owner: who made it does not matter.
func (v view) hasRule(r Rule) bool {
	return slices.ContainsFunc(v.rulesOf(r.IPv6), func(n policyroute.Rule) bool { return n.Same() == r.policy().Same() })
}

func (v view) rulesOf(ipv6 bool) []policyroute.Rule {
	if ipv6 {
		return v.rules[1]
	}
	return v.rules[0]
}

// localRules are the unconditional rules for the table of local addresses, in
// their order.
func (v view) localRules(ipv6 bool) []Rule {
	var all []Rule
	for _, n := range v.rulesOf(ipv6) {
		r := Rule{IPv6: ipv6, Priority: n.Pref, Table: unix.RT_TABLE_LOCAL, Owner: n.Protocol}
		if n.Same() == r.policy().Same() {
			all = append(all, r)
		}
	}
	return all
}

// policy is the rule as package policyroute has it.
func (r Rule) policy() policyroute.Rule {
	p := policyroute.Rule{IPv6: r.IPv6, Pref: r.Priority, Table: r.Table}
	if r.To.IsValid() {
		p.IIF, p.To = "lo", netip.PrefixFrom(r.To, r.To.BitLen())
		p.Proto, p.Ports = r.Port.Protocol, policyroute.Ports{First: r.Port.Number, Last: r.Port.Number}
	}
	return p
}

// values are those of all items.
func (k kernel) values(items []Item) (map[Item]string, error) {
	v, err := k.look()
	if err != nil {
		return nil, err
	}
	found := map[Item]string{}
	for _, i := range items {
		if found[i], err = v.get(i); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// set gives an item a value, looks whether it has it, and returns the value that it
// has.
func (k kernel) set(i Item, value string) (string, error) {
	var err error
	switch present := value == Present; {
	case i.Sysctl != "":
		err = os.WriteFile(sysctlFile(i.Sysctl), []byte(value), 0)
	case i.Address.IsValid():
		err = k.setAddress(i.Address, i.on(), present)
	case i.Route.To.IsValid():
		err = k.setRoute(i.Route, present)
	case i.Device.Name != "":
		err = k.setDevice(i.Device, value)
	case i.GUE.Port != 0:
		err = setGUE(i.GUE, present)
	default:
		err = k.setRule(i.Rule, present)
	}
	if err != nil {
		return "", explain(i, value, err)
	}
	v, err := k.look()
	if err != nil {
		return "", err
	}
	got, err := v.get(i)
	stays := i.Device.fallback() && value == Absent && got == Down // the kernel's own
	if err != nil || got != value && !stays {
		return got, errors.Join(fmt.Errorf("set %s: the kernel took it, and yet it is %s, not %s", i, got, value), err)
	}
	return got, nil
}

func sysctlFile(path string) string { return filepath.Join("/proc/sys", path) }

func readSysctl(path string) (string, error) {
	b, err := os.ReadFile(sysctlFile(path))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", sysctlName(path), err)
	}
	return strings.TrimSpace(string(b)), nil
}

// explain says what to do about a change that was refused.
func explain(i Item, value string, err error) error {
	attempt := fmt.Errorf("set %s to %s: %w", i, value, err)
	ipv6Off, _ := readSysctl("net/ipv6/conf/lo/disable_ipv6") // without IPv6 there is no such file
	switch {
	case i.Sysctl != "" && errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w; /proc/sys is read-only in this container: set it from outside, with docker run --sysctl %s=%s, "+
			"or on the machine with nsenter --net --target PID sysctl -w %[2]s=%[3]s", attempt, i, value)
	case i.Device.Name != "" || i.GUE.Port != 0:
		return explainTunnel(i, attempt, err)
	case i.Address.Addr().Is6() && ipv6Off == "1":
		return fmt.Errorf("%w; IPv6 is switched off: sysctl -w net.ipv6.conf.lo.disable_ipv6=0", attempt)
	case errors.Is(err, os.ErrPermission) && (i.Sysctl != "" || i.Address.IsValid()):
		return fmt.Errorf("%w; %s", attempt, privilege)
	case errors.Is(err, os.ErrPermission): // which is named there
		return fmt.Errorf("%w; %s", attempt, asRoot)
	}
	return attempt
}

// What to do where the kernel says no.
const (
	asRoot    = "run it as root (in a container: --cap-add NET_ADMIN)"
	privilege = "it needs CAP_NET_ADMIN in this network namespace: " + asRoot
)

// setAddress adds or removes an address of an interface. With scope host it is nothing
// that the kernel would choose as a source; IPv6 does not look for duplicates,
// as there are some: every real server has it.
func (k kernel) setAddress(p netip.Prefix, ifname string, present bool) error {
	link, err := k.nl.LinkByName(ifname)
	if err != nil {
		return err
	}
	a := &netlink.Addr{IPNet: netlink.NewIPNet(p.Addr().AsSlice()), Scope: unix.RT_SCOPE_HOST}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if present {
		return k.nl.AddrAdd(link, a)
	}
	return k.nl.AddrDel(link, a)
}

func (k kernel) setRoute(r Route, present bool) error {
	link, err := k.nl.LinkByName(r.Interface)
	if err != nil {
		return fmt.Errorf("interface %s: %w", r.Interface, err)
	}
	n := policyroute.Route{To: r.To, Table: r.Table, Links: []int{link.Attrs().Index}, Source: r.Source}
	if present {
		return k.policy.SetRoute(n)
	}
	return k.policy.DelRoute(n)
}

// errLastLocal refuses what would cut the host off.
var errLastLocal = errors.New("no other rule leads to the table of local addresses: without it this host would receive nothing")

func (k kernel) setRule(r Rule, present bool) error {
	p := r.policy()
	if present {
		p.Protocol = r.Owner
		return k.policy.AddRule(p)
	}
	if r.Table == unix.RT_TABLE_LOCAL && !r.To.IsValid() {
		v, err := k.look()
		if err != nil {
			return err
		}
		if len(v.localRules(r.IPv6)) < 2 {
			return errLastLocal
		}
	}
	return k.policy.DelRule(p)
}

// facts returns the facts that the goals for a VIP of this family depend on.
func (v view) facts(ipv6 bool) (f facts, err error) {
	if !ipv6 {
		if f.rpFilterAll, err = readSysctl("net/ipv4/conf/all/rp_filter"); err != nil {
			return f, err
		}
		if f.acceptLocalAll, err = readSysctl("net/ipv4/conf/all/accept_local"); err != nil {
			return f, err
		}
	}
	f.localRules = v.localRules(ipv6)
	return f, nil
}
