package site

import (
	"fmt"
	"iter"
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
	*outline
	config   *keepalived.Config
	sources  []*keepalived.VirtualServer // of services, in config
	services []*fileService              // in the order of the file
	probed   []*probed                   // the servers with checks
	routers  *routers
	watches  bool // some of them are watched for what their clients do
	foreign  bool // config has the names alone, see Inherited
}

// An outline is which services, servers and checks a file has, by name and in its
// order, without their settings. Plans share it where it is the same.
type outline struct {
	checks  map[string]checkAt
	vips    map[netip.Addr]int // the first service of each, by its index in plan.services
	servers map[netip.Addr]mention
	macs    map[netip.Addr]frame.MAC // that the file gives servers
	ways    map[netip.Addr]ways
	addrs   []netip.Addr // the keys of servers, in the order of the file
	marks   *markTable   // nil: there are none
}

// A mention is where the file names a real server's address first.
type mention struct {
	service int // index in plan.services
	server  int // index in its servers, or sorry
}

// sorry stands for the sorry server of a service.
const sorry = -1

// describe is a mention such as "keepalived.conf:12: real_server 192.0.2.11:80".
func (p *plan) describe(m mention) string {
	vs := p.sources[m.service]
	if m.server == sorry {
		return fmt.Sprintf("%v: sorry_server %v", vs.Pos, netip.AddrPortFrom(vs.SorryServer.Addr, vs.SorryServer.Port))
	}
	rs := vs.RealServers[m.server]
	return fmt.Sprintf("%v: real_server %v", rs.Pos, netip.AddrPortFrom(rs.Addr, rs.Port))
}

// A fileService is a service of the file.
type fileService struct {
	// source is the block of the file, or an equal one of an older file: only
	// plan.sources have the positions of the file.
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
	name    string // [ADDR]:proto:PORT of VS [ADDR]:proto:PORT, of the first service
	addr    netip.Addr
	service dataplane.ServiceKey   // the first service
	config  dataplane.ServerConfig // in it
	source  *keepalived.RealServer // likewise
	policy  health.Policy
	checks  []fileCheck
	start   health.Server // before the first result
	of      []int         // the services behind which it is, by their indexes in plan.services
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
	p := &plan{config: cfg, probed: make([]*probed, 0, n), outline: &outline{checks: make(map[string]checkAt, n),
		vips: map[netip.Addr]int{}, macs: map[netip.Addr]frame.MAC{}, ways: make(map[netip.Addr]ways, n), servers: make(map[netip.Addr]mention, n), marks: newMarkTable(cfg.Global.Marks)}}
	first := make(map[*keepalived.Check]int, n) // in probed, by its first check
	seen := map[dataplane.ServiceKey]bool{}
	p.watches, p.routers = watches(cfg), newRouters(cfg.VRRP.Instances)
	for _, vs := range cfg.VirtualServers {
		if k := keyOf(vs); !seen[k] { // Load leaves others out
			seen[k] = true
			p.add(vs, first)
		}
	}
	return p
}

// KeyOf is the key of vs in a Table.
func KeyOf(vs *keepalived.VirtualServer) dataplane.ServiceKey { return keyOf(vs) }

// keyOf is the key of vs in a director.
func keyOf(vs *keepalived.VirtualServer) dataplane.ServiceKey {
	if vs.Mark != 0 {
		return dataplane.ServiceKey{Mark: vs.Mark, IPv6: vs.IPv6}
	}
	return dataplane.ServiceKey{Proto: vs.Protocol, Addr: frame.AddrFrom(vs.Addr), Port: vs.Port}
}

