package api

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// PathName is the service's name in a path of the API: tcp-192.0.2.1-80,
// udp-2001:db8::1-53, fwmark-7, or fwmark-7-ipv6. It needs no escapes.
func (k ServiceKey) PathName() string {
	switch {
	case k.FWMark != 0 && k.IPv6:
		return fmt.Sprintf("fwmark-%d-ipv6", k.FWMark)
	case k.FWMark != 0:
		return fmt.Sprintf("fwmark-%d", k.FWMark)
	}
	return fmt.Sprintf("%s-%s-%d", k.Protocol, k.Address, k.Port)
}

// ParseService reads a PathName.
func ParseService(name string) (k ServiceKey, err error) {
	bad := fmt.Errorf("service %q: want PROTOCOL-ADDRESS-PORT, such as tcp-192.0.2.1-80, or fwmark-MARK, or fwmark-MARK-ipv6", name)
	first, rest, _ := strings.Cut(name, "-")
	if first == "fwmark" {
		rest, k.IPv6 = strings.CutSuffix(rest, "-ipv6")
		n, err := strconv.ParseUint(rest, 10, 32)
		if err != nil || n == 0 {
			return ServiceKey{}, bad
		}
		k.FWMark = uint32(n)
		return k, nil
	}
	if first != "tcp" && first != "udp" && first != "sctp" {
		return k, bad
	}
	k.Protocol = first
	if k.Address, k.Port, err = parseEnd(rest); err != nil {
		return ServiceKey{}, bad
	}
	return k, nil
}

// PathName is the server's name in a path of the API: ADDRESS-PORT.
func (c *ServerConfig) PathName() string { return fmt.Sprintf("%s-%d", c.Address, c.Port) }

// ParseServer reads a ServerConfig's PathName.
func ParseServer(name string) (netip.Addr, uint16, error) {
	addr, port, err := parseEnd(name)
	if err != nil {
		return addr, port, fmt.Errorf("server %q: want ADDRESS-PORT, such as 192.168.1.11-80", name)
	}
	return addr, port, nil
}

// parseEnd reads ADDRESS-PORT. Neither services nor servers have zones.
func parseEnd(s string) (netip.Addr, uint16, error) {
	host, port, _ := strings.Cut(s, "-")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	if addr.Zone() != "" {
		return netip.Addr{}, 0, errors.New("an address with a zone")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return addr.Unmap(), uint16(n), err
}
