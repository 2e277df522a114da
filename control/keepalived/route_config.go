package keepalived

import "net/netip"

// A Route is one line of virtual_routes or static_routes.
type Route struct {
	Kind        RouteKind
	Destination netip.Prefix // ::/0 or 0.0.0.0/0 is the default route
	Source      netip.Addr   // of packets that this host sends (src); invalid: the host chooses
	Hops        []Hop        // one, or several of nexthop; none: the destination is on Interface
	Interface   string       // dev; empty: as the hops say, or as the host finds
	Table       uint32       // 254 is main
	Metric      uint32
	Scope       uint8
	HasScope    bool // else the scope follows from the hop
	TOS         uint8
	Protocol    uint8 // who made the route: 18 is keepalived's
	MTU, AdvMSS uint32
	MTULock     bool          // no smaller one is learned
	Options     []RouteOption // other numbers of the route, in the order of the file
	Place       RoutePlace
	OnLink      bool // a hop is on the link even if no address says so
	// NoTrack says that the route's interface does not count for the instance.
	NoTrack bool
	Pos     Pos
}

// A RouteOption is a number that a route has for the host's own connections, by its word in ip-route(8).
type RouteOption struct {
	Word  string
	Value uint32
}

// RoutePlace says what becomes of a route when another one to the same destination is there.
type RoutePlace uint8

// The places.
const (
	Before RoutePlace = iota // it counts first
	Alone                    // it is an error (add)
	Behind                   // it counts last (append)
)

// Followed names what the state of an instance depends on for a route that is tracked: the route's interface, or for a
// route without one "to DESTINATION". Such a route is up while one of its hops can be reached. Empty: nothing.
func (r *Route) Followed() string {
	switch {
	case r.NoTrack || r.Kind != Unicast:
		return ""
	case r.Interface != "":
		return r.Interface
	case len(r.Hops) > 0:
		return "to " + r.Destination.String()
	}
	return ""
}

// A Hop is a next router.
type Hop struct {
	Via       netip.Addr // invalid: on the link
	Interface string
	Weight    uint32 // 1 to 256, among several
	OnLink    bool
}

// RouteKind is the number that rtnetlink has for the fate of a packet.
type RouteKind uint8

// The kinds of routes; see rtnetlink(7).
const (
	Unicast     RouteKind = 1
	Local       RouteKind = 2
	Broadcast   RouteKind = 3
	Anycast     RouteKind = 4
	Multicast   RouteKind = 5
	Blackhole   RouteKind = 6
	Unreachable RouteKind = 7
	Prohibit    RouteKind = 8
	Throw       RouteKind = 9
)

// A Rule is one line of virtual_rules or static_rules.
type Rule struct {
	IPv6       bool
	Not        bool         // packets that do not match
	From, To   netip.Prefix // invalid: any
	Priority   uint32       // preference: rules of a smaller one are asked first
	Table      uint32       // to look in; 0: see Goto and Action
	Goto       uint32       // the priority of the next rule
	Action     RuleAction
	Mark, Mask uint32 // fwmark; Mask 0: any
	TOS        uint8
	In, Out    string // interfaces; empty: any
	// SuppressLength has a route not count that the rule leads to, if its prefix is of this length or shorter.
	SuppressLength uint8
	Suppresses     bool // SuppressLength counts
	NoTrack        bool
	Pos            Pos
}

// RuleAction is the effect of a rule.
type RuleAction uint8

// The actions, by the numbers of <linux/fib_rules.h>.
const (
	ToTable         RuleAction = 1
	ToGoto          RuleAction = 2
	ToNop           RuleAction = 3
	ToBlackhole     RuleAction = 6
	ToUnreachable   RuleAction = 7
	ToProhibit      RuleAction = 8
	mainTable                  = 254
	localTable                 = 255
	defaultTable               = 253
	keepalivedProto            = 18 // RTPROT_KEEPALIVED of <linux/rtnetlink.h>
)
