package site

import (
	"fmt"
	"maps"
	"slices"

	"lvsdr/control/hostnet"
)

// While a link is down nothing is known of what is behind it. The virtual addresses and
// real servers there keep their places, though the kernel has no routes to them any
// more, and the servers their health and MAC addresses:
//
//	link up ──▶ down: addresses are silent, servers are not asked, checks not made
//	   ▲          │
//	   └──────────┘ places are found anew, addresses are looked for and announced

// keeps reports whether what was at a place stays there, although the host does not find
// it now: its link is down.
func (s *State) keeps(was hostnet.Place) bool {
	return was.Link.Index != 0 && s.down(was.Link) != ""
}

// seeLinks notes which links of virtual addresses and real servers are down.
func (s *State) seeLinks() {
	links := map[int]string{}
	see := func(l hostnet.Link) {
		if text := s.down(l); text != "" {
			links[l.Index] = text
		}
	}
	for _, v := range s.vips.All() {
		see(v.place.Link)
	}
	last := 0
	for _, p := range s.places.All() {
		if p.Link.Index != last {
			last = p.Link.Index
			see(p.Link)
		}
	}
	if !maps.Equal(links, s.links) {
		s.links = links
	}
}

// seeLink notes that l, of one more virtual address or server, is down, if it is.
func (s *State) seeLink(l hostnet.Link) {
	text := s.down(l)
	if text == "" || s.links[l.Index] == text {
		return
	}
	links := maps.Clone(s.links)
	if links == nil {
		links = map[int]string{}
	}
	links[l.Index] = text
	s.links = links
}

// LinksDown are the links of virtual addresses and real servers that are down, by
// index, and why, as "interface eth0 is down". The caller does not change it.
func (s *State) LinksDown() map[int]string { return s.links }

// linkProblems are the links that are down, a line each.
func (s *State) linkProblems() (all []string) {
	for _, i := range slices.Sorted(maps.Keys(s.links)) {
		all = append(all, fmt.Sprintf("%s: until it is up its virtual addresses are silent, and its real servers stay as they were", s.links[i]))
	}
	return all
}
