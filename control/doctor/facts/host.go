package facts

import (
	"fmt"
	"net/netip"
	"slices"

	"lvsdr/control/shield"
	"lvsdr/dataplane/frame"
)

// A Host holds the settings of this host as plain data.
type Host struct {
	Links  []Link
	Routes map[netip.Addr]Route // to the addresses that Gather was asked for
	// Defaults are the default routes of the main table.
	Defaults []Route
	// Sysctls are by key, as in net.ipv4.ip_forward.
	Sysctls map[string]string
	Guards  []shield.Guard // what the director's shield hides from the kernel
	Blocks  []Block
	// Led are the addresses to which this host's own packets go another way than
	// by its addresses and networks: by a policy rule ("iif lo to ADDRESS"), or by
	// the redirect of local clients.
	Led       []netip.Addr
	Listeners []Listener
	Taps      []Tap
	Firewall  Ruleset
}

// A Link is an interface.
type Link struct {
	Index    int
	Name     string
	MAC      frame.MAC // zero: not an Ethernet interface
	MTU      int       // bytes of an IP packet
	Up       bool
	Loopback bool
	NoARP    bool // it neither asks nor answers by ARP
	Addrs    []netip.Prefix
}

// Ethernet reports whether frames with MAC addresses go over the link.
func (l *Link) Ethernet() bool { return l.MAC != frame.MAC{} && !l.Loopback }

// A Route is how this host reaches an address.
type Route struct {
	Ifindex int
	Local   bool       // the address is this host's own
	Gateway netip.Addr // invalid: on link
	Source  netip.Addr // this host's address there; invalid: none
	Err     error      // there is no route
}

// A Block is a policy rule that ends packets: blackhole, unreachable or prohibit.
// It comes before the rule for local addresses.
type Block struct {
	Priority int
	To       netip.Prefix
	Text     string // as ip rule shows it
}

// A Listener is a socket that takes connections, or datagrams.
type Listener struct {
	Protocol string         // "tcp" or "udp"
	At       netip.AddrPort // 0.0.0.0 or :: for all addresses
	Process  string         // "nginx, process 4711"; empty: not known
}

// A Tap is a packet socket that receives the frames of an interface, in another
// process than this one and the director.
type Tap struct {
	Ifindex int // 0: all
	PID     int
	Process string // its name
}

// Link is the interface with an index, nil: none.
func (h *Host) Link(index int) *Link {
	i := slices.IndexFunc(h.Links, func(l Link) bool { return l.Index == index })
	if i < 0 {
		return nil
	}
	return &h.Links[i]
}

// Named is the interface with a name, nil: none.
func (h *Host) Named(name string) *Link {
	i := slices.IndexFunc(h.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return nil
	}
	return &h.Links[i]
}

// Owner is the interface that has an address, and the prefix it has it with.
func (h *Host) Owner(a netip.Addr) (*Link, netip.Prefix) {
	for i := range h.Links {
		for _, p := range h.Links[i].Addrs {
			if p.Addr() == a {
				return &h.Links[i], p
			}
		}
	}
	return nil, netip.Prefix{}
}

// Source is an address of the link to ask for a from: one of a network that has
// a, else any of its family. An address without a network, as VIPs are, comes
// last. It is invalid if there is none.
func (l *Link) Source(a netip.Addr) netip.Addr {
	var best netip.Prefix
	rank := func(p netip.Prefix) int {
		switch {
		case !p.IsValid():
			return 0
		case p.IsSingleIP():
			return 1
		case !p.Contains(a):
			return 2
		}
		return 3
	}
	for _, p := range l.Addrs {
		if p.Addr().Is4() == a.Is4() && p.Addr() != a && !p.Addr().IsLinkLocalUnicast() && rank(p) > rank(best) {
			best = p
		}
	}
	return best.Addr()
}

// Listens is a listener that takes connections to a, if there is one.
func (h *Host) Listens(protocol string, a netip.AddrPort) (Listener, bool) {
	for _, l := range h.Listeners {
		if l.Protocol != protocol || l.At.Port() != a.Port() {
			continue
		}
		// A socket for :: takes IPv4 too, unless it was made IPv6-only, which
		// /proc does not tell.
		if l.At.Addr() == a.Addr() || l.At.Addr().IsUnspecified() && (a.Addr().Is4() || l.At.Addr().Is6()) {
			return l, true
		}
	}
	return Listener{}, false
}

// Greatest is the greater of the settings "all" and of an interface, which is
// what the kernel goes by for arp_ignore, arp_announce and rp_filter
// (Documentation/networking/ip-sysctl.rst).
func (h *Host) Greatest(ifname, name string) int {
	return max(h.Number("net.ipv4.conf.all."+name), h.Number("net.ipv4.conf."+ifname+"."+name))
}

// Number is a setting as a number; 0 if it is not known.
func (h *Host) Number(key string) int {
	var n int
	if _, err := fmt.Sscan(h.Sysctls[key], &n); err != nil {
		return 0
	}
	return n
}

// Setting shows a setting and its value.
func (h *Host) Setting(key string) string { return key + " = " + h.Sysctls[key] }
