package keepalived

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The values of routes.

// virtualRoutes are the good ones of lines. What is in them and is not set is reported.
func (r *reader) virtualRoutes(lines []*Node) []Route {
	var all []Route
	for _, line := range lines {
		if isRouteLine(line.fields()) != nil {
			continue
		}
		route, unset, ok := parseRoute(line.fields())
		if !ok {
			r.report(line, Warning, AsGood, "a value of the route is not understood, and the route is not set")
			continue
		}
		r.reportUnset(line, "route", unset)
		if route.Interface == "" && !route.NoTrack && route.Kind == Unicast {
			r.add(line, Warning, "no interface is named with dev, so that keepalived cannot track the route; here the interfaces of its hops count")
		}
		route.Pos = line.Pos
		all = append(all, route)
	}
	return all
}

// reportUnset reports words of a route or rule that have no effect here.
func (r *reader) reportUnset(line *Node, kind string, words []string) {
	if len(words) > 0 {
		r.report(line, Warning, AsGood, "the %s is set without %s", kind, strings.Join(words, ", "))
	}
}

// routeKinds are their names in a file.
var routeKinds = map[string]RouteKind{
	"unicast": Unicast, "local": Local, "broadcast": Broadcast, "anycast": Anycast, "multicast": Multicast, "throw": Throw,
	"unreachable": Unreachable, "prohibit": Prohibit, "blackhole": Blackhole,
}

// parseRoute reads the words of a line that isRouteLine has taken; ok is false where a value is wrong.
// unset are the words that have no effect.
func parseRoute(words []string) (r Route, unset []string, ok bool) {
	r = Route{Kind: Unicast, Table: mainTable, Protocol: keepalivedProto}
	w := routeWords{words: words}
	if kind, known := routeKinds[words[0]]; known {
		r.Kind = kind
		w.next()
	}
	for !w.done() && !w.bad {
		r.word(&w)
	}
	var one Hop
	if w.via.IsValid() || w.onLink {
		one = Hop{Via: w.via, Interface: r.Interface, Weight: 1, OnLink: w.onLink}
		r.OnLink = w.onLink
		r.Hops = append([]Hop{one}, r.Hops...)
	}
	for _, h := range r.Hops {
		w.bad = w.bad || h.Via.IsValid() && h.Via.Is6() != r.Destination.Addr().Is6()
	}
	if !r.NoTrack {
		r.Protocol = keepalivedProto // as with keepalived, which knows its routes by it
	}
	return r, w.unset, !w.bad && r.Destination.IsValid()
}

// routeWords are the words of a route as they are read.
type routeWords struct {
	words  []string
	via    netip.Addr
	onLink bool
	hop    *Hop // the nexthop that is read; nil: none
	bad    bool
	unset  []string // words that have no effect
}

func (w *routeWords) done() bool { return len(w.words) == 0 }

// next is the next word; where there is none the route is bad.
func (w *routeWords) next() string {
	if len(w.words) == 0 {
		w.bad = true
		return ""
	}
	s := w.words[0]
	w.words = w.words[1:]
	return s
}

// lock takes the word lock, if it is next, and reports whether it is.
func (w *routeWords) lock() bool {
	is := len(w.words) > 0 && w.words[0] == "lock"
	if is {
		w.next()
	}
	return is
}

// number is the next word as a number up to most; lock before it is left out.
func (w *routeWords) number(most uint64) uint32 {
	w.lock()
	s := w.next()
	v, err := strconv.ParseUint(s, 0, 32)
	if err != nil || v > most {
		w.bad = true
	}
	return uint32(v)
}

// addr is the next word as an address with a length, behind a family.
func (w *routeWords) addr() netip.Prefix {
	s := w.next()
	if s == "inet" || s == "inet6" {
		s = w.next()
	}
	a, bits, err := prefixed(s)
	if err != nil {
		w.bad = true
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, bits)
}

// word reads one word of a route and its values. A word that routes here cannot have is left out with its value.
func (r *Route) word(w *routeWords) {
	switch word := w.next(); word {
	case "to":
	case "src":
		r.Source = w.addr().Addr()
	case "via":
		r.setVia(w, w.addr().Addr())
	case "dev", "oif":
		r.setInterface(w, strings.Clone(w.next()))
	case "table":
		r.Table = w.table()
	case "metric", "priority", "preference":
		r.Metric = w.number(math.MaxUint32)
	case "scope":
		s := w.next()
		w.bad = w.bad || isScope([]string{s}) != nil
		r.Scope, r.HasScope = scope(s), true
	case "tos", "dsfield":
		r.TOS = uint8(w.number(math.MaxUint8))
	case "protocol":
		r.Protocol = w.protocol()
	case "mtu":
		r.MTULock = w.lock()
		r.MTU = w.number(math.MaxUint32)
	case "advmss":
		r.AdvMSS = w.number(math.MaxUint32)
	case "onlink":
		if w.onLink = w.hop == nil; w.hop != nil {
			w.hop.OnLink = true
		}
	case "nexthop":
		r.Hops = append(r.Hops, Hop{Weight: 1})
		w.hop = &r.Hops[len(r.Hops)-1]
	case "weight":
		if v := w.number(256); w.hop != nil && v > 0 {
			w.hop.Weight = v
		}
	case "no_track":
		r.NoTrack = true
	case "default":
		r.Destination = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if slices.ContainsFunc(w.words, func(s string) bool { return strings.Contains(s, ":") }) {
			r.Destination = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	default:
		r.otherWord(w, word)
	}
}

// otherWord is the destination, or a word with a value that has no effect here.
func (r *Route) otherWord(w *routeWords, word string) {
	a, bits, err := prefixed(word)
	switch {
	case err == nil && !r.Destination.IsValid():
		r.Destination = netip.PrefixFrom(a, bits).Masked()
	case word == "append":
		r.Place = Behind
	case word == "add":
		r.Place = Alone
	case slices.Contains(routeNumbers(), word):
		r.Options = append(r.Options, RouteOption{strings.Clone(word), w.number(math.MaxUint32)})
	default:
		w.unset = append(w.unset, strings.Clone(word+" "+w.next()))
	}
}

// routeNumbers are the words of RouteOptions.
func routeNumbers() []string {
	return strings.Fields("hoplimit window cwnd ssthresh reordering initcwnd initrwnd quickack fastopen_no_cookie")
}

func (r *Route) setVia(w *routeWords, via netip.Addr) {
	if w.hop != nil {
		w.hop.Via = via
		return
	}
	w.via = via
}

func (r *Route) setInterface(w *routeWords, name string) {
	if w.hop != nil {
		w.hop.Interface = name
		return
	}
	r.Interface = name
}

// table is the next word as a number of a table, or a name that every host has.
func (w *routeWords) table() uint32 {
	return w.named(map[string]uint32{"default": defaultTable, "main": mainTable, "local": localTable}, math.MaxUint32)
}

// protocol is the next word as who made a route.
func (w *routeWords) protocol() uint8 {
	known := map[string]uint32{"redirect": 1, "kernel": 2, "boot": 3, "static": 4, "ra": 9, "keepalived": keepalivedProto}
	return uint8(w.named(known, math.MaxUint8))
}

// named is the next word as one of known, or as a number up to most.
func (w *routeWords) named(known map[string]uint32, most uint64) uint32 {
	if len(w.words) > 0 {
		if v, ok := known[w.words[0]]; ok {
			w.next()
			return v
		}
	}
	return w.number(most)
}
