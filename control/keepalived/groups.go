package keepalived

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"lvsdr/dataplane/frame"
)

const groupWord = "virtual_server_group"

// A group is the block virtual_server_group: addresses and ports that get the
// same real servers.
type group struct {
	node    *Node
	entries []groupEntry
	family  family // of its lines; 0: no line says it
	named   bool   // by a virtual_server
}

// A groupEntry is one line of a group: the addresses from first to last.
type groupEntry struct {
	first, last netip.Addr // of one family, which is that of the group; invalid for a mark
	port        uint16
	mark        uint32 // 0: the line is about addresses
	family      family // of first and last, or of the mark; 0: the mark's is not said
	node        *Node
}

// A place is an address and port of a virtual_server block, or a mark, and the line
// that says it.
type place struct {
	addr netip.Addr
	port uint16
	mark uint32 // 0: it is an address
	ipv6 bool   // of a mark
	node *Node
}

// key tells the services of places apart.
func (p place) key(proto frame.Proto) serviceKey {
	if p.mark != 0 {
		return serviceKey{mark: p.mark, ipv6: p.ipv6}
	}
	return serviceKey{addr: p.addr, port: p.port, protocol: proto}
}

// definitionsFirst is nodes with the groups and then global_defs and SSL before everything
// else, because they hold for what stands before them too. The order is the file's
// otherwise.
func definitionsFirst(nodes []*Node) []*Node {
	rank := func(n *Node) int {
		switch n.Keyword {
		case groupWord:
			return 0
		case "global_defs", "SSL":
			return 1
		}
		return 2
	}
	return slices.SortedStableFunc(slices.Values(nodes), func(a, b *Node) int { return cmp.Compare(rank(a), rank(b)) })
}

func (r *reader) setGroup(n *Node) {
	name := n.Args[0]
	if g := r.groups[name]; g != nil {
		r.leftOut(n, Error, "%s is defined already at %v; this one is left out: put its addresses there", name, g.node.Pos)
		return
	}
	g := &group{node: n}
	for _, line := range n.Children {
		e, err := parseGroupEntry(line)
		switch {
		case err != nil:
		case e.family == ipv6 && !r.opt.IPv6:
			err = errors.New("IPv6 is not supported yet")
		case e.family != 0 && g.family != 0 && e.family != g.family:
			err = fmt.Errorf("is of another address family than %s at %v", g.entries[0].node.Keyword, g.entries[0].node.Pos)
		}
		if err != nil {
			r.leftOut(line, Error, "%v; it is left out of group %s", err, name)
			continue
		}
		if e.mark == 0 && len(line.Args) > 1 {
			r.add(line, Note, "%q and what follows in the line is left out; write one address and port a line", line.Args[1])
		}
		if line.HasBlock {
			r.add(line, Error, "takes no block; what is in the braces is left out")
		}
		if e.family != 0 {
			g.family = e.family
		}
		g.entries = append(g.entries, e)
	}
	r.groups[name] = g
	r.groupOrder = append(r.groupOrder, name)
}

// noteIdleGroups reports the groups that no virtual_server names.
func (r *reader) noteIdleGroups() {
	for _, name := range r.groupOrder {
		if g := r.groups[name]; !g.named {
			r.add(g.node, Note, "no virtual_server names group %s, so it has no effect", name)
		}
	}
}

// parseGroupEntry reads a mark, or ADDR or a range of addresses, each with or without a
// port, which is 0 when it is absent.
func parseGroupEntry(n *Node) (groupEntry, error) {
	if n.Keyword == "fwmark" {
		return parseMarkEntry(n)
	}
	e := groupEntry{node: n}
	var err error
	if e.first, e.last, err = parseRange(n.Keyword); err != nil {
		return e, err
	}
	e.family = familyOf(e.first)
	if len(n.Args) > 0 {
		p, err := parseNumber(n.Args[0], 0, 65535)
		if err != nil {
			return e, fmt.Errorf("port: %w", err)
		}
		e.port = uint16(p)
	}
	return e, nil
}

// parseRange reads one address, FIRST-LAST or FIRST/BITS, all ends included. LAST
// is an address, or its last part alone: a decimal number up to 255 with IPv4, a
// hexadecimal one of up to four digits with IPv6. As in keepalived LAST is
// greater than FIRST, and no bit of FIRST is set behind BITS.
func parseRange(s string) (first, last netip.Addr, err error) {
	from, end, ranged := strings.Cut(s, "-")
	from, length, masked := strings.Cut(from, "/")
	masked = masked || strings.Contains(end, "/")
	if first, err = parseAddr(from); err != nil {
		return first, first, err
	}
	switch {
	case ranged && masked:
		return first, first, errors.New("has both a last address and a prefix length")
	case ranged:
		last, err = parseRangeEnd(first, end)
	case masked:
		last, err = prefixEnd(first, length)
	default:
		last = first
	}
	return first, last, err
}

