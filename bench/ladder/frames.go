package ladder

import (
	"encoding/binary"
	"net/netip"

	"lvsdr/dataplane/frame/build"
)

// FrameSize is the length of a generated frame in bytes, the least that
// Ethernet has; 64 with its check sequence.
const FrameSize = 60

// Places in a generated frame, which has no VLAN tag and no IP options.
const (
	ipTTL    = 22
	ipSum    = 24
	ipSrc    = 26
	ipDst    = 30
	l4Src    = 34
	l4Dst    = 36
	tcpFlags = 47
	tcpSum   = 50
	used     = 54 // what follows is padding
)

// TCP flags.
const (
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// NumFlows is how many flows a generator knows: 2^28. Later ones are the
// first ones again.
const NumFlows = 1 << 28

// flowsPerClient is how many flows have the same source address.
const flowsPerClient = 16

// Frames is a batch of 60-byte TCP frames that are rewritten in place, at the
// cost of a few nanoseconds each. All checksums are right. It is not safe for
// concurrent use.
//
// Flow n comes from port 1024 + n%16 of the client with address 100.0.0.0 +
// n/16.
type Frames struct {
	batch [][]byte
	front [][]byte // the free memory before each frame
	tmpl  [64]byte
	ip    uint32 // sum over the IP header's words without the client's address
	tcp   uint32 // likewise over the segment, without the client and flags
	// answers says that they are to the client, not from it.
	answers bool
}

// NewFrames makes n frames to the service of s.
func NewFrames(s Setup, n int) *Frames { return newFrames(s, n, 0) }

// newFrames is NewFrames with so many bytes of free memory before each frame.
func newFrames(s Setup, n, headroom int) *Frames {
	src, vip := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100}), 1024), netip.AddrPortFrom(netip.AddrFrom4(s.VIP), s.Port)
	f := &Frames{}
	copy(f.tmpl[:], build.TCP{Src: src, Dst: vip, IP: build.IP{SrcMAC: clientMAC, DstMAC: s.MAC, Pad: true}, Flags: "A"}.Bytes())
	f.ip = f.without(ipSum, 0x6400)
	f.tcp = f.without(tcpSum, 0x6400)
	// Port and flags leave the sum of the segment as well.
	f.tcp += uint32(^uint16(1024)) + uint32(^uint16(flagACK))
	room := make([]byte, n*(headroom+64)) // a cache line each
	for i := range n {
		mem := room[i*(headroom+64):][: headroom+FrameSize : headroom+64]
		b := mem[headroom:]
		copy(b, f.tmpl[:])
		f.batch, f.front = append(f.batch, b), append(f.front, mem[:headroom])
	}
	return f
}

// newAnswers is newFrames for the answers to them.
func newAnswers(s Setup, n, headroom int) *Frames {
	f := newFrames(s, n, headroom)
	f.answers = true
	turnRound(f.tmpl[:]) // no checksum depends on the order of addresses and ports
	return f
}

// turnRound exchanges the addresses and ports of a generated frame.
func turnRound(f []byte) {
	src, dst := [4]byte(f[ipSrc:]), [4]byte(f[ipDst:])
	copy(f[ipSrc:], dst[:])
	copy(f[ipDst:], src[:])
	from, to := [2]byte(f[l4Src:]), [2]byte(f[l4Dst:])
	copy(f[l4Src:], to[:])
	copy(f[l4Dst:], from[:])
}

// without is the sum that makes the checksum at place, without one word.
func (f *Frames) without(place int, word uint16) uint32 {
	return uint32(^binary.BigEndian.Uint16(f.tmpl[place:])) + uint32(^word)
}

// Batch are the frames. Forwarding may edit them.
func (f *Frames) Batch() [][]byte { return f.batch }

// Set makes frame i a segment of flow with the given TCP flags.
func (f *Frames) Set(i int, flow uint32, flags uint8) {
	flow &= NumFlows - 1
	b := f.batch[i][:64]
	copy(b[:used], f.tmpl[:used])
	addr, port := 100<<24+flow/flowsPerClient, 1024+flow%flowsPerClient
	if f.answers {
		binary.BigEndian.PutUint32(b[ipDst:], addr)
		binary.BigEndian.PutUint16(b[l4Dst:], uint16(port))
	} else {
		binary.BigEndian.PutUint32(b[ipSrc:], addr)
		binary.BigEndian.PutUint16(b[l4Src:], uint16(port))
	}
	b[tcpFlags] = flags
	src := addr>>16 + addr&0xffff
	binary.BigEndian.PutUint16(b[ipSum:], finish(f.ip+src))
	binary.BigEndian.PutUint16(b[tcpSum:], finish(f.tcp+src+port+uint32(flags)))
}

// finish folds a sum of 16-bit words and complements it.
func finish(s uint32) uint16 {
	s = s&0xffff + s>>16
	s = s&0xffff + s>>16
	return ^uint16(s)
}
