package keepalived

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// A serviceDraft is a virtual server before inheritance and checks.
type serviceDraft struct {
	v       VirtualServer
	node    *Node
	bad     bool // it is left out
	skipped bool // keepalived does not look into the block
	tuning  tuning
	servers []*serverDraft

	// places are where it is served, at least one unless it is bad; v has the
	// first. group is what they come from, empty when node says it itself.
	places []place
	group  string
	// joins are the places that have a service already: the servers join it.
	joins []place

	protocol, scheduler, method *Node // where they are set; nil when absent
	persistence                 *Node
	timeout                     uint32 // seconds; of persistence
	granularity                 *Node
	portless                    Persistence // of places without a port; v has that of the others
	quorum, hysteresis, sorry   *Node
	sorryMethod                 *Node
	host                        string // virtualhost; empty when absent
	family                      family // of all its addresses; 0: of a mark that has not shown it yet
	suspend                     *Node  // ha_suspend; nil when absent
}

// serviceWords are the words of virtual_server.
func serviceWords() []word {
	algo := func(r *reader, n *Node) { r.vs.scheduler = n }
	kind := func(r *reader, n *Node) { r.vs.method = n }
	return slices.Concat(
		[]word{
			{name: "lb_algo", min: 1, max: 1, set: algo},
			{name: "lvs_sched", min: 1, max: 1, set: algo},
			{name: "lb_kind", min: 1, max: anyArgs, set: kind},
			{name: "lvs_method", min: 1, max: anyArgs, set: kind},
			{name: "protocol", min: 1, max: 1, set: (*reader).setProtocol},
			{name: "persistence_timeout", max: 1, set: (*reader).setPersistence},
			{name: "persistence_granularity", min: 1, max: 1, set: (*reader).setGranularity},
			{name: "weight", min: 1, max: 1, set: number(1, maxWeight, func(r *reader) **uint32 { return &r.tuning.weight })},
			{name: "real_server", min: 1, max: 2, set: (*reader).beginServer, end: (*reader).endServer,
				block: &block{name: "real_server", words: serverWords()}},
			{name: "quorum", min: 1, max: 1, set: (*reader).setQuorum},
			{name: "hysteresis", min: 1, max: 1, set: (*reader).setHysteresis},
			{name: "omega", max: anyArgs, set: switchOn(func(r *reader) { r.vs.v.Omega = true })},
			{name: "alpha", max: anyArgs, set: switchOn(func(r *reader) { r.tuning.alpha = pointer(true) })},
			{name: "inhibit_on_failure", max: anyArgs, set: switchOn(func(r *reader) { r.tuning.inhibit = pointer(true) })},
			{name: "ops", set: func(r *reader, _ *Node) { r.vs.v.OPS = true }},
			{name: "sorry_server", min: 1, max: 2, set: (*reader).setSorryServer},
			{name: "sorry_server_inhibit", set: (*reader).setSorryInhibit},
			{name: "sorry_server_lvs_method", min: 1, max: anyArgs, set: (*reader).setSorryMethod},
		},
		schedulerFlagWords(),
		slowStartWord(),
		passiveWord(),
		dampingWord(),
		riseWord(),
		[]word{{name: "lvsdr_panic_threshold", min: 1, max: 1, set: func(r *reader, n *Node) {
			if v, ok := r.numberArg(n, 0, 100); ok {
				r.vs.v.PanicThreshold = v
			}
		}}},
		timingWords(1),
		[]word{
			runs("quorum_up", func(r *reader) *Command { return &r.vs.v.QuorumUp }),
			runs("quorum_down", func(r *reader) *Command { return &r.vs.v.QuorumDown }),
		},
		[]word{{name: "ip_family", min: 1, max: 1, set: (*reader).setFamily}},
		withValue("persistence_engine", because("no packet is read for a persistence engine: clients stay with a server by their addresses",
			names(declined, "persistence_engine"))),
		labelWords(),
		alertWord(),
		[]word{{name: "ha_suspend", max: anyArgs, set: func(r *reader, n *Node) { r.vs.suspend, r.vs.v.HASuspend = n, true }}},
		[]word{hostWord(func(r *reader) *string { return &r.vs.host })},
		because("the line should go", names(refused, "nat_mask script lvs_sync_daemon_interface")),
	)
}

