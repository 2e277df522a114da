package keepalived

import (
	"slices"
	"strings"
	"time"

	"lvsdr/control/ask"
	"lvsdr/control/script"
)

// miscChecker is MISC_CHECK.
func miscChecker() []word {
	words := slices.Concat(delayWords(0), []word{
		{name: "misc_path", max: 1, text: true, set: (*reader).setMiscPath},
		{name: "misc_timeout", min: 1, max: 1, set: (*reader).setMiscTimeout},
		{name: "misc_dynamic", max: anyArgs, set: func(r *reader, _ *Node) { r.misc().Dynamic = true }},
		{name: "user", max: 2, text: true, set: (*reader).setMiscUser},
		logAllWord(),
	})
	return []word{{name: "MISC_CHECK", max: anyArgs, end: (*reader).endMiscCheck, block: &block{name: "MISC_CHECK", words: words}, set: func(r *reader, n *Node) {
		r.beginCheck(n)
		r.check.retry = new(uint32)
		r.check.c.Kind, r.check.c.Ask = MiscCheck, &ask.Program{}
	}}}
}

// pingChecker is PING_CHECK, which takes the words about ports, too.
func pingChecker() []word {
	return []word{{name: "PING_CHECK", max: anyArgs, end: (*reader).endPingCheck, block: &block{name: "PING_CHECK", words: connectionWords()}, set: func(r *reader, n *Node) {
		r.beginCheck(n)
		r.check.c.Kind, r.check.c.Ask = PingCheck, &ask.Ping{}
	}}}
}

func (r *reader) endPingCheck(n *Node) {
	r.check.c.BindPort = 0
	r.endCheck(n)
}

// misc is the question of the MISC_CHECK that is being read.
func (r *reader) misc() *ask.Program { return r.check.c.Ask.(*ask.Program) }

func (r *reader) setMiscPath(n *Node) {
	if len(n.Args) == 0 {
		return // the check's end says it
	}
	if _, err := script.Split(n.Args[0]); err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	r.misc().Line = strings.TrimSpace(strings.Clone(n.Args[0]))
	r.check.command = n
}

func (r *reader) setMiscTimeout(n *Node) {
	const longest = 4294 // s
	if v, ok := r.numberArg(n, 0, longest); ok {
		r.misc().Timeout = time.Duration(v) * time.Second
	}
}

// setMiscUser reads USER [GROUP].
func (r *reader) setMiscUser(n *Node) {
	if what := r.noSuchUser(n); what != "" {
		r.add(n, Error, "%s", what)
		r.check.userless = len(n.Args) > 0
		return
	}
	m := r.misc()
	m.User, m.Group = userGroup(n.Args)
}

// endMiscCheck leaves out, as keepalived does, a check without a command, and one whose
// user is not there.
func (r *reader) endMiscCheck(n *Node) {
	d := r.check
	switch m := r.misc(); {
	case m.Line == "":
		r.add(n, Error, "misc_path is missing; the check is left out")
		r.dropCheck(n)
		return
	case d.userless:
		r.add(n, Error, "has no user to run as; the check is left out")
		r.dropCheck(n)
		return
	case m.User != "":
		r.noteFirst(d.command, &r.security.command)
	default:
		r.setCommand(d.command)
	}
	r.endCheck(n)
}

// resolvePrograms gives the programs of checks what global_defs says about scripts.
func (r *reader) resolvePrograms() {
	g := &r.global
	for _, v := range r.services {
		for _, s := range v.RealServers {
			for _, c := range s.Checks {
				p, ok := c.Ask.(*ask.Program)
				if !ok {
					continue
				}
				if p.Secure = g.ScriptSecurity; p.User == "" {
					p.User, p.Group = g.ScriptUser, g.ScriptGroup
				}
			}
		}
	}
}
