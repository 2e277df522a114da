package keepalived

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Defaults of what nobody says.
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

// timing is what t says, with the defaults of a TCP_CHECK.
func (t tuning) timing() Timing {
	loop := or(t.delayLoop, defaultDelayLoop)
	return Timing{
		DelayLoop:        loop,
		ConnectTimeout:   or(t.connectTimeout, defaultConnectTimeout),
		Retry:            or(t.retry, defaultRetry),
		DelayBeforeRetry: or(t.delayBeforeRetry, defaultDelayBeforeRetry),
		Warmup:           or(t.warmup, loop),
		Alpha:            or(t.alpha, false),
	}
}

// A serviceKey tells services apart.
type serviceKey struct {
	addr     netip.Addr
	port     uint16
	protocol Protocol
}

// resolve makes the services that can be served of the drafts.
func (r *reader) resolve() []*VirtualServer {
	var vs []*VirtualServer
	seen := map[serviceKey]Pos{}
	for _, d := range r.services {
		if d.bad {
			continue // what else is wrong depends on the reason, which is reported
		}
		r.resolveProtocol(d)
		key := serviceKey{d.v.Addr, d.v.Port, d.v.Protocol}
		if at, ok := seen[key]; ok {
			r.leaveOut(d.node, &d.bad, "%s is defined already at %v; this one is left out: put its real servers there", d.v.Name(), at)
			continue
		}
		r.resolveScheduler(d)
		r.resolveMethod(d)
		if d.bad {
			continue // a report about its ports would be about another method
		}
		r.resolvePersistence(d)
		d.v.Timing = d.tuning.timing()
		d.v.Weight = or(d.tuning.weight, 1)
		d.v.InhibitOnFailure = or(d.tuning.inhibit, false)
		r.resolveServers(d)
		r.resolveQuorum(d)
		seen[key] = d.v.Pos
		vs = append(vs, &d.v)
		if len(d.v.RealServers) == 0 {
			r.add(d.node, Note, "%s has no real servers; its clients are refused", d.v.Name())
		}
	}
	return vs
}

func (r *reader) resolveProtocol(d *serviceDraft) {
	if d.protocol == nil {
		d.v.Protocol = UDP
		r.add(d.node, Error, "%s: protocol is missing, which means UDP; add `protocol TCP` if that is meant", d.v.Name())
	}
	if d.v.OPS && d.v.Protocol != UDP {
		d.v.OPS = false
		r.add(d.node, Warning, "%s: ops is only for UDP; it is switched off", d.v.Name())
	}
}

func (r *reader) resolveScheduler(d *serviceDraft) {
	at := d.scheduler
	switch {
	case at == nil:
		at = d.node
		d.v.Scheduler = defaultScheduler
		r.add(at, Error, "%s: lb_algo is missing; %s is used", d.v.Name(), defaultScheduler)
	case slices.Contains(schedulerNames(), at.Args[0]):
		d.v.Scheduler = at.Args[0]
	default:
		d.v.Scheduler = defaultScheduler
		r.add(at, Error, "%q is no scheduler%s; %s is used", at.Args[0], meant(at.Args[0], schedulerNames()), defaultScheduler)
	}
	if !r.canSchedule(d.v.Scheduler) {
		r.leaveOut(at, &d.bad, "scheduler %s is not supported yet; the service %s is left out: use one of %s", d.v.Scheduler, d.v.Name(), r.available())
	}
}

// meant is the part of a report that says what name probably should have been.
func meant(name string, names []string) string {
	if s := nearest(name, names); s != "" {
		return fmt.Sprintf(", did you mean %s?", s)
	}
	return ""
}

func (r *reader) resolveMethod(d *serviceDraft) {
	if d.method == nil {
		r.leaveOut(d.node, &d.bad, "%s: lb_kind is missing, which means NAT, and only DR is supported; the service is left out: add `lb_kind DR`", d.v.Name())
		return
	}
	d.v.Method = "DR"
	if text := wrongMethod(d.method); text != "" {
		r.leaveOut(d.method, &d.bad, "%s; the service %s is left out: write `%s DR`", text, d.v.Name(), d.method.Keyword)
	}
}

// wrongMethod says what is wrong with the forwarding method n sets, or "".
func wrongMethod(n *Node) string {
	switch kind := n.Args[0]; {
	case kind == "DR" && len(n.Args) == 1:
		return ""
	case kind == "DR":
		return fmt.Sprintf("%q after DR is not understood", strings.Join(n.Args[1:], " "))
	case kind == "NAT" || kind == "TUN":
		return kind + " is not supported, only DR is"
	case strings.EqualFold(kind, "DR"):
		return fmt.Sprintf("%q is no forwarding method, upper and lower case count", kind)
	}
	return fmt.Sprintf("%q is no forwarding method, and only DR is supported", n.Args[0])
}

