package site

import (
	"net/netip"
	"time"

	"lvsdr/control/connsync/daemon"
	"lvsdr/control/health"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A Heritage holds the part of a State that neither a file nor the host says: what another
// process needs to go on as this one would. It is plain data, and its moments count from where
// those of the events do.
type Heritage struct {
	File    HeritageFile
	Table   []HeritageService
	Health  []health.Saved // of File's servers with checks, in their order
	Demands []HeritageDemand
	Drains  []HeritageDrain
	MACs    []Neighbour  // of real servers, strangers and gateways, as they are used
	Active  []netip.Addr // virtual addresses
	// Strangers are servers in no service that connections of other directors go to.
	Strangers []netip.Addr
	Timeouts  Timeouts
	Daemons   daemon.Set // of connection sync
	Panicked  uint64
	Now       time.Duration
}

// A HeritageFile holds the names in a file, without its settings: a successor compares its own
// file with it, as a reload does.
type HeritageFile struct {
	Interface string // default_interface
	Timeouts  Timeouts
	Marks     []keepalived.Mark
	Services  []HeritageBlock
}

// A HeritageBlock is a service that a file names.
type HeritageBlock struct {
	Key         dataplane.ServiceKey
	Sorry       netip.Addr
	SorryMethod keepalived.Forwarding
	Servers     []HeritageServer
}

// A HeritageServer is a real server that a file names.
type HeritageServer struct {
	Addr   netip.Addr
	Port   uint16
	Method keepalived.Forwarding
	MAC    frame.MAC
	Checks []keepalived.CheckKind
	// Health is the server's index in Heritage.Health, which services of a group share; -1: it has no
	// checks.
	Health int
}

// A HeritageService is a service of the table.
type HeritageService struct {
	Config  dataplane.ServiceConfig
	Owner   Owner
	Servers []Server // the newest first
}

// A HeritageDemand is the last demand of the file for one service.
type HeritageDemand struct {
	Key     dataplane.ServiceKey
	Wished  bool // there is a wish, of Config and Servers
	Config  dataplane.ServiceConfig
	Servers []dataplane.ServerConfig
	Up      bool // it has its quorum
	Panics  bool
}

// A HeritageDrain is a server that gets no new connections.
type HeritageDrain struct {
	Server ServerOf
	Config dataplane.ServerConfig
	Out    bool
}

// Heritage gives the part of s that a successor needs to know.
func (s *State) Heritage() *Heritage {
	h := &Heritage{File: s.heritageFile(), Timeouts: s.timeouts, Daemons: s.daemons, Panicked: s.panicked, Now: s.now}
	for i := range s.plan.probed {
		h.Health = append(h.Health, s.healthOf(i).Save())
	}
	for service := range s.table.All() {
		h.Table = append(h.Table, HeritageService{service.Config, service.Owner, service.Servers})
	}
	for _, f := range s.plan.services {
		d, ok := s.demands.Get(f.key())
		if !ok {
			continue
		}
		out := HeritageDemand{Key: f.config.Key, Up: d.health.Up(), Panics: d.panics, Wished: d.wish != nil}
		if d.wish != nil {
			out.Config = d.wish.Config
			for _, r := range d.wish.Servers {
				out.Servers = append(out.Servers, r.Config)
			}
		}
		h.Demands = append(h.Demands, out)
	}
	for k, d := range s.drains.All() {
		h.Drains = append(h.Drains, HeritageDrain{k, d.config, d.out})
	}
	for addr := range s.strangers.All() {
		h.Strangers = append(h.Strangers, addr)
	}
	for addr, n := range s.macs.All() {
		if _, led := s.place(addr).gateway(); !led {
			h.MACs = append(h.MACs, Neighbour{addr, n.ifindex, n.mac})
		}
	}
	for at, g := range s.gateways.All() {
		if g.mac != (frame.MAC{}) {
			h.MACs = append(h.MACs, Neighbour{at.addr, at.link, g.mac})
		}
	}
	for addr, v := range s.vips.All() {
		if v.active {
			h.Active = append(h.Active, addr)
		}
	}
	return h
}

// heritageFile gives the names in the file of s.
func (s *State) heritageFile() HeritageFile {
	g := &s.plan.config.Global
	out := HeritageFile{Interface: g.DefaultInterface, Timeouts: s.plan.timeouts(), Marks: s.plan.marks.all()}
	for _, f := range s.plan.services {
		b := HeritageBlock{Key: f.config.Key, Sorry: f.source.SorryServer.Addr, SorryMethod: f.source.SorryServer.Method}
		for i := range f.servers {
			r := &f.servers[i]
			one := HeritageServer{Addr: r.source.Addr, Port: r.source.Port, Method: r.source.Method, MAC: r.source.MAC, Health: r.probed}
			for _, c := range r.source.Checks {
				one.Checks = append(one.Checks, c.Kind)
			}
			b.Servers = append(b.Servers, one)
		}
		out.Services = append(out.Services, b)
	}
	return out
}

// config is a configuration that names what f names.
func (f *HeritageFile) config() *keepalived.Config {
	cfg := &keepalived.Config{}
	cfg.Global.DefaultInterface, cfg.Global.Marks = f.Interface, f.Marks
	cfg.Global.Timeouts.TCP, cfg.Global.Timeouts.TCPFin, cfg.Global.Timeouts.UDP = uint32(f.Timeouts.TCP), uint32(f.Timeouts.TCPFin), uint32(f.Timeouts.UDP)
	shared := map[int][]*keepalived.Check{}
	for i := range f.Services {
		b := &f.Services[i]
		vs := &keepalived.VirtualServer{Scheduler: "rr", Quorum: 1, Mark: b.Key.Mark, IPv6: b.Key.IPv6}
		if b.Key.Mark == 0 {
			vs.Addr, vs.Port, vs.Protocol, vs.IPv6 = b.Key.Addr.IP(), b.Key.Port, b.Key.Proto, false
		}
		vs.SorryServer.Addr, vs.SorryServer.Method = b.Sorry, b.SorryMethod
		for k := range b.Servers {
			r := &b.Servers[k]
			rs := &keepalived.RealServer{Addr: r.Addr, Port: r.Port, Method: r.Method, MAC: r.MAC, Weight: 1, Checks: shared[r.Health]}
			if rs.Checks == nil {
				for _, kind := range r.Checks {
					rs.Checks = append(rs.Checks, &keepalived.Check{Kind: kind})
				}
				if r.Health >= 0 {
					shared[r.Health] = rs.Checks
				}
			}
			vs.RealServers = append(vs.RealServers, rs)
		}
		cfg.VirtualServers = append(cfg.VirtualServers, vs)
	}
	return cfg
}

// Inherited says what a State knew that this one is the successor of. It comes first, on a State that
// nothing has happened to; the file comes next, as with a reload. Nothing is told of it.
type Inherited struct {
	*Heritage
	Host Host
}

func (e Inherited) apply(s *State) ([]Notice, error) {
	if _, err := (Loaded{Config: e.File.config(), Host: e.Host, At: e.Now}).apply(s); err != nil {
		return nil, err
	}
	s.plan.foreign = true
	for i, p := range s.plan.probed {
		if i < len(e.Health) {
			s.setHealth(i, e.Health[i].Server(len(p.checks)))
		}
	}
	s.inheritDrains(e.Drains)
	s.inheritDemands(e.Demands)
	old := s.table
	s.table, s.refused = e.table(), nil
	s.settle(old)
	_, _ = Strangers{e.Strangers}.apply(s) // it is not refused
	for _, n := range e.MACs {
		_, _ = n.apply(s) // it is not refused
	}
	for _, vip := range e.Active {
		s.activate(vip, true)
	}
	s.timeouts, s.daemons, s.panicked = e.Timeouts, e.Daemons, e.Panicked
	return nil, nil
}

// inheritDrains takes over which servers get no new connections.
func (s *State) inheritDrains(all []HeritageDrain) {
	for _, d := range all {
		s.drains = s.drains.Put(d.Server, drained{d.Config, d.Out})
	}
}

// inheritDemands takes over what the file required last.
func (s *State) inheritDemands(all []HeritageDemand) {
	for i := range all {
		d, ok := s.demands.Get(key(all[i].Key))
		if !ok {
			continue
		}
		d.panics, d.health = all[i].Panics, health.Inherited(all[i].Up)
		if d.wish = nil; all[i].Wished {
			d.wish = &Service{Config: all[i].Config}
			for _, c := range all[i].Servers {
				d.wish.Servers = append(d.wish.Servers, Server{Config: c})
			}
		}
		s.demands = s.demands.Put(key(all[i].Key), d)
	}
}

// table is the Table of h. What this build does not take is left out.
func (h *Heritage) table() *Table {
	var t *Table
	for i := range h.Table {
		in := &h.Table[i]
		if checkScheduler(in.Config.Scheduler) == nil {
			t = t.with(&Service{Config: in.Config, Owner: in.Owner, Servers: in.Servers})
		}
	}
	return t
}