// parseRangeEnd reads what stands behind the "-" of a range.
func parseRangeEnd(first netip.Addr, s string) (last netip.Addr, err error) {
	if strings.ContainsAny(s, ".:") {
		last, err = parseAddr(s)
	} else if last, err = withLastPart(first, s); s == "" {
		err = fmt.Errorf("%q %w", s, errNoNumber)
	}
	switch {
	case err != nil:
		return last, fmt.Errorf("the last address: %w", err)
	case !sameFamily(first, last):
		return last, fmt.Errorf("%v and %v are of different address families", first, last)
	case !first.Less(last):
		return last, fmt.Errorf("the last address %v is not greater than the first", last)
	}
	return last, nil
}

// withLastPart is a with its last part replaced by s.
func withLastPart(a netip.Addr, s string) (netip.Addr, error) {
	if a.Is4() {
		v, err := parseNumber(s, 0, 255)
		b := a.As4()
		b[3] = byte(v)
		return netip.AddrFrom4(b), err
	}
	v, err := strconv.ParseUint(s, 16, 16)
	if err != nil {
		return a, fmt.Errorf("%q is not a hexadecimal number up to ffff", s)
	}
	b := a.As16()
	b[14], b[15] = byte(v>>8), byte(v)
	return netip.AddrFrom16(b), nil
}

// prefixEnd is the last address of the network first/length.
func prefixEnd(first netip.Addr, length string) (netip.Addr, error) {
	n, err := parseNumber(length, 1, uint32(first.BitLen()))
	if err != nil {
		return first, fmt.Errorf("prefix length: %w", err)
	}
	net := netip.PrefixFrom(first, int(n))
	if net.Masked().Addr() != first {
		return first, fmt.Errorf("has bits set behind its prefix; the network is %v", net.Masked())
	}
	b := first.AsSlice()
	for i := int(n); i < first.BitLen(); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b) // it has the length of first
	_, err = parseAddr(last.String()) // 255.255.255.255 is no host
	return last, err
}

// span is the number of addresses from first to last, and math.MaxUint64 when
// they are more.
func span(first, last netip.Addr) uint64 {
	a, b := first.As16(), last.As16()
	half := func(x []byte) (v uint64) {
		for _, c := range x {
			v = v<<8 | uint64(c)
		}
		return v
	}
	lo, borrow := bits.Sub64(half(b[8:]), half(a[8:]), 0)
	hi, _ := bits.Sub64(half(b[:8]), half(a[:8]), borrow)
	if hi > 0 || lo == math.MaxUint64 {
		return math.MaxUint64
	}
	return lo + 1
}

// beginGroupService gives d the places of the group that n names.
func (r *reader) beginGroupService(n *Node, d *serviceDraft) {
	if len(n.Args) < 2 {
		r.leaveOut(n, &d.bad, "the name of the group is missing; the service is left out")
		return
	}
	d.group = n.Args[1]
	g := r.groups[d.group]
	if g == nil {
		var known []string
		for name := range r.groups {
			known = append(known, name)
		}
		slices.Sort(known)
		r.leaveOut(n, &d.bad, "there is no group %s%s; the service is left out", d.group, meant(d.group, known))
		return
	}
	g.named, d.family = true, g.family
	for _, e := range g.entries {
		r.addPlaces(d, e)
	}
	if len(d.places) == 0 {
		r.leaveOut(n, &d.bad, "group %s at %v has no address that can be served; the service is left out", d.group, g.node.Pos)
		return
	}
	d.v.Addr, d.v.Port, d.v.Mark = d.places[0].addr, d.places[0].port, d.places[0].mark
}

// addPlaces adds the addresses of e to d, as long as the groups do not make too
// many services.
func (r *reader) addPlaces(d *serviceDraft, e groupEntry) {
	most := r.opt.Limits.GroupServices
	count := uint64(1)
	if e.mark == 0 {
		count = span(e.first, e.last)
	}
	if count > uint64(most-r.grouped) {
		r.leftOut(e.node, Error, "with it groups make more than %d services; it is left out of the virtual_server at %v", most, d.node.Pos)
		return
	}
	r.grouped += int(count)
	if e.mark != 0 {
		d.places = append(d.places, place{mark: e.mark, node: e.node})
		return
	}
	for a := e.first; ; a = a.Next() {
		d.places = append(d.places, place{addr: a, port: e.port, node: e.node})
		if a == e.last {
			return
		}
	}
}
