package scenario

import "fmt"

// idle are the tunables that kernel IPVS has and that change nothing in a
// scenario, whatever their value: they are about NAT, memory and the kernel's own estimates.
var idle = map[string]bool{
	"amemthresh": true, "conntrack": true, "est_cpulist": true, "est_nice": true, "ignore_tunneled": true,
	"run_estimation": true, "snat_reroute": true,
}

// sysctl sets a tunable.
func (p *player) sysctl(op *Op) error {
	switch {
	case idle[op.Key]:
		return nil
	case op.Key == "cache_bypass": // it changes decisions, but for 0
		if op.Value != "0" {
			return fmt.Errorf("cache_bypass %s: the director has no route of its own to send a client's packet by", op.Value)
		}
		return nil
	}
	t := p.d.Tunables()
	if err := t.Set(op.Key, op.Value); err != nil {
		return err
	}
	p.d.SetTunables(t)
	return nil
}
