package netlab

import (
	"fmt"
	"strings"
)

// Drawing is a picture of the lab for a terminal: at most 80 columns, plain
// ASCII, one line per host and one for what is special about it.
func (l *Lab) Drawing() string {
	width := 0
	for _, n := range l.Nodes() {
		width = max(width, len(n.Addr.String()))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "network %s\nVIP     %s\n\n", l.Spec.Net, l.Spec.VIP)
	fmt.Fprintf(&b, "           %s\n", l.Switch.Name())
	for _, n := range l.Nodes() {
		fmt.Fprintf(&b, "%14s\n", "|")
		fmt.Fprintf(&b, " %-9s --+-- %s %-*s %s\n", n.Name(), Ifname, width, n.Addr, n.MAC)
		if note := l.note(n); note != "" {
			fmt.Fprintf(&b, "%14s   %s\n", "|", note)
		}
	}
	return b.String()
}

// note is what is special about a node, in at most 64 characters.
func (l *Lab) note(n *Node) string {
	switch n.Role {
	case RoleClient:
		if k := len(n.Extra); k > 0 {
			return fmt.Sprintf("and %d more from %s on", k, n.Extra[0])
		}
	case RoleDirector:
		return "takes what is sent to the VIP"
	case RoleServer:
		return fmt.Sprintf("lo %s, weight %d", l.Spec.VIP, n.Weight)
	}
	return ""
}
