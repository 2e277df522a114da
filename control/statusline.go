package control

import (
	"fmt"
	"time"

	"lvsdr/control/site"
)

// lineEvery is the shortest time between two status lines for the service manager.
const lineEvery = time.Second

// A statusLine is how things stand, as `systemctl status` shows it.
//
//	3 services, 7 of 9 servers up, 1 problem
type statusLine struct {
	told     string        // last
	at       time.Duration // when
	state    *site.State   // what it was made of
	problems int
	waits    bool // something has changed, and it is too early to tell
}

// due is when the line is to be made again; false: when something changes.
func (s *statusLine) due() (time.Duration, bool) { return s.at + lineEvery, s.waits }

// tellStatus tells the service manager how things stand, if that has changed and it was
// not told within the last second: what counts servers walks over all.
func (l *loop) tellStatus() {
	s, problems := &l.line, len(l.view.Load().Problems)
	if !l.ready || l.state == s.state && problems == s.problems {
		s.waits = false
		return
	}
	if s.waits = s.told != "" && l.now() < s.at+lineEvery; s.waits {
		return
	}
	s.state, s.problems, s.at = l.state, problems, l.now()
	if line := lineOf(l.state.Count(), problems); line != s.told {
		s.told = line
		l.notify("STATUS=" + line)
	}
}

// lineOf is the line of n and a number of problems.
func lineOf(n site.Count, problems int) string {
	line := many(n.Services, "service") + ", no servers"
	if n.Servers > 0 {
		line = fmt.Sprintf("%s, %d of %s up", many(n.Services, "service"), n.Up, many(n.Servers, "server"))
	}
	if problems > 0 {
		line += ", " + many(problems, "problem")
	}
	return line
}

// many is a number of things.
func many(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
