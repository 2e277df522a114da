package netlab

import (
	"fmt"
	"io"
	"strings"
	"time"

	"lvsdr/dataplane/frame"
)

// WritePackets writes packets as a table with numbered lines and these columns:
// seen, src mac, dst mac, from, to, src ip, dst ip, ports, ttl, what, bytes, or
// time, which is in seconds since the first packet. A table that is wider than
// width columns is folded: what does not fit stands in further lines. A width of
// 0 has no end.
func (l *Lab) WritePackets(out io.Writer, width int, packets []Packet, columns ...string) error {
	cells := make([]func(p *Packet) string, len(columns))
	for i, name := range columns {
		if cells[i] = l.column(name); name == "time" {
			cells[i] = func(p *Packet) string {
				return fmt.Sprintf("%.0f s", p.Time.Sub(packets[0].Time).Round(time.Second).Seconds())
			}
		}
	}
	rows := [][]string{append([]string{""}, columns...)}
	for i := range packets {
		row := []string{fmt.Sprint(i + 1)}
		for _, cell := range cells {
			row = append(row, cell(&packets[i]))
		}
		rows = append(rows, row)
	}
	return writeFolded(out, rows, width)
}

// column returns the text of a packet in the column of that name.
func (l *Lab) column(name string) func(p *Packet) string {
	switch name {
	case "seen":
		return l.Place
	case "src mac":
		return func(p *Packet) string { return l.owner(p.From()) }
	case "dst mac":
		return func(p *Packet) string { return l.owner(p.To()) }
	case "from":
		return func(p *Packet) string { return l.host(p.From()) }
	case "to":
		return func(p *Packet) string { return l.host(p.To()) }
	case "src ip":
		return func(p *Packet) string { return ifIP(p, p.Src.String()) }
	case "dst ip":
		return func(p *Packet) string { return ifIP(p, p.Dst.String()) }
	case "ports":
		return ports
	case "ttl":
		return func(p *Packet) string { return ifIP(p, fmt.Sprint(p.TTL)) }
	case "what":
		return (*Packet).What
	case "bytes":
		return func(p *Packet) string { return fmt.Sprint(len(p.Data)) }
	case "time":
		return nil
	}
	panic("no column " + name) // the caller's bug
}

// Place is where a packet was seen: "leaves client1", "reaches rs2"; with the
// interface where the host has several, and "on lo of rs1" where it stays.
func (l *Lab) Place(p *Packet) string {
	if p.Ifname == Loopback {
		return "on " + Loopback + " of " + p.Host
	}
	verb := "reaches "
	if p.Outgoing {
		verb = "leaves "
	}
	name := verb + p.Host
	for _, n := range l.Nodes() {
		if n.Name() == p.Host && (len(n.Ports) > 1 || p.Ifname != Ifname) {
			name += " " + p.Ifname
		}
	}
	return name
}

// Loopback is the interface of what a host sends to itself.
const Loopback = "lo"

// broadcast is the MAC address of all.
var broadcast = frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// host returns the name of the host that has a MAC address; if no host has it,
// the address itself.
func (l *Lab) host(m frame.MAC) string {
	if n := l.Owner(m); n != nil {
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
	return m.String() + " (no host)"
}

// owner is a MAC address with the name of its host.
func (l *Lab) owner(m frame.MAC) string {
	if who := l.host(m); who != "-" && !strings.HasPrefix(who, m.String()) {
		return fmt.Sprintf("%s (%s)", m, who)
	}
	return l.host(m)
}

// ifIP is text for an IP packet, and else nothing.
func ifIP(p *Packet, text string) string {
	if p.Kind != frame.IPv4 && p.Kind != frame.IPv6 {
		return ""
	}
	return text
}

// ports are those of a packet that has any.
func ports(p *Packet) string {
	if p.SrcPort == 0 && p.DstPort == 0 {
		return ""
	}
	return fmt.Sprintf("%d > %d", p.SrcPort, p.DstPort)
}

// What describes a packet in a few words.
func (p *Packet) What() string {
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
	case p.tunnel() != "":
		return tunnelWhat(p)
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
func icmpWhat(p *Packet) string {
	v6 := p.Proto == frame.ProtoICMPv6
	switch {
	case p.ICMPType == 8 && !v6, p.ICMPType == 128 && v6: // RFC 792; RFC 4443 section 4
		return "ICMP echo request"
	case p.ICMPType == 0 && !v6, p.ICMPType == 129 && v6:
		return "ICMP echo reply"
	}
	return fmt.Sprintf("ICMP type %d code %d", p.ICMPType, p.ICMPCode)
}

// tunnelWhat names the packet in a tunnel.
func tunnelWhat(p *Packet) string {
	in, ok := p.Inner()
	if !ok {
		return p.tunnel()
	}
	return fmt.Sprintf("%s [%s > %s, ttl %d, %s]", p.tunnel(), in.Src, in.Dst, in.TTL, in.What())
}

// Comment says which host does what with a frame, for people who read a capture;
// empty where there is nothing to say.
func (l *Lab) Comment(f Frame) string {
	p := PacketOf(f)
	vip := l.Spec.VIP
	from := l.Owner(p.From())
	switch addr, mac, ok := p.Claim(); {
	case ok && addr == vip:
		return fmt.Sprintf("the VIP is said to be at %s", l.owner(mac))
	case p.Ifname == Loopback && p.IsTo(vip):
		return fmt.Sprintf("for the VIP: %s, and it stays on %s, which has the VIP", p.What(), p.Host)
	case from == nil:
		return ""
	case l.Spec.Method != DR && !p.IsTo(vip):
		return l.methodComment(&p, from)
	case p.IsTo(vip) && p.IsFrom(vip):
		return fmt.Sprintf("from the VIP to the VIP: %s from %s to %s, which finds its own address as the source", p.What(), from.Name(), l.owner(p.To()))
	case p.IsTo(vip) && from.Role == RoleDirector:
		return fmt.Sprintf("the director passes %s on to %s: new MAC addresses, one less of TTL", p.What(), l.owner(p.To()))
	case p.IsTo(vip):
		return fmt.Sprintf("for the VIP: %s from %s to %s", p.What(), from.Name(), l.owner(p.To()))
	case p.IsFrom(vip):
		return fmt.Sprintf("an answer as the VIP: %s from %s, not by the director", p.What(), from.Name())
	}
	return ""
}

// methodComment is Comment of a packet from a host, in a lab of NAT or TUN.
func (l *Lab) methodComment(p *Packet, from *Node) string {
	to := l.owner(p.To())
	switch {
	case p.tunnel() != "":
		return fmt.Sprintf("in a tunnel to %s: %s from %s to %s", p.Dst, p.What(), from.Name(), to)
	case l.Spec.Method == NAT && from.Role == RoleDirector && p.IsFrom(l.Spec.VIP):
		return fmt.Sprintf("the director passes an answer on: %s, and its source is the VIP again", p.What())
	case l.Spec.Method == NAT && from.Role == RoleDirector && !p.IsFrom(from.Addr):
		return fmt.Sprintf("the director passes %s on to %s: its destination was the VIP", p.What(), to)
	case l.Spec.Method == NAT && from.Role == RoleServer && p.ip():
		return fmt.Sprintf("an answer: %s from %s to its default gateway, the director", p.What(), from.Name())
	case p.IsFrom(l.Spec.VIP):
		return fmt.Sprintf("an answer as the VIP: %s from %s, not by the director", p.What(), from.Name())
	}
	return ""
}
