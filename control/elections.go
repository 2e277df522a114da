package control

import (
	"bytes"
	"cmp"
	"net/netip"
	"reflect"
	"slices"

	"lvsdr/arp"
	"lvsdr/control/addresses"
	"lvsdr/control/hostnet"
	"lvsdr/control/keepalived"
	"lvsdr/control/site"
	"lvsdr/control/track"
	"lvsdr/control/vrrp"
	"lvsdr/dataplane/frame"
)

// elections are the converger's state of VRRP.
type elections struct {
	placed   addresses.Wish     // that the interfaces have
	routed   bool               // routes or rules were asked for
	open     bool               // the instances may take part
	source   *keepalived.VRRP   // of told
	told     *vrrp.Settings     // what VRRP has; nil: nothing
	tracking *keepalived.Config // of tracked
	tracked  track.Settings     // what the trackers have
	links    map[string]bool    // whether the interfaces that are tracked were up when it was told last
}

// openElections lets the instances take part. Until then this host does not become a
// master: it could not serve yet.
func (c *converger) openElections() {
	if !c.elections.open {
		c.elections.open = true
		c.router.want()
	}
}

// elect tells VRRP its settings. It comes last: who becomes a master has all else. An
// actor that has no instances before and after is not told at all.
func (c *converger) elect(s *site.State) {
	e := &c.elections
	source := &s.Config().VRRP
	if e.source != source {
		e.source = source
		c.router.want()
	}
	if c.actors.VRRP == nil || !c.router.ready(c.now()) {
		return
	}
	if !e.open && len(source.Instances) > 0 {
		return // openElections comes
	}
	want := electionOf(source, s.Fetching())
	if e.told != nil && reflect.DeepEqual(*e.told, want) || e.told == nil && len(want.Instances) == 0 {
		c.router.done(nil, c.now())
		return
	}
	err := c.actors.VRRP.Set(want)
	if err == nil {
		e.told = &want
	}
	c.router.done(err, c.now())
}

// trackLinks tells VRRP which of the interfaces and addresses that instances need are
// there. It knows of them before it has the instances.
func (c *converger) trackLinks(s *site.State) {
	v := &s.Config().VRRP
	if c.actors.VRRP == nil || len(v.Instances) == 0 {
		return
	}
	up := map[string]bool{}
	tell := func(kind, name string, is bool) {
		if _, again := up[kind+name]; again {
			return
		}
		if was, told := c.elections.links[kind+name]; !told || was != is {
			c.actors.VRRP.Track(vrrp.Tracked{Tracker: vrrp.Tracker{Kind: kind, Name: name}, Up: is})
		}
		up[kind+name] = is
	}
	for _, name := range trackedLinks(v) {
		tell(trackInterface, name, s.LinkUp(name))
	}
	for _, i := range v.Instances {
		if i.TrackSource && i.Source.IsValid() {
			tell(trackSource, i.Source.String(), s.HasAddress(i.Source))
		}
	}
	for _, i := range v.Instances {
		for k := range i.Routes {
			if r := &i.Routes[k]; r.Followed() != "" {
				tell(keepalived.TrackOfRoute.String(), r.Followed(), routeUp(s, r))
			}
		}
	}
	c.elections.links = up
}

// trackedLinks are the interfaces whose state counts for instances or groups.
func trackedLinks(v *keepalived.VRRP) (all []string) {
	add := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	ofTracks := func(tracks []keepalived.Track) {
		for _, t := range tracks {
			if t.Kind == keepalived.TrackOfInterface {
				add(t.Name)
			}
		}
	}
	for _, i := range v.Instances {
		add(interfacesOf(i)...)
		ofTracks(i.Tracks)
	}
	for _, g := range v.Groups {
		ofTracks(g.Tracks)
	}
	return all
}

// setTrackers has what decides about priorities watched. It comes before the instances are
// told, so that what is down from the start is known to them.
func (c *converger) setTrackers(s *site.State) {
	cfg := s.Config()
	if c.elections.tracking != cfg {
		c.elections.tracking = cfg
		c.trackers.want()
	}
	if c.actors.Trackers == nil || !c.trackers.ready(c.now()) {
		return
	}
	want := trackersOf(cfg)
	if reflect.DeepEqual(want, c.elections.tracked) {
		c.trackers.done(nil, c.now())
		return
	}
	err := c.actors.Trackers.Set(want)
	if err == nil {
		c.elections.tracked = want
	}
	c.trackers.done(err, c.now())
}

