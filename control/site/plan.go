package site

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"lvsdr/control/health"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A plan is a configuration, indexed. It does not depend on anything else and is
// not changed.
type plan struct {
	config   *keepalived.Config
	services []*fileService // in the order of the file
	probed   []probed       // the servers with checks
	checks   map[string]checkAt
	vips     map[netip.Addr]*keepalived.VirtualServer // the first service of each
	servers  map[netip.Addr]mention
	addrs    []netip.Addr // the keys of servers, in the order of the file
}

// A mention is where the file names a real server's address first.
type mention struct {
	server *keepalived.RealServer // nil: a sorry server
	of     *keepalived.VirtualServer
}

// String is such as "keepalived.conf:12: real_server 192.0.2.11:80".
func (m mention) String() string {
	if m.server == nil {
		return fmt.Sprintf("%v: sorry_server %v", m.of.Pos, netip.AddrPortFrom(m.of.SorryServer.Addr, m.of.Port))
	}
	return fmt.Sprintf("%v: real_server %v", m.server.Pos, netip.AddrPortFrom(m.server.Addr, m.server.Port))
}

// A fileService is a service of the file.
type fileService struct {
	source  *keepalived.VirtualServer
	config  dataplane.ServiceConfig
	servers []fileServer // in the order of the file
	sorry   *dataplane.ServerConfig
	addrs   []netip.Addr // of servers, and of the sorry server
}

// key is the service's place in a Table.
func (f *fileService) key() key { return key(f.config.Key) }

// A fileServer is a real server of a fileService.
type fileServer struct {
	source *keepalived.RealServer
	config dataplane.ServerConfig // with its configured weight
	probed int                    // index in plan.probed, or unchecked
}

// unchecked is for servers without checks, which are always up.
const unchecked = -1

// A probed server is one that has checks. The services of a group that share
// them share it: for all of them it is up or down.
type probed struct {
	name   string // [ADDR]:proto:PORT of VS [ADDR]:proto:PORT, of the first service
	addr   netip.Addr
	config dataplane.ServerConfig // in the first service
	policy health.Policy
	checks []fileCheck
	start  health.Server  // before the first result
	of     []*fileService // the services behind which it is
}

// A fileCheck is a check of a probed server.
type fileCheck struct {
	id     string
	source *keepalived.Check
}

// A checkAt says where a check is: plan.probed[server].checks[check].
type checkAt struct{ server, check int }

// newPlan reads cfg.
func newPlan(cfg *keepalived.Config) *plan {
	n := 0
	for _, vs := range cfg.VirtualServers {
		n += len(vs.RealServers)
	}
	p := &plan{config: cfg, checks: make(map[string]checkAt, n), vips: map[netip.Addr]*keepalived.VirtualServer{},
		servers: make(map[netip.Addr]mention, n), probed: make([]probed, 0, n)}
	first := make(map[*keepalived.Check]int, n) // in probed, by its first check
	seen := map[dataplane.ServiceKey]bool{}
	for _, vs := range cfg.VirtualServers {
		k := dataplane.ServiceKey{Proto: vs.Protocol, Addr: frame.AddrFrom(vs.Addr), Port: vs.Port}
		if !seen[k] { // Load leaves others out
			seen[k] = true
			if p.vips[vs.Addr] == nil {
				p.vips[vs.Addr] = vs
			}
			p.services = append(p.services, p.service(k, vs, first))
		}
	}
	return p
}

func (p *plan) service(k dataplane.ServiceKey, vs *keepalived.VirtualServer, first map[*keepalived.Check]int) *fileService {
	f := &fileService{source: vs, servers: make([]fileServer, 0, len(vs.RealServers)), addrs: make([]netip.Addr, 0, len(vs.RealServers)+1), config: dataplane.ServiceConfig{
		Key:         k,
		Scheduler:   vs.Scheduler,
		Flags:       vs.SchedFlags,
		Persistence: time.Duration(vs.Persistence.Timeout) * time.Second,
		Mask:        frame.AddrFrom(vs.Granularity),
		OnePacket:   vs.OPS,
	}}
	of := " of VS " + vs.Name()
	for _, rs := range vs.RealServers {
		s := fileServer{source: rs, probed: unchecked, config: dataplane.ServerConfig{Addr: frame.AddrFrom(rs.Addr),
			Port: rs.Port, Weight: int(rs.Weight), Upper: int(rs.Upper), Lower: int(rs.Lower)}}
		p.mention(rs.Addr, mention{rs, vs})
		f.addrs = append(f.addrs, rs.Addr)
		if len(rs.Checks) > 0 {
			at, ok := first[rs.Checks[0]]
			if !ok {
				at = len(p.probed)
				first[rs.Checks[0]] = at
				p.probed = append(p.probed, p.probe(rs, rs.Name(vs.Protocol)+of, at))
				p.probed[at].config = s.config
			}
			s.probed = at
			p.probed[at].of = append(p.probed[at].of, f)
		}
		f.servers = append(f.servers, s)
	}
	if sorry := vs.SorryServer; sorry.Addr.IsValid() {
		f.sorry = &dataplane.ServerConfig{Addr: frame.AddrFrom(sorry.Addr), Port: vs.Port, Weight: 1}
		p.mention(sorry.Addr, mention{nil, vs})
		f.addrs = append(f.addrs, sorry.Addr)
	}
	return f
}

// mention keeps where a real server's address is named first.
func (p *plan) mention(addr netip.Addr, m mention) {
	if _, ok := p.servers[addr]; !ok {
		p.servers[addr] = m
		p.addrs = append(p.addrs, addr)
	}
}

// notYet is why a server with alpha is down at first.
const notYet = "no good check yet"

// probe is the server rs, called name, with its checks; it is to be p.probed[at].
func (p *plan) probe(rs *keepalived.RealServer, name string, at int) probed {
	s := probed{name: name, addr: rs.Addr,
		policy: health.Policy{SlowStart: rs.SlowStart}, checks: make([]fileCheck, len(rs.Checks))}
	start := make([]health.Check, len(rs.Checks))
	for i, c := range rs.Checks {
		s.checks[i] = fileCheck{id: s.name + " " + c.Kind.String() + "#" + strconv.Itoa(i+1), source: c}
		p.checks[s.checks[i].id] = checkAt{at, i}
		start[i] = health.NewCheck(c.Alpha, notYet)
	}
	s.start = health.NewServer(s.policy, start)
	return s
}

// asks reports whether check c asks the server what a client of TCP service f
// would ask, so that the same can be asked by Direct Routing.
func (p *probed) asks(c *keepalived.Check, f *fileService) bool {
	k := f.config.Key
	return k.Proto == frame.ProtoTCP && k.Port != 0 && c.ConnectIP == p.addr && c.ConnectPort == k.Port
}
