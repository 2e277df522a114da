package wire

import (
	"net/netip"

	"lvsdr/control/doctor/facts"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// Lengths of headers in bytes, and the TTL of a probe.
const (
	tcpLen   = frame.TCPLen
	icmpLen  = frame.ICMPLen
	shortTTL = 2
)

// echoBytes is how much data a short ping carries.
const echoBytes = 32

// A Probe is how a packet is sent: out of Link, to the MAC address, from this
// host's address Source to Dst.
type Probe struct {
	Link        *facts.Link
	MAC         frame.MAC
	Source, Dst netip.Addr
}

// header holds the fields of the headers in front of a probe.
func (p Probe) header() build.IP {
	return build.IP{SrcMAC: p.Link.MAC, DstMAC: p.MAC, TTL: shortTTL, DF: true}
}

// segment is a TCP segment of a probe, between these ports.
func (p Probe) segment(flags string, from, to uint16, seq uint32) []byte {
	t := build.TCP{Src: netip.AddrPortFrom(p.Source, from), Dst: netip.AddrPortFrom(p.Dst, to), IP: p.header(), Flags: flags, Seq: seq}
	if flags == "S" {
		t.TCPOptions = build.MSS(uint16(min(p.Link.MTU-p.IPLen()-tcpLen, 0xffff)))
	}
	return t.Bytes()
}

// echo is an echo request with this identifier, in an IP packet of size bytes.
func (p Probe) echo(id uint16, size int) []byte {
	body := make([]byte, max(size-p.IPLen()-icmpLen, echoBytes))
	return build.Echo(p.Source, p.Dst, p.header(), id, 1, body).Bytes()
}

// IPLen is the length of the IP header of a probe, in bytes.
func (p Probe) IPLen() int {
	if p.Dst.Is4() {
		return frame.IPv4Len
	}
	return frame.IPv6Len
}