func schedulerFlagWords() []word {
	var ws []word
	for _, f := range []struct {
		name      string
		flag      scheduler.Flags
		scheduler string // it belongs to; empty for any
		status    status
	}{
		{"flag-1", scheduler.Flag1, "", used}, {"flag-2", scheduler.Flag2, "", used}, {"flag-3", scheduler.Flag3, "", used},
		{"sh-port", scheduler.HashPort, "sh", used}, {"sh-fallback", scheduler.Fallback, "sh", used},
		{"mh-port", scheduler.HashPort, "mh", used}, {"mh-fallback", scheduler.Fallback, "mh", used},
		{"hashed", 0, "sh", later},
	} {
		ws = append(ws, word{name: f.name, status: f.status, set: func(r *reader, n *Node) {
			if f.scheduler != "" && (r.vs.scheduler == nil || r.vs.scheduler.Args[0] != f.scheduler) {
				r.add(n, Error, "needs \"lb_algo %s\" before it; the line is left out", f.scheduler)
				return
			}
			r.vs.v.SchedFlags |= f.flag
		}})
	}
	return ws
}

func (r *reader) beginService(n *Node) {
	d := &serviceDraft{node: n, v: VirtualServer{Pos: n.Pos, Quorum: 1}, servers: make([]*serverDraft, 0, len(n.Children))}
	r.vs, r.tuning = d, &d.tuning
	switch n.Args[0] {
	case "fwmark":
		r.beginMarkService(n, d)
		return
	case "group":
		r.beginGroupService(n, d)
		return
	}
	var err error
	if d.v.Addr, d.v.Port, err = r.endpoint(n); err != nil {
		d.bad, d.skipped = true, true
		r.badEndpoint(n, "%v; the service is left out", err)
		return
	}
	if d.v.Addr.Is6() && !r.opt.IPv6 {
		r.leaveOut(n, &d.bad, "IPv6 is not supported yet; the service [%v] is left out", d.v.Addr)
	}
	d.family = familyOf(d.v.Addr)
	d.places = []place{{addr: d.v.Addr, port: d.v.Port, node: n}}
}

// endService makes services of the draft. Their reports stand behind all those about
// lines.
func (r *reader) endService(*Node) {
	d := r.vs
	r.vs, r.tuning = nil, nil
	r.diags, r.late = r.late, r.diags
	r.resolve(d)
	r.diags, r.late = r.late, r.diags
	d.servers = nil
	r.servers.reset()
	r.checks.reset()
	r.numbers.reset()
}

func (r *reader) setProtocol(n *Node) {
	p, err := frame.ParseServiceProto(strings.ToLower(n.Args[0]))
	if err != nil {
		r.add(n, Error, "%q is neither TCP, UDP nor SCTP; the line is left out", n.Args[0])
		return
	}
	r.vs.v.Protocol, r.vs.protocol = p, n
}

// portlessPersistence is the persistence of a service that has the word without
// a value, or needs persistence and does not have it; seconds.
const portlessPersistence = 6 * 60

func (r *reader) setPersistence(n *Node) {
	v := uint32(portlessPersistence)
	if len(n.Args) > 0 {
		var err error
		if v, err = parseSwitchable(n.Args[0]); err != nil {
			r.add(n, Error, "%v; the line is left out", err)
			return
		}
	}
	if len(n.Args) > 0 && v == 0 {
		r.add(n, Note, "%s means that clients do not stick to a real server; keepalived takes only 1 to %d", n.Args[0], maxSeconds)
	}
	r.vs.timeout, r.vs.persistence = v, n
}

func (r *reader) setGranularity(n *Node) {
	if r.vs.bad {
		return // its family decides what is right
	}
	is := r.vs.family
	if is == 0 && !strings.Contains(n.Args[0], ".") {
		is = ipv6 // of a mark, whose servers say it later
	}
	mask, err := parseGranularity(n.Args[0], is == ipv6)
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	r.vs.v.Granularity, r.vs.granularity = mask, n
}

func (r *reader) setQuorum(n *Node) {
	v, err := parseNumber(n.Args[0], 1, 1<<32-1)
	if err != nil {
		r.add(n, Error, "%v; it is 1", err)
		v = 1
	}
	r.vs.v.Quorum, r.vs.quorum = v, n
}

func (r *reader) setHysteresis(n *Node) {
	v, err := parseNumber(n.Args[0], 0, 1<<32-1)
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	r.vs.v.Hysteresis, r.vs.hysteresis = v, n
}

func (r *reader) setSorryServer(n *Node) {
	a, p, err := r.endpoint(n)
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	r.vs.sorry = n
	r.vs.v.SorryServer.Addr, r.vs.v.SorryServer.Port = a, p
}

func (r *reader) setSorryInhibit(n *Node) {
	if r.vs.sorry == nil {
		r.add(n, Error, "needs a sorry_server before it; the line is left out")
		return
	}
	r.vs.v.SorryServer.Inhibit = true
}

