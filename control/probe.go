package control

import (
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/control/api"
	"lvsdr/dataplane/frame"
)

// probe is the frame that a client would send: the first of a connection, or a
// later one, and its name. It is explained, never sent; its MAC addresses mean
// nothing.
func probe(q api.Question, proto frame.Proto, first bool) (data []byte, name string) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	eth := &layers.Ethernet{SrcMAC: mac, DstMAC: mac, EthernetType: layers.EthernetTypeIPv4}
	all := []gopacket.SerializableLayer{eth}
	if q.Client.Is4() {
		all = append(all, &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocol(proto), SrcIP: q.Client.AsSlice(), DstIP: q.VIP.AsSlice()})
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		all = append(all, &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocol(proto), SrcIP: q.Client.AsSlice(), DstIP: q.VIP.AsSlice()})
	}
	from, to := netip.AddrPortFrom(q.Client, q.ClientPort), netip.AddrPortFrom(q.VIP, q.Port)
	switch proto {
	case frame.ProtoUDP:
		name = "datagram"
		all = append(all, &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())})
	case frame.ProtoSCTP:
		chunk := layers.SCTPChunkTypeData
		if name = "DATA"; first {
			name, chunk = "INIT", layers.SCTPChunkTypeInit
		}
		all = append(all, &layers.SCTP{SrcPort: layers.SCTPPort(from.Port()), DstPort: layers.SCTPPort(to.Port())},
			gopacket.Payload{byte(chunk), 0, 0, 4})
	default:
		if name = "ACK"; first {
			name = "SYN"
		}
		all = append(all, &layers.TCP{SrcPort: layers.TCPPort(from.Port()), DstPort: layers.TCPPort(to.Port()), SYN: first, ACK: !first})
	}
	b := gopacket.NewSerializeBuffer()
	// Nothing in these layers can fail; transport checksums are not looked at.
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: false}, all...); err != nil {
		panic(err)
	}
	data = b.Bytes()
	if q.Client.Is4() {
		const at = 14
		sum := ^frame.Fold(frame.Sum(data[at:at+20], 0))
		data[at+10], data[at+11] = byte(sum>>8), byte(sum)
	}
	return data, name
}
