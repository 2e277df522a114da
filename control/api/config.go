package api

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// A ServiceKey names a virtual service: by protocol, address and port, or by
// firewall mark alone. Port 0 means all ports.
type ServiceKey struct {
	Protocol string     `json:"protocol,omitempty"` // tcp, udp or sctp; empty: of a firewall mark
	Address  netip.Addr `json:"address,omitzero"`
	Port     uint16     `json:"port"`
	FWMark   uint32     `json:"fwmark,omitempty"`
	IPv6     bool       `json:"ipv6,omitempty"` // of a firewall mark: for IPv6 packets
}

// V6 reports whether the service is one of IPv6.
func (k ServiceKey) V6() bool { return k.IPv6 || k.FWMark == 0 && k.Address.Is6() }

// String is the service as people read it: tcp 192.0.2.1:80, or fwmark 7.
func (k ServiceKey) String() string {
	switch {
	case k.FWMark != 0 && k.IPv6:
		return fmt.Sprintf("fwmark %d IPv6", k.FWMark)
	case k.FWMark != 0:
		return fmt.Sprintf("fwmark %d", k.FWMark)
	}
	return k.Protocol + " " + HostPort(k.Address, k.Port)
}

// HostPort is an address and a port as people read them; IPv6 in brackets.
func HostPort(addr netip.Addr, port uint16) string {
	return net.JoinHostPort(addr.String(), strconv.Itoa(int(port)))
}

// A ServiceConfig is the configuration of a virtual service.
type ServiceConfig struct {
	ServiceKey
	Scheduler string `json:"scheduler"`       // as in ipvsadm -s
	Flags     string `json:"flags,omitempty"` // of the scheduler, as in ipvsadm -b: names with commas between
	// Persistence is how long a client stays with its server after its last
	// new connection, in seconds; 0: the service is not persistent.
	Persistence int `json:"persistence"`
	// Netmask says which clients are one to persistence; absent: each is by
	// itself. An IPv4 mask may have holes.
	Netmask   netip.Addr `json:"netmask,omitzero"`
	OnePacket bool       `json:"one_packet,omitempty"`         // UDP: every packet is scheduled by itself
	Engine    string     `json:"persistence_engine,omitempty"` // as in ipvsadm --pe; there is none yet
}

// The forwarding methods.
const (
	Direct     = "direct" // Direct Routing, also where none is given
	Tunnel     = "tunnel" // not supported yet
	Masquerade = "masquerade"
	Local      = "local" // the server is the director's own host
)

// MethodColumn is a forwarding method as the kernel and ipvsadm list it.
func MethodColumn(method string) string {
	switch method {
	case Tunnel:
		return "Tunnel"
	case Masquerade:
		return "Masq"
	case Local:
		return "Local"
	}
	return "Route"
}

// A ServerConfig is the configuration of a real server in a service. It is
// known by its address and port.
type ServerConfig struct {
	Address netip.Addr `json:"address"`
	Port    uint16     `json:"port"`
	Method  string     `json:"method,omitempty"` // empty: Direct
	Encap   Encap      `json:"tunnel,omitzero"`  // of Tunnel
	Weight  int        `json:"weight"`           // 0: no new connections (quiesced)
	// At Upper connections the server gets no new ones until there are fewer
	// than Lower, or than 3/4 of Upper where Lower is 0. Upper 0: no threshold.
	Upper int `json:"upper,omitempty"`
	Lower int `json:"lower,omitempty"`
}

// An Encap is how packets are put into a tunnel to a server.
type Encap struct {
	Kind     string `json:"kind"`               // ipip, gue or gre
	Port     uint16 `json:"port,omitempty"`     // of gue
	Checksum string `json:"checksum,omitempty"` // of gue and gre: csum, or of gue remcsum; empty: none
}

// Timeouts are those of ipvsadm --set, in seconds. In an edit 0 keeps one.
type Timeouts struct {
	TCP    int `json:"tcp"`    // of established connections
	TCPFin int `json:"tcpfin"` // of connections whose client has closed
	UDP    int `json:"udp"`
}
