package keepalived

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lvsdr/dataplane/frame"
)

// markWord is the word that gives packets a firewall mark, for want of netfilter.
const markWord = "lvsdr_mark"

// A Mark gives a firewall mark to the packets of one protocol to some ports of an
// address.
type Mark struct {
	Mark        uint32 // not 0
	Addr        netip.Addr
	First, Last uint16 // ports, both included
	Protocol    frame.Proto
	Pos         Pos
}

// Same reports whether m and o mean the same, wherever they are in a file.
func (m Mark) Same(o Mark) bool {
	m.Pos, o.Pos = Pos{}, Pos{}
	return m == o
}

// String is m as the file says it.
func (m Mark) String() string {
	return fmt.Sprintf("%s %d %v %s %v", markWord, m.Mark, m.Addr, m.Ports(), m.Protocol)
}

// Ports are the ports as the file says them: one, or the first and the last.
func (m Mark) Ports() string {
	if m.First == m.Last {
		return fmt.Sprint(m.First)
	}
	return fmt.Sprintf("%d-%d", m.First, m.Last)
}

// setMark reads lvsdr_mark N ADDR PORT[-PORT] PROTO. ADDR may be a range as in a group
// of addresses; each address then is a Mark.
func (r *reader) setMark(n *Node) {
	m, last, err := parseMark(n.Args)
	most := r.opt.Limits.GroupServices
	if err == nil && span(m.Addr, last) > uint64(most-len(r.global.Marks)) {
		err = fmt.Errorf("with it there are more than %d marked addresses", most)
	}
	if err == nil && m.Addr.Is6() && !r.opt.IPv6 {
		err = errors.New("IPv6 is not supported yet")
	}
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	m.Pos = n.Pos
	for ; ; m.Addr = m.Addr.Next() {
		r.addMark(n, m)
		if m.Addr == last {
			return
		}
	}
}

// addMark keeps m, unless another mark has some of its ports.
func (r *reader) addMark(n *Node, m Mark) {
	if r.marked == nil {
		r.marked = map[markedPlace][]Mark{}
	}
	at := markedPlace{m.Addr, m.Protocol}
	for _, o := range r.marked[at] {
		if m.First <= o.Last && o.First <= m.Last {
			r.add(n, Error, "%v port %s has mark %d at %v already; the line is left out", m.Addr, o.Ports(), o.Mark, o.Pos)
			return
		}
	}
	r.marked[at] = append(r.marked[at], m)
	r.global.Marks = append(r.global.Marks, m)
}

// A markedPlace is the address and protocol of Marks, which no two share a port of.
type markedPlace struct {
	addr     netip.Addr
	protocol frame.Proto
}

// parseMark reads N ADDR PORT[-PORT] PROTO. last is the last address of a range.
func parseMark(args []string) (m Mark, last netip.Addr, err error) {
	if m.Mark, err = parseNumber(args[0], 1, 1<<32-1); err != nil {
		return m, last, fmt.Errorf("mark: %w", err)
	}
	if m.Addr, last, err = parseRange(args[1]); err != nil {
		return m, last, err
	}
	if m.First, m.Last, err = parsePorts(args[2]); err != nil {
		return m, last, err
	}
	m.Protocol, err = frame.ParseServiceProto(strings.ToLower(args[3]))
	return m, last, err
}

// parsePorts reads PORT or PORT-PORT; 0 alone is every port, as in a virtual_server.
func parsePorts(s string) (first, last uint16, err error) {
	from, to, ranged := strings.Cut(s, "-")
	if !ranged {
		to = from
	}
	a, err := parseNumber(from, 0, 65535)
	if err != nil {
		return 0, 0, fmt.Errorf("port: %w", err)
	}
	b, err := parseNumber(to, 0, 65535)
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("port: %w", err)
	case a > b:
		return 0, 0, fmt.Errorf("ports %s: the last is less than the first", s)
	case !ranged && a == 0:
		b = 65535
	}
	return uint16(a), uint16(b), nil
}