// add adds a service.
func (p *plan) add(vs *keepalived.VirtualServer, first map[*keepalived.Check]int) {
	f, n := newFileService(vs), len(p.services)
	p.services, p.sources = append(p.services, f), append(p.sources, vs)
	if _, ok := p.vips[vs.Addr]; !ok && vs.Mark == 0 {
		p.vips[vs.Addr] = n
	}
	of := " of VS " + vs.Name()
	for i, rs := range vs.RealServers {
		p.mention(rs.Addr, mention{n, i})
		p.ways[rs.Addr] = p.ways[rs.Addr].with(rs.Method.Kind)
		if rs.MAC != (frame.MAC{}) {
			p.macs[rs.Addr] = rs.MAC
		}
		if len(rs.Checks) == 0 {
			continue
		}
		at, ok := first[rs.Checks[0]]
		if !ok {
			at = len(p.probed)
			first[rs.Checks[0]] = at
			p.probed = append(p.probed, p.probe(rs, rs.Name(vs.Protocol)+of, at).with(rs, f.config.Key, f.servers[i].config))
		}
		f.servers[i].probed = at
		p.probed[at].of = append(p.probed[at].of, n)
	}
	if vs.SorryServer.Addr.IsValid() {
		p.mention(vs.SorryServer.Addr, mention{n, sorry})
		p.ways[vs.SorryServer.Addr] = p.ways[vs.SorryServer.Addr].with(vs.SorryServer.Method.Kind)
	}
}

// newFileService is vs without what its servers' checks have found.
func newFileService(vs *keepalived.VirtualServer) *fileService {
	f := &fileService{source: vs, servers: make([]fileServer, 0, len(vs.RealServers)), addrs: make([]netip.Addr, 0, len(vs.RealServers)+1), config: dataplane.ServiceConfig{
		Key:         keyOf(vs),
		Scheduler:   vs.Scheduler,
		Flags:       vs.SchedFlags,
		Persistence: time.Duration(vs.Persistence.Timeout) * time.Second,
		Mask:        frame.AddrFrom(vs.Granularity),
		OnePacket:   vs.OPS,
	}}
	for _, rs := range vs.RealServers {
		f.servers = append(f.servers, fileServer{source: rs, probed: unchecked, config: dataplane.ServerConfig{Addr: frame.AddrFrom(rs.Addr),
			Port: rs.Port, Method: rs.Method.Kind, Tunnel: rs.Method.Tunnel, Weight: int(rs.Weight), Upper: int(rs.Upper), Lower: int(rs.Lower)}})
		f.addrs = append(f.addrs, rs.Addr)
	}
	if sorry := vs.SorryServer; sorry.Addr.IsValid() {
		f.sorry = &dataplane.ServerConfig{Addr: frame.AddrFrom(sorry.Addr), Port: sorry.Port, Method: sorry.Method.Kind, Tunnel: sorry.Method.Tunnel, Weight: 1}
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

// probe is the server rs, called name, with the names of its checks; it is to be
// p.probed[at].
func (p *plan) probe(rs *keepalived.RealServer, name string, at int) *probed {
	s := &probed{name: name, addr: rs.Addr, checks: make([]fileCheck, len(rs.Checks))}
	for i, c := range rs.Checks {
		s.checks[i].id = name + " " + c.Kind.String() + "#" + strconv.Itoa(i+1)
		p.checks[s.checks[i].id] = checkAt{at, i}
	}
	return s
}

// with is p with the settings of rs, whose name and checks' names it has.
func (p *probed) with(rs *keepalived.RealServer, service dataplane.ServiceKey, c dataplane.ServerConfig) *probed {
	next := *p
	next.service, next.config, next.source, next.policy = service, c, rs, policyOf(rs)
	next.checks = make([]fileCheck, len(rs.Checks))
	start := make([]health.Check, len(rs.Checks))
	for i, c := range rs.Checks {
		next.checks[i] = fileCheck{p.checks[i].id, c}
		start[i] = health.NewCheck(c.Alpha, notYet)
	}
	next.start = health.NewServer(next.policy, start)
	return &next
}

// asks are the addresses at which check c asks the server what a client of service f
// would ask over TCP, so that the same can be asked by Direct Routing.
func (p *plan) asks(r *probed, c *keepalived.Check, f *fileService) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		k := f.config.Key
		if !c.Kind.Stream() || c.ConnectIP != r.addr {
			return
		}
		if k.Proto == frame.ProtoTCP && k.Port != 0 && c.ConnectPort == k.Port && !yield(k.Addr.IP()) {
			return
		}
		for m := range p.marks.of(k) {
			if m.Protocol == frame.ProtoTCP && m.First <= c.ConnectPort && c.ConnectPort <= m.Last && !yield(m.Addr) {
				return
			}
		}
	}
}
