package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// A column of a table of packets.
type column struct {
	name string
	cell func(p *netlab.Packet) string
}

// columns are those that tables of the lab choose from.
func (s *labSite) columns(names ...string) []column {
	var all []column
	for _, name := range names {
		var cell func(p *netlab.Packet) string
		switch name {
		case "seen":
			cell = s.place
		case "src mac":
			cell = func(p *netlab.Packet) string { return s.owner(p.From()) }
		case "dst mac":
			cell = func(p *netlab.Packet) string { return s.owner(p.To()) }
		case "from":
			cell = func(p *netlab.Packet) string { return s.host(p.From()) }
		case "to":
			cell = func(p *netlab.Packet) string { return s.host(p.To()) }
		case "src ip":
			cell = func(p *netlab.Packet) string { return ifIP(p, p.Src.String()) }
		case "dst ip":
			cell = func(p *netlab.Packet) string { return ifIP(p, p.Dst.String()) }
		case "ports":
			cell = ports
		case "ttl":
			cell = func(p *netlab.Packet) string { return ifIP(p, fmt.Sprint(p.TTL)) }
		case "what":
			cell = what
		case "bytes":
			cell = func(p *netlab.Packet) string { return fmt.Sprint(len(p.Data)) }
		default:
			panic("no column " + name) // the caller's bug
		}
		all = append(all, column{name, cell})
	}
	return all
}

// printPackets prints packets as a table with numbered lines.
func printPackets(out io.Writer, columns []column, packets []netlab.Packet) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := make([]string, len(columns)+1)
	for i, c := range columns {
		line[i+1] = c.name
	}
	fmt.Fprintln(w, strings.Join(line, "\t"))
	for i := range packets {
		line[0] = fmt.Sprint(i + 1)
		for k, c := range columns {
			line[k+1] = c.cell(&packets[i])
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	return w.Flush()
}

// place is where a packet was seen: "leaves client1", "reaches rs2"; with the
// interface where the host has several, and "on lo of rs1" where it stays.
func (s *labSite) place(p *netlab.Packet) string {
	if p.Ifname == loopback {
		return "on " + loopback + " of " + p.Host
	}
	verb := "reaches "
	if p.Outgoing {
		verb = "leaves "
	}
	name := verb + p.Host
	for _, n := range s.Nodes() {
		if n.Name() == p.Host && (len(n.Ports) > 1 || p.Ifname != netlab.Ifname) {
			name += " " + p.Ifname
		}
	}
	return name
}

// loopback is the interface of what a host sends to itself.
const loopback = "lo"

// broadcast is the MAC address of all.
var broadcast = frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// host is who has a MAC address, by name; the address itself where that is
// nobody.
func (s *labSite) host(m frame.MAC) string {
	if n := s.Owner(m); n != nil {
		return n.Name()
	}
	switch {
	case m == broadcast:
		return "all"
	case m == (frame.MAC{}): // on lo
		return "-"
	case m[0]&1 != 0:
		return m.String()
	}
	return m.String() + " (nobody)"
}

// owner is a MAC address with who has it.
func (s *labSite) owner(m frame.MAC) string {
	if who := s.host(m); who != "-" && !strings.HasPrefix(who, m.String()) {
		return fmt.Sprintf("%s (%s)", m, who)
	}
	return s.host(m)
}

// ifIP is text for an IP packet, and else nothing.
func ifIP(p *netlab.Packet, text string) string {
	if p.Kind != frame.IPv4 && p.Kind != frame.IPv6 {
		return ""
	}
	return text
}

// ports are those of a packet that has any.
func ports(p *netlab.Packet) string {
	if p.SrcPort == 0 && p.DstPort == 0 {
		return ""
	}
	return fmt.Sprintf("%d > %d", p.SrcPort, p.DstPort)
}

// what is what a packet says, in a few words.
func what(p *netlab.Packet) string {
	if addr, mac, ok := p.Claim(); ok {
		by := "ARP"
		if addr.Is6() {
			by = "ND"
		}
		return fmt.Sprintf("%s: %s is at %s", by, addr, mac)
	}
	switch {
	case p.Kind == frame.ARP:
		return "ARP"
	case p.Proto == frame.ProtoICMP || p.Proto == frame.ProtoICMPv6:
		return icmpWhat(p)
	case p.Proto != frame.ProtoTCP:
		return ""
	}
	text := "TCP"
	for _, f := range []struct {
		bit  uint8
		name string
	}{{frame.SYN, "SYN"}, {frame.FIN, "FIN"}, {frame.RST, "RST"}, {frame.ACK, "ACK"}} {
		if p.Flags&f.bit != 0 {
			text += " " + f.name
		}
	}
	if !p.Unfinished && !p.Outgoing && !frame.L4ChecksumOK(p.Data, &p.Header) {
		text += ", bad checksum"
	}
	return text
}

// icmpWhat names what a ping is made of.
func icmpWhat(p *netlab.Packet) string {
	v6 := p.Proto == frame.ProtoICMPv6
	switch {
	case p.ICMPType == 8 && !v6, p.ICMPType == 128 && v6: // RFC 792; RFC 4443 section 4
		return "ICMP echo request"
	case p.ICMPType == 0 && !v6, p.ICMPType == 129 && v6:
		return "ICMP echo reply"
	}
	return fmt.Sprintf("ICMP type %d code %d", p.ICMPType, p.ICMPCode)
}

// comment says who does what in a frame, for who reads a capture; empty where
// there is nothing to say.
func (s *labSite) comment(f netlab.Frame) string {
	p := netlab.PacketOf(f)
	vip := s.Spec.VIP
	from := s.Owner(p.From())
	switch addr, mac, ok := p.Claim(); {
	case ok && addr == vip:
		return fmt.Sprintf("the VIP is said to be at %s", s.owner(mac))
	case p.Ifname == loopback && p.IsTo(vip):
		return fmt.Sprintf("for the VIP: %s, and it stays on %s, which has the VIP", what(&p), p.Host)
	case from == nil:
		return ""
	case p.IsTo(vip) && p.IsFrom(vip):
		return fmt.Sprintf("from the VIP to the VIP: %s from %s to %s, which finds its own address as the source", what(&p), from.Name(), s.owner(p.To()))
	case p.IsTo(vip) && from.Role == netlab.RoleDirector:
		return fmt.Sprintf("the director passes %s on to %s: new MAC addresses, one less of TTL", what(&p), s.owner(p.To()))
	case p.IsTo(vip):
		return fmt.Sprintf("for the VIP: %s from %s to %s", what(&p), from.Name(), s.owner(p.To()))
	case p.IsFrom(vip):
		return fmt.Sprintf("an answer as the VIP: %s from %s, not by the director", what(&p), from.Name())
	}
	return ""
}
