package api

import (
	"iter"
	"net/netip"
	"net/url"
)

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
	Synced      bool       `json:"synced,omitempty"`      // it was made by a message of another director
}

// A connFilter says which connections are wanted; what is zero matches all.
type connFilter struct {
	client, address, server netip.Addr
	port, serverPort        uint16
	protocol                string
}

// connFilterIn reads a filter of a query.
func connFilterIn(v url.Values) (f connFilter, err error) {
	f.protocol = v.Get("protocol")
	for _, a := range []struct {
		name string
		to   *netip.Addr
	}{{"client", &f.client}, {"address", &f.address}, {"server", &f.server}} {
		if !v.Has(a.name) {
			continue
		}
		if *a.to, err = addrIn(v, a.name); err != nil {
			return f, err
		}
	}
	if f.port, err = portIn(v, "port"); err != nil {
		return f, err
	}
	f.serverPort, err = portIn(v, "server_port")
	return f, err
}

// of gives those of all that f matches.
func (f *connFilter) of(all iter.Seq2[Conn, error]) iter.Seq2[Conn, error] {
	if *f == (connFilter{}) {
		return all
	}
	return func(yield func(Conn, error) bool) {
		for c, err := range all {
			if (err != nil || f.match(&c)) && !yield(c, err) {
				return
			}
		}
	}
}

func (f *connFilter) match(c *Conn) bool {
	addr := func(want, is netip.Addr) bool { return !want.IsValid() || want == is }
	port := func(want, is uint16) bool { return want == 0 || want == is }
	return addr(f.client, c.Client) && addr(f.address, c.Address) && addr(f.server, c.Server) &&
		port(f.port, c.Port) && port(f.serverPort, c.ServerPort) && (f.protocol == "" || f.protocol == c.Protocol)
}
