package keepalived

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// Defaults of absent settings.
const (
	defaultDelayLoop        = 60 * time.Second
	defaultConnectTimeout   = 5 * time.Second
	defaultRetry            = 1
	defaultDelayBeforeRetry = time.Second
	defaultScheduler        = "wlc"
)

// over is t, and what t does not say as parent says it.
func (t tuning) over(parent tuning) tuning {
	return tuning{
		delayLoop:        first(t.delayLoop, parent.delayLoop),
		connectTimeout:   first(t.connectTimeout, parent.connectTimeout),
		delayBeforeRetry: first(t.delayBeforeRetry, parent.delayBeforeRetry),
		warmup:           first(t.warmup, parent.warmup),
		retry:            first(t.retry, parent.retry),
		alpha:            first(t.alpha, parent.alpha),
		inhibit:          first(t.inhibit, parent.inhibit),
		slowStart:        first(t.slowStart, parent.slowStart),
		passive:          first(t.passive, parent.passive),
		damping:          first(t.damping, parent.damping),
		rise:             first(t.rise, parent.rise),
		weight:           first(t.weight, parent.weight),
	}
}

func first[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// or is *p, and otherwise when p is nil.
func or[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}

// timing returns the settings of t, with the defaults of a TCP_CHECK.
func (t tuning) timing() Timing {
	loop := or(t.delayLoop, defaultDelayLoop)
	return Timing{
		DelayLoop:        loop,
		ConnectTimeout:   or(t.connectTimeout, defaultConnectTimeout),
		Retry:            or(t.retry, defaultRetry),
		DelayBeforeRetry: or(t.delayBeforeRetry, defaultDelayBeforeRetry),
		Warmup:           or(t.warmup, loop),
		Alpha:            or(t.alpha, false),
		Rise:             or(t.rise, 1),
	}
}

// A serviceKey tells services apart.
type serviceKey struct {
	addr     netip.Addr
	port     uint16
	protocol frame.Proto
	mark     uint32 // with nothing else but its family
	ipv6     bool
}

// A claim records which block defined a service first, to reject duplicates.
type claim struct {
	draft *serviceDraft
	pos   Pos
}

// name returns the name of d's services in reports.
func (d *serviceDraft) name() string {
	if d.group != "" {
		return "group " + d.group
	}
	return d.v.Name()
}

// nameAt is the name of the service at p.
func (d *serviceDraft) nameAt(p place) string {
	v := VirtualServer{Addr: p.addr, Port: p.port, Protocol: d.v.Protocol, Mark: p.mark}
	return v.Name()
}

// resolve makes the services that can be served of d.
func (r *reader) resolve(d *serviceDraft) {
	if d.bad {
		return // what else is wrong depends on the reason, which is reported
	}
	r.resolveMarks(d)
	r.resolveProtocol(d)
	r.resolveScheduler(d)
	r.resolveMethod(d)
	if d.bad {
		return // a report about its ports would be about another method
	}
	r.resolvePlaces(d)
	r.resolvePersistence(d)
	d.v.Timing = d.tuning.timing()
	d.v.Weight = or(d.tuning.weight, 1)
	d.v.InhibitOnFailure, d.v.Alert = or(d.tuning.inhibit, false), r.alert(d.tuning, false)
	r.resolveServers(d)
	r.resolveQuorum(d)
	r.resolveSorryServer(d)
	for _, v := range d.expand() {
		r.made[place{addr: v.Addr, port: v.Port, mark: v.Mark, ipv6: v.IPv6}.key(v.Protocol)] = v
		r.services = append(r.services, v)
	}
	r.join(d)
	if len(d.servers) == 0 && len(d.places) > 0 {
		r.add(d.node, Note, "%s has no real servers; its clients are refused", d.name())
	}
}

// resolvePlaces takes the places from d that have a service already: its real
// servers join that. The others it claims.
func (r *reader) resolvePlaces(d *serviceDraft) {
	var free []place
	var at Pos // where the first of the services is that are there already
	for _, p := range d.places {
		key := p.key(d.v.Protocol)
		switch c := r.claims[key]; c.draft {
		case nil:
			r.claims[key] = claim{d, p.node.Pos}
			free = append(free, p)
		case d:
			r.leftOut(p.node, Note, "%s is in %s already, at %v; the second is left out", d.nameAt(p), d.name(), c.pos)
		default:
			if len(d.joins) == 0 {
				at = c.draft.node.Pos
			}
			d.joins = append(d.joins, p)
		}
	}
	d.places = free
	if len(d.joins) == 0 {
		return
	}
	others := ""
	if more := len(d.joins) - 1; more > 0 {
		others = fmt.Sprintf(", as are %d more of %s", more, d.name())
	}
	r.add(d.node, Note, "%s is defined already at %v%s: the real servers of this block join those there, and all else in it is left out", d.nameAt(d.joins[0]), at, others)
}

// join adds d's real servers to the services that are there already.
func (r *reader) join(d *serviceDraft) {
	servers := map[uint16][]*RealServer{}
	for _, p := range d.joins {
		if servers[p.port] == nil {
			servers[p.port] = d.serversAt(p.port)
		}
		v := r.made[p.key(d.v.Protocol)]
		there := map[netip.AddrPort]bool{}
		for _, s := range v.RealServers {
			there[netip.AddrPortFrom(s.Addr, s.Port)] = true
		}
		all := slices.Clip(v.RealServers) // which other services may share
		for _, s := range servers[p.port] {
			if there[netip.AddrPortFrom(s.Addr, s.Port)] {
				r.diags.put(Diagnostic{Pos: s.Pos, Severity: Note, Keyword: "real_server", LeftOut: true,
					Text: fmt.Sprintf("%s is in the service at %v already; this one is left out", s.Name(d.v.Protocol), v.Pos)})
				continue
			}
			all = append(all, s)
		}
		v.RealServers = all
	}
}

// ports are the ports of d's places, also of those that have a service already,
// each once, in order.
func (d *serviceDraft) ports() []uint16 {
	var ports []uint16
	seen := map[uint16]bool{}
	for _, list := range [][]place{d.places, d.joins} {
		for _, p := range list {
			if !seen[p.port] {
				seen[p.port] = true
				ports = append(ports, p.port)
			}
		}
	}
	return ports
}

// expand is one service for each place of d. Services of the same port share
// their real servers, and those of other ports the checks that are the same.
func (d *serviceDraft) expand() []*VirtualServer {
	servers := map[uint16][]*RealServer{}
	for _, port := range d.ports() {
		servers[port] = d.serversAt(port)
	}
	var vs []*VirtualServer
	for _, p := range d.places {
		v := d.v
		v.Addr, v.Port, v.Mark, v.IPv6, v.RealServers = p.addr, p.port, p.mark, p.ipv6, servers[p.port]
		switch {
		case p.mark != 0:
			v.Protocol = 0
		case p.port == 0:
			v.Persistence = d.portless
		}
		if s := &v.SorryServer; s.Addr.IsValid() && (!s.Method.ownPort() || s.Port == 0) {
			s.Port = p.port
		}
		vs = append(vs, &v)
	}
	return vs
}

// serversAt are d's real servers behind a service with this port.
func (d *serviceDraft) serversAt(port uint16) []*RealServer {
	if len(d.servers) == 0 {
		return nil
	}
	servers, list := make([]RealServer, len(d.servers)), make([]*RealServer, len(d.servers))
	for i, s := range d.servers {
		servers[i], list[i] = s.at(port), &servers[i]
	}
	return list
}

// at is s behind a service with this port.
func (s *serverDraft) at(port uint16) RealServer {
	rs := s.s
	rs.Port = s.portAt(port)
	if !s.follows {
		return rs // with the checks of all the others
	}
	rs.Checks = nil
	for _, c := range s.checks {
		check := c.c
		if check.ConnectPort == 0 && check.Kind.Ported() {
			check.ConnectPort = rs.Port
		}
		rs.Checks = append(rs.Checks, &check)
	}
	return rs
}

// portAt is the port of s behind a service with this port: NAT alone can change it.
func (s *serverDraft) portAt(port uint16) uint16 {
	if s.s.Method.ownPort() && s.written != 0 {
		return s.written
	}
	return port
}

// isSeen reports whether one of the services with these ports has had a server with the
// address and port of s, and notes those of s.
func (r *reader) isSeen(s *serverDraft, ports []uint16) (seen bool) {
	for _, p := range ports {
		seen = seen || r.seen[netip.AddrPortFrom(s.s.Addr, s.portAt(p))]
	}
	for _, p := range ports {
		r.seen[netip.AddrPortFrom(s.s.Addr, s.portAt(p))] = true
	}
	return seen
}

// marksOnly reports whether all places of d are marks.
func (d *serviceDraft) marksOnly() bool {
	isAddr := func(p place) bool { return p.mark == 0 }
	return !slices.ContainsFunc(d.places, isAddr) && !slices.ContainsFunc(d.joins, isAddr)
}

func (r *reader) resolveProtocol(d *serviceDraft) {
	if d.marksOnly() {
		d.v.Protocol = 0
		return
	}
	if d.protocol == nil {
		d.v.Protocol = frame.ProtoUDP
		r.add(d.node, Error, "%s: protocol is missing, which means UDP; add `protocol TCP` if that is meant", d.name())
	}
	if d.v.OPS && d.v.Protocol != frame.ProtoUDP {
		d.v.OPS = false
		r.add(d.node, Warning, "%s: ops is only for UDP; it is switched off", d.name())
	}
}

func (r *reader) resolveScheduler(d *serviceDraft) {
	at, known := d.scheduler, scheduler.Names()
	switch {
	case at == nil:
		at = d.node
		d.v.Scheduler = defaultScheduler
		r.add(at, Error, "%s: lb_algo is missing; %s is used", d.name(), defaultScheduler)
	case slices.Contains(known, at.Args[0]):
		d.v.Scheduler = known[slices.Index(known, at.Args[0])] // not a part of the text
	default:
		d.v.Scheduler = defaultScheduler
		r.add(at, Error, "%q is no scheduler%s; %s is used", at.Args[0], meant(at.Args[0], known), defaultScheduler)
	}
	if !r.canSchedule(d.v.Scheduler) {
		r.leaveOut(at, &d.bad, "scheduler %s is not supported yet; the service %s is left out: use one of %s", d.v.Scheduler, d.name(), r.available())
	}
}

// meant is the part of a report that says what name probably should have been.
func meant(name string, names []string) string {
	if s := nearest(name, names); s != "" {
		return fmt.Sprintf(", did you mean %s?", s)
	}
	return ""
}

// resolvePersistence decides how long clients stay. A service on every port
// must be persistent, and persistence_granularity alone switches persistence on.
func (r *reader) resolvePersistence(d *serviceDraft) {
	p := &d.v.Persistence
	ported, portless := false, ""
	for _, at := range d.places {
		if at.port != 0 || at.mark != 0 {
			ported = true
		} else if portless == "" {
			portless = d.nameAt(at)
		}
	}
	if len(d.places) == 0 {
		return
	}
	switch def := r.global.PersistenceDefault; {
	case d.persistence != nil:
		p.Timeout = d.timeout
	case d.granularity != nil:
		p.Timeout = portlessPersistence
		r.add(d.granularity, Note, "switches persistence on, with %d s; persistence_timeout sets another time", p.Timeout)
	case ported:
		p.Timeout, p.FromDefault = def.seconds(), true
		if p.Timeout > 0 {
			r.add(d.node, Note, "%s: persistence_timeout is absent, so clients stick to one real server for %d s; write `persistence_timeout 0` or `persistence_default off` to spread them", d.name(), p.Timeout)
		}
	}
	d.portless = *p
	if portless != "" && (p.Timeout == 0 || p.FromDefault) {
		d.portless = Persistence{Timeout: portlessPersistence}
		r.add(d.node, Error, "%s: a service without a port must be persistent; its persistence_timeout is %d s", portless, portlessPersistence)
	}
}

// resolveServers keeps the real servers that can be served. What depends on the
// port of the service comes with expand.
func (r *reader) resolveServers(d *serviceDraft) {
	kept := d.servers[:0]
	clear(r.seen)
	ports := d.ports()
	for _, s := range d.servers {
		if s.bad {
			continue
		}
		var wrong string
		s.s.Method, wrong = forwarding(s.method, d.v.Method)
		r.resolvePort(d, s, ports)
		if wrong != "" {
			r.leaveOut(s.method, &s.bad, "%s; the real server %s is left out", wrong, s.s.Name(d.v.Protocol))
			continue
		}
		if r.isSeen(s, ports) {
			r.leftOut(s.node, Warning, "%s is there twice; the second is left out", s.s.Name(d.v.Protocol))
			continue
		}
		r.resolveServer(d, s, slices.Contains(ports, 0))
		if !s.bad {
			kept = append(kept, s)
		}
	}
	d.servers = kept
	d.keepChecks()
}

// keepChecks gives the real servers their checks, which stand in one array.
func (d *serviceDraft) keepChecks() {
	n := 0
	for _, s := range d.servers {
		n += len(s.checks)
	}
	checks, list := make([]Check, 0, n), make([]*Check, 0, n)
	for _, s := range d.servers {
		for _, c := range s.checks {
			checks = append(checks, c.c)
			list = append(list, &checks[len(checks)-1])
		}
		if k := len(list) - len(s.checks); k < len(list) {
			s.s.Checks = list[k:len(list):len(list)]
		}
	}
}

// resolvePort reports a real server whose port is not that of all services it
// is behind. In a group it keeps its port for the checks.
func (r *reader) resolvePort(d *serviceDraft, s *serverDraft, ports []uint16) {
	if s.s.Method.ownPort() {
		if d.group == "" {
			s.s.Port = s.portAt(d.v.Port)
		}
		return
	}
	var wrong []string
	for _, p := range ports {
		if p != s.s.Port {
			wrong = append(wrong, fmt.Sprint(p))
		}
	}
	if len(s.node.Args) > 1 && s.s.Port != 0 && d.marksOnly() {
		r.add(s.node, Warning, "%s: a packet of %s keeps its port; port %d is for checks alone", s.s.Name(0), d.name(), s.s.Port)
	} else if len(s.node.Args) > 1 && len(wrong) > 0 {
		const many = 3
		if len(wrong) > many {
			wrong = append(wrong[:many], "...")
		}
		r.add(s.node, Warning, "%s: with %s a real server has the port of its service; port %s is used instead of %d",
			s.s.Name(d.v.Protocol), s.s.Method.word(), strings.Join(wrong, ", "), s.s.Port)
	}
	if d.group == "" {
		s.s.Port = d.v.Port
	}
}

// resolveServer resolves a real server; portless says that one of its services
// has no port. A check's ConnectPort stays 0 where it follows the service's.
func (r *reader) resolveServer(d *serviceDraft, s *serverDraft, portless bool) {
	name := func() string { return s.s.Name(d.v.Protocol) }
	s.s.Upper, s.s.Lower = or(s.upper, 0), or(s.lower, 0)
	if s.s.Lower > s.s.Upper {
		r.leaveOut(s.node, &s.bad, "lthreshold %d is greater than uthreshold %d; the real server %s is left out", s.s.Lower, s.s.Upper, name())
	}
	t := s.tuning.over(d.tuning)
	s.s.Timing = t.timing()
	s.s.Weight = or(t.weight, 1)
	s.s.InhibitOnFailure, s.s.Alert = or(t.inhibit, false), r.alert(s.tuning, true)
	s.s.SlowStart, s.s.Passive, s.s.Damping = or(t.slowStart, 0), or(t.passive, Passive{}), or(t.damping, Damping{})
	if s.s.Passive != (Passive{}) && len(s.checks) == 0 {
		r.add(s.node, Note, "lvsdr_passive_failure has no effect: the real server %s has no check", name())
	}
	for _, c := range s.checks {
		r.resolveCheck(d, s, c, t, portless)
	}
}

// resolveQuorum keeps quorum and hysteresis within what the real servers can
// reach.
func (r *reader) resolveQuorum(d *serviceDraft) {
	v := &d.v
	var sum uint64
	for _, s := range d.servers {
		sum += uint64(s.s.Weight)
	}
	if len(d.servers) > 0 && sum == 0 {
		r.add(d.node, Warning, "%s: all weights together are 0, which no quorum can be; its clients are refused", d.name())
	}
	if len(d.servers) > 0 && uint64(v.Quorum) > max(sum, 1) {
		r.add(d.quorum, Warning, "%s: %d is more than all weights together; it is %d", d.name(), v.Quorum, max(sum, 1))
		v.Quorum = uint32(max(sum, 1))
	}
	if v.Hysteresis > 0 && v.Hysteresis >= v.Quorum {
		r.add(d.hysteresis, Warning, "%s: %d is not less than the quorum; it is %d", d.name(), v.Hysteresis, v.Quorum-1)
		v.Hysteresis = v.Quorum - 1
	}
}

// resolveSorryServer leaves out a sorry server that cannot be reached by its forwarding
// method, and reports one whose port is not that of all its services, which it gets with
// expand: only NAT can change it.
func (r *reader) resolveSorryServer(d *serviceDraft) {
	if d.sorry == nil {
		return
	}
	f, wrong := forwarding(d.sorryMethod, d.v.Method)
	at := d.sorryMethod
	if addr := d.v.SorryServer.Addr; wrong == "" && familyOf(addr) != d.family && !f.tunnels() {
		wrong, at = fmt.Sprintf("[%v] is of another address family than its service, which only TUN allows", addr), d.sorry
	}
	if wrong != "" {
		r.leftOut(at, Error, "%s; the sorry server of %s is left out", wrong, d.name())
		d.v.SorryServer = SorryServer{}
		return
	}
	d.v.SorryServer.Method = f
	if len(d.sorry.Args) < 2 || f.ownPort() {
		return
	}
	for _, port := range d.ports() {
		written := d.v.SorryServer.Port
		if written != 0 && d.marksOnly() {
			r.add(d.sorry, Warning, "a packet of %s keeps its port; port %d is left out", d.name(), written)
			return
		}
		if port != written {
			r.add(d.sorry, Warning, "with %s a sorry server has the port of its service; port %d is used instead of %d", f.word(), port, written)
			return
		}
	}
}
