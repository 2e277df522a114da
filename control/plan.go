package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lvsdr/control/check"
	"lvsdr/control/drroute"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A plan is what a configuration asks for on this host: every VIP and every
// real server with the interface it is on.
type plan struct {
	services []plannedService
	vips     map[netip.Addr]onLink
	servers  map[netip.Addr]onLink
	problems []string                     // what was left out, and what to do about it
	checked  map[*keepalived.Check]string // the servers by their first check
}

// A plannedService is a virtual service with its servers in the order of the
// configuration.
type plannedService struct {
	cfg     dataplane.ServiceConfig
	source  *keepalived.VirtualServer
	servers []plannedServer
}

// A plannedServer is a real server of a service.
type plannedServer struct {
	// name is [ADDR]:proto:PORT of VS [ADDR]:proto:PORT. Servers that share their
	// checks, in the services of a group, have the name of the first: they are up
	// and down together.
	name    string
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
	p := &plan{vips: map[netip.Addr]onLink{}, servers: map[netip.Addr]onLink{}, checked: map[*keepalived.Check]string{}}
	for _, vs := range cfg.VirtualServers {
		if _, ok := p.vips[vs.Addr]; !ok {
			at, err := net.vip(vs.Addr, ifname)
			if err != nil {
				return nil, fmt.Errorf("%v: virtual_server %s: %w", vs.Pos, vs.Name(), err)
			}
			p.vips[vs.Addr] = at
			if at.warning != "" {
				p.problem(fmt.Sprintf("%v: virtual_server %s: %s", vs.Pos, vs.Name(), at.warning))
			}
		}
	}
	for _, vs := range cfg.VirtualServers {
		p.services = append(p.services, p.service(vs, net))
	}
	return p, nil
}

func (p *plan) service(vs *keepalived.VirtualServer, net network) plannedService {
	s := plannedService{source: vs, cfg: dataplane.ServiceConfig{
		Key:         dataplane.ServiceKey{Proto: vs.Protocol, Addr: frame.AddrFrom(vs.Addr), Port: vs.Port},
		Scheduler:   vs.Scheduler,
		Flags:       vs.SchedFlags,
		Persistence: time.Duration(vs.Persistence.Timeout) * time.Second,
		Mask:        frame.AddrFrom(vs.Granularity),
		OnePacket:   vs.OPS,
	}}
	for _, rs := range vs.RealServers {
		if err := p.place(rs.Addr, net); err != nil {
			p.problem(fmt.Sprintf("%v: real_server %s is left out: %v", rs.Pos, rs.Name(vs.Protocol), err))
			continue
		}
		s.servers = append(s.servers, plannedServer{
			name:    p.serverName(vs, rs),
			source:  rs,
			inhibit: rs.InhibitOnFailure,
			cfg: dataplane.ServerConfig{Addr: frame.AddrFrom(rs.Addr), Port: vs.Port,
				Weight: int(rs.Weight), Upper: int(rs.Upper), Lower: int(rs.Lower)},
		})
	}
	return s
}

// place finds where a real server is reached.
func (p *plan) place(addr netip.Addr, net network) error {
	if _, ok := p.servers[addr]; ok {
		return nil
	}
	if _, ok := p.vips[addr]; ok {
		return fmt.Errorf("%s is a virtual address; give the server's own", addr)
	}
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		return fmt.Errorf("%s is a link-local address; give one of the whole network", addr)
	}
	at, err := net.server(addr)
	if err != nil {
		return err
	}
	p.servers[addr] = at
	return nil
}

// problem adds a problem, once: the services of a group have the same ones.
func (p *plan) problem(text string) {
	if !slices.Contains(p.problems, text) {
		p.problems = append(p.problems, text)
	}
}

// serverName is the name under which rs of vs is checked.
func (p *plan) serverName(vs *keepalived.VirtualServer, rs *keepalived.RealServer) string {
	name := rs.Name(vs.Protocol) + " of VS " + vs.Name()
	if len(rs.Checks) == 0 {
		return name
	}
	if first, ok := p.checked[rs.Checks[0]]; ok {
		return first
	}
	p.checked[rs.Checks[0]] = name
	return name
}

// links are all interfaces of the plan, by index.
func (p *plan) links() map[int]onLink {
	links := map[int]onLink{}
	for _, at := range p.vips {
		links[at.link.Index] = at
	}
	for _, at := range p.servers {
		links[at.link.Index] = at
	}
	return links
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

// checks are the health checks of the plan, each once. With dr set, a check of
// a TCP service's own server also proves Direct Routing; where services of a
// group share the check, for the first of those it can be proved for.
func (p *plan) checks(dr check.Router, logAll bool) ([]check.Spec, []drroute.Path) {
	var specs []check.Spec
	var paths []drroute.Path
	made := map[*keepalived.Check]int{} // indexes into specs
	proved := map[*keepalived.Check]bool{}
	for _, s := range p.services {
		for _, r := range s.servers {
			for i, c := range r.source.Checks {
				own := check.TCP{Addr: netip.AddrPortFrom(c.ConnectIP, c.ConnectPort), Bind: netip.AddrPortFrom(c.BindTo, 0)}
				at, ok := made[c]
				if !ok {
					at = len(specs)
					made[c] = at
					specs = append(specs, check.Spec{
						ID: fmt.Sprintf("%s %s#%d", r.name, c.Kind, i+1),
						Settings: check.Settings{DelayLoop: c.DelayLoop, ConnectTimeout: c.ConnectTimeout, Retry: int(c.Retry),
							DelayBeforeRetry: c.DelayBeforeRetry, Warmup: c.Warmup, Alpha: c.Alpha, LogAll: logAll},
						Probe: own,
					})
				}
				if dr == nil || proved[c] || p.vips[s.source.Addr].local || !provesDR(&s, r.source, own) {
					continue
				}
				proved[c] = true
				probe := check.DR{VIP: netip.AddrPortFrom(s.source.Addr, s.cfg.Key.Port), RS: r.source.Addr,
					Ifindex: p.servers[r.source.Addr].link.Index, Router: dr}
				paths = append(paths, probe.Path())
				specs[at].Probe = check.Pair{Own: own, DR: probe}
			}
		}
	}
	return specs, paths
}

// checkedServer is the name of the server that the check with this ID is of.
func checkedServer(id string) string { return id[:strings.LastIndexByte(id, ' ')] }

// provesDR reports whether own checks what a client of TCP service s would use
// of its server rs, so that the same can be asked by Direct Routing.
func provesDR(s *plannedService, rs *keepalived.RealServer, own check.TCP) bool {
	return s.cfg.Key.Proto == frame.ProtoTCP && s.cfg.Key.Port != 0 && own.Addr == netip.AddrPortFrom(rs.Addr, s.cfg.Key.Port)
}
