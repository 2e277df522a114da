package control

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"

	"lvsdr/arp"
	"lvsdr/control/actor"
	"lvsdr/control/check"
	"lvsdr/control/nics"
	"lvsdr/control/shield"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A converger makes the actors do what a State wishes. Each actor is told its
// whole wish when that changes, and again while it fails; so all of them come to
// the newest State, whatever failed on the way.
//
// The order lets nothing be promised that is not there yet, and takes nothing
// away that is still promised:
//
//	fewer VIPs: announcements, clients on this host ─┐
//	more VIPs:  guards ──────────────────────────────┤
//	                                                 ▼
//	            servers' MACs, services, own addresses ─▶ interfaces
//	                                                      │
//	    guards of VIPs that are gone ◀─ announcements ◀───┴─ ARP targets, checks, clients on this host
//
// A VIP without a guard is not received, and one that is not received is not
// announced.
type converger struct {
	actors actor.All
	log    *slog.Logger
	now    func() time.Duration
	links  check.Links // of the checks

	engine, guard, answers, nics, targets, routes, checks, redirect, vips, sync, router, trackers, addrs, ways part

	table      *site.Table            // what the engine has
	refused    map[subject]error      // edits the engine refuses
	own        map[frame.Addr]bool    // what the engine has; nil: not told yet
	martians   []frame.Addr           // what the engine has
	marks      []dataplane.MarkRule   // likewise
	interfaces []dataplane.Interface  // likewise; nil: not told yet
	guarded    map[shield.Guard]bool  // what the guard has
	checkRule  bool                   // the guard may have lost what it had
	answered   []shield.Answer        // what the guard was told last
	taken      map[netip.Addr]int     // where the interfaces receive VIPs
	announced  map[netip.Addr]arp.VIP // what ARP has
	paused     map[netip.Addr]arp.VIP // what it had when their links went down
	probed     []site.Check           // what the checks have been told, if they have
	probedTold bool
	checksSet  bool // the checks have been told since the loop looked
	local      local
	wishes     wishes
	elections  elections
	cut        time.Time // when the process before this one rested; zero: it is logged, or there was none
}

// newConverger makes a converger of actors that have nothing yet.
func newConverger(a actor.All, log *slog.Logger, now func() time.Duration) *converger {
	c := &converger{actors: a, log: log, now: now, checkRule: true,
		guarded: map[shield.Guard]bool{}, taken: map[netip.Addr]int{}, announced: map[netip.Addr]arp.VIP{}, paused: map[netip.Addr]arp.VIP{}}
	for p, name := range c.parts() {
		p.name, p.log = name, log
		p.want() // also where there is nothing: what a predecessor left has to go
	}
	c.redirect.remedy = "--local-clients=false does without"
	return c
}

// parts are all parts by the names of their actors.
func (c *converger) parts() map[*part]string {
	return map[*part]string{
		&c.engine: "director", &c.guard: "shield", &c.answers: "shield of answers", &c.nics: "interfaces", &c.targets: "ARP for real servers",
		&c.routes: "routes of checks", &c.checks: "health checks", &c.redirect: "clients on this host", &c.vips: "ARP for VIPs",
		&c.sync: "connection sync", &c.router: "VRRP", &c.trackers: "trackers of VRRP", &c.addrs: "addresses of VRRP",
		&c.ways: "routes and rules of VRRP",
	}
}

// note says what has changed since the last call of converge.
func (c *converger) note(ch *site.Changes) {
	c.wishes.note(ch)
	for p, changed := range map[*part]bool{
		&c.engine: len(ch.Edits) > 0 || ch.Own, &c.guard: ch.Guards, &c.answers: ch.Answers, &c.nics: ch.NICs || ch.Guards, &c.targets: ch.Targets,
		&c.routes: ch.Checks, &c.checks: ch.Checks, &c.redirect: ch.Local || ch.NICs, &c.vips: ch.VIPs || ch.NICs || ch.Guards, &c.addrs: ch.VIPs || ch.Routing, &c.ways: ch.Routing,
		&c.sync: ch.Sync, &c.router: ch.Fetching,
	} {
		if changed {
			p.want()
		}
	}
}

