// Package trace has the language in which the frames of a trace are chosen: a
// few words as tcpdump's.
//
//	host ADDR      from, to, or sent to the real server ADDR; ADDR/BITS for a network
//	src ADDR       from ADDR
//	dst ADDR       to ADDR
//	server ADDR    sent to the real server ADDR
//	port N         from or to port N
//	proto NAME     tcp, udp, sctp, icmp, icmp6 or arp
//	verdict NAME   forward, drop, answer or arp
//	reason NAME    a reason, as in `lvsdr status`
//
// joined by and, or, not and parentheses; not binds tighter than and, and that
// tighter than or.
package trace

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A Match says whether a frame is wanted. It neither blocks nor allocates.
type Match = func(*dataplane.Traced) bool

// maxFilter is the greatest length of a filter, bytes: it bounds what a frame
// costs, and the depth of the parser.
const maxFilter = 1000

// Parse reads a filter. An empty one matches everything.
func Parse(text string) (Match, error) {
	if len(text) > maxFilter {
		return nil, fmt.Errorf("a filter has at most %d bytes, this one has %d", maxFilter, len(text))
	}
	p := parser{words: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))}
	if len(p.words) == 0 {
		return func(*dataplane.Traced) bool { return true }, nil
	}
	m, err := p.or()
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("%q: want `and` or `or` before it", p.words[0])
	}
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", text, err)
	}
	return m, nil
}

// A parser has the words that are left.
type parser struct{ words []string }

// next takes the next word; empty: there is none.
func (p *parser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

// accept takes the next word if it is w.
func (p *parser) accept(w string) bool {
	if len(p.words) == 0 || p.words[0] != w {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *parser) or() (Match, error) {
	a, err := p.and()
	for err == nil && p.accept("or") {
		left := a
		var right Match
		right, err = p.and()
		a = func(f *dataplane.Traced) bool { return left(f) || right(f) }
	}
	return a, err
}

func (p *parser) and() (Match, error) {
	a, err := p.not()
	for err == nil && p.accept("and") {
		left := a
		var right Match
		right, err = p.not()
		a = func(f *dataplane.Traced) bool { return left(f) && right(f) }
	}
	return a, err
}

func (p *parser) not() (Match, error) {
	if p.accept("not") {
		m, err := p.not()
		return func(f *dataplane.Traced) bool { return !m(f) }, err
	}
	if p.accept("(") {
		m, err := p.or()
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		return m, err
	}
	return p.primitive()
}

// primitive is a word and its value.
func (p *parser) primitive() (Match, error) {
	kind := p.next()
	read := primitives[kind]
	if read == nil {
		if kind == "" {
			return nil, fmt.Errorf("it ends too early")
		}
		return nil, fmt.Errorf("%q is none of its words: host, src, dst, server, port, proto, verdict, reason, and, or, not", kind)
	}
	value := p.next()
	if value == "" {
		return nil, fmt.Errorf("%s wants a value", kind)
	}
	m, err := read(value)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", kind, value, err)
	}
	return m, nil
}

// primitives read the values of the words.
var primitives = map[string]func(string) (Match, error){
	"host": addresses(func(in func(frame.Addr) bool, f *dataplane.Traced) bool {
		return in(f.Header.Src) || in(f.Header.Dst) || in(f.Server)
	}),
	"src":    addresses(func(in func(frame.Addr) bool, f *dataplane.Traced) bool { return in(f.Header.Src) }),
	"dst":    addresses(func(in func(frame.Addr) bool, f *dataplane.Traced) bool { return in(f.Header.Dst) }),
	"server": addresses(func(in func(frame.Addr) bool, f *dataplane.Traced) bool { return in(f.Server) }),
	"port":   port, "proto": proto, "verdict": verdict, "reason": reason,
}

// addresses reads an address, or a network, for which match is asked.
func addresses(match func(in func(frame.Addr) bool, f *dataplane.Traced) bool) func(string) (Match, error) {
	return func(value string) (Match, error) {
		p, err := netip.ParsePrefix(value)
		if err != nil {
			a, err := netip.ParseAddr(value)
			if err != nil {
				return nil, fmt.Errorf("neither an address nor a network, such as 10.0.0.0/8")
			}
			p = netip.PrefixFrom(a.WithZone("").Unmap(), a.Unmap().BitLen())
		}
		in := func(a frame.Addr) bool { return a != frame.Addr{} && p.Contains(a.IP()) }
		return func(f *dataplane.Traced) bool { return match(in, f) }, nil
	}
}

func port(value string) (Match, error) {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("not a port, 0 to 65535")
	}
	return func(f *dataplane.Traced) bool {
		return ported(&f.Header) && (f.Header.SrcPort == uint16(n) || f.Header.DstPort == uint16(n))
	}, nil
}

// ported reports whether h has ports.
func ported(h *frame.Header) bool {
	return isIP(h) && h.Proto.HasPorts()
}

// isIP reports whether h is of an IP packet that could be read.
func isIP(h *frame.Header) bool {
	return (h.Kind == frame.IPv4 || h.Kind == frame.IPv6) && h.Src != frame.Addr{}
}

func proto(value string) (Match, error) {
	if value == "arp" {
		return func(f *dataplane.Traced) bool { return f.Header.Kind == frame.ARP }, nil
	}
	p, err := frame.ParseProto(value)
	if err != nil {
		return nil, fmt.Errorf("not tcp, udp, sctp, icmp, icmp6 or arp")
	}
	return func(f *dataplane.Traced) bool { return isIP(&f.Header) && f.Header.Proto == p }, nil
}

func verdict(value string) (Match, error) {
	for v := dataplane.Drop; v <= dataplane.ToARP; v++ {
		if v.String() == value {
			return func(f *dataplane.Traced) bool { return f.Verdict == v }, nil
		}
	}
	return nil, fmt.Errorf("not forward, drop, answer or arp")
}

func reason(value string) (Match, error) {
	for r := dataplane.Hit; int(r) < dataplane.NumReasons; r++ {
		if r.String() == value {
			return func(f *dataplane.Traced) bool { return f.Reason == r }, nil
		}
	}
	return nil, fmt.Errorf("not a reason; docs/operations.md lists them")
}
