package keepalived

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"lvsdr/control/ask"
)

// An httpDraft is the question of an HTTP_GET or SSL_GET before inheritance.
type httpDraft struct {
	h     ask.HTTP
	host  string   // virtualhost of the check; empty when absent
	page  ask.Page // of the url being read
	codes bool     // it has a status_code that is one
	regex bool     // it has options of a regex
	opts  []string // regex_options of it
	max   bool     // it has a regex_max_offset
}

// httpCheckers are HTTP_GET and SSL_GET.
func httpCheckers() []word {
	words := slices.Concat(connectionWords(), httpRetryWords(), []word{
		hostWord(func(r *reader) *string { return &r.check.http.host }),
		{name: "http_protocol", min: 1, max: 1, set: (*reader).setHTTPVersion},
		{name: "fast_recovery", max: 1, set: boolean(func(r *reader) *bool { return &r.check.http.h.Fast })},
		{name: "enable_sni", max: 1, set: boolean(func(r *reader) *bool { return &r.check.http.h.SNI })},
		{name: "sni_name", min: 1, max: 1, text: true, set: func(r *reader, n *Node) { r.check.http.h.SNIName = strings.Clone(n.Args[0]) }},
		{name: "tls_compliant", max: 1, set: boolean(func(r *reader) *bool { return &r.check.http.h.Strict })},
		{name: "url", max: anyArgs, set: (*reader).beginURL, end: (*reader).endURL, block: &block{name: "url", words: urlWords()}},
	})
	check := func(name string, kind CheckKind) word {
		return word{name: name, max: anyArgs, set: func(r *reader, n *Node) {
			r.beginCheck(n)
			r.check.c.Kind, r.check.delay = kind, httpDelayBeforeRetry
			r.check.http = &httpDraft{h: ask.HTTP{TLS: kind == SSLGet}}
		}, end: (*reader).endHTTPCheck, block: &block{name: name, words: slices.Clone(words)}}
	}
	return []word{check("HTTP_GET", HTTPGet), check("SSL_GET", SSLGet)}
}

// httpDelayBeforeRetry is the default of delay_before_retry in HTTP_GET and SSL_GET.
const httpDelayBeforeRetry = 3 * time.Second

// urlWords are the words of url.
func urlWords() []word {
	page := func(r *reader) *ask.Page { return &r.check.http.page }
	return []word{
		{name: "path", min: 1, max: 1, text: true, set: (*reader).setPath},
		{name: "digest", min: 1, max: 1, set: (*reader).setDigest},
		{name: "status_code", max: anyArgs, set: (*reader).setStatusCodes},
		hostWord(func(r *reader) *string { return &page(r).Host }),
		{name: "tls_compliant", max: 1, set: boolean(func(r *reader) *bool { return &r.check.http.h.Strict })},
		{name: "regex", max: anyArgs, text: true, set: func(r *reader, n *Node) {
			if len(n.Args) != 1 {
				r.report(n, Warning, AsGood, "needs one value, in quotes if there is a blank in it; the line is left out")
				return
			}
			page(r).Regex.Pattern = strings.Clone(n.Args[0])
		}},
		{name: "regex_no_match", set: func(r *reader, _ *Node) { page(r).Regex.NoMatch, r.check.http.regex = true, true }},
		{name: "regex_options", max: anyArgs, set: (*reader).setRegexOptions},
		{name: "regex_min_offset", max: anyArgs, set: func(r *reader, n *Node) { page(r).Regex.Min = r.offset(n) }},
		{name: "regex_max_offset", max: anyArgs, set: func(r *reader, n *Node) {
			page(r).Regex.Max, r.check.http.max = r.offset(n), true
		}},
		{name: "regex_stack", status: noEffect, max: anyArgs},
	}
}

// hostWord is virtualhost.
func hostWord(field func(*reader) *string) word {
	return word{name: "virtualhost", max: anyArgs, text: true, set: func(r *reader, n *Node) {
		if len(n.Args) == 0 {
			r.add(n, Warning, "a value is missing, and keepalived leaves the line out")
			return
		}
		*field(r) = strings.Clone(n.Args[0])
	}}
}

func (r *reader) setHTTPVersion(n *Node) {
	v, ok := ask.ParseVersion(n.Args[0])
	if !ok {
		r.add(n, Error, "%q is none of 1.0, 1.0C, 1.1; the line is left out", n.Args[0])
		return
	}
	r.check.http.h.Version = v
}

func (r *reader) beginURL(*Node) {
	d := r.check.http
	d.page, d.codes, d.regex, d.opts, d.max = ask.Page{}, false, false, nil, false
}

