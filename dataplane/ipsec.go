package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// isakmpPort is that of the key exchange of IPsec, over UDP.
const isakmpPort = 500

// isIPsec reports whether packets of that protocol belong to the key exchange
// between the same addresses.
func isIPsec(proto frame.Proto) bool { return proto == frame.ProtoESP || proto == frame.ProtoAH }

// ipsecKey is the key of the key exchange of a client.
func ipsecKey(client, vip frame.Addr) conntrack.Key {
	return conntrack.Key{Client: client, Virtual: vip, ClientPort: isakmpPort, VirtualPort: isakmpPort, Proto: frame.ProtoUDP}
}

// followIPsec sends a packet of ESP or AH where its client's key exchange goes,
// whose timer it restarts. Without one it begins nothing.
func (d *Director) followIPsec(t *Table, s *Scratch, p *Packet, now int64) Reason {
	if !d.serves(t, p.header.Kind == frame.IPv6) {
		return UnreachableProtocol
	}
	e, at := d.find(s.shard, &p.flow.id, &p.flow.key, now)
	defer s.shard.unlock(at)
	if e == nil || d.begunAnew(t, e, &p.header) {
		return UnreachableProtocol
	}
	ds := d.destOf(e)
	if ds.removed() {
		return ServerRemoved
	}
	if ds.stranger {
		return d.passStranger(t, s, p, ds, e, now)
	}
	if ds.refuses() {
		return UnreachableProtocol
	}
	return d.pass(t, s, p, ds, e, Hit, now)
}
