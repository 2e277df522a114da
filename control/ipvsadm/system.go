package ipvsadm

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// servicesFile has the names of ports.
const servicesFile = "/etc/services"

// lookupPatience is how long one name of a host may take.
const lookupPatience = 10 * time.Second

// SystemNames are the names that the system knows: hosts by its resolver, ports
// by /etc/services, which may be missing.
func SystemNames(ctx context.Context) Names {
	var n Names
	if f, err := os.Open(servicesFile); err == nil {
		defer f.Close()
		if n, err = portNames(f); err != nil {
			n = Names{} // ports are numeric then
		}
	}
	hosts := &resolver{ctx: ctx, names: map[netip.Addr]string{}}
	n.Addr, n.Host = hosts.addr, hosts.host
	return n
}

// A resolver asks the system for names, once for each address. It serves one
// command.
type resolver struct {
	ctx   context.Context
	names map[netip.Addr]string
}

// addr is the first address of a host, of IPv4 if it has one.
func (r *resolver) addr(host string) (netip.Addr, bool) {
	ctx, cancel := context.WithTimeout(r.ctx, lookupPatience)
	defer cancel()
	for _, network := range []string{"ip4", "ip6"} {
		if all, err := net.DefaultResolver.LookupNetIP(ctx, network, host); err == nil && len(all) > 0 {
			return all[0].Unmap(), true
		}
	}
	return netip.Addr{}, false
}

// host is the first name of an address; empty: it has none.
func (r *resolver) host(a netip.Addr) string {
	name, known := r.names[a]
	if known {
		return name
	}
	ctx, cancel := context.WithTimeout(r.ctx, lookupPatience)
	defer cancel()
	if all, err := net.DefaultResolver.LookupAddr(ctx, a.String()); err == nil && len(all) > 0 {
		name = strings.TrimSuffix(all[0], ".")
	}
	r.names[a] = name
	return name
}
