package ruleset

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"lvsdr/dataplane/frame"
)

// A Mark is one line: packets of a protocol to some ports of some addresses.
type Mark struct {
	Mark        uint32
	Addrs       netip.Prefix // masked
	First, Last uint16       // ports, both included
	Proto       frame.Proto
	Line        int // of the rule, from 1
}

// String is m as keepalived.conf has it.
func (m Mark) String() string {
	addrs, ports := m.Addrs.Addr().String(), strconv.Itoa(int(m.First))
	if !m.Addrs.IsSingleIP() {
		addrs = m.Addrs.String()
	}
	switch {
	case m.First == 0 && m.Last == 65535:
		// 0 is every port
	case m.First != m.Last || m.First == 0:
		ports = fmt.Sprintf("%d-%d", m.First, m.Last)
	}
	return fmt.Sprintf("lvsdr_mark %d %s %s %v", m.Mark, addrs, ports, m.Proto)
}

// A Remark says why a rule is not in the marks, or not whole.
type Remark struct {
	Line int // from 1
	Text string
}

// A Result lists the marks that a rule set sets.
type Result struct {
	Marks   []Mark   // of which no two are about the same packet; by line
	Remarks []Remark // by line; none: Marks say all of it
	Others  int      // rules about other things, in chains that set no mark
}

// ErrFormat means that a text is no rule set.
var ErrFormat = errors.New("neither the text of nft list ruleset nor of iptables-save")

// Read reads a rule set.
func Read(text string) (*Result, error) {
	r := &reader{}
	switch kindOf(text) {
	case "iptables":
		r.iptables(text)
	case "nft":
		r.nft(text)
	default:
		return nil, ErrFormat
	}
	r.finish()
	return &r.Result, nil
}

// kindOf tells the two formats apart by the first line that begins a table.
func kindOf(text string) string {
	for line := range strings.Lines(text) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "*"):
			return "iptables"
		case strings.HasPrefix(line, "table "):
			return "nft"
		}
	}
	return ""
}

// A span is ports from first to last.
type span struct{ first, last uint16 }

// A rule is one of netfilter's as far as it was understood.
type rule struct {
	line   int
	chain  string // where it is: rules of one chain come one after another
	mark   uint32
	marks  bool // it sets a mark
	addrs  []netip.Prefix
	protos []frame.Proto
	ports  []span
	final  bool   // no later rule sees its packets
	cannot string // why a line cannot say it; empty: it can
	ends   bool   // it sets no mark and lets some packets pass by the rules after it
}

// refuse notes why a line cannot say u; the first reason counts.
func (u *rule) refuse(format string, args ...any) {
	if u.cannot == "" {
		u.cannot = fmt.Sprintf(format, args...)
	}
}

// A reader collects rules.
type reader struct {
	Result
	rules []rule
	sets  map[string][]string // nft's named sets
	count int                 // addresses of Marks
	said  []said
}

func (r *reader) remark(line int, format string, args ...any) {
	r.Remarks = append(r.Remarks, Remark{line, fmt.Sprintf(format, args...)})
}

// finish makes the marks and remarks of the rules.
func (r *reader) finish() {
	marking := map[string]bool{}
	for i := range r.rules {
		marking[r.rules[i].chain] = marking[r.rules[i].chain] || r.rules[i].marks
	}
	for i := range r.rules {
		switch u := &r.rules[i]; {
		case u.marks:
			r.say(u)
		case marking[u.chain] && u.ends:
			r.remark(u.line, "it sets no mark, but decides which packets the rules after it see")
		default:
			r.Others++
		}
	}
	for _, s := range r.said {
		r.Marks = append(r.Marks, s.Mark)
	}
	slices.SortStableFunc(r.Marks, func(a, b Mark) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), a.Addrs.Addr().Compare(b.Addrs.Addr()), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.First, b.First))
	})
	slices.SortStableFunc(r.Remarks, func(a, b Remark) int { return cmp.Compare(a.Line, b.Line) })
}

// most is the number of addresses that a configuration takes.
const most = 4096

// say makes the marks of u, unless lines cannot say it.
func (r *reader) say(u *rule) {
	switch {
	case u.cannot != "":
	case u.mark == 0:
		u.refuse("mark 0 takes a mark away")
	case len(u.addrs) == 0:
		u.refuse("it names no destination address; write a line for each virtual address")
	}
	if len(u.protos) == 0 {
		u.protos = []frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP}
	}
	if len(u.ports) == 0 {
		u.ports = []span{{0, 65535}}
	}
	for _, a := range u.addrs {
		if text := unfit(a); text != "" {
			u.refuse("%s", text)
		}
	}
	if u.cannot == "" {
		r.fit(u)
	}
	if u.cannot != "" {
		r.remark(u.line, "%s", u.cannot)
		return
	}
	for _, a := range u.addrs {
		r.count += 1 << (a.Addr().BitLen() - a.Bits())
		for _, p := range u.protos {
			for _, s := range u.ports {
				r.put(said{Mark{u.mark, a, s.first, s.last, p, u.line}, u.final, u.chain})
			}
		}
	}
}

// unfit is why a line cannot have these addresses, or "".
func unfit(p netip.Prefix) string {
	a := p.Addr()
	last := a.AsSlice()
	for i := p.Bits(); i < a.BitLen(); i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	end, _ := netip.AddrFromSlice(last) // it has the length of an address
	switch {
	case a.BitLen()-p.Bits() > 12:
		return fmt.Sprintf("%v is more than %d addresses", p, most)
	case a.Is4In6() || a.Zone() != "":
		return fmt.Sprintf("%v is no address of one host", p)
	}
	for _, x := range []netip.Addr{a, end} {
		if x.IsUnspecified() || x.IsMulticast() || x == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			return fmt.Sprintf("%v is not the address of one host", x)
		}
	}
	return ""
}
