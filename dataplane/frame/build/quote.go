package build

import (
	"bytes"
	"encoding/binary"

	"lvsdr/dataplane/frame"
)

// Quote returns the part of the IP packet in f that an ICMP error about it carries: its header,
// with options or extension headers, and up to n bytes of its payload (RFC 792
// asks for 8, RFC 1812 and RFC 4443 for as much as fits).
func Quote(f []byte, n int) []byte {
	if l3, ok := ipv6At(f); ok {
		ip := f[l3:]
		ip = ip[:frame.IPv6Len+int(binary.BigEndian.Uint16(ip[frame.Off6Len:]))]
		return bytes.Clone(ip[:min(chainOf(ip).end+n, len(ip))])
	}
	l3, ok := ipv4At(f)
	if !ok {
		panic("build: Quote of a frame that is not IP")
	}
	ip := f[l3:]
	ip = ip[:binary.BigEndian.Uint16(ip[frame.Off4Total:])]
	return bytes.Clone(ip[:min(int(ip[0]&0x0f)*4+n, len(ip))])
}
