package director

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"lvsdr/control/api"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// Key is the engine's key of a service. It is an error where k names none.
func Key(k api.ServiceKey) (dataplane.ServiceKey, error) {
	if k.FWMark != 0 {
		return dataplane.ServiceKey{Mark: k.FWMark, IPv6: k.IPv6}, nil
	}
	proto, err := frame.ParseServiceProto(k.Protocol)
	if err != nil {
		return dataplane.ServiceKey{}, err
	}
	if !k.Address.IsValid() || k.Address.Zone() != "" {
		return dataplane.ServiceKey{}, errors.New("a service has an address without zone, or a firewall mark")
	}
	return dataplane.ServiceKey{Proto: proto, Addr: frame.AddrFrom(k.Address), Port: k.Port}, nil
}

// WireKey is the key of a service as it goes over the wire.
func WireKey(k dataplane.ServiceKey) api.ServiceKey {
	if k.Mark != 0 {
		return api.ServiceKey{FWMark: k.Mark, IPv6: k.IPv6}
	}
	return api.ServiceKey{Protocol: protoName(k.Proto), Address: k.Addr.IP(), Port: k.Port}
}

// protoName is empty for no protocol: that of a template by firewall mark.
func protoName(p frame.Proto) string {
	if p == 0 {
		return ""
	}
	return p.String()
}

// ServiceConfig is the engine's configuration of a service.
func ServiceConfig(c *api.ServiceConfig) (dataplane.ServiceConfig, error) {
	k, err := Key(c.ServiceKey)
	out := dataplane.ServiceConfig{Key: k, Scheduler: c.Scheduler, OnePacket: c.OnePacket, Persistence: time.Duration(c.Persistence) * time.Second}
	if err != nil {
		return out, err
	}
	if out.Flags, err = scheduler.ParseFlags(c.Scheduler, strings.FieldsFunc(c.Flags, func(r rune) bool { return r == ',' })); err != nil {
		return out, err
	}
	if c.Engine != "" {
		out.Scheduler = "" // there are no persistence engines: the engine refuses both alike
	}
	switch v6 := c.V6(); {
	case c.Persistence < 0 || c.Persistence > maxSeconds:
		return out, fmt.Errorf("persistence %d: not 0 to %d seconds", c.Persistence, maxSeconds)
	case c.Netmask.IsValid() && c.Netmask.Is4() == v6:
		return out, fmt.Errorf("netmask %s: not of the service's address family", c.Netmask)
	case c.Netmask.IsValid():
		out.Mask = frame.AddrFrom(c.Netmask)
	}
	return out, nil
}

// maxSeconds is the longest persistence and the longest timeout: 31 days.
const maxSeconds = 31 * 86400

// WireServiceConfig is the configuration of a service as it goes over the wire.
func WireServiceConfig(c *dataplane.ServiceConfig) api.ServiceConfig {
	out := api.ServiceConfig{ServiceKey: WireKey(c.Key), Scheduler: c.Scheduler, Flags: c.Flags.Text(c.Scheduler), OnePacket: c.OnePacket,
		Persistence: int(c.Persistence / time.Second)}
	if c.Mask != (frame.Addr{}) {
		out.Netmask = c.Mask.IP()
	}
	return out
}

// ServerConfig is the engine's configuration of a server.
func ServerConfig(c *api.ServerConfig) (dataplane.ServerConfig, error) {
	out := dataplane.ServerConfig{Port: c.Port, Weight: c.Weight, Upper: c.Upper, Lower: c.Lower}
	var ok bool
	if out.Method, ok = methodOf(c); !ok {
		return out, api.Unsupported("the forwarding method " + c.Method)
	}
	if out.Method.Tunnels() {
		if out.Tunnel.Sum, ok = sumOf(c.Encap.Checksum); !ok {
			return out, api.Unsupported("the tunnel checksum " + c.Encap.Checksum)
		}
		out.Tunnel.Port = c.Encap.Port
	}
	if !c.Address.IsValid() || c.Address.Zone() != "" {
		return out, errors.New("a real server has an address without zone")
	}
	out.Addr = frame.AddrFrom(c.Address)
	for _, n := range []int{c.Weight, c.Upper, c.Lower} {
		if n < 0 || n > math.MaxInt32 {
			return out, api.ErrRange
		}
	}
	return out, nil
}

// methodOf is the engine's forwarding method; false: there is none.
func methodOf(c *api.ServerConfig) (dataplane.Method, bool) {
	switch c.Method {
	case "", api.Direct:
		return dataplane.Direct, true
	case api.Masquerade:
		return dataplane.Masquerade, true
	case api.Tunnel:
		kinds := map[string]dataplane.Method{"": dataplane.IPIP, "ipip": dataplane.IPIP, "gre": dataplane.GRE, "gue": dataplane.GUE}
		m, ok := kinds[c.Encap.Kind]
		return m, ok
	}
	return 0, false
}

