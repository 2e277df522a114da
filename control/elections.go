package control

import (
	"net/netip"
	"reflect"
	"slices"

	"lvsdr/arp"
	"lvsdr/control/keepalived"
	"lvsdr/control/site"
	"lvsdr/control/vrrp"
)

// elections are the converger's state of VRRP.
type elections struct {
	open   bool             // the instances may take part
	source *keepalived.VRRP // of told
	told   *vrrp.Settings   // what VRRP has; nil: nothing
	links  map[string]bool  // whether the interfaces that are tracked were up when it was told last
	kernel map[arp.VIP]bool // what ARP announces for the host's kernel
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
	want := electionOf(source)
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
	for name, link := range routeLinks(v) {
		tell(keepalived.TrackOfRoute.String(), name, s.LinkUp(link))
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

// routeLinks are the interfaces of the virtual routes that are tracked, by the names of
// their trackers.
func routeLinks(v *keepalived.VRRP) map[string]string {
	all := map[string]string{}
	for _, i := range v.Instances {
		for _, t := range i.Tracks {
			if t.Kind == keepalived.TrackOfRoute {
				all[t.Name] = t.Name
			}
		}
	}
	return all
}

// electedVIP is v as it is announced at p, if VRRP decides about it.
func electedVIP(s *site.State, v *site.VIP, p arp.VIP) arp.VIP {
	p.MAC = macOf(v.Router, v.Place.Link.Name, p.MAC)
	p.Elected = announcedBy(v.Router, &s.Config().VRRP.Global, v.Addr)
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
