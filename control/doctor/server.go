package doctor

import (
	"context"
	"net/netip"

	"lvsdr/control/doctor/checks"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
)

// ServerOptions say how a real server is examined.
type ServerOptions struct {
	VIPs     []netip.Addr
	Port     uint16 // of the service; 0: not examined
	Progress checks.Progress
}

// Server examines this host as a real server. It sends nothing and needs no
// privileges, but without CAP_NET_ADMIN it does not see the firewall.
func Server(ctx context.Context, o ServerOptions) (*findings.Report, error) {
	host, err := facts.Read(o.VIPs)
	if err != nil {
		return nil, err
	}
	r := checks.RealServer{Host: host, VIPs: o.VIPs, Port: o.Port}
	return r.Examine(ctx, o.Progress)
}
