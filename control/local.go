package control

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"lvsdr/control/actor"
	"lvsdr/control/api"
	"lvsdr/control/hostnet"
	"lvsdr/control/localclient"
	"lvsdr/control/nics"
	"lvsdr/control/shield"
	"lvsdr/control/site"
)

// local is the converger's state of clients and real servers on this host. Failure only
// disables them; all others are served.
type local struct {
	link     hostnet.Link      // where clients come in, and what is for servers goes out; the zero Link: none
	told     hostnet.Link      // link, as the engine knows it
	wanted   []localclient.VIP // that they are to be led to
	led      []localclient.VIP // that they are led to
	lacking  []string          // why some of the VIPs are not among wanted
	received error             // why their interface has no port
}

// wish is the interface where clients on this host come in; false: there is none.
func (l *local) wish() (nics.Wish, bool) {
	w := nics.Wish{Index: l.link.Index, Name: l.link.Name, MTU: l.link.MTU, Local: true}
	for _, v := range l.wanted {
		if v.Source.IsValid() {
			w.VIPs = append(w.VIPs, v.Addr)
		}
	}
	return w, l.link.Index != 0
}

// hops are all, those to servers on this host with the way there.
func (l *local) hops(all []site.Hop) []site.Hop {
	all = slices.Clone(all)
	for i := range all {
		if h := &all[i]; h.Local {
			h.Link, h.MAC = l.link, l.link.MAC // both ends of the pair have the same
		}
	}
	return all
}

// reachOwn tells the engine the way to the servers on this host, where it has changed.
func (c *converger) reachOwn(s *site.State) {
	if c.local.told == c.local.link {
		return
	}
	c.local.told = c.local.link
	if own := s.OwnHops(); len(own) > 0 {
		c.actors.Engine.Change(actor.Change{Hops: c.local.hops(own)})
	}
}

// openRedirect makes the interface where clients on this host come in, if there
// are VIPs for them. The wish is for VIPs that are active.
func (c *converger) openRedirect(s *site.State) {
	if c.actors.Redirect == nil || !c.redirect.ready(c.now()) {
		return
	}
	active := map[netip.Addr]bool{}
	for _, n := range c.nicsOf(s) {
		for _, vip := range n.VIPs {
			active[vip] = true
		}
	}
	before, _ := c.local.wish()
	wish := c.localOf(s)
	lacking := wish.lacking
	if !slices.Equal(lacking, c.local.lacking) && len(lacking) > 0 {
		c.log.Warn("clients on this host cannot use some virtual addresses", "why", lacking)
	}
	c.local.wanted, c.local.lacking, c.local.link = nil, lacking, hostnet.Link{}
	for _, v := range wish.vips {
		if active[v.Addr] {
			c.local.wanted = append(c.local.wanted, localclient.VIP{Addr: v.Addr, Source: v.Source, Replies: v.Replies, Served: v.Served})
		}
	}
	if len(c.local.wanted) > 0 {
		link, err := c.actors.Redirect.Open(wish.mtu)
		if err != nil {
			c.failRedirect(err)
		}
		c.local.link = link
	}
	after, _ := c.local.wish()
	if after.Index != before.Index {
		c.forgetLocalGuards() // they went with the interface
		c.guard.want()
	}
	if after.Index != before.Index || after.MTU != before.MTU || !slices.Equal(after.VIPs, before.VIPs) {
		c.nics.want()
	}
}

// forgetLocalGuards has the guards on the interface of clients on this host made
// anew.
func (c *converger) forgetLocalGuards() {
	c.wishes.guards.forget()
	maps.DeleteFunc(c.guarded, func(g shield.Guard, _ bool) bool { return g.Interface == localclient.DirectorEnd })
	c.checkRule = true
}

// failRedirect leads clients on this host nowhere: better no way than one into
// nothing.
func (c *converger) failRedirect(err error) {
	c.local.wanted, c.local.led, c.local.link = nil, nil, hostnet.Link{}
	c.forgetLocalGuards()
	c.guard.want()
	c.nics.want()
	c.redirect.done(errors.Join(err, c.actors.Redirect.Set(nil)), c.now())
}

// withdrawRedirect ends the ways to VIPs that go.
func (c *converger) withdrawRedirect(s *site.State) {
	if c.actors.Redirect == nil || len(c.local.led) == 0 || !c.redirect.ready(c.now()) {
		return
	}
	stay := map[netip.Addr]bool{}
	for _, n := range c.nicsOf(s) {
		for _, vip := range n.VIPs {
			stay[vip] = true
		}
	}
	var led []localclient.VIP
	for _, v := range c.local.led {
		if stay[v.Addr] {
			led = append(led, v)
		}
	}
	if len(led) < len(c.local.led) {
		if err := c.actors.Redirect.Set(led); err != nil {
			c.redirect.done(err, c.now())
			return
		}
		c.local.led = led
	}
}

// setRedirect leads the clients on this host to the VIPs that are received.
func (c *converger) setRedirect() {
	if c.actors.Redirect == nil || !c.redirect.ready(c.now()) {
		return
	}
	if err := c.local.received; err != nil && len(c.local.wanted) > 0 {
		c.failRedirect(err)
		return
	}
	if err := c.actors.Redirect.Set(c.local.wanted); err != nil {
		c.redirect.done(err, c.now())
		return
	}
	c.local.led = c.local.wanted
	c.redirect.done(nil, c.now())
}

// localText is api.LocalServed, or why clients on this host are not.
func (c *converger) localText() string {
	switch {
	case c.actors.Redirect == nil:
		return "off"
	case c.redirect.err != nil:
		return c.redirect.err.Error()
	case len(c.local.lacking) > 0:
		return strings.Join(c.local.lacking, "; ")
	case !slices.ContainsFunc(c.local.led, func(v localclient.VIP) bool { return v.Source.IsValid() }):
		return "not yet"
	}
	return api.LocalServed
}
