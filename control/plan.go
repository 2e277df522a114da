package control

import (
	"fmt"
	"net/netip"
	"time"

	"lvsdr/control/check"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// A plan is what a configuration asks for on this host: every VIP and every
// real server with the interface it is on.
type plan struct {
	services []plannedService
	vips     map[netip.Addr]onLink
	servers  map[netip.Addr]onLink
	problems []string // what was left out, and what to do about it
}

// A plannedService is a virtual service with its servers in the order of the
// configuration.
type plannedService struct {
	name    string
	cfg     dataplane.ServiceConfig
	source  *keepalived.VirtualServer
	servers []plannedServer
}

// A plannedServer is a real server of a service.
type plannedServer struct {
	name    string // [ADDR]:proto:PORT of VS [ADDR]:proto:PORT
	cfg     dataplane.ServerConfig
	source  *keepalived.RealServer
	inhibit bool // weight 0 instead of removal while it is down
}

// newPlan reads cfg against the networks of this host. It fails where a VIP
// cannot be served; a real server that cannot be reached is left out and
// becomes a problem.
func newPlan(cfg *keepalived.Config, ifname string, net network) (*plan, error) {
	if ifname == "" {
		ifname = cfg.Global.DefaultInterface
	}
	p := &plan{vips: map[netip.Addr]onLink{}, servers: map[netip.Addr]onLink{}}
	for _, vs := range cfg.VirtualServers {
		if _, ok := p.vips[vs.Addr]; !ok {
			at, err := net.vip(vs.Addr, ifname)
			if err != nil {
				return nil, fmt.Errorf("%v: virtual_server %s: %w", vs.Pos, vs.Name(), err)
			}
			p.vips[vs.Addr] = at
		}
		p.services = append(p.services, p.service(vs, net))
	}
	return p, nil
}

func (p *plan) service(vs *keepalived.VirtualServer, net network) plannedService {
	s := plannedService{name: vs.Name(), source: vs, cfg: dataplane.ServiceConfig{
		Key:         dataplane.ServiceKey{Proto: uint8(vs.Protocol), Addr: frame.AddrFrom(vs.Addr), Port: vs.Port},
		Scheduler:   vs.Scheduler,
		Flags:       scheduler.Flags(vs.SchedFlags),
		Persistence: time.Duration(vs.Persistence.Timeout) * time.Second,
		Mask:        frame.AddrFrom(vs.Granularity),
		OnePacket:   vs.OPS,
	}}
	for _, rs := range vs.RealServers {
		if _, ok := p.servers[rs.Addr]; !ok {
			at, err := net.server(rs.Addr)
			if err != nil {
				p.problems = append(p.problems, fmt.Sprintf("%v: real_server %s is left out: %v", rs.Pos, rs.Name(vs.Protocol), err))
				continue
			}
			p.servers[rs.Addr] = at
		}
		s.servers = append(s.servers, plannedServer{
			name:    rs.Name(vs.Protocol) + " of VS " + vs.Name(),
			source:  rs,
			inhibit: rs.InhibitOnFailure,
			cfg: dataplane.ServerConfig{Addr: frame.AddrFrom(rs.Addr), Port: vs.Port,
				Weight: int(rs.Weight), Upper: int(rs.Upper), Lower: int(rs.Lower)},
		})
	}
	return s
}

// interfaces are the indexes of all interfaces of the plan, with the VIPs
// received there.
func (p *plan) interfaces() map[int][]netip.Addr {
	m := map[int][]netip.Addr{}
	for _, at := range p.servers {
		m[at.link.Index] = nil
	}
	for vip, at := range p.vips {
		m[at.link.Index] = append(m[at.link.Index], vip)
	}
	return m
}

// checks are the health checks of the plan. With dr set, a check of a TCP
// service's own server also proves Direct Routing.
func (p *plan) checks(dr *check.Router, logAll bool) ([]check.Spec, []check.Path) {
	var specs []check.Spec
	var paths []check.Path
	for _, s := range p.services {
		for _, r := range s.servers {
			for i, c := range r.source.Checks {
				spec := check.Spec{
					ID:     fmt.Sprintf("%s %s#%d", r.name, c.Kind, i+1),
					Server: r.name,
					Settings: check.Settings{DelayLoop: c.DelayLoop, ConnectTimeout: c.ConnectTimeout, Retry: int(c.Retry),
						DelayBeforeRetry: c.DelayBeforeRetry, Warmup: c.Warmup, Alpha: c.Alpha, LogAll: logAll},
				}
				own := check.TCP{Addr: netip.AddrPortFrom(c.ConnectIP, c.ConnectPort), Bind: netip.AddrPortFrom(c.BindTo, 0)}
				spec.Probe = own
				if dr != nil && s.cfg.Key.Proto == frame.ProtoTCP && own.Addr == netip.AddrPortFrom(r.source.Addr, s.cfg.Key.Port) && s.cfg.Key.Port != 0 {
					probe := check.DR{VIP: netip.AddrPortFrom(s.source.Addr, s.cfg.Key.Port), RS: r.source.Addr,
						Ifindex: p.servers[r.source.Addr].link.Index, Router: dr}
					paths = append(paths, probe.Path())
					spec.Probe = check.Pair{Own: own, DR: probe}
				}
				specs = append(specs, spec)
			}
		}
	}
	return specs, paths
}
