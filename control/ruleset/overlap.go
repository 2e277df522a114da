package ruleset

// said is a Mark with what decides about the rules after it.
type said struct {
	Mark
	final bool   // no later rule of its chain sees its packets
	chain string // of the rule
}

// meets reports whether a packet may be of both.
func (s *said) meets(o *said) bool {
	return s.Proto == o.Proto && s.First <= o.Last && o.First <= s.Last && s.Addrs.Overlaps(o.Addrs)
}

// fit refuses u where its packets are also those of an earlier rule, in a way that lines
// cannot say: other addresses, or another chain, whose order is not known here.
func (r *reader) fit(u *rule) {
	n := r.count
	for _, a := range u.addrs {
		n += 1 << (a.Addr().BitLen() - a.Bits())
		for _, p := range u.protos {
			for _, s := range u.ports {
				r.fitOne(u, &said{Mark: Mark{u.mark, a, s.first, s.last, p, u.line}})
			}
		}
	}
	if n > most {
		u.refuse("with it there are more than %d addresses", most)
	}
}

// fitOne is fit for a part of u.
func (r *reader) fitOne(u *rule, x *said) {
	for i := range r.said {
		o := &r.said[i]
		switch {
		case !o.meets(x) || o.Mark.Mark == u.mark && o.Addrs == x.Addrs:
		case o.Addrs != x.Addrs:
			u.refuse("it is about some of the addresses of line %d; write them one by one", o.Line)
		case o.chain != u.chain:
			u.refuse("line %d, of another chain, is about the same packets", o.Line)
		}
	}
}

// put adds x: as with netfilter the last rule counts, unless an earlier one was final.
func (r *reader) put(x said) {
	left := []said{x}
	var kept []said
	for _, o := range r.said {
		if o.Addrs != x.Addrs || !o.meets(&x) {
			kept = append(kept, o)
			continue
		}
		if o.final {
			kept = append(kept, o)
			left = cutAll(left, &o)
			continue
		}
		kept = append(kept, cut(o, &x)...)
	}
	r.said = append(kept, left...)
}

func cutAll(from []said, o *said) []said {
	var all []said
	for _, s := range from {
		all = append(all, cut(s, o)...)
	}
	return all
}

// cut is s without the ports of o.
func cut(s said, o *said) []said {
	if s.First > o.Last || o.First > s.Last {
		return []said{s}
	}
	var all []said
	if s.First < o.First {
		part := s
		part.Last = o.First - 1
		all = append(all, part)
	}
	if s.Last > o.Last {
		part := s
		part.First = o.Last + 1
		all = append(all, part)
	}
	return all
}
