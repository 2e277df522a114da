package realserver

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"lvsdr/control/hostnet"
)

// The kinds of tunnels, as ipvsadm names them.
const (
	KindIPIP = "ipip"
	KindGRE  = "gre"
	KindGUE  = "gue"
)

// Kinds are the kinds of tunnels.
func Kinds() []string { return []string{KindIPIP, KindGRE, KindGUE} }

// A Tunnel is how the director packs what it sends to this host.
type Tunnel struct {
	Kind string `json:"kind"` // KindIPIP, KindGRE or KindGUE
	// Port is the UDP port of KindGUE: ipvsadm's --tun-port. 0 with other kinds.
	Port uint16 `json:"port,omitempty"`
	// Local is the address of this host that the director sends to. It is needed
	// where its family is not the VIP's, and with CSum. Zero: any address of the VIP's
	// family.
	Local netip.Addr `json:"local,omitzero"`
	// CSum says that the director puts checksums into GRE: its device takes these
	// alone, and the one without takes the others alone.
	CSum bool `json:"csum,omitempty"`
}

// check finds what can be known to be wrong without looking at the host.
func (t Tunnel) check(vip netip.Addr) error {
	l := t.Local
	switch {
	case !slices.Contains(Kinds(), t.Kind):
		return fmt.Errorf("tunnel %q: there are %s", t.Kind, strings.Join(Kinds(), ", "))
	case t.Kind == KindGUE && t.Port == 0:
		return errors.New("tunnel gue: its port is missing; it is the director's --tun-port")
	case t.Kind != KindGUE && t.Port != 0:
		return fmt.Errorf("tunnel %s: it has no port", t.Kind)
	case t.CSum && t.Kind != KindGRE:
		return fmt.Errorf("tunnel %s: this host takes it with and without a checksum; only gre needs to know", t.Kind)
	case t.CSum && !l.IsValid():
		return errors.New("tunnel gre with a checksum: it needs a device for one address of this host; name the address")
	case l.IsValid() && (l.Is4In6() || l.Zone() != "" || l.IsUnspecified() || l.IsMulticast() || l == vip):
		return fmt.Errorf("tunnel to %s: not an address that this host has for itself", l)
	}
	return nil
}

// outer6 reports whether the outer packets are of IPv6.
func (t Tunnel) outer6(vip netip.Addr) bool {
	if t.Local.IsValid() {
		return t.Local.Is6()
	}
	return vip.Is6()
}

// overhead is how many bytes the director puts before a packet: the outer header,
// UDP and GUE, or GRE.
func (t Tunnel) overhead(vip netip.Addr) int {
	n := 20
	if t.outer6(vip) {
		n = 40
	}
	switch {
	case t.Kind == KindGUE:
		n += 8 + 4
	case t.CSum:
		n += 8
	case t.Kind == KindGRE:
		n += 4
	}
	return n
}

// A Device is an interface that takes packets out of a tunnel. Without a Local
// address it is the one that the kernel's module makes in each network namespace,
// which takes what no other tunnel of the host takes.
type Device struct {
	Name  string     `json:"name"`
	Kind  string     `json:"kind"`           // as ip-link(8) names it
	Local netip.Addr `json:"local,omitzero"` // where the tunnel ends
	CSum  bool       `json:"csum,omitempty"` // of GRE
}

func (d Device) fallback() bool { return d.Name != "" && !d.Local.IsValid() }

// String is the device in ip-link(8)'s words.
func (d Device) String() string {
	s := d.Name + " type " + d.Kind
	if d.Local.IsValid() {
		s += " local " + d.Local.String()
	}
	if d.CSum {
		s += " icsum"
	}
	return s
}

// The values of a Device beside Absent.
const (
	Down = "down"
	Up   = "up"
)

// A GUE is a port of UDP for GUE (fou in the kernel).
type GUE struct {
	Port uint16 `json:"port"`
	IPv6 bool   `json:"ipv6,omitempty"`
}

// String is the port in the words of ip fou.
func (g GUE) String() string {
	s := fmt.Sprintf("fou port %d gue", g.Port)
	if g.IPv6 {
		s += " -6"
	}
	return s
}

// Names of the devices that start makes where the kernel's own does not take such
// packets.
const (
	device4in6 = "lvsdr4in6" // ip6tnl0 takes IPv6 alone
	deviceCSum = "lvsdrgre"
)