// resolvePersistence decides how long clients stay. A service on every port
// must be persistent, and persistence_granularity alone switches persistence on.
func (r *reader) resolvePersistence(d *serviceDraft) {
	p := &d.v.Persistence
	switch def := r.global.PersistenceDefault; {
	case d.persistence != nil:
		p.Timeout = d.timeout
	case d.granularity != nil:
		p.Timeout = portlessPersistence
		r.add(d.granularity, Note, "switches persistence on, with %d s; persistence_timeout sets another time", p.Timeout)
	case d.v.Port == 0:
		// Off so far; reported below.
	default:
		p.Timeout, p.FromDefault = def.seconds(), true
		if p.Timeout > 0 {
			r.add(d.node, Note, "%s: persistence_timeout is absent, so clients stick to one real server for %d s; write `persistence_timeout 0` or `persistence_default off` to spread them", d.v.Name(), p.Timeout)
		}
	}
	if d.v.Port == 0 && p.Timeout == 0 {
		p.Timeout = portlessPersistence
		r.add(d.node, Error, "%s: a service without a port must be persistent; its persistence_timeout is %d s", d.v.Name(), p.Timeout)
	}
}

func (r *reader) resolveServers(d *serviceDraft) {
	type endpoint struct {
		addr netip.Addr
		port uint16
	}
	seen := map[endpoint]bool{}
	for _, s := range d.servers {
		if s.bad {
			continue
		}
		name := s.s.Name(d.v.Protocol)
		if s.s.Port != d.v.Port {
			if len(s.node.Args) > 1 {
				r.add(s.node, Warning, "%s: with DR a real server has the port of its service; port %d is used instead of %d", name, d.v.Port, s.s.Port)
			}
			s.s.Port = d.v.Port
			name = s.s.Name(d.v.Protocol)
		}
		if at := (endpoint{s.s.Addr, s.s.Port}); seen[at] {
			r.diags.put(Diagnostic{Pos: s.node.Pos, Severity: Warning, Keyword: s.node.Keyword, LeftOut: true,
				Text: fmt.Sprintf("%s is there twice; the second is left out", name)})
			continue
		} else {
			seen[at] = true
		}
		r.resolveServer(d, s)
		if !s.bad {
			d.v.RealServers = append(d.v.RealServers, &s.s)
		}
	}
}

func (r *reader) resolveServer(d *serviceDraft, s *serverDraft) {
	name := s.s.Name(d.v.Protocol)
	if s.method != nil {
		if text := wrongMethod(s.method); text != "" {
			r.leaveOut(s.method, &s.bad, "%s; the real server %s is left out", text, name)
		}
	}
	s.s.Upper, s.s.Lower = or(s.upper, 0), or(s.lower, 0)
	if s.s.Lower > s.s.Upper {
		r.leaveOut(s.node, &s.bad, "lthreshold %d is greater than uthreshold %d; the real server %s is left out", s.s.Lower, s.s.Upper, name)
	}
	t := s.tuning.over(d.tuning)
	s.s.Timing = t.timing()
	s.s.Weight = or(t.weight, 1)
	s.s.InhibitOnFailure = or(t.inhibit, false)
	for _, c := range s.checks {
		c.c.Timing = c.tuning.over(t).timing()
		if !c.c.ConnectIP.IsValid() {
			c.c.ConnectIP = s.s.Addr
		}
		c.c.ConnectPort = uint16(or(c.port, uint32(s.s.Port)))
		if c.c.ConnectPort == 0 {
			r.leaveOut(c.node, &s.bad, "the service has no port, so connect_port is needed; the real server %s is left out", name)
		}
		if c.c.BindTo.IsValid() && !sameFamily(c.c.BindTo, c.c.ConnectIP) {
			r.add(c.node, Error, "bindto %v and connect_ip %v are of different address families; bindto is left out", c.c.BindTo, c.c.ConnectIP)
			c.c.BindTo = netip.Addr{}
		}
		s.s.Checks = append(s.s.Checks, &c.c)
	}
}

// resolveQuorum keeps quorum and hysteresis within what the real servers can
// reach.
func (r *reader) resolveQuorum(d *serviceDraft) {
	v := &d.v
	var sum uint64
	for _, s := range v.RealServers {
		sum += uint64(s.Weight)
	}
	if len(v.RealServers) > 0 && uint64(v.Quorum) > max(sum, 1) {
		r.add(d.quorum, Warning, "%s: %d is more than all weights together; it is %d", v.Name(), v.Quorum, max(sum, 1))
		v.Quorum = uint32(max(sum, 1))
	}
	if v.Hysteresis > 0 && v.Hysteresis >= v.Quorum {
		r.add(d.hysteresis, Warning, "%s: %d is not less than the quorum; it is %d", v.Name(), v.Hysteresis, v.Quorum-1)
		v.Hysteresis = v.Quorum - 1
	}
}
