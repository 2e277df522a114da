package keepalived

import (
	"errors"
	"time"
)

// What lvsdr_flap_damping says where its line does not.
const (
	dampingSuppress = 3
	dampingReuse    = 1
)

// dampingWord is a word of our own, of services and real servers:
//
//	lvsdr_flap_damping SECONDS [SUPPRESS [REUSE]]
func dampingWord() []word {
	return []word{{name: "lvsdr_flap_damping", min: 1, max: 3, set: (*reader).setDamping}}
}

func (r *reader) setDamping(n *Node) {
	d, err := parseDamping(n.Args)
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	r.tuning.damping = &d
}

// parseDamping reads one to three values. 0 seconds switch it off, whatever follows.
func parseDamping(args []string) (d Damping, err error) {
	d = Damping{Suppress: dampingSuppress, Reuse: dampingReuse}
	if d.HalfLife, err = parseTimer(args[0], 0, maxTimer); err != nil {
		return d, err
	}
	if len(args) > 1 {
		if d.Suppress, err = parseNumber(args[1], 1, 1000); err != nil {
			return d, err
		}
	}
	if len(args) > 2 {
		if d.Reuse, err = parseNumber(args[2], 1, 1000); err != nil {
			return d, err
		}
	}
	switch {
	case d.HalfLife == 0:
		return Damping{}, nil
	case d.HalfLife < time.Second:
		return d, errors.New("the half-life must be at least 1 second")
	case d.Reuse > d.Suppress:
		return d, errors.New("the penalty at which the server is used again must not be greater than that at which it is suppressed")
	}
	return d, nil
}
