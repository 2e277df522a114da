package ipvsadm

import (
	"net/netip"
	"strconv"
	"strings"

	"lvsdr/dataplane/frame"
)

// Names turns names into addresses and ports, and back. A nil function knows
// none. They may be called from several goroutines.
type Names struct {
	// Addr is the address of a host.
	Addr func(host string) (netip.Addr, bool)
	// Host is the name of an address; empty: it has none.
	Host func(netip.Addr) string
	// Port is the port of a service; proto is tcp, udp or sctp.
	Port func(proto, service string) (uint16, bool)
	// Service is the name of a port; empty: it has none.
	Service func(proto string, port uint16) string
}

// endpoint reads host, host:port, [IPv6]:port or a bare IPv6 address, of proto.
// Without port it is 0.
func (n *Names) endpoint(s string, proto frame.Proto) (addr frame.Addr, port uint16, ok bool) {
	host, service, withPort := s, "", false
	if inner, bracketed := strings.CutPrefix(s, "["); bracketed {
		if host, service, withPort = strings.Cut(inner, "]:"); !withPort || !strings.Contains(host, ":") {
			return addr, 0, false
		}
	} else if strings.Count(s, ":") == 1 {
		host, service, withPort = strings.Cut(s, ":")
	}
	if withPort {
		if port, ok = n.port(service, proto); !ok {
			return addr, 0, false
		}
	}
	addr, ok = n.host(host)
	return addr, port, ok
}

// host reads an address, or the name of one. Addresses with a zone, and IPv4
// addresses in IPv6 clothes, are none.
func (n *Names) host(s string) (frame.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		if n.Addr == nil || s == "" || strings.Contains(s, ":") {
			return frame.Addr{}, false
		}
		var known bool
		if a, known = n.Addr(s); !known {
			return frame.Addr{}, false
		}
	}
	if a.Zone() != "" || a.Is4In6() {
		return frame.Addr{}, false
	}
	return frame.AddrFrom(a), true
}

func (n *Names) port(s string, proto frame.Proto) (uint16, bool) {
	if p, ok := number(s, 0, 1<<16-1); ok {
		return uint16(p), true
	}
	if n.Port == nil || s == "" {
		return 0, false
	}
	return n.Port(proto.String(), s)
}

// The widths that names of IPv4 are cut at.
const (
	serviceWidth = 33
	serverWidth  = 28
)

// text is an address and port in a listing, by name where there is one.
func (n *Names) text(proto frame.Proto, a frame.Addr, port uint16, width int) string {
	host, service := a.String(), strconv.Itoa(int(port))
	if n.Host != nil {
		if name := n.Host(a.IP()); name != "" {
			host = name
		}
	}
	if n.Service != nil && port != 0 {
		if name := n.Service(proto.String(), port); name != "" {
			service = name
		}
	}
	if !a.Is4() {
		return "[" + host + "]:" + service
	}
	s := host + ":" + service
	return s[:min(len(s), width)]
}

// ProtoName is the protocol as it is listed: IP where it is none of its own, as
// of the template of a service by mark.
func ProtoName(proto frame.Proto) string {
	if !proto.HasPorts() {
		return "IP"
	}
	return strings.ToUpper(proto.String())
}