func (r *reader) setSorryMethod(n *Node) {
	if r.vs.sorry == nil {
		r.add(n, Error, "needs a sorry_server before it; the line is left out")
		return
	}
	r.vs.sorryMethod = n
}

// tuning holds the settings that a service, a real server and a check may have, each for
// the ones below it. A nil field is not said.
type tuning struct {
	delayLoop, connectTimeout, delayBeforeRetry, warmup *time.Duration

	retry     *uint32
	alpha     *bool
	inhibit   *bool          // not for checks
	alert     *bool          // likewise, and not inherited
	slowStart *time.Duration // likewise
	passive   *Passive       // likewise
	damping   *Damping       // likewise
	weight    *uint32        // likewise
	rise      *uint32        // likewise
}

// tuningWords are the words about how servers are checked; retry is at least
// minRetry.
func tuningWords(minRetry uint32) []word {
	return append(timingWords(minRetry), word{name: "alpha", max: 1, set: inherited(func(t *tuning) **bool { return &t.alpha })})
}

// delayWords are those of them that are for checks which do not connect.
func delayWords(minRetry uint32) []word {
	return slices.DeleteFunc(tuningWords(minRetry), func(w word) bool { return w.name == "connect_timeout" })
}

// timingWords are those of them that are read alike everywhere.
func timingWords(minRetry uint32) []word {
	return []word{
		{name: "delay_loop", min: 1, max: 1, set: timer(time.Microsecond, maxTimer, func(t *tuning) **time.Duration { return &t.delayLoop })},
		{name: "connect_timeout", min: 1, max: 1, set: timer(time.Microsecond, maxConnectTimeout, func(t *tuning) **time.Duration { return &t.connectTimeout })},
		{name: "delay_before_retry", min: 1, max: 1, set: timer(0, maxTimer, func(t *tuning) **time.Duration { return &t.delayBeforeRetry })},
		{name: "warmup", min: 1, max: 1, set: timer(0, maxTimer, func(t *tuning) **time.Duration { return &t.warmup })},
		{name: "retry", min: 1, max: 1, set: number(minRetry, 1<<32-1, func(r *reader) **uint32 { return &r.tuning.retry })},
	}
}

// switchOn reads a word that switches something on, whatever follows it.
func switchOn(set func(*reader)) func(*reader, *Node) {
	return func(r *reader, n *Node) {
		if len(n.Args) > 0 {
			r.add(n, Note, "is on: %q is left out, as the word has no value in virtual_server", n.Args[0])
		}
		set(r)
	}
}

func pointer[T any](v T) *T { return &v }

// slowStartWord is a word of our own, of services and real servers.
func slowStartWord() []word {
	return []word{{name: "lvsdr_slow_start", min: 1, max: 1, set: timer(0, maxTimer, func(t *tuning) **time.Duration { return &t.slowStart })}}
}

// riseWord is likewise.
func riseWord() []word {
	return []word{{name: "lvsdr_rise", min: 1, max: 1, set: number(1, 1000, func(r *reader) **uint32 { return &r.tuning.rise })}}
}

func inhibitWord() []word {
	return []word{{name: "inhibit_on_failure", max: 1, set: inherited(func(t *tuning) **bool { return &t.inhibit })}}
}

// timer reads seconds from lo to hi.
func timer(lo, hi time.Duration, field func(*tuning) **time.Duration) func(*reader, *Node) {
	return func(r *reader, n *Node) {
		d, err := parseTimer(n.Args[0], lo, hi)
		if err != nil {
			r.add(n, Error, "%v; the line is left out", err)
			return
		}
		*field(r.tuning) = &d
	}
}

// number reads a whole number from lo to hi.
func number(lo, hi uint32, field func(*reader) **uint32) func(*reader, *Node) {
	return func(r *reader, n *Node) {
		if v, ok := r.numberArg(n, lo, hi); ok {
			p := r.numbers.one()
			*p, *field(r) = v, p
		}
	}
}

// numberArg is the first value of n, a whole number from lo to hi; false when it is none.
func (r *reader) numberArg(n *Node, lo, hi uint32) (v uint32, ok bool) {
	v, err := parseNumber(n.Args[0], lo, hi)
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
	}
	return v, err == nil
}

// inherited reads a BOOL that may be left away, which means on.
func inherited(field func(*tuning) **bool) func(*reader, *Node) {
	return func(r *reader, n *Node) {
		if v, ok := r.boolArg(n); ok {
			*field(r.tuning) = &v
		}
	}
}

// sameFamily reports whether two valid addresses are both IPv4 or both IPv6.
func sameFamily(a, b netip.Addr) bool { return a.Is4() == b.Is4() }
