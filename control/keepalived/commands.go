package keepalived

import (
	"cmp"
	"iter"

	"lvsdr/control/ask"
)

// Commands are the commands of c that the director runs, each with the user it runs as;
// they may repeat.
func (c *Config) Commands() iter.Seq[Command] {
	return func(yield func(Command) bool) {
		give := func(k Command) bool {
			if k.User == "" {
				k.User, k.Group = c.Global.ScriptUser, cmp.Or(k.Group, c.Global.ScriptGroup)
			}
			return k.Line == "" || yield(k)
		}
		for i, k := range c.Global.FIFOScripts {
			if c.Global.FIFOs[i] != "" && !give(k) {
				return
			}
		}
		for _, v := range c.VirtualServers {
			if !give(v.QuorumUp) || !give(v.QuorumDown) {
				return
			}
			for _, s := range v.RealServers {
				if !give(s.NotifyUp) || !give(s.NotifyDown) {
					return
				}
				for _, k := range s.Checks {
					if p, ok := k.Ask.(*ask.Program); ok && !give(Command{p.Line, p.User, p.Group}) {
						return
					}
				}
			}
		}
	}
}
