package control

import (
	"slices"

	"lvsdr/control/actor"
	"lvsdr/control/shield"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// setAnswers has the host's stack kept from the answers of servers that NAT reaches.
func (c *converger) setAnswers(s *site.State) {
	if !c.answers.ready(c.now()) {
		return
	}
	var all []shield.Answer
	for _, a := range s.Answers() {
		all = append(all, shield.Answer(a))
	}
	c.answers.done(c.actors.Guard.SetAnswers(all), c.now())
	c.answered = all
}

// interfacesOf are the interfaces by which frames come, as the engine knows them: it sends
// answers back to clients by the one that their packets came by.
func (c *converger) interfacesOf(s *site.State) []dataplane.Interface {
	all := []dataplane.Interface{}
	for _, n := range c.nicsOf(s) {
		all = append(all, dataplane.Interface{Index: int32(n.Link.Index), MAC: n.Link.MAC, MTU: n.Link.MTU,
			Own4: frame.AddrFrom(n.Own[0]), Own6: frame.AddrFrom(n.Own[1])})
	}
	if l := c.local.link; l.Index != 0 { // clients on this host
		all = append(all, dataplane.Interface{Index: int32(l.Index), MAC: l.MAC, MTU: l.MTU})
	}
	return all
}

// tellInterfaces tells the engine the interfaces, if they are others. Without servers that
// NAT reaches no answer comes, and they are not needed.
func (c *converger) tellInterfaces(s *site.State) {
	if !s.Masquerades() && c.interfaces == nil {
		return
	}
	all := c.interfacesOf(s)
	if c.interfaces != nil && slices.Equal(all, c.interfaces) {
		return
	}
	c.interfaces = all
	c.actors.Engine.Change(actor.Change{Interfaces: all})
}
