package site

import (
	"cmp"
	"net/netip"

	"lvsdr/control/site/tree"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// An Answer is where answers come from that must go back by the director: a server
// reached by NAT.
type Answer struct {
	Addr  netip.Addr
	Proto frame.Proto // 0: any
	Port  uint16      // 0: any
}

// Compare is for tree.Map.
func (a Answer) Compare(o Answer) int {
	return cmp.Or(a.Addr.Compare(o.Addr), cmp.Compare(a.Proto, o.Proto), cmp.Compare(a.Port, o.Port))
}

type answers = tree.Map[Answer, int]

// countMethods counts the servers of a service that are not reached by Direct Routing, n
// times; nil is no service.
func (s *State) countMethods(service *Service, n int) {
	if service == nil {
		return
	}
	for _, r := range service.Servers {
		switch m := r.Config.Method; {
		case m.Tunnels():
			s.tunnels += n
		case m == dataplane.Masquerade:
			a := Answer{r.Config.Addr.IP(), service.Config.Key.Proto, r.Config.Port}
			have, _ := s.answers.Get(a)
			if have += n; have == 0 {
				s.answers = s.answers.Delete(a)
			} else {
				s.answers = s.answers.Put(a, have)
			}
		}
	}
}

// Answers are where answers come from that go back by the director, ordered by address.
func (s *State) Answers() []Answer {
	var all []Answer
	for a := range s.answers.All() {
		all = append(all, a)
	}
	return all
}

// Masquerades reports whether there are any Answers.
func (s *State) Masquerades() bool { return s.answers.Len() > 0 }

// sources are the addresses of Answers, each once.
func (s *State) sources() []netip.Addr {
	var all []netip.Addr
	for a := range s.answers.All() {
		if n := len(all); n == 0 || all[n-1] != a.Addr {
			all = append(all, a.Addr)
		}
	}
	return all
}

// minded reports whether ICMP errors from anywhere may be about packets to servers: where
// these have other addresses than those that clients send to.
func (s *State) minded() bool { return s.tunnels > 0 || s.answers.Len() > 0 }
