package facts

import (
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/localclient"
	"lvsdr/control/procnet"
	"lvsdr/control/shield"
)

// Read reads the settings of this host, with the routes to addrs. The
// namespace is the calling thread's, but /proc shows the process's own; they
// should be the same. What may not be read is left empty.
func Read(addrs []netip.Addr) (*Host, error) {
	h := &Host{Routes: map[netip.Addr]Route{}, Sysctls: map[string]string{}}
	if err := h.readLinks(); err != nil {
		return nil, err
	}
	for _, a := range addrs {
		h.Routes[a] = routeTo(a)
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		// A kernel without the family has no routes and no rules.
		if routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE); err == nil {
			h.takeDefaults(routes)
		}
		if rules, err := netlink.RuleList(family); err == nil {
			h.takeRules(family, rules)
		}
	}
	// Without the privilege nothing is found of these.
	if guards, err := shield.Guarded(); err == nil {
		h.Guards = guards
	}
	if redirected, err := localclient.Redirected(); err == nil {
		h.Led = append(h.Led, redirected...)
	}
	h.readSysctls()
	h.readSockets(socketOwners("/proc"))
	h.Firewall = readFirewall()
	return h, nil
}

// readSockets reads the sockets, whose processes are known by their inodes.
func (h *Host) readSockets(owners map[uint64]process) {
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		sockets, err := procnet.Read(name, func(r io.Reader) ([]procnet.Socket, error) { return procnet.Sockets(r, binary.NativeEndian) })
		if err == nil { // else it is a kernel without IPv6
			h.takeListeners(strings.TrimSuffix(name, "6"), sockets, owners)
		}
	}
	if taps, err := procnet.Read("packet", procnet.Taps); err == nil {
		h.takeTaps(taps, owners, os.Getpid())
	}
}

// readSysctls reads what is known to matter.
func (h *Host) readSysctls() {
	keys := []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}
	confs := []string{"all"}
	for _, l := range h.Links {
		confs = append(confs, l.Name)
	}
	for _, conf := range confs {
		for _, name := range []string{"arp_ignore", "arp_announce", "rp_filter", "accept_local"} {
			keys = append(keys, "net/ipv4/conf/"+conf+"/"+name)
		}
	}
	for _, k := range keys {
		if b, err := os.ReadFile("/proc/sys/" + k); err == nil {
			h.Sysctls[strings.ReplaceAll(k, "/", ".")] = strings.TrimSpace(string(b))
		}
	}
}
