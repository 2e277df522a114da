package control

import (
	"lvsdr/control/shield"
	"lvsdr/control/site"
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
}
