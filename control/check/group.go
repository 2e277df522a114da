package check

// A Group is the state of one real server that has several checks: it is up
// when all of them are. The zero Group has no checks and is up, because a real
// server without a checker counts as always up. It is not safe for concurrent
// use.
type Group struct {
	checks map[string]bool
	downs  int // how many of checks are false
}

// Up reports whether every check is up.
func (g *Group) Up() bool { return g.downs == 0 }

// Put sets the state of one check, which joins the group if it is new, and
// gives the change this made to the server, so that each is reported once.
func (g *Group) Put(check string, up bool) Event {
	before := g.Up()
	if g.checks == nil {
		g.checks = make(map[string]bool)
	}
	if old, known := g.checks[check]; known && !old {
		g.downs--
	}
	g.checks[check] = up
	if !up {
		g.downs++
	}
	return change(before, g.Up())
}

// Remove takes a check out of the group and gives the change this made.
func (g *Group) Remove(check string) Event {
	before := g.Up()
	if up, known := g.checks[check]; known && !up {
		g.downs--
	}
	delete(g.checks, check)
	return change(before, g.Up())
}

// change is the event that leads from one state to the other.
func change(before, after bool) Event {
	switch {
	case before == after:
		return None
	case after:
		return Up
	}
	return Down
}
