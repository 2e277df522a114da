package keepalived

import (
	"net/netip"

	"lvsdr/control/ask"
)

// resolveCheck resolves check c of s, for which t says what it does not say itself.
func (r *reader) resolveCheck(d *serviceDraft, s *serverDraft, c *checkDraft, t tuning, portless bool) {
	tuned := c.tuning.over(t)
	if c.c.Timing = tuned.timing(); tuned.delayBeforeRetry == nil && c.delay > 0 {
		c.c.DelayBeforeRetry = c.delay
	}
	if tuned.retry == nil && c.retry != nil {
		c.c.Retry = *c.retry
	}
	if c.c.Kind == DNSCheck && tuned.delayBeforeRetry == nil {
		c.c.DelayBeforeRetry = c.c.DelayLoop
	}
	if !c.c.ConnectIP.IsValid() {
		c.c.ConnectIP = s.s.Addr
	}
	if p, ok := c.c.Ask.(*ask.Program); ok && p.Timeout == 0 {
		p.Timeout = c.c.DelayLoop
	}
	if c.c.Kind == HTTPGet || c.c.Kind == SSLGet {
		h := c.http.resolve(s.host, d.host)
		if h.TLS {
			h.Client = r.identity
		}
		c.c.Ask = h
	}
	if c.c.Kind == FileCheck { // it is read at once, and when it changes
		c.c.Timing = Timing{DelayLoop: c.c.DelayLoop, ConnectTimeout: defaultConnectTimeout, Alpha: c.c.Alpha, Rise: 1}
	}
	if c.c.Kind.Ported() {
		r.resolveConnectPort(d, s, c, portless)
	}
	if c.c.BindTo.IsValid() && !sameFamily(c.c.BindTo, c.c.ConnectIP) {
		r.add(c.node, Error, "bindto %v and connect_ip %v are of different address families; bindto is left out", c.c.BindTo, c.c.ConnectIP)
		c.c.BindTo = netip.Addr{}
	}
}

// resolveConnectPort resolves the port that c connects to; portless says that one of the
// services of s has no port. It stays 0 where it follows the service's.
func (r *reader) resolveConnectPort(d *serviceDraft, s *serverDraft, c *checkDraft, portless bool) {
	if c.c.ConnectPort = uint16(or(c.port, uint32(s.written))); c.c.ConnectPort != 0 {
		return
	}
	s.follows = true
	if portless {
		r.leaveOut(c.node, &s.bad, "the service has no port, so connect_port is needed; the real server %s is left out", s.s.Name(d.v.Protocol))
	}
}