// converge tells the actors what s wishes. ch is what changed since the last
// call.
func (c *converger) converge(s *site.State, ch *site.Changes) {
	c.note(ch)
	c.withdraw(s)
	c.setAddresses(s)
	c.setRouting(s)
	c.raiseGuards(s)
	c.change(s, ch)
	c.openRedirect(s)
	c.raiseGuards(s)
	c.reachOwn(s)
	c.setAnswers(s)
	c.tellInterfaces(s)
	c.receive(s)
	c.resolve(s)
	c.setChecks(s)
	c.setRedirect()
	c.announce(s)
	c.lowerGuards(s)
	c.setSync(s)
	c.trackLinks(s)
	c.setTrackers(s)
	c.elect(s)
}

// setSync has the daemons of connection sync run that s wishes.
func (c *converger) setSync(s *site.State) {
	if c.actors.Sync != nil && c.sync.ready(c.now()) {
		c.sync.done(c.actors.Sync.Set(s.Sync()), c.now())
	}
}

// checkGuards has the guards looked after: somebody may have removed some.
func (c *converger) checkGuards() {
	c.checkRule = true
	c.guard.want()
}

// again has all that others may have removed set again: a reload is the way to
// ask for it.
func (c *converger) again() {
	c.checkGuards()
	c.redirect.want()
}

