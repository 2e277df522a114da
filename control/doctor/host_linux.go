package doctor

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/localclient"
	"lvsdr/control/procnet"
	"lvsdr/control/shield"
	"lvsdr/dataplane/frame"
)

// Gather reads the settings of this host, with the routes to addrs. The
// namespace is the calling thread's, but /proc shows the process's own; they
// should be the same. What may not be read is left empty.
func Gather(addrs []netip.Addr) (*Host, error) {
	h := &Host{Routes: map[netip.Addr]Route{}, Sysctls: map[string]string{}}
	if err := h.gatherLinks(); err != nil {
		return nil, err
	}
	for _, a := range addrs {
		h.Routes[a] = routeTo(a)
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		h.gatherRoutes(family)
		h.gatherRules(family)
	}
	h.gatherGuards()
	h.gatherSysctls()
	processes := socketOwners()
	h.gatherListeners(processes)
	h.gatherTaps(processes)
	h.Firewall = readFirewall()
	return h, nil
}

func (h *Host) gatherLinks() error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list the interfaces: %w", err)
	}
	for _, l := range links {
		a := l.Attrs()
		link := Link{Index: a.Index, Name: a.Name, MTU: a.MTU, Up: a.Flags&net.FlagUp != 0,
			Loopback: a.Flags&net.FlagLoopback != 0, NoARP: a.RawFlags&unix.IFF_NOARP != 0}
		if len(a.HardwareAddr) == len(link.MAC) {
			link.MAC = frame.MAC(a.HardwareAddr)
		}
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return fmt.Errorf("list the addresses of %s: %w", a.Name, err)
		}
		for _, addr := range addrs {
			ip, _ := netip.AddrFromSlice(addr.IP)
			ones, _ := addr.Mask.Size()
			link.Addrs = append(link.Addrs, netip.PrefixFrom(ip.Unmap(), ones))
		}
		h.Links = append(h.Links, link)
	}
	return nil
}

// routeTo asks the kernel for its route to a.
func routeTo(a netip.Addr) Route {
	routes, err := netlink.RouteGet(a.AsSlice())
	if err == nil && len(routes) == 0 {
		err = unix.ENETUNREACH
	}
	if err != nil {
		return Route{Err: err}
	}
	return route(&routes[0])
}

func route(r *netlink.Route) Route {
	out := Route{Ifindex: r.LinkIndex, Local: r.Type == unix.RTN_LOCAL}
	out.Gateway, _ = netip.AddrFromSlice(r.Gw)
	if r.Via != nil {
		out.Gateway, _ = netip.AddrFromSlice(r.Via.(*netlink.Via).Addr)
	}
	out.Source, _ = netip.AddrFromSlice(r.Src)
	out.Gateway, out.Source = out.Gateway.Unmap(), out.Source.Unmap()
	return out
}

// gatherRoutes finds the default routes. A kernel without the family has none.
func (h *Host) gatherRoutes(family int) {
	routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return
	}
	for i := range routes {
		ones := 0
		if routes[i].Dst != nil {
			ones, _ = routes[i].Dst.Mask.Size()
		}
		if ones == 0 && routes[i].Type == unix.RTN_UNICAST {
			h.Defaults = append(h.Defaults, route(&routes[i]))
		}
	}
}

// gatherGuards finds what the shield hides, and the VIPs whose clients on this
// host go to the director. Without the privilege nothing is found.
func (h *Host) gatherGuards() {
	guards, err := shield.Guarded()
	if err == nil {
		for _, g := range guards {
			h.Guards = append(h.Guards, Guard(g))
		}
	}
	if redirected, err := localclient.Redirected(); err == nil {
		h.Led = append(h.Led, redirected...)
	}
}

// gatherRules finds the policy rules that end packets in front of the table of
// local addresses, and those that lead this host's own packets elsewhere.
func (h *Host) gatherRules(family int) {
	rules, err := netlink.RuleList(family)
	if err != nil {
		return
	}
	local := math.MaxInt
	for _, r := range rules {
		if r.Table == unix.RT_TABLE_LOCAL {
			local = min(local, r.Priority)
		}
	}
	for _, r := range rules {
		to := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if family == unix.AF_INET6 {
			to = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if r.Dst != nil {
			a, _ := netip.AddrFromSlice(r.Dst.IP)
			ones, _ := r.Dst.Mask.Size()
			to = netip.PrefixFrom(a.Unmap(), ones)
		}
		switch {
		case r.Table != 0 && r.IifName == "lo" && to.IsSingleIP():
			h.Led = append(h.Led, to.Addr())
		case r.Table == 0 && r.Goto <= 0 && r.Priority <= local: // neither a table nor a goto
			text := fmt.Sprintf("ip rule: %d: to %s", r.Priority, to)
			if r.IifName != "" {
				text += " iif " + r.IifName
			}
			h.Blocks = append(h.Blocks, Block{Priority: r.Priority, To: to, Text: text + ", which ends packets"})
		}
	}
}

// gatherSysctls reads what is known to matter.
func (h *Host) gatherSysctls() {
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

// A process has sockets.
type process struct {
	pid  int
	name string
}

// socketOwners are the processes by the inodes of their sockets: those that this
// one may look into, which for root are all it can see.
func socketOwners() map[uint64]process {
	owners := map[uint64]process{}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return owners // the pattern is good
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, "socket:[") {
			continue
		}
		inode, err := strconv.ParseUint(strings.Trim(target, "socket:[]"), 10, 64)
		if err != nil {
			continue
		}
		parts := strings.Split(link, "/")
		pid, err := strconv.Atoi(parts[2])
		if err != nil {
			continue
		}
		name, err := os.ReadFile("/proc/" + parts[2] + "/comm")
		if err == nil {
			owners[inode] = process{pid, strings.TrimSpace(string(name))}
		}
	}
	return owners
}

func (h *Host) gatherListeners(owners map[uint64]process) {
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		sockets, err := procnet.Read(name, func(r io.Reader) ([]procSocket, error) { return readSockets(r, binary.NativeEndian) })
		if err != nil {
			continue // a kernel without IPv6
		}
		for _, s := range sockets {
			if !s.listen {
				continue
			}
			l := Listener{Protocol: strings.TrimSuffix(name, "6"), At: s.at}
			if p, ok := owners[s.inode]; ok {
				l.Process = fmt.Sprintf("%s, process %d", p.name, p.pid)
			}
			h.Listeners = append(h.Listeners, l)
		}
	}
}

// gatherTaps finds the packet sockets of others.
func (h *Host) gatherTaps(owners map[uint64]process) {
	taps, err := procnet.Read("packet", procnet.Taps)
	if err != nil {
		return
	}
	seen := map[Tap]bool{}
	for _, t := range taps {
		p, ok := owners[t.Inode]
		if t.Protocol == 0 || ok && p.pid == os.Getpid() {
			continue
		}
		tap := Tap{Ifindex: t.Ifindex, PID: p.pid, Process: p.name}
		if !seen[tap] {
			seen[tap] = true
			h.Taps = append(h.Taps, tap)
		}
	}
}
