package ipvsadm

import (
	"net/netip"
	"strconv"
	"strings"
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

// endpoint reads host, host:port, [host]:port or a bare IPv6 address, of proto.
// Without port it is 0; a number alone is a port without host. As in ipvsadm, a
// port behind an IPv4 address in brackets does not count.
func (n *Names) endpoint(s, proto string) (addr netip.Addr, port uint16, ok bool) {
	host, service, withPort := s, "", false
	if inner, bracketed := strings.CutPrefix(s, "["); bracketed {
		if host, service, withPort = strings.Cut(inner, "]:"); !withPort {
			return addr, 0, false
		}
	} else if strings.Count(s, ":") == 1 {
		host, service, withPort = strings.Cut(s, ":")
	} else if _, number := number(s, 0, 1<<16-1); number {
		return addr, 0, false
	}
	if withPort {
		if port, ok = n.port(service, proto); !ok {
			return addr, 0, false
		}
	}
	addr, ok = n.host(host)
	if strings.HasPrefix(s, "[") && addr.Is4() {
		port = 0
	}
	return addr, port, ok
}

// host reads an address, or the name of one. Addresses with a zone are none, nor
// are IPv6 addresses that hold one of IPv4.
func (n *Names) host(s string) (netip.Addr, bool) {
	a, ok := aton(s)
	if !ok && strings.Contains(s, ":") {
		var err error
		a, err = netip.ParseAddr(s)
		ok = err == nil
	} else if !ok && n.Addr != nil && s != "" {
		a, ok = n.Addr(s)
	}
	return a, ok && a.Zone() == "" && !a.Is4In6()
}

func (n *Names) port(s, proto string) (uint16, bool) {
	if p, ok := number(s, 0, 1<<16-1); ok {
		return uint16(p), true
	}
	if n.Port == nil || s == "" {
		return 0, false
	}
	return n.Port(proto, s)
}

// The widths that names of IPv4 are cut at.
const (
	serviceWidth = 33
	serverWidth  = 28
)

// text is an address and port in a listing, by name where there is one.
func (n *Names) text(proto string, a netip.Addr, port uint16, width int) string {
	host, service := a.String(), strconv.Itoa(int(port))
	if n.Host != nil {
		if name := n.Host(a); name != "" {
			host = name
		}
	}
	if n.Service != nil && port != 0 && proto != "" {
		if name := n.Service(proto, port); name != "" {
			service = name
		}
	}
	if a.Is6() {
		return "[" + host + "]:" + service
	}
	s := host + ":" + service
	return s[:min(len(s), width)]
}

// protoName is the protocol as it is listed: IP where it is none of its own, as
// of the template of a service by mark.
func protoName(proto string) string {
	if proto == "" {
		return "IP"
	}
	return strings.ToUpper(proto)
}
