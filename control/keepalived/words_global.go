package keepalived

import (
	"slices"
	"strings"
)

// globalWords are the words of global_defs.
func globalWords() []word {
	return slices.Concat([]word{
		{name: "router_id", min: 1, max: 1, text: true, soft: true, set: func(r *reader, n *Node) { r.global.RouterID = strings.Clone(n.Args[0]) }},
		{name: "default_interface", min: 1, max: 1, text: true, soft: true, set: func(r *reader, n *Node) { r.global.DefaultInterface = strings.Clone(n.Args[0]) }},
		{name: "lvs_timeouts", min: 1, soft: true, max: anyArgs, set: (*reader).setTimeouts},
		{name: "checker_log_all_failures", max: 1, set: boolean(func(r *reader) *bool { return &r.global.LogAllFailures })},
		{name: "rs_init_notifies", max: 1, set: boolean(func(r *reader) *bool { return &r.global.InitNotifies })},
		{name: "persistence_default", min: 1, max: 1, soft: true, set: (*reader).setPersistenceDefault},
		{name: markWord, min: 4, max: 4, set: (*reader).setMark},
		{name: "dr_check", max: 1, set: boolean(func(r *reader) *bool { return &r.global.DRCheck })},
	}, fifoWords(), mailWords(), syncWords(), renamedTo("vrrp_garp_extra_if", "vrrp_vmac_garp_intvl", 1), unusedGlobals())
}

// boolean reads a BOOL that may be left away, which means on.
func boolean(field func(*reader) *bool) func(*reader, *Node) {
	return func(r *reader, n *Node) {
		if v, ok := r.boolArg(n); ok {
			*field(r) = v
		}
	}
}

// boolArg is the BOOL of n, and false when it is none.
func (r *reader) boolArg(n *Node) (v, ok bool) {
	if len(n.Args) == 0 {
		return true, true
	}
	v, err := parseBool(n.Args[0])
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
	}
	return v, err == nil
}

func (r *reader) setTimeouts(n *Node) {
	fields := map[string]*uint32{
		"tcp": &r.global.Timeouts.TCP, "tcpfin": &r.global.Timeouts.TCPFin, "udp": &r.global.Timeouts.UDP,
	}
	for i := 0; i < len(n.Args); i += 2 {
		field := fields[n.Args[i]]
		if field == nil {
			r.add(n, Error, "%q is neither tcp, tcpfin nor udp; the rest of the line is left out", n.Args[i])
			return
		}
		if i+1 == len(n.Args) {
			r.add(n, Error, "the value of %s is missing", n.Args[i])
			return
		}
		v, err := parseNumber(n.Args[i+1], 0, maxSeconds) // 0: as it is, for IPVS too
		if err != nil {
			r.add(n, Error, "%s: %v; it stays as it is", n.Args[i], err)
			continue
		}
		*field = v
	}
}

func (r *reader) setPersistenceDefault(n *Node) {
	d := PersistenceDefault{Set: true}
	if !strings.EqualFold(n.Args[0], "off") {
		v, err := parseNumber(n.Args[0], 0, maxSeconds)
		if err != nil {
			r.add(n, Error, "%v, and not off; the line is left out", err)
			return
		}
		d.Seconds = v
	}
	if !r.opt.PersistenceDefault.Set {
		r.global.PersistenceDefault = d
	}
}
