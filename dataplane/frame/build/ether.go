package build

import (
	"encoding/binary"
	"net"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// minFrame is the least length of an Ethernet frame in bytes, its checksum not
// counted (IEEE 802.3).
const minFrame = 60

// An ether is the part that all frames have in common; see IP for the fields.
type ether struct {
	src, dst frame.MAC
	vlan     uint16
	pad      bool
}

// layers are the Ethernet header and, unless vlan is 0, the 802.1Q tag before
// a payload of type typ.
func (e ether) layers(typ layers.EthernetType) []gopacket.SerializableLayer {
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr(e.src[:]), DstMAC: net.HardwareAddr(e.dst[:]), EthernetType: typ}
	if e.vlan == 0 {
		return []gopacket.SerializableLayer{eth}
	}
	eth.EthernetType = layers.EthernetTypeDot1Q
	return []gopacket.SerializableLayer{eth, &layers.Dot1Q{VLANIdentifier: e.vlan, Type: typ}}
}

// len is the length of the Ethernet header with its tag, in bytes.
func (e ether) len() int {
	if e.vlan != 0 {
		return frame.EtherLen + frame.TagLen
	}
	return frame.EtherLen
}

// finish is f, with the padding of Ethernet if that is wanted.
func (e ether) finish(f []byte) []byte {
	f = f[:len(f):len(f)]
	for e.pad && len(f) < minFrame {
		f = append(f, 0)
	}
	return f
}

// serialize is the bytes of ls, with lengths and checksums put right.
func serialize(ls ...gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, ls...); err != nil {
		panic("build: " + err.Error())
	}
	return buf.Bytes()
}

// carried is the offset of what f carries, under at most one VLAN tag, if that
// is of the given EtherType.
func carried(f []byte, typ uint16) (l3 int, ok bool) {
	is := func(at int, typ uint16) bool { return len(f) >= at+2 && binary.BigEndian.Uint16(f[at:]) == typ }
	switch {
	case is(12, typ):
		return frame.EtherLen, true
	case is(16, typ) && (is(12, frame.EtherTypeVLAN) || is(12, frame.EtherTypeQinQ)):
		return frame.EtherLen + frame.TagLen, true
	}
	return 0, false
}

// ipv4At is the offset of the IPv4 header in f.
func ipv4At(f []byte) (l3 int, ok bool) { return carried(f, frame.EtherTypeIPv4) }

// ipv6At is the offset of the IPv6 header in f.
func ipv6At(f []byte) (l3 int, ok bool) { return carried(f, frame.EtherTypeIPv6) }