// device is the one that takes the packets for vip out of the tunnel. GUE's come,
// once it has been taken off, like those of IPIP.
func (t Tunnel) device(vip netip.Addr) Device {
	out6 := t.outer6(vip)
	switch {
	case t.Kind == KindGRE && t.CSum && out6:
		return Device{Name: deviceCSum, Kind: "ip6gre", Local: t.Local, CSum: true}
	case t.Kind == KindGRE && t.CSum:
		return Device{Name: deviceCSum, Kind: "gre", Local: t.Local, CSum: true}
	case t.Kind == KindGRE && out6:
		return Device{Name: "ip6gre0", Kind: "ip6gre"}
	case t.Kind == KindGRE:
		return Device{Name: "gre0", Kind: "gre"}
	case out6 && vip.Is6():
		return Device{Name: "ip6tnl0", Kind: "ip6tnl"}
	case out6:
		return Device{Name: device4in6, Kind: "ip6tnl", Local: t.Local}
	case vip.Is6():
		return Device{Name: "sit0", Kind: "sit"}
	}
	return Device{Name: "tunl0", Kind: "ipip"}
}

// DeviceName is the name of the interface that takes packets for vip out of the tunnel.
func (t Tunnel) DeviceName(vip netip.Addr) string { return t.device(vip).Name }

// tunnelDevices are the names of all devices that a start can set up.
func tunnelDevices() []string {
	return []string{"tunl0", "sit0", "ip6tnl0", "gre0", "ip6gre0", device4in6, deviceCSum}
}

// ofTunnelDevice reports whether a sysctl is one of such a device.
func ofTunnelDevice(sysctl string) bool {
	return sysctl != "" && slices.Contains(tunnelDevices(), filepath.Base(filepath.Dir(sysctl)))
}

// tunnelKind reports whether links of this kind may have the VIP of a tunnel.
func tunnelKind(kind string) bool {
	return slices.Contains([]string{"ipip", "sit", "ip6tnl", "gre", "ip6gre"}, kind)
}

// tunnelGoals take the director's packets out of the tunnel. The strict reverse path
// filter would drop them, since answers leave by another interface. For IPv4 the VIP is on the
// tunnel's device: a device without an address passes no reverse path filter but
// that which is off, on all and on itself. IPv6 has none, and the VIP is on lo.
func tunnelGoals(t Tunnel, vip netip.Addr, f facts) []goal {
	d := t.device(vip)
	all := []goal{{item: Item{Device: d}, value: Up}}
	if vip.Is4() {
		all = append(all, looseFilter(d.Name, f))
	}
	if t.Kind == KindGUE {
		all = append(all, goal{item: Item{GUE: GUE{Port: t.Port, IPv6: t.outer6(vip)}}, value: Present})
	}
	if vip.Is4() {
		all = append(all, goal{item: Item{Address: netip.PrefixFrom(vip, vip.BitLen()), On: d.Name}, value: Present})
	}
	return all
}

// device is the value of a Device.
func (v view) device(d Device) string {
	link, ok := v.net.LinkByName(d.Name)
	switch {
	case !ok:
		return Absent
	case link.Up:
		return Up
	}
	return Down
}

// clash is an error where something else has the name of the tunnel's device, or
// where the address that the director sends to is not this host's.
func (v view) clash(o Options) error {
	for _, t := range o.Tunnels {
		d := t.device(o.VIP)
		if link, ok := v.net.LinkByName(d.Name); ok && link.Kind != d.Kind {
			return fmt.Errorf("interface %s is of type %s, not %s; give it another name: ip link set %[1]s name NAME", d.Name, link.Kind, d.Kind)
		}
		has := func(a hostnet.Addr) bool { return a.Prefix.Addr() == t.Local }
		if t.Local.IsValid() && !slices.ContainsFunc(v.net.Addrs, has) {
			return fmt.Errorf("tunnel to %s: this host has no such address", t.Local)
		}
	}
	return nil
}

// advice says what each tunnel costs of the MTU.
func (v view) advice(o Options) []string {
	mtu, route := 1500, "default via GATEWAY"
	for _, r := range v.net.Routes {
		link, _ := v.net.Link(r.Link)
		if r.To.Bits() == 0 && r.To.Addr().Is4() == o.VIP.Is4() && r.Gateway.IsValid() && link.MTU > 0 {
			mtu, route = link.MTU, fmt.Sprintf("default via %s dev %s", r.Gateway, link.Name)
			break
		}
	}
	headers, ip := 40, "ip"
	if o.VIP.Is6() {
		headers, ip = 60, "ip -6"
	}
	var all []string
	for _, t := range o.Tunnels {
		rest := mtu - t.overhead(o.VIP)
		all = append(all, fmt.Sprintf("%s takes %d bytes: in a link of %d bytes clients' packets may have %d; the director tells them so by ICMP; "+
			"where ICMP is filtered, announce a smaller MSS: %s route change %s advmss %d", t.Kind, mtu-rest, mtu, rest, ip, route, rest-headers))
	}
	return all
}