// beginMarkService makes d the service that n names by its mark.
func (r *reader) beginMarkService(n *Node, d *serviceDraft) {
	if len(n.Args) < 2 {
		r.leaveOut(n, &d.bad, "the mark is missing; the service is left out")
		return
	}
	mark, err := parseNumber(n.Args[1], 1, 1<<32-1)
	if err != nil {
		r.leaveOut(n, &d.bad, "mark: %v; the service is left out", err)
		return
	}
	d.v.Mark = mark
	d.places = []place{{mark: mark, node: n}}
}

// parseMarkEntry reads the line fwmark N [inet|inet6] of a group.
func parseMarkEntry(n *Node) (e groupEntry, err error) {
	e.node = n
	if len(n.Args) == 0 {
		return e, errors.New("the mark is missing")
	}
	if e.mark, err = parseNumber(n.Args[0], 1, 1<<32-1); err != nil {
		return e, fmt.Errorf("mark: %w", err)
	}
	if len(n.Args) > 1 {
		switch n.Args[1] {
		case "inet":
			e.family = ipv4
		case "inet6":
			e.family = ipv6
		default:
			return e, fmt.Errorf("%q is neither inet nor inet6", n.Args[1])
		}
	}
	return e, nil
}

// A family is that of addresses; 0: not known yet.
type family uint8

const (
	ipv4 family = 4
	ipv6 family = 6
)

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

// String is the family as people call it.
func (f family) String() string { return fmt.Sprintf("IPv%d", uint8(f)) }

// setFamily reads ip_family, which counts where nothing before it says the family.
func (r *reader) setFamily(n *Node) {
	is := family(0)
	switch n.Args[0] {
	case "inet":
		is = ipv4
	case "inet6":
		is = ipv6
	default:
		r.add(n, Error, "%q is neither inet nor inet6; the line is left out", n.Args[0])
		return
	}
	switch d := r.vs; {
	case d.family == 0:
		d.family = is
	case d.family != is:
		r.add(n, Error, "the service is one of %v; the line is left out", d.family)
	}
}

// resolveMarks gives the places of d that are marks their family, and reports the words
// that mean nothing for them.
func (r *reader) resolveMarks(d *serviceDraft) {
	if d.family == 0 {
		d.family = ipv4
	}
	addresses := false
	for i := range d.places {
		d.places[i].ipv6 = d.places[i].mark != 0 && d.family == ipv6
		addresses = addresses || d.places[i].mark == 0
	}
	d.v.IPv6 = d.v.Mark != 0 && d.family == ipv6
	if addresses {
		return
	}
	if d.protocol != nil && d.group == "" {
		r.add(d.protocol, Warning, "%s: its packets are of any protocol; the line is left out", d.name())
	}
	if d.suspend != nil {
		r.add(d.suspend, Warning, "%s: a mark has no address that could be missing; the line is left out", d.name())
		d.v.HASuspend = false
	}
	if mask := d.v.Granularity; mask.IsValid() && familyOf(mask) != d.family {
		r.add(d.granularity, Error, "%v is no mask of the service's family, %v; the line is left out", mask, d.family)
		d.v.Granularity, d.granularity = netip.Addr{}, nil
	}
}

// noteMarks reports marks that nothing comes of: services that no line marks packets
// for, and lines whose mark no service has.
func (r *reader) noteMarks() {
	type half struct {
		mark uint32
		ipv6 bool
	}
	lines, services := map[half]bool{}, map[half]bool{}
	for _, m := range r.global.Marks {
		lines[half{m.Mark, m.Addr.Is6()}] = true
	}
	for _, v := range r.services {
		at := half{v.Mark, v.IPv6}
		if v.Mark != 0 && !lines[at] {
			r.diags.add(v.Pos, Note, "virtual_server", "%s: no %s line of global_defs gives packets its mark, so it gets none: the marks of netfilter are not seen here", v.Name(), markWord)
		}
		services[at] = true
	}
	var told []half
	for _, m := range r.global.Marks {
		at := half{m.Mark, m.Addr.Is6()}
		if !services[at] && !slices.Contains(told, at) {
			told = append(told, at)
			r.diags.add(m.Pos, Note, markWord, "no virtual_server has mark %d of %v; it has no effect until ipvsadm adds one", m.Mark, familyOf(m.Addr))
		}
	}
}
