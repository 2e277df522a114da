package connsync

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// methods are the flags of each method. Tunnels of all kinds have one.
var methods = [...]Flags{
	conntrack.Direct: DirectRoute, conntrack.IPIP: Tunnel, conntrack.GRE: Tunnel, conntrack.GUE: Tunnel,
	conntrack.Masquerade: Masquerade, conntrack.Local: LocalNode,
}

// method is the method that the flags name. Packets under Bypass are left to the host,
// like those for a local server.
func (f Flags) method() conntrack.Method {
	switch f & MethodMask {
	case Masquerade:
		return conntrack.Masquerade
	case Tunnel:
		return conntrack.IPIP
	case DirectRoute:
		return conntrack.Direct
	}
	return conntrack.Local
}

// flagsIf is f if is holds.
func flagsIf(is bool, f Flags) Flags {
	if is {
		return f
	}
	return 0
}

// EntryOf is the entry that tells of s.
func EntryOf(s *dataplane.Synced) Entry {
	e := Entry{IPv6: !s.Key.Client.Is4(), Proto: s.Key.Proto, State: uint16(s.State),
		ClientPort: s.Key.ClientPort, VirtualPort: s.Key.VirtualPort, ServerPort: s.Port, Mark: s.Mark, Timeout: s.Timeout,
		Client: s.Key.Client, Virtual: s.Key.Virtual, Server: s.Server}
	e.Flags = methods[s.Method] | flagsIf(s.Inactive, Inactive) | flagsIf(s.NoOutput, NoOutput) |
		flagsIf(s.BySync, BySync) | flagsIf(s.Key.Template, Template)
	if !s.Key.Template && s.Key.Proto == frame.ProtoSCTP {
		e.State = sctpToWire[s.State]
	}
	return e
}

// Synced is e as the engine takes it, to which Seq means nothing. false: it is none, since
// it has IPv4 addresses in the form of IPv6.
func (e *Entry) Synced() (dataplane.Synced, bool) {
	s := dataplane.Synced{Server: e.Server, Port: e.ServerPort, Method: e.Flags.method(), State: conntrack.State(e.State),
		Inactive: e.Flags&Inactive != 0, NoOutput: e.Flags&NoOutput != 0, BySync: true, Mark: e.Mark, Timeout: e.Timeout,
		Key: conntrack.Key{Client: e.Client, Virtual: e.Virtual, ClientPort: e.ClientPort, VirtualPort: e.VirtualPort,
			Proto: e.Proto, Template: e.Flags&Template != 0}}
	switch {
	case s.Key.Template:
		s.State = conntrack.None
		if e.State == uint16(conntrack.Assured) {
			s.State = conntrack.Assured
		}
	case e.Proto == frame.ProtoSCTP:
		s.State = sctpFromWire[e.State]
	}
	return s, !e.IPv6 || !e.Client.Is4() && !e.Virtual.Is4() && !e.Server.Is4()
}
