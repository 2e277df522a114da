package scenario

import (
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// hosts reports whether the host routes k: the engine leaves it to the host, which forwards
// what is from another and for another.
func (p *player) hosts(k *dataplane.Packet) bool {
	h := k.Header()
	return p.forward && k.Reason == dataplane.NotOurs && h.HasAddrs() && h.TTL > 1 && !p.own[h.Src] && !p.own[h.Dst]
}

// route sends f as the host's own routing does, and returns how many frames that were.
func (p *player) route(op *Op, f []byte, id uint16) int {
	var h frame.Header
	frame.Parse(f, &h)
	frame.DecrementTTL(f, &h)
	for mac, addr := range p.servers {
		if addr == h.Dst.IP() {
			frame.SetMACs(f, mac, directorMAC)
			p.left(op, f, serversSide, id)
			return 1
		}
	}
	frame.SetMACs(f, clientMAC, directorMAC)
	p.left(op, f, clientSide, id)
	return 1
}

// routerMAC is the router on the servers' side.
var routerMAC = frame.MAC{2, 0, 0, 0, 0, 3}
