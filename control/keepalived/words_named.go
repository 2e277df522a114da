package keepalived

import (
	"cmp"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"lvsdr/control/ask"
)

// Defaults of SMTP_CHECK and DNS_CHECK.
const (
	defaultHelo     = "smtpchecker.keepalived.org"
	defaultDNSType  = "SOA"
	defaultDNSName  = "."
	defaultDNSRetry = 3
)

// namedCheckers are SMTP_CHECK and DNS_CHECK.
func namedCheckers() []word {
	host := word{name: "host", status: renamed, max: anyArgs, set: (*reader).beginHost, end: (*reader).endHost,
		block: &block{name: "host", words: connectionWords()}}
	smtp := slices.Concat(connectionWords(), []word{host, {name: "helo_name", max: anyArgs, text: true, set: (*reader).setHelo}})
	query := slices.Concat(connectionWords(), []word{
		{name: "type", min: 1, max: 1, set: (*reader).setDNSType},
		{name: "name", min: 1, max: 1, text: true, set: (*reader).setDNSName},
	})
	return []word{
		{name: "SMTP_CHECK", max: anyArgs, end: (*reader).endSMTPCheck, block: &block{name: "SMTP_CHECK", words: smtp}, set: func(r *reader, n *Node) {
			r.beginCheck(n)
			r.check.c.Kind, r.check.c.Ask = SMTPCheck, &ask.SMTP{Helo: defaultHelo}
		}},
		{name: "DNS_CHECK", max: anyArgs, end: (*reader).endCheck, block: &block{name: "DNS_CHECK", words: query}, set: func(r *reader, n *Node) {
			r.beginCheck(n)
			r.check.retry = pointer(uint32(defaultDNSRetry))
			r.check.c.Kind, r.check.c.Ask = DNSCheck, &ask.DNS{Type: defaultDNSType, Name: defaultDNSName}
		}},
	}
}

func (r *reader) setHelo(n *Node) {
	switch {
	case len(n.Args) == 0:
		r.add(n, Error, "a value is missing; the line is left out")
	case strings.ContainsFunc(n.Args[0], func(c rune) bool { return c < ' ' || c == 0x7f }):
		r.add(n, Error, "%q has a control character in it; the line is left out", n.Args[0])
	default:
		r.check.c.Ask = &ask.SMTP{Helo: strings.Clone(n.Args[0])}
	}
}

// beginHost begins a host block, of old releases: a check by itself, with what its
// SMTP_CHECK says besides.
func (r *reader) beginHost(n *Node) {
	d := r.checks.one()
	d.node, d.c.Pos = n, n.Pos
	r.check.hosts = append(r.check.hosts, d)
	r.smtp, r.check, r.tuning = r.check, d, &d.tuning
}

func (r *reader) endHost(*Node) { r.check, r.tuning = r.smtp, &r.smtp.tuning }

func (r *reader) endSMTPCheck(n *Node) {
	all := r.check
	for _, d := range all.hosts {
		c := &d.c
		c.Kind, c.Ask, c.LogAll = all.c.Kind, all.c.Ask, c.LogAll || all.c.LogAll
		c.BindPort, c.BindIf, c.Mark = cmp.Or(c.BindPort, all.c.BindPort), cmp.Or(c.BindIf, all.c.BindIf), cmp.Or(c.Mark, all.c.Mark)
		c.ConnectIP, c.BindTo = cmp.Or(c.ConnectIP, all.c.ConnectIP), cmp.Or(c.BindTo, all.c.BindTo)
		d.port, d.tuning = first(d.port, all.port), d.tuning.over(all.tuning)
		r.rs.checks = append(r.rs.checks, d)
	}
	if len(all.hosts) > 0 {
		r.dropCheck(n)
		return
	}
	r.endCheck(n)
}

func (r *reader) setDNSType(n *Node) {
	if err := oneOf("A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA")(n.Args); err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	r.check.c.Ask = &ask.DNS{Type: strings.Clone(strings.ToUpper(n.Args[0])), Name: r.check.c.Ask.(*ask.DNS).Name}
}

func (r *reader) setDNSName(n *Node) {
	name := n.Args[0]
	if _, ok := dns.IsDomainName(name); !ok {
		r.add(n, Error, "%q is no name of DNS; the line is left out", name)
		return
	}
	r.check.c.Ask = &ask.DNS{Type: r.check.c.Ask.(*ask.DNS).Type, Name: strings.Clone(name)}
}