// denied is the failure of an actor that this process has no right to use.
func (c *converger) denied() error {
	var all []error
	for p := range c.parts() {
		if errors.Is(p.err, os.ErrPermission) {
			all = append(all, p.err)
		}
	}
	slices.SortFunc(all, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(all...)
}

// next is when a part that failed is to be told again.
func (c *converger) next() (at time.Duration, any bool) {
	for p := range c.parts() {
		if t, ok := p.next(); ok && (!any || t < at) {
			at, any = t, true
		}
	}
	return at, any
}

// retry has all parts that fail told again now.
func (c *converger) retry() {
	for p := range c.parts() {
		if p.err != nil {
			p.want()
		}
	}
}

// problems returns the failures, a line each.
func (c *converger) problems() []string {
	var all []string
	for p := range c.parts() {
		if text := p.problem(); text != "" {
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return all
}

// raiseGuards adds the guards that are missing.
func (c *converger) raiseGuards(s *site.State) {
	if !c.guard.ready(c.now()) {
		return
	}
	all := maps.Clone(c.guards(s))
	maps.Copy(all, c.guarded)
	if len(all) == len(c.guarded) && !c.checkRule {
		return
	}
	if err := c.actors.Guard.Set(slices.Collect(maps.Keys(all))); err != nil {
		c.guard.done(err, c.now())
		return
	}
	if len(all) > len(c.guarded) {
		c.nics.want() // what has a guard may be received
	}
	c.guarded, c.checkRule = all, false
}

// lowerGuards removes the guards that are not wanted any more.
func (c *converger) lowerGuards(s *site.State) {
	if !c.guard.ready(c.now()) {
		return
	}
	all := c.guards(s)
	var err error
	if len(all) < len(c.guarded) {
		if err = c.actors.Guard.Set(slices.Collect(maps.Keys(all))); err == nil {
			c.guarded = maps.Clone(all)
		}
	}
	c.guard.done(err, c.now())
}

// change makes the engine's changes.
func (c *converger) change(s *site.State, ch *site.Changes) {
	what := actor.Change{Hops: c.local.hops(ch.Hops)}
	if ch.Timeouts {
		t := s.Timeouts()
		what.Timeouts = &t
	}
	martians := s.Martians()
	marks := s.Marks()
	if !slices.Equal(martians, c.martians) || !slices.Equal(marks, c.marks) {
		c.engine.want()
	}
	ready := c.engine.ready(c.now())
	if ready {
		what.Edits = site.Diff(c.table, s.Table())
	}
	if ready && !slices.Equal(martians, c.martians) {
		what.Martians, c.martians = martians, martians
	}
	if ready && !slices.Equal(marks, c.marks) {
		what.Marks, c.marks = &marks, marks
	}
	if ready && (ch.Own || c.own == nil) {
		c.changeOwn(s, &what)
	}
	if len(what.Hops) > 0 || len(what.Edits) > 0 || what.Own != nil || what.Martians != nil || what.Marks != nil || what.Timeouts != nil {
		errs := c.actors.Engine.Change(what)
		c.changed(s, what.Edits, errs)
	} else if ready {
		c.engine.done(nil, c.now())
	}
}

// changeOwn puts the VIPs into what.
func (c *converger) changeOwn(s *site.State, what *actor.Change) {
	what.Own = s.Own()
	own := make(map[frame.Addr]bool, len(what.Own))
	for _, a := range what.Own {
		own[a] = true
	}
	if what.Own == nil {
		what.Own = []frame.Addr{}
	}
	keep := []frame.Addr{}
	for a := range c.own {
		if own[a] {
			keep = append(keep, a)
		}
	}
	if len(keep) < len(c.own) {
		what.Keep = keep
	}
	c.own = own
}

// changed notes which edits the engine has made. nil errs: all of them.
func (c *converger) changed(s *site.State, edits []site.Edit, errs []error) {
	if errs == nil {
		if c.engine.ready(c.now()) {
			c.table, c.refused = s.Table(), nil
			c.engine.done(nil, c.now())
		}
		return
	}
	var made []site.Edit
	var failed []error
	c.refused = map[subject]error{}
	for i, e := range edits {
		if errs[i] == nil {
			made = append(made, e)
			continue
		}
		c.refused[subjectOf(&e)] = errs[i]
		failed = append(failed, fmt.Errorf("%s: %w", describe(&e), errs[i]))
	}
	c.table, _ = c.table.DoAll(made, site.File)
	c.engine.done(firstOf(failed), c.now())
}

// firstOf are the first errors of all, as one.
func firstOf(all []error) error {
	const most = 3
	if n := len(all) - most; n > 0 {
		all = append(slices.Clone(all[:most]), fmt.Errorf("and %d more", n))
	}
	return errors.Join(all...)
}

// receive opens, changes and closes the ports.
func (c *converger) receive(s *site.State) {
	if !c.nics.ready(c.now()) {
		return
	}
	all := c.portsOf(s)
	failed := c.actors.NICs.Set(all)
	if !c.cut.IsZero() {
		c.log.Info("taken over", "frames waited", time.Since(c.cut).Round(10*time.Microsecond).String())
		c.cut = time.Time{}
	}
	before := c.taken
	c.taken = map[netip.Addr]int{}
	for _, w := range all {
		for _, vip := range w.VIPs {
			// Where new VIPs are refused the ports keep those they have.
			i, ok := before[vip]
			if !w.Local && (failed[w.Index] == nil || ok && i == w.Index) {
				c.taken[vip] = w.Index
			}
		}
	}
	c.local.received = failed[c.local.link.Index]
	var errs []error
	for _, i := range slices.Sorted(maps.Keys(failed)) {
		errs = append(errs, failed[i])
	}
	c.nics.done(errors.Join(errs...), c.now())
	c.vips.want() // what is received has changed
}

// portsOf are the interfaces on which ports are wanted, with the VIPs that are hidden.
func (c *converger) portsOf(s *site.State) (all []nics.Wish) {
	for _, n := range c.nicsOf(s) {
		w := nics.Wish{Index: n.Link.Index, Name: n.Link.Name, MTU: n.Link.MTU, Sources: n.Sources, Errors: n.Errors}
		for _, vip := range n.VIPs {
			if c.guarded[shield.Guard{VIP: vip, Interface: n.Link.Name}] {
				w.VIPs = append(w.VIPs, vip)
				w.MACs = addMAC(w.MACs, s, vip, &n.Link)
			}
		}
		all = append(all, w)
	}
	if w, ok := c.local.wish(); ok {
		all = append(all, w)
	}
	return all
}

// lost takes the news that the ports of an interface have failed.
func (c *converger) lost(ifindex int, err error) {
	maps.DeleteFunc(c.taken, func(_ netip.Addr, i int) bool { return i == ifindex })
	c.nics.done(err, c.now())
	c.vips.want()
	if c.local.link.Index == ifindex && c.actors.Redirect != nil {
		c.failRedirect(err)
	}
}

// resolve asks for the MAC addresses of the real servers.
func (c *converger) resolve(s *site.State) {
	if !c.targets.ready(c.now()) {
		return
	}
	var all []arp.Target
	for _, t := range s.Targets() {
		all = append(all, arp.Target{IP: t.Addr, Ifindex: int32(t.Link.Index), SourceIP: t.Source, SourceMAC: t.Link.MAC, Static: t.MAC, Down: t.Down})
	}
	c.targets.done(c.actors.ARP.SetTargets(all), c.now())
}

// wantedVIPs are the VIPs of s that may be announced, because their frames are
// received.
func (c *converger) wantedVIPs(s *site.State) map[netip.Addr]arp.VIP {
	all := map[netip.Addr]arp.VIP{}
	for _, v := range s.VIPs() {
		if i, ok := c.taken[v.Addr]; v.Active && !v.Down && ok && i == v.Place.Link.Index {
			all[v.Addr] = electedVIP(s, &v, arp.VIP{Addr: v.Addr, Ifindex: int32(i), MAC: v.Place.Link.MAC, Active: true})
		}
	}
	c.addKernels(s, all)
	return all
}

// withdraw ends the announcements, and the ways of clients on this host, of VIPs
// that go.
func (c *converger) withdraw(s *site.State) {
	if c.vips.ready(c.now()) {
		wanted := c.wantedVIPs(s)
		stay := maps.Clone(c.announced)
		maps.DeleteFunc(stay, func(a netip.Addr, v arp.VIP) bool { return wanted[a].Ifindex != v.Ifindex })
		if len(stay) < len(c.announced) {
			c.pause(s)
			c.setVIPs(stay)
		}
	}
	c.withdrawRedirect(s)
}

// pause notes the VIPs that go because their links are down.
func (c *converger) pause(s *site.State) {
	for _, v := range s.VIPs() {
		if was, ok := c.announced[v.Addr]; ok && v.Down {
			c.paused[v.Addr] = was
		}
	}
}

// announce makes the VIPs that are announced those of s.
func (c *converger) announce(s *site.State) {
	if !c.vips.ready(c.now()) {
		return
	}
	wanted := c.wantedVIPs(s)
	if maps.Equal(wanted, c.announced) {
		c.vips.done(nil, c.now())
		return
	}
	before := c.announced
	if !c.setVIPs(wanted) {
		return
	}
	c.vips.done(nil, c.now())
	c.logAnnounced(s, before)
}

// logAnnounced logs which VIPs are announced that were not before, or otherwise; not those
// whose link was down only.
func (c *converger) logAnnounced(s *site.State, before map[netip.Addr]arp.VIP) {
	n := 0
	for _, v := range s.VIPs() {
		now, ok := c.announced[v.Addr]
		if !ok || before[v.Addr] == now {
			continue
		}
		paused := c.paused[v.Addr]
		delete(c.paused, v.Addr)
		if paused == now {
			continue // the line about its link says enough
		}
		if n++; n <= maxLines {
			c.log.Info("announcing", "vip", v.Addr.String(), "interface", v.Place.Link.Name, "mac", now.MAC.String())
		}
	}
	if n > maxLines {
		c.log.Info(fmt.Sprintf("announcing %d more VIPs", n-maxLines))
	}
}

// maxLines is how many lines are logged about one thing at once.
const maxLines = 20

// setVIPs tells ARP which VIPs to answer for.
func (c *converger) setVIPs(all map[netip.Addr]arp.VIP) bool {
	list := slices.SortedFunc(maps.Values(all), func(a, b arp.VIP) int {
		return cmp.Or(cmp.Compare(a.Ifindex, b.Ifindex), a.Addr.Compare(b.Addr))
	})
	if err := c.actors.ARP.SetVIPs(list); err != nil {
		c.vips.done(err, c.now())
		return false
	}
	c.announced = all
	return true
}
