package netlab

import (
	"fmt"
	"strings"
)

// Drawing is a picture of the lab for a terminal: at most 80 columns, plain
// ASCII, each network with its hosts, one line for each and one for what is
// special about it.
func (l *Lab) Drawing() string {
	var b strings.Builder
	for i, n := range l.Networks {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "network %s\n", n.Prefix)
		if n.Switch == l.Switch {
			fmt.Fprintf(&b, "VIP     %s\n", l.Spec.VIP)
		}
		b.WriteByte('\n')
		l.draw(&b, n)
	}
	return b.String()
}

// draw draws one network.
func (l *Lab) draw(b *strings.Builder, on Network) {
	width := 0
	for _, n := range l.Nodes() {
		if p := n.PortOn(on.Switch); p != nil {
			width = max(width, len(p.Addr.Addr().String()))
		}
	}
	fmt.Fprintf(b, "           %s\n", on.Switch.Name())
	for _, n := range l.Nodes() {
		p := n.PortOn(on.Switch)
		if p == nil {
			continue
		}
		fmt.Fprintf(b, "%14s\n", "|")
		fmt.Fprintf(b, " %-9s --+-- %s %-*s %s\n", n.Name(), p.Ifname, width, p.Addr.Addr(), p.MAC)
		if note := l.note(n, on); note != "" {
			fmt.Fprintf(b, "%14s   %s\n", "|", note)
		}
	}
}

// note describes the peculiarity of a node on a network, in at most 64 characters.
func (l *Lab) note(n *Node, on Network) string {
	switch n.Role {
	case RoleClient:
		if k := len(n.Extra); k > 0 {
			return fmt.Sprintf("and %d more from %s on", k, n.Extra[0])
		}
	case RoleRouter:
		return "routes between the networks"
	case RoleDirector:
		switch {
		case on.Switch == l.Switch && l.Standby() != nil:
			return "takes what is sent to the VIP while it is the master"
		case on.Switch == l.Switch:
			return "takes what is sent to the VIP"
		}
		if l.Spec.Method == NAT {
			return "sends it to the real servers, and is their default gateway"
		}
		return "sends it to the real servers"
	case RoleServer:
		switch l.Spec.Method {
		case NAT:
			return fmt.Sprintf("default by %s, weight %d", l.gateway(n), n.Weight)
		case TUN:
			return fmt.Sprintf("%s %s, weight %d", n.Tunnel, l.Spec.VIP, n.Weight)
		}
		return fmt.Sprintf("lo %s, weight %d", l.Spec.VIP, n.Weight)
	}
	return ""
}
