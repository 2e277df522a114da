package scenario

import (
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// hosts reports whether the host routes k: the engine leaves it to the host, which forwards
// what is from another and for another.
func (p *player) hosts(k *dataplane.Packet) bool {
	h := k.Header()
	return p.forward && (k.Reason == dataplane.NotOurs || k.Reason == dataplane.UnknownAnswer) && h.HasAddrs() && h.TTL > 1 && !p.own[h.Src] && !p.own[h.Dst]
}

// route sends f as the host's own routing does, and returns how many frames that were.
func (p *player) route(op *Op, f []byte, id uint16) int {
	var h frame.Header
	frame.Parse(f, &h)
	frame.DecrementTTL(f, &h)
	for mac, addr := range p.servers {
		if addr == h.Dst.IP() {
			frame.SetMACs(f, mac, directorMAC)
			p.left(op, f, serversSide, id, false)
			return 1
		}
	}
	frame.SetMACs(f, clientMAC, directorMAC)
	p.left(op, f, clientSide, id, false)
	return 1
}

// routerMAC is the router on the servers' side.
var routerMAC = frame.MAC{2, 0, 0, 0, 0, 3}

// fromServer gives frames of op the MAC address of the server that sent them, if one did.
func (p *player) fromServer(op *Op, frames [][]byte) {
	for mac, addr := range p.servers {
		if addr == op.Src {
			for _, f := range frames {
				frame.SetMACs(f, directorMAC, mac)
			}
		}
	}
}

// answers reports whether a frame that left by out beside k, which came in by in, is an
// answer to its sender, and no part of what was forwarded.
func answers(k *dataplane.Packet, out, in int32) bool {
	return k.Verdict == dataplane.Answer && k.Reason != dataplane.Fragmented && k.Reason != dataplane.Reassembled && out == in
}