// sumOf is the engine's checksum of that name; false: there is none.
func sumOf(name string) (dataplane.Sum, bool) {
	switch name {
	case "", dataplane.NoSum.String():
		return dataplane.NoSum, true
	case dataplane.FullSum.String():
		return dataplane.FullSum, true
	case dataplane.RemoteSum.String():
		return dataplane.RemoteSum, true
	}
	return 0, false
}

// WireServerConfig is the configuration of a server as it goes over the wire.
func WireServerConfig(c *dataplane.ServerConfig) api.ServerConfig {
	out := api.ServerConfig{Address: c.Addr.IP(), Port: c.Port, Weight: c.Weight, Upper: c.Upper, Lower: c.Lower}
	switch c.Method {
	case dataplane.IPIP, dataplane.GRE, dataplane.GUE:
		out.Method, out.Encap = api.Tunnel, api.Encap{Kind: c.Method.String(), Port: c.Tunnel.Port}
		if c.Tunnel.Sum != dataplane.NoSum {
			out.Encap.Checksum = c.Tunnel.Sum.String()
		}
	case dataplane.Masquerade:
		out.Method = api.Masquerade
	case dataplane.Local:
		out.Method = api.Local
	default:
		out.Method = api.Direct
	}
	return out
}

// WireTraffic returns the counters as they go over the wire.
func WireTraffic(t dataplane.Traffic) api.Traffic {
	return api.Traffic{Conns: t.Conns, Packets: t.Packets, Bytes: t.Bytes, OutPackets: t.OutPackets, OutBytes: t.OutBytes}
}

// WireService is a service as it goes over the wire. Its servers count as up and
// not checked.
func WireService(s *dataplane.ServiceStatus) api.Service {
	out := api.Service{ServiceConfig: WireServiceConfig(&s.Config), Traffic: WireTraffic(s.Traffic), Servers: make([]api.Server, 0, len(s.Servers))}
	for i := range s.Servers {
		out.Servers = append(out.Servers, WireServer(&s.Servers[i]))
	}
	return out
}

// WireServer is a server as it goes over the wire. It counts as up and not
// checked.
func WireServer(r *dataplane.ServerStatus) api.Server {
	out := api.Server{ServerConfig: WireServerConfig(&r.Config), Effective: r.Config.Weight, Up: true, Check: "none",
		Active: r.Active, Inactive: r.Inactive, Persistent: r.Persistent, Overloaded: r.Overloaded, RepeatedSYNs: r.Repeated, Traffic: WireTraffic(r.Traffic)}
	if r.MAC != (frame.MAC{}) {
		out.MAC = r.MAC.String()
	}
	return out
}

// WireConn is a connection or a template as it goes over the wire.
func WireConn(c *dataplane.ConnStatus) api.Conn {
	out := api.Conn{Protocol: protoName(c.Key.Proto), Client: c.Key.Client.IP(), ClientPort: c.Key.ClientPort,
		Address: c.Key.Virtual.IP(), Port: c.Key.VirtualPort, ServerPort: c.Key.VirtualPort,
		State: c.State, Expires: c.Expires.Seconds(), Invalid: c.Invalid, Synced: c.BySync}
	if c.Mapped {
		out.ServerPort = c.Port
	}
	if c.Server != (frame.Addr{}) {
		out.Server = c.Server.IP()
	}
	return out
}

// WireEntry is WireConn with what else is known of a connection.
func WireEntry(e *dataplane.EntryStatus) *api.Conn {
	if e == nil {
		return nil
	}
	out := WireConn(&e.ConnStatus)
	out.Connections, out.Removed = e.Connections, e.Removed
	return &out
}

// WirePorts are the counters of an interface's ports as they go over the wire.
func WirePorts(s dataplane.NICStats) api.PortStats {
	return api.PortStats{Received: s.Received, Missed: s.Missed, MissedSYN: s.MissedSYN, Truncated: s.Truncated,
		Sent: s.Sent, SentXDP: s.SentXDP, SendFull: s.SendFull, SendError: s.SendError}
}

// Verdicts are the verdicts of all reasons under which frames are counted, by
// their names.
func Verdicts() map[string]string {
	all := map[string]string{}
	for r := dataplane.Hit; int(r) < dataplane.NumReasons; r++ {
		all[r.String()] = r.Verdict().String()
	}
	return all
}
