package keepalived

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lvsdr/control/ask"
)

// Load reads the configuration in the named file, and what it includes. The
// error is not nil when nothing could be loaded; the reports then end with a
// Fatal one. Everything else that is wrong is only reported, and the Config
// holds what can be served.
func Load(name string, opt Options) (*Config, Diagnostics, error) {
	opt = opt.withDefaults()
	nodes, diags, err := Parse(name, opt)
	if err != nil {
		return nil, diags, err
	}
	r := &reader{opt: opt, root: grammar(), diags: diags, told: map[string]bool{}, groups: map[string]*group{},
		claims: map[serviceKey]claim{}, made: map[serviceKey]*VirtualServer{}, seen: map[netip.AddrPort]bool{}, files: map[string]*trackFile{}}
	r.vrrp = vrrp{instances: map[string]bool{}, routers: map[string]bool{}, grouped: map[string]*Node{}, tracked: map[string]map[string]bool{},
		tracks: map[string][]use{}, weighs: map[string]bool{}}
	r.global = Global{DRCheck: true, PersistenceDefault: opt.PersistenceDefault}
	r.walk(definitionsFirst(nodes), r.root)
	r.noteIdleGroups()
	r.noteMarks()
	r.reportNames()
	routers := r.resolveVRRP(nodes)
	r.resolveSync(&routers)
	r.checkSyncTLS()
	r.reportCommand()
	r.resolvePrograms()
	for _, d := range r.late {
		r.diags.put(d)
	}
	return &Config{Global: r.global, VirtualServers: r.services, VRRP: routers}, r.diags, nil
}

// A reader walks the tree along the grammar and collects what the words say.
type reader struct {
	opt   Options
	root  *block
	diags Diagnostics
	told  map[string]bool // words reported as not used, by block and name
	quiet int             // blocks around that are reported as not used
	// groupOrder is the names of groups in the order of the file; grouped is
	// how many services were made of them.
	groupOrder []string
	grouped    int

	global                 Global
	groups                 map[string]*group
	services               []*VirtualServer
	claims                 map[serviceKey]claim
	made                   map[serviceKey]*VirtualServer // services by their keys
	late                   Diagnostics                   // about whole services
	macs                   givenMACs
	marked                 map[markedPlace][]Mark // global.Marks
	alerts, alertsOfChecks *bool                  // smtp_alert and smtp_alert_checker of global_defs; nil: absent

	ssl      map[string]*Node // the words of the SSL block
	identity *ask.Identity    // what SSL_GET shows servers; nil: nothing

	vs     *serviceDraft // the one being read; nil outside
	rs     *serverDraft
	check  *checkDraft
	smtp   *checkDraft // the SMTP_CHECK around a host block
	tuning *tuning     // of the innermost of these

	syncNode *Node // lvs_sync_daemon
	syncTLS  *Node // the last word about its files of TLS

	security security
	file     *trackFile // the track_file that is being read
	files    map[string]*trackFile
	vrrp     vrrp

	// What vs is made of.
	servers slab[serverDraft]
	checks  slab[checkDraft]
	numbers slab[uint32]
	seen    map[netip.AddrPort]bool // its real servers
}

func (r *reader) walk(nodes []*Node, b *block) {
	if b.data {
		for _, n := range nodes {
			if b.line != nil {
				b.line(r, n)
			}
		}
		return
	}
	var open []*block // blocks without braces
	for _, n := range nodes {
		w := b.find(n.Keyword)
		if w == nil {
			w = r.unbraced(n, b, open)
		} else {
			r.read(n, w, b)
		}
		if w != nil && w.block != nil && !n.HasBlock {
			open = append(open, w.block)
		}
	}
}

// unbraced reports a word that is not legal in b, and gives what it means if it is legal in a
// block before it that has no braces; else nil. keepalived reads on as if the braces were
// there: a value that is missing ends its reading.
func (r *reader) unbraced(n *Node, b *block, open []*block) *word {
	for _, o := range slices.Backward(open) {
		if w := o.find(n.Keyword); w != nil {
			if len(n.Args) >= w.min {
				r.unknown(n, b)
			} else {
				r.countArgs(n, w, o) // which reports it
			}
			return w
		}
	}
	r.unknown(n, b)
	return nil
}

func (r *reader) read(n *Node, w *word, b *block) {
	r.tell(n, w, b)
	if w.status != later && w.status != noEffect && !w.text {
		n = r.withoutApostrophes(n)
	}
	if !r.countArgs(n, w, b) {
		return
	}
	if n.HasBlock && w.block == nil {
		r.add(n, Error, "takes no block; what is in the braces is left out")
	}
	if !n.HasBlock && w.block != nil {
		r.add(n, Error, `a block in "{" and "}" is missing`)
	}
	if w.set != nil {
		w.set(r, n)
	}
	if w.block != nil {
		if w.status != used {
			r.quiet++
		}
		r.walk(n.Children, w.block)
		if w.status != used {
			r.quiet--
		}
	}
	if w.end != nil {
		w.end(r, n)
	}
}