// setPath takes any text without the blanks and control characters that would end it in a
// request.
func (r *reader) setPath(n *Node) {
	path := n.Args[0]
	if strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		r.add(n, Error, "%q has a blank or a control character in it; the line is left out", path)
		return
	}
	r.check.http.page.Path = strings.Clone(path)
}

func (r *reader) setDigest(n *Node) {
	const digits = 32
	s, page := n.Args[0], &r.check.http.page
	switch {
	case len(s) != digits || areHexDigits(n.Args[:1]) != nil:
		r.add(n, Error, "%q is not %d hexadecimal digits; the line is left out", s, digits)
	case page.Digest != "":
		r.add(n, Error, "the url has one already; the line is left out")
	default:
		page.Digest = strings.ToLower(s)
	}
}

func (r *reader) setStatusCodes(n *Node) {
	d := r.check.http
	for _, s := range n.Args {
		if err := d.page.Codes.Add(s); err != nil {
			r.add(n, Error, "%v; it is left out", err)
			continue
		}
		d.codes = true
	}
}

func (r *reader) setRegexOptions(n *Node) {
	for _, name := range n.Args {
		if !ask.KnownRegexOption(name) {
			r.report(n, Warning, AsGood, "%q is no option of a regular expression; it is left out", name)
			continue
		}
		r.check.http.opts = append(r.check.http.opts, name)
	}
}

// offset is a number of bytes in the body. keepalived passes over values that are none.
func (r *reader) offset(n *Node) uint32 {
	r.check.http.regex = true
	if len(n.Args) != 1 {
		r.report(n, Warning, AsGood, "needs one value, which is taken as 0")
		return 0
	}
	v, err := parseNumber(n.Args[0], 0, 1<<31)
	if err != nil {
		r.report(n, Warning, AsGood, "%v; it is taken as 0", err)
	}
	return v
}

func (r *reader) endURL(n *Node) {
	d := r.check.http
	if d.page.Path == "" {
		r.add(n, Error, "has no path; it is left out")
		return
	}
	if !d.codes {
		d.page.Codes = ask.DefaultCodes()
	}
	r.endRegex(n)
	d.h.Pages = append(d.h.Pages, d.page)
}

// endRegex puts what was said about the regular expression together. What is wrong with it
// is no mistake for keepalived, which only logs it.
func (r *reader) endRegex(n *Node) {
	d := r.check.http
	x := &d.page.Regex
	if x.Pattern == "" {
		if d.regex || len(d.opts) > 0 {
			r.report(n, Warning, AsGood, "words about a regex without one are left out")
		}
		*x = ask.Regex{}
		return
	}
	if d.max && x.Min > x.Max {
		r.report(n, Warning, AsGood, "regex_min_offset %d is greater than regex_max_offset %d; both are left out", x.Min, x.Max)
		x.Min, x.Max, d.max = 0, 0, false
	}
	if d.max {
		x.Max++ // of the place behind the last one
	}
	x.Options = ask.JoinOptions(d.opts)
	if _, err := x.Compile(); err != nil {
		r.report(n, Warning, AsGood, "regex %q: %v; the regex is left out", x.Pattern, err)
		*x = ask.Regex{}
	}
}

func (r *reader) endHTTPCheck(n *Node) {
	if len(r.check.http.h.Pages) == 0 {
		r.add(n, Error, "needs a url { path ... }; keepalived leaves the check out, and a TCP_CHECK is made in its place")
		r.check.c.Kind, r.check.delay = TCPCheck, 0
	}
	r.endCheck(n)
}

// resolve makes what is asked of d, in a check of a server and a service with these
// virtualhosts.
func (d *httpDraft) resolve(server, service string) *ask.HTTP {
	h := d.h
	for i := range h.Pages {
		if h.Pages[i].Host == "" {
			h.Pages[i].Host = cmp.Or(d.host, server, service)
		}
	}
	return &h
}

// httpRetryWords are the words of old releases for retry in HTTP_GET and SSL_GET.
// keepalived takes the first as a mistake and does what it says.
func httpRetryWords() []word {
	set := number(0, 1<<32-1, func(r *reader) **uint32 { return &r.tuning.retry })
	return append([]word{{name: "nb_get_retry", status: renamed, min: 1, max: 1, set: func(r *reader, n *Node) {
		r.add(n, Warning, "is the word of old releases: write `retry %s`", n.Args[0])
		set(r, n)
	}}}, because("write `retry` in its place", names(refused, "nb_sock_retry"))...)
}
