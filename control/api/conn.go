package api

import "net/netip"

// A Conn is a connection or a template.
type Conn struct {
	Protocol    string     `json:"protocol,omitempty"` // empty: any, of a service by firewall mark
	Client      netip.Addr `json:"client"`
	ClientPort  uint16     `json:"client_port,omitempty"` // 0: a template
	Address     netip.Addr `json:"address"`               // of a template by firewall mark: the mark
	Port        uint16     `json:"port"`
	Server      netip.Addr `json:"server"`
	ServerPort  uint16     `json:"server_port"`
	State       string     `json:"state"`
	Expires     float64    `json:"expires"`               // seconds from now
	Connections int        `json:"connections,omitempty"` // of a template
	Removed     bool       `json:"removed,omitempty"`     // its server was removed
	Invalid     bool       `json:"invalid,omitempty"`     // a template that no new connection finds any more
}
