package realserver

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// The values of an Item that is no sysctl.
const (
	Absent  = "absent"
	Present = "present"
)

// An Item is one thing that is set on a host: exactly one field is not zero, but
// for On. It can be compared.
type Item struct {
	// Sysctl is a path below /proc/sys: net/ipv4/conf/all/arp_ignore. Its
	// value is the file's text without the line feed.
	Sysctl string `json:"sysctl,omitempty"`
	// Address is an address on lo, or on the tunnel device On.
	Address netip.Prefix `json:"address,omitzero"`
	On      string       `json:"on,omitempty"` // beside Address alone; empty: lo
	Route   Route        `json:"route,omitzero"`
	Rule    Rule         `json:"rule,omitzero"`
	// Device is the end of a tunnel. Its value is Absent, Down or Up.
	Device Device `json:"device,omitzero"`
	// GUE is a UDP port at which the kernel takes packets out of GUE.
	GUE GUE `json:"gue,omitzero"`
}

// A Route is one without a gateway.
type Route struct {
	To        netip.Prefix `json:"to"`
	Interface string       `json:"interface"`
	Source    netip.Addr   `json:"source,omitzero"` // preferred; zero: the kernel's choice
	Table     int          `json:"table"`
}

// A Rule is a rule of policy routing that leads to a table: one for the local
// clients of a port, or an unconditional one for the table of local addresses.
type Rule struct {
	IPv6     bool       `json:"ipv6,omitempty"`
	Priority int        `json:"priority"`
	Table    int        `json:"table"`
	To       netip.Addr `json:"to,omitzero"` // zero: unconditional; else locally made packets to Port of To
	Port     Port       `json:"port,omitzero"`
	// Owner is the maker of the rule, as in rtnetlink's RTPROT_* numbers: 2 is the
	// kernel.
	Owner uint8 `json:"owner"`
}

// A Port is a port of TCP or UDP.
type Port struct {
	Protocol frame.Proto `json:"protocol"` // TCP or UDP
	Number   uint16      `json:"number"`
}

// ParsePort reads PORT, which is TCP's, PORT/tcp or PORT/udp.
func ParsePort(s string) (Port, error) {
	number, name, named := strings.Cut(s, "/")
	if !named {
		name = "tcp"
	}
	protocol, _ := frame.ParseProto(name)
	n, err := strconv.ParseUint(number, 10, 16)
	p := Port{Protocol: protocol, Number: uint16(n)}
	if err != nil || !p.valid() {
		return Port{}, fmt.Errorf("port %q: want PORT, PORT/tcp or PORT/udp with a port from 1 to 65535", s)
	}
	return p, nil
}

func (p Port) valid() bool {
	return p.Number != 0 && (p.Protocol == frame.ProtoTCP || p.Protocol == frame.ProtoUDP)
}

// String is the port as ParsePort reads it.
func (p Port) String() string { return fmt.Sprintf("%d/%s", p.Number, p.Protocol) }

// String is the item as sysctl(8) and ip(8) name it.
func (i Item) String() string {
	switch {
	case i.Sysctl != "":
		return sysctlName(i.Sysctl)
	case i.Address.IsValid():
		return fmt.Sprintf("address %s dev %s", i.Address, i.on())
	case i.Route.To.IsValid():
		return "route " + i.Route.String()
	case i.Device.Name != "":
		return "device " + i.Device.String()
	case i.GUE.Port != 0:
		return i.GUE.String()
	}
	return "rule " + i.Rule.String()
}

// on is the interface of an Address.
func (i Item) on() string { return cmp.Or(i.On, "lo") }

// String is the route in ip-route(8)'s words.
func (r Route) String() string {
	s := fmt.Sprintf("%s dev %s", r.To, r.Interface)
	if r.Source.IsValid() {
		s += fmt.Sprintf(" src %s", r.Source)
	}
	if r.Table != unix.RT_TABLE_MAIN {
		s += fmt.Sprintf(" table %d", r.Table)
	}
	return s
}

// String is the rule in ip-rule(8)'s words.
func (r Rule) String() string {
	table := strconv.Itoa(r.Table)
	if r.Table == unix.RT_TABLE_LOCAL {
		table = "local"
	}
	if !r.To.IsValid() {
		return fmt.Sprintf("%d: from all lookup %s", r.Priority, table)
	}
	return fmt.Sprintf("%d: from all to %s iif lo ipproto %s dport %d lookup %s", r.Priority, r.To, r.Port.Protocol, r.Port.Number, table)
}

// sysctlName is how sysctl(8) writes a path: with dots, or with slashes where a
// part of it, the name of an interface, has a dot itself.
func sysctlName(path string) string {
	if strings.Contains(path, ".") {
		return path
	}
	return strings.ReplaceAll(path, "/", ".")
}