// addressOf is an address of the file; link is its interface if it names none.
func addressOf(a *keepalived.VirtualAddress, link string) addresses.Address {
	return addresses.Address{Link: cmp.Or(a.Interface, link), Prefix: a.Prefix, Peer: a.Peer, Label: a.Label, Scope: a.Scope, Broadcast: a.Broadcast,
		NoDAD: a.NoDAD, Home: a.Home, ManageTemp: a.ManageTemp, NoPrefixRoute: a.NoPrefixRoute, Deprecated: a.HasLifetime && a.PreferredLifetime == 0}
}

// addressesOf says where the addresses of the file are to be which no virtual service has.
func addressesOf(s *site.State) (w addresses.Wish) {
	v := &s.Config().VRRP
	for k := range v.StaticAddresses {
		if a := &v.StaticAddresses[k]; !s.Virtual(a.Prefix.Addr()) {
			w.Here = append(w.Here, addressOf(a, cmp.Or(s.Config().Global.DefaultInterface, "eth0"))) // keepalived's default
		}
	}
	for _, i := range v.Instances {
		for _, a := range slices.Concat(i.Addresses, i.Excluded) {
			if s.Virtual(a.Prefix.Addr()) {
				continue // the director answers for it
			}
			x := addressOf(&a, i.Interface)
			if s.RoleOf(i.Name) == vrrp.Master {
				w.Here = append(w.Here, x)
			} else if i.Priority < vrrp.Owner {
				w.Elsewhere = append(w.Elsewhere, x)
			}
		}
	}
	return w
}

// setAddresses puts the addresses of instances where they are to be.
func (c *converger) setAddresses(s *site.State) {
	if c.actors.Addresses == nil || !c.addrs.ready(c.now()) {
		return
	}
	want := addressesOf(s)
	if c.addrs.err == nil && reflect.DeepEqual(want, c.elections.placed) {
		c.addrs.done(nil, c.now())
		return
	}
	err := c.actors.Addresses.Set(want)
	c.elections.placed = want
	c.addrs.done(err, c.now())
}

// addKernels adds the addresses to be announced which the host's kernel has for VRRP, and
// answers for.
func (c *converger) addKernels(s *site.State, all map[netip.Addr]arp.VIP) {
	if c.actors.Addresses == nil {
		return
	}
	for _, i := range s.Config().VRRP.Instances {
		if s.RoleOf(i.Name) != vrrp.Master {
			continue
		}
		for _, a := range slices.Concat(i.Addresses, i.Excluded) {
			addr := a.Prefix.Addr()
			l, ok := s.LinkNamed(cmp.Or(a.Interface, i.Interface))
			if ok && !s.Virtual(addr) && l.MAC != (frame.MAC{}) && s.LinkUp(l.Name) {
				all[addr] = arp.VIP{Addr: addr, Ifindex: int32(l.Index), MAC: l.MAC, Active: true, Kernel: true,
					Elected: announcedBy(i, &s.Config().VRRP, addr, l.Name, false)}
			}
		}
	}
}

// electedVIP is v as it is announced at p, if VRRP decides about it.
func electedVIP(s *site.State, v *site.VIP, p arp.VIP) arp.VIP {
	own := p.MAC
	p.MAC = macOf(v.Router, v.Place.Link.Name, own)
	p.Elected = announcedBy(v.Router, &s.Config().VRRP, v.Addr, v.Place.Link.Name, p.MAC != own)
	return p
}

// vipsOf are the virtual addresses that an instance names, by the interfaces where they
// are announced.
func (c *converger) vipsOf(i *keepalived.Instance) map[int32][]netip.Addr {
	all := map[int32][]netip.Addr{}
	for _, a := range slices.Concat(i.Addresses, i.Excluded) {
		if v, ok := c.announced[a.Prefix.Addr()]; ok {
			all[v.Ifindex] = append(all[v.Ifindex], v.Addr)
		}
	}
	return all
}

// addMAC adds the virtual MAC address of a VIP on a link to all, if it has one.
func addMAC(all []frame.MAC, s *site.State, vip netip.Addr, l *hostnet.Link) []frame.MAC {
	mac := macOf(s.Router(vip), l.Name, l.MAC)
	if mac == l.MAC {
		return all
	}
	at, found := slices.BinarySearchFunc(all, mac, func(a, b frame.MAC) int { return bytes.Compare(a[:], b[:]) })
	if found {
		return all
	}
	return slices.Insert(all, at, mac)
}
