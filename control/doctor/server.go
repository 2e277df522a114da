package doctor

import (
	"context"
	"net/netip"

	"lvsdr/control/doctor/checks"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/realserver"
)

// ServerOptions say how a real server is examined.
type ServerOptions struct {
	VIPs     []netip.Addr
	Port     uint16            // of the service; 0: not examined
	Tunnel   realserver.Tunnel // how the director's packets come in; without a kind: as they are
	Director netip.Addr        // for NAT: the address by which answers go back; invalid: another method
	Progress checks.Progress
}

// Check finds a tunnel that cannot be one for a VIP.
func (o *ServerOptions) Check(vip netip.Addr) error {
	if o.Tunnel.Kind == "" {
		return nil
	}
	return realserver.Options{VIP: vip, Tunnels: []realserver.Tunnel{o.Tunnel}}.Check()
}

// Server examines this host as a real server. It sends nothing and needs no
// privileges, but without CAP_NET_ADMIN it does not see the firewall.
func Server(ctx context.Context, o ServerOptions) (*findings.Report, error) {
	host, err := facts.Read(o.VIPs)
	if err != nil {
		return nil, err
	}
	r := checks.RealServer{Host: host, VIPs: o.VIPs, Port: o.Port, Tunnel: o.Tunnel, Director: o.Director}
	return r.Examine(ctx, o.Progress)
}
