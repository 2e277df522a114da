package keepalived

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"lvsdr/control/ask"
)

// A serverDraft is a real server before inheritance and checks.
type serverDraft struct {
	s    RealServer
	node *Node
	bad  bool // it is left out
	// skipped says that keepalived does not look into the block.
	skipped bool
	tuning  tuning
	checks  []*checkDraft
	method  *Node // nil when absent
	// written is the port in the file, which checks use; 0 when it is absent.
	written uint16
	// follows says that a check connects to the port of the service, whatever
	// it is: the ConnectPort of such a check is 0.
	follows bool

	upper, lower *uint32
	host         string // virtualhost; empty when absent
}

// A checkDraft is a check before inheritance and checks.
type checkDraft struct {
	c      Check
	node   *Node
	port   *uint32 // nil when absent
	tuning tuning
	delay  time.Duration // default of delay_before_retry; 0: that of most checks
	http   *httpDraft    // nil: it is no HTTP_GET or SSL_GET
	retry  *uint32       // default of retry; nil: that of most checks
	hosts  []*checkDraft // the host blocks of an SMTP_CHECK

	command  *Node // of a MISC_CHECK; nil: none was read
	userless bool  // its user is not there

	file   *trackFile // of a FILE_CHECK; nil: none was read
	weight *ask.File  // its weight and reverse; nil: those of file
}

// serverWords are the words of real_server.
func serverWords() []word {
	return slices.Concat(
		[]word{
			{name: "weight", min: 1, max: 1, set: number(0, maxWeight, func(r *reader) **uint32 { return &r.tuning.weight })},
			{name: "uthreshold", min: 1, max: 1, set: number(0, maxWeight, func(r *reader) **uint32 { return &r.rs.upper })},
			{name: "lthreshold", min: 1, max: 1, set: number(0, maxWeight, func(r *reader) **uint32 { return &r.rs.lower })},
			{name: "lvsdr_mac", min: 1, max: 1, set: (*reader).setMAC},
			{name: "lvs_method", min: 1, max: anyArgs, set: func(r *reader, n *Node) { r.rs.method = n }},
			{name: "TCP_CHECK", max: anyArgs, set: (*reader).beginCheck, end: (*reader).endCheck,
				block: &block{name: "TCP_CHECK", words: slices.Concat(connectionWords(), oldRetryWords())}},
		},
		httpCheckers(),
		namedCheckers(),
		udpChecker(),
		miscChecker(),
		pingChecker(),
		fileChecker(),
		bfdChecker(),
		tuningWords(1),
		inhibitWord(),
		slowStartWord(),
		passiveWord(),
		dampingWord(),
		riseWord(),
		[]word{
			runs("notify_up", func(r *reader) *Command { return &r.rs.s.NotifyUp }),
			runs("notify_down", func(r *reader) *Command { return &r.rs.s.NotifyDown }),
		},
		labelWords(),
		alertWord(),
		[]word{hostWord(func(r *reader) *string { return &r.rs.host })},
	)
}

// connectionWords are the words of the checks that open a connection.
func connectionWords() []word {
	return slices.Concat(
		[]word{
			{name: "connect_ip", min: 1, max: 1, set: (*reader).setConnectIP},
			{name: "connect_port", min: 1, max: 1, set: number(1, 65535, func(r *reader) **uint32 { return &r.check.port })},
			{name: "bindto", min: 1, max: 1, set: (*reader).setBindTo},
		},
		tuningWords(0),
		[]word{
			{name: "bind_if", min: 1, max: 1, set: func(r *reader, n *Node) { r.check.c.BindIf = strings.Clone(n.Args[0]) }},
			{name: "bind_port", min: 1, max: 1, set: func(r *reader, n *Node) {
				if v, ok := r.numberArg(n, 1, 65535); ok {
					r.check.c.BindPort = uint16(v)
				}
			}},
			{name: "fwmark", min: 1, max: 1, set: func(r *reader, n *Node) {
				if v, ok := r.numberArg(n, 0, 1<<32-1); ok {
					r.check.c.Mark = v
				}
			}},
			logAllWord(),
		},
	)
}

func logAllWord() word {
	return word{name: "log_all_failures", max: 1, set: boolean(func(r *reader) *bool { return &r.check.c.LogAll })}
}

func (r *reader) beginServer(n *Node) {
	d := r.servers.one()
	d.node, d.s.Pos = n, n.Pos
	r.rs, r.tuning = d, &d.tuning
	var err error
	if d.s.Addr, d.s.Port, err = r.endpoint(n); err != nil {
		d.bad, d.skipped = true, true
		r.badEndpoint(n, "%v; the real server is left out", err)
		return
	}
	d.written = d.s.Port
}

func (r *reader) endServer(*Node) {
	r.checkServerFamily(r.rs)
	r.vs.servers = append(r.vs.servers, r.rs)
	r.rs, r.tuning = nil, &r.vs.tuning
}

// beginCheck begins a check, which a TCP_CHECK makes whatever its keyword is.
func (r *reader) beginCheck(n *Node) {
	d := r.checks.one()
	d.node, d.c.Kind, d.c.Pos = n, TCPCheck, n.Pos
	r.check, r.tuning = d, &d.tuning
}

func (r *reader) endCheck(*Node) {
	r.rs.checks = append(r.rs.checks, r.check)
	r.dropCheck(nil)
}

// dropCheck ends a check that is not made.
func (r *reader) dropCheck(*Node) {
	r.check, r.tuning = nil, &r.rs.tuning
}

// endpoint is the ADDR [PORT] of n. As with keepalived a prefix length does not
// count.
func (r *reader) endpoint(n *Node) (netip.Addr, uint16, error) {
	addr := r.host(n)
	return parseEndpoint(append([]string{addr}, n.Args[1:min(len(n.Args), 2)]...))
}

// host is the address of n without the prefix length behind it.
func (r *reader) host(n *Node) string {
	addr, length, ok := strings.Cut(n.Args[0], "/")
	if ok {
		r.add(n, Note, "the prefix length /%s of %s is left out: it is one address", length, addr)
	}
	return addr
}

func (r *reader) setConnectIP(n *Node) {
	a, err := parseAddr(r.host(n))
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	r.check.c.ConnectIP = a
}

func (r *reader) setBindTo(n *Node) {
	a, err := parseAddr(r.host(n))
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	r.check.c.BindTo = a
}