// withoutApostrophes is n with the apostrophes off values that have them around,
// where no valid value does. keepalived takes them as a part of the value.
func (r *reader) withoutApostrophes(n *Node) *Node {
	around := func(s string) bool { return len(s) > 2 && s[0] == '\'' && s[len(s)-1] == '\'' }
	i := slices.IndexFunc(n.Args, around)
	if i < 0 {
		return n
	}
	r.add(n, Note, "%s is read as %s; keepalived takes the apostrophes as a part of it: leave them out", n.Args[i], strings.Trim(n.Args[i], "'"))
	c := *n
	c.Args = slices.Clone(n.Args)
	for i, a := range c.Args {
		if around(a) {
			c.Args[i] = a[1 : len(a)-1]
		}
	}
	return &c
}

// countArgs reports whether n has enough arguments.
func (r *reader) countArgs(n *Node, w *word, b *block) bool {
	if len(n.Args) < w.min {
		what := "a value is missing"
		if w.min > 1 {
			what = fmt.Sprintf("%d values are needed", w.min)
		}
		counts := AsMissing
		if w.soft || n.torn || r.skipping() {
			counts = BySeverity
		}
		r.report(n, Error, counts, "%s; the line is left out", what)
		return false
	}
	if len(n.Args) > w.max {
		extra := n.Args[w.max]
		hint := ""
		if b.find(extra) != nil || w.block != nil && w.block.find(extra) != nil {
			hint = "; write one keyword a line"
		}
		r.add(n, Note, "%q and what follows in the line is left out%s", extra, hint)
	}
	return true
}

// tell reports, once, that a word is not used.
func (r *reader) tell(n *Node, w *word, b *block) {
	if w.status == used || w.status == renamed || r.quiet > 0 && w.status != refused {
		return
	}
	key := b.name + " " + w.name
	if r.told[key] {
		return
	}
	r.told[key] = true
	text, severity := "", Note
	switch w.status {
	case later:
		text = "not used yet"
		if w.block != nil {
			text += ", with all that is in it"
		}
	case missing:
		r.report(n, Warning, AsGood, "not made; %s", w.why)
		return
	case declined:
		r.report(n, Warning, AsGood, "left out; %s", w.why)
		return
	case noEffect:
		text = "has no effect here"
	case deprecated:
		text = "belongs to old releases and has no effect"
	case refused:
		text, severity = "keepalived does not know the word here, and it has no effect", Warning
	}
	if w.why != "" {
		text += "; " + w.why
	}
	r.add(n, severity, "%s", text)
}

// unknown reports a word that is not legal in b, and what may be meant.
func (r *reader) unknown(n *Node, b *block) {
	if r.diags.full(Error) {
		return
	}
	if where := b.elsewhere(r.root, n.Keyword); len(where) > 0 {
		const many = 3
		if len(where) > many {
			where = append(where[:many:many], "other blocks")
		}
		r.add(n, Error, "belongs in %s, not in %s; the line is left out", strings.Join(where, " or "), b.name)
		return
	}
	var known []string
	gone := map[string]bool{}
	for _, w := range b.words {
		known = append(known, w.name)
		gone[w.name] = w.status == refused || w.status == deprecated
	}
	switch s := nearest(n.Keyword, known); {
	case gone[s]:
		r.add(n, Error, "unknown word in %s; the line should go", b.name)
		return
	case s != "":
		r.add(n, Error, "unknown word in %s; did you mean %s?", b.name, s)
		return
	}
	r.add(n, Error, "unknown word in %s; the line is left out", b.name)
}

// add reports something about n.
func (r *reader) add(n *Node, sev Severity, format string, args ...any) {
	r.diags.add(n.Pos, sev, n.Keyword, format, args...)
}

// report reports something about n that counts otherwise than by its severity.
func (r *reader) report(n *Node, sev Severity, counts Counts, format string, args ...any) {
	if !r.diags.full(sev) {
		r.diags.put(Diagnostic{Pos: n.Pos, Severity: sev, Keyword: n.Keyword, Text: fmt.Sprintf(format, args...), Counts: counts})
	}
}

// leaveOut reports why the service or server that n opens is not served.
func (r *reader) leaveOut(n *Node, bad *bool, format string, args ...any) {
	*bad = true
	r.leftOut(n, Error, format, args...)
}

// badEndpoint reports an address or a port for which the block of n is left out.
// Where a brace in quotes stands for the port keepalived finds that it is missing.
func (r *reader) badEndpoint(n *Node, format string, err error) {
	counts := BySeverity
	if len(n.Args) > 1 && n.Args[1] == "{" {
		counts = AsMissing
	}
	r.diags.put(Diagnostic{Pos: n.Pos, Severity: Error, Keyword: n.Keyword, Text: fmt.Sprintf(format, err), LeftOut: true, Counts: counts})
}

// skipping reports whether keepalived skips the block that is being read.
func (r *reader) skipping() bool {
	return r.vs != nil && r.vs.skipped || r.rs != nil && r.rs.skipped
}

// leftOut reports why something that n says is not served.
func (r *reader) leftOut(n *Node, sev Severity, format string, args ...any) {
	r.diags.put(Diagnostic{Pos: n.Pos, Severity: sev, Keyword: n.Keyword, Text: fmt.Sprintf(format, args...), LeftOut: true})
}

// available is the schedulers that can be used, as text.
func (r *reader) available() string { return strings.Join(r.opt.Schedulers, ", ") }

func (r *reader) canSchedule(name string) bool { return slices.Contains(r.opt.Schedulers, name) }
