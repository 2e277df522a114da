package control

import (
	"errors"
	"net/netip"
	"os"
	"slices"

	"lvsdr/control/ask"
	"lvsdr/control/check"
	"lvsdr/control/drroute"
	"lvsdr/control/health"
	"lvsdr/control/keepalived"
	"lvsdr/control/site"
)

// setChecks makes the health checks, and the routes of those by Direct Routing,
// those of s.
func (c *converger) setChecks(s *site.State) {
	now := c.now()
	if !c.routes.ready(now) && !c.checks.ready(now) {
		return
	}
	all := s.Checks()
	if c.routes.err == nil && c.checks.err == nil && c.probedTold && slices.EqualFunc(all, c.probed, sameCheck) {
		c.routes.done(nil, now)
		c.checks.done(nil, now)
		return
	}
	c.probed, c.probedTold = all, true
	if c.actors.Routes != nil && c.routes.ready(now) {
		c.setRoutes(all)
	}
	if c.checks.ready(now) {
		specs := make([]check.Spec, 0, len(all))
		for i := range all {
			specs = append(specs, c.spec(&all[i]))
		}
		c.checks.done(c.actors.Checks.Set(specs), now)
		c.checksSet = true
	}
}

// sameCheck reports whether a and b are made in the same way.
func sameCheck(a, b site.Check) bool {
	return a.ID == b.ID && a.Ifindex == b.Ifindex && a.Spec.Equal(b.Spec) && a.LogAll == b.LogAll && a.Suspended == b.Suspended && (a.DR == b.DR || a.DR != nil && b.DR != nil && *a.DR == *b.DR)
}

// setRoutes makes the routes of checks by Direct Routing those of all. Without
// the right to make routes there are no such checks.
func (c *converger) setRoutes(all []site.Check) {
	var paths []drroute.Path
	for i := range all {
		if all[i].DR != nil {
			paths = append(paths, path(all[i].DR))
		}
	}
	err := c.actors.Routes.Set(paths)
	if errors.Is(err, os.ErrPermission) {
		c.log.Warn("real servers are not checked by Direct Routing", "error", err)
		c.actors.Routes, err = nil, nil
		c.checks.want()
	}
	c.routes.done(err, c.now())
}

func path(p *site.DRPath) drroute.Path {
	return drroute.Path{VIP: p.VIP.Addr(), RS: p.Server, Ifindex: p.Ifindex}
}

// spec is how the check is made.
func (c *converger) spec(k *site.Check) check.Spec {
	f := k.Spec
	spec := check.Spec{ID: k.ID, Suspended: k.Suspended, Settings: check.Settings{DelayLoop: f.DelayLoop, ConnectTimeout: f.ConnectTimeout,
		Retry: int(f.Retry), DelayBeforeRetry: f.DelayBeforeRetry, Warmup: f.Warmup, Alpha: f.Alpha, Rise: int(f.Rise), LogAll: k.LogAll || f.LogAll}}
	own := probe(f, &spec.Settings)
	spec.Probe = own
	if router, ok := c.actors.Routes.(check.Router); ok && k.DR != nil {
		spec.Probe = check.Pair{Own: own, DR: check.DR{VIP: k.DR.VIP, RS: k.DR.Server, Ifindex: k.DR.Ifindex, Router: router}}
	}
	if c.links != nil && k.Ifindex != 0 {
		spec.Probe = check.OnLink{Probe: spec.Probe, Ifindex: k.Ifindex, Links: c.links}
	}
	return spec
}

// waits is how many times connect_timeout an attempt that talks with the server may take:
// for the connection, for the start of the answer, and for the rest.
const waits = 3

// probe is how the server is asked; it changes the settings that the kind of check does not
// share with others.
func probe(f *keepalived.Check, s *check.Settings) check.Probe {
	peer := check.Peer{Addr: netip.AddrPortFrom(f.ConnectIP, f.ConnectPort), Bind: netip.AddrPortFrom(f.BindTo, f.BindPort), Interface: f.BindIf, Mark: f.Mark}
	switch a := f.Ask.(type) {
	case *ask.HTTP:
		s.Steps, s.Fast = len(a.Pages), a.Fast
		s.ConnectTimeout *= waits
		return check.NewHTTP(peer, a, f.ConnectTimeout)
	case *ask.SMTP:
		s.ConnectTimeout *= waits
		return check.SMTP{Peer: peer, Ask: a, Wait: f.ConnectTimeout}
	case *ask.DNS:
		return check.DNS{Peer: peer, Ask: a}
	case *ask.Ping:
		peer.Bind = netip.AddrPortFrom(f.BindTo, 0)
		return check.Ping(peer)
	case *ask.File:
		return check.File{Ask: a}
	case *ask.Program:
		s.ConnectTimeout = check.MiscLimit(a.Timeout)
		return check.Misc{Ask: a}
	case *ask.UDP:
		return check.UDP{Peer: peer, Ask: a}
	}
	return check.TCP(peer)
}

// checked takes the news of a check. An attempt that could not be made is none.
func (l *loop) checked(c check.Change) {
	if c.Result.Outcome() == check.NotMade {
		return
	}
	r := health.Result{Up: c.Up, Weight: c.Result.Weight}
	if c.Result.Err != nil {
		r.Reason = c.Result.Err.Error()
	}
	l.box.put(checkKey(c.ID), site.Checked{ID: c.ID, Result: r, Now: l.now()})
}

// compareChecks looks whether the checks that run are as the State has them. One
// that went and came back may run on as it was, and has no news to tell.
func (l *loop) compareChecks() {
	if !l.converge.checksSet {
		return
	}
	l.converge.checksSet = false
	for _, c := range l.state.Checks() {
		st, runs := l.converge.actors.Checks.State(c.ID)
		taken, known := l.state.Check(c.ID)
		if runs && known && (st.Up != taken.Up() || st.Up && st.Weight != taken.Weight()) {
			l.box.put(checkKey(c.ID), site.Checked{ID: c.ID, Now: l.now(), Result: health.Result{Up: st.Up, Weight: st.Weight, Reason: st.LastError}})
		}
	}
}
