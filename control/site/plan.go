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

// A plan is what a configuration says, by what is looked for. It does not depend
// on anything else and is not changed.
type plan struct {
	config   *keepalived.Config
	services []*fileService // in the order of the file
	probed   []probed       // the servers with checks
	checks   map[string]checkAt
	vips     map[netip.Addr]bool
	servers  map[netip.Addr]mention
}

// A mention is where the file names a real server's address first.
type mention struct {
	pos  keepalived.Pos
	word string
	addr netip.AddrPort
}

// String is such as "keepalived.conf:12: real_server 192.0.2.11:80".
func (m mention) String() string { return fmt.Sprintf("%v: %s %v", m.pos, m.word, m.addr) }

// A fileService is a service of the file.
type fileService struct {
	source  *keepalived.VirtualServer
	config  dataplane.ServiceConfig
	servers []fileServer // in the order of the file
	sorry   *dataplane.ServerConfig
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
	vips   []netip.AddrPort // at which its server must answer for the check to prove Direct Routing
}

// A checkAt says where a check is: plan.probed[server].checks[check].
type checkAt struct{ server, check int }

// newPlan reads cfg.
func newPlan(cfg *keepalived.Config) *plan {
	p := &plan{config: cfg, checks: map[string]checkAt{}, vips: map[netip.Addr]bool{}, servers: map[netip.Addr]mention{}}
	first := map[*keepalived.Check]int{} // in probed, by its first check
	seen := map[dataplane.ServiceKey]bool{}
	for _, vs := range cfg.VirtualServers {
		k := dataplane.ServiceKey{Proto: vs.Protocol, Addr: frame.AddrFrom(vs.Addr), Port: vs.Port}
		if !seen[k] { // Load leaves others out
			seen[k] = true
			p.vips[vs.Addr] = true
			p.services = append(p.services, p.service(k, vs, first))
		}
	}
	return p
}

func (p *plan) service(k dataplane.ServiceKey, vs *keepalived.VirtualServer, first map[*keepalived.Check]int) *fileService {
	f := &fileService{source: vs, servers: make([]fileServer, 0, len(vs.RealServers)), config: dataplane.ServiceConfig{
		Key:         k,
		Scheduler:   vs.Scheduler,
		Flags:       vs.SchedFlags,
		Persistence: time.Duration(vs.Persistence.Timeout) * time.Second,
		Mask:        frame.AddrFrom(vs.Granularity),
		OnePacket:   vs.OPS,
	}}
	for _, rs := range vs.RealServers {
		s := fileServer{source: rs, probed: unchecked, config: dataplane.ServerConfig{Addr: frame.AddrFrom(rs.Addr),
			Port: rs.Port, Weight: int(rs.Weight), Upper: int(rs.Upper), Lower: int(rs.Lower)}}
		p.mention(rs.Addr, rs.Pos, "real_server", rs.Port)
		if len(rs.Checks) > 0 {
			at, ok := first[rs.Checks[0]]
			if !ok {
				at = len(p.probed)
				first[rs.Checks[0]] = at
				p.probed = append(p.probed, p.probe(vs, rs, at))
				p.probed[at].config = s.config
			}
			s.probed = at
			p.probed[at].join(f, rs)
		}
		f.servers = append(f.servers, s)
	}
	if sorry := vs.SorryServer; sorry.Addr.IsValid() {
		f.sorry = &dataplane.ServerConfig{Addr: frame.AddrFrom(sorry.Addr), Port: vs.Port, Weight: 1}
		p.mention(sorry.Addr, vs.Pos, "sorry_server", vs.Port)
	}
	return f
}

// mention keeps where a real server's address is named first.
func (p *plan) mention(addr netip.Addr, pos keepalived.Pos, word string, port uint16) {
	if _, ok := p.servers[addr]; !ok {
		p.servers[addr] = mention{pos, word, netip.AddrPortFrom(addr, port)}
	}
}

// notYet is why a server with alpha is down at first.
const notYet = "no good check yet"

// probe is the server rs of vs with its checks; it is to be p.probed[at].
func (p *plan) probe(vs *keepalived.VirtualServer, rs *keepalived.RealServer, at int) probed {
	s := probed{name: rs.Name(vs.Protocol) + " of VS " + vs.Name(), addr: rs.Addr,
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

// join adds that the server is behind f, as rs. Its checks that ask what a client
// of f would ask can ask it by Direct Routing too.
func (s *probed) join(f *fileService, rs *keepalived.RealServer) {
	s.of = append(s.of, f)
	if f.config.Key.Proto != frame.ProtoTCP || f.config.Key.Port == 0 {
		return
	}
	for i := range s.checks {
		if c := s.checks[i].source; c.ConnectIP == rs.Addr && c.ConnectPort == f.config.Key.Port {
			s.checks[i].vips = append(s.checks[i].vips, netip.AddrPortFrom(f.source.Addr, f.config.Key.Port))
		}
	}
}
