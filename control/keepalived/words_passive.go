package keepalived

import "time"

// What lvsdr_passive_failure says where its line does not.
const (
	passiveConnections = 10
	passiveHold        = 30 * time.Second
)

// passiveWord is a word of our own, of services and real servers:
//
//	lvsdr_passive_failure PERCENT [CONNECTIONS [SECONDS]]
func passiveWord() []word {
	return []word{{name: "lvsdr_passive_failure", min: 1, max: 3, set: (*reader).setPassive}}
}

func (r *reader) setPassive(n *Node) {
	p, err := parsePassive(n.Args)
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	r.tuning.passive = &p
}

// parsePassive reads one to three values. 0 percent switches it off, whatever follows.
func parsePassive(args []string) (p Passive, err error) {
	p = Passive{Connections: passiveConnections, Hold: passiveHold}
	if p.Percent, err = parseNumber(args[0], 0, 99); err != nil {
		return p, err
	}
	if len(args) > 1 {
		if p.Connections, err = parseNumber(args[1], 1, 1000000); err != nil {
			return p, err
		}
	}
	if len(args) > 2 {
		if p.Hold, err = parseTimer(args[2], time.Second, maxTimer); err != nil {
			return p, err
		}
	}
	if p.Percent == 0 {
		return Passive{}, nil
	}
	return p, nil
}
