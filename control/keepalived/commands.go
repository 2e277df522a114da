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
		for _, k := range c.VRRP.commands() {
			if !give(k) {
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

// commands are those of VRRP.
func (v *VRRP) commands() (all []Command) {
	if v.Global.FIFO != "" {
		all = append(all, v.Global.FIFOScript)
	}
	add := func(n *VRRPNotify) {
		all = append(all, n.Master, n.Backup, n.Fault, n.Stop, n.Deleted, n.LowerPriority, n.Any)
	}
	for _, i := range v.Instances {
		add(&i.Notify)
	}
	for _, g := range v.Groups {
		add(&g.Notify)
	}
	for _, s := range v.Scripts {
		all = append(all, s.Command)
	}
	return all
}
