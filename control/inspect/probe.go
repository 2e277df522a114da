package inspect

import (
	"net/netip"

	"github.com/google/gopacket/layers"

	"lvsdr/control/api"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// probe is the frame that a client would send: the first of a connection, or a
// later one, and its name. It is explained, never sent; its MAC addresses mean
// nothing.
func probe(q api.Question, proto frame.Proto, first bool) (data []byte, name string) {
	from, to := netip.AddrPortFrom(q.Client, q.ClientPort), netip.AddrPortFrom(q.VIP, q.Port)
	ip := build.IP{SrcMAC: frame.MAC{2, 0, 0, 0, 0, 1}, DstMAC: frame.MAC{2, 0, 0, 0, 0, 1}}
	switch proto {
	case frame.ProtoUDP:
		return build.UDP{Src: from, Dst: to, IP: ip}.Bytes(), "datagram"
	case frame.ProtoSCTP:
		name, chunk := "DATA", layers.SCTPChunkTypeData
		if first {
			name, chunk = "INIT", layers.SCTPChunkTypeInit
		}
		return build.SCTP{Src: from, Dst: to, IP: ip, Payload: []byte{byte(chunk), 0, 0, 4}}.Bytes(), name
	}
	name, flags := "ACK", "A"
	if first {
		name, flags = "SYN", "S"
	}
	return build.TCP{Src: from, Dst: to, IP: ip, Flags: flags}.Bytes(), name
}
