package ladder

import (
	"encoding/binary"
	"math"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// A pipeline is a director as one would write it in an afternoon: gopacket
// decodes, a Go map remembers, servers take turns, MAC addresses and TTL are
// rewritten. It does less than lvsdr: no checksum is verified, TCP has two
// states, nothing is answered, fragments are not followed, nothing is counted
// but packets of a connection, and a full map is emptied.
type pipeline struct {
	name    string
	setup   Setup
	decode  func(f []byte, k *mapKey) (tcpFlags uint8, ok bool)
	conns   map[mapKey]*mapConn
	clients map[[4]byte]*mapConn // with persistence
	turns   turns
}

var _ Expirer = (*pipeline)(nil)

// A mapKey names a connection.
type mapKey struct {
	src, dst [4]byte
	srcPort  uint16
	dstPort  uint16
	proto    frame.Proto
}

// A mapConn is a connection, or a client's template.
type mapConn struct {
	server  *Server
	expires int64
	packets uint64
	open    bool // an ACK came
}

// synTimeout is how long a connection lives after its SYN, in nanoseconds.
const synTimeout = 60e9

// NewNaive makes the candidate "NewPacket + map": gopacket.NewPacket with all
// its layers, and a Go map. It is an Expirer.
func NewNaive(s Setup) (Forwarder, error) {
	p := newPipeline("NewPacket + map", s)
	p.decode = decodeNewPacket
	return p, nil
}

// NewParser makes the candidate "LayerParser + map": gopacket's
// DecodingLayerParser, which allocates nothing, and a Go map. It is an
// Expirer.
func NewParser(s Setup) (Forwarder, error) {
	p := newPipeline("LayerParser + map", s)
	p.decode = newLayerParser().decode
	return p, nil
}

func newPipeline(name string, s Setup) *pipeline {
	return &pipeline{name: name, setup: s, conns: map[mapKey]*mapConn{}, clients: map[[4]byte]*mapConn{}, turns: turns{n: len(s.Servers)}}
}

// decodeNewPacket reads f the simple way.
func decodeNewPacket(f []byte, k *mapKey) (flags uint8, ok bool) {
	pkt := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default)
	ip, ok := pkt.NetworkLayer().(*layers.IPv4)
	if !ok {
		return 0, false
	}
	k.src, k.dst, k.proto = [4]byte(ip.SrcIP.To4()), [4]byte(ip.DstIP.To4()), frame.Proto(ip.Protocol)
	switch l4 := pkt.TransportLayer().(type) {
	case *layers.TCP:
		k.srcPort, k.dstPort = uint16(l4.SrcPort), uint16(l4.DstPort)
		return l4.Contents[13], true
	case *layers.UDP:
		k.srcPort, k.dstPort = uint16(l4.SrcPort), uint16(l4.DstPort)
		return 0, true
	}
	return 0, false
}

// A layerParser is gopacket's decoder that writes into layers of the caller's.
type layerParser struct {
	eth     layers.Ethernet
	ip      layers.IPv4
	tcp     layers.TCP
	udp     layers.UDP
	parser  *gopacket.DecodingLayerParser
	decoded []gopacket.LayerType
}

func newLayerParser() *layerParser {
	p := &layerParser{decoded: make([]gopacket.LayerType, 0, 8)}
	p.parser = gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &p.eth, &p.ip, &p.tcp, &p.udp)
	p.parser.IgnoreUnsupported = true
	return p
}

// decode reads f without allocating.
func (p *layerParser) decode(f []byte, k *mapKey) (flags uint8, ok bool) {
	if err := p.parser.DecodeLayers(f, &p.decoded); err != nil || len(p.decoded) < 3 {
		return 0, false
	}
	k.src, k.dst, k.proto = [4]byte(p.ip.SrcIP), [4]byte(p.ip.DstIP), frame.Proto(p.ip.Protocol)
	switch p.decoded[2] {
	case layers.LayerTypeTCP:
		k.srcPort, k.dstPort = uint16(p.tcp.SrcPort), uint16(p.tcp.DstPort)
		return p.tcp.Contents[13], true
	case layers.LayerTypeUDP:
		k.srcPort, k.dstPort = uint16(p.udp.SrcPort), uint16(p.udp.DstPort)
		return 0, true
	}
	return 0, false
}

// Name implements Forwarder.
func (p *pipeline) Name() string { return p.name }

// Forward implements Forwarder.
func (p *pipeline) Forward(frames [][]byte, now int64) int {
	n := 0
	for _, f := range frames {
		if p.forward(f, now) {
			n++
		}
	}
	return n
}

func (p *pipeline) forward(f []byte, now int64) bool {
	var k mapKey
	flags, ok := p.decode(f, &k)
	if !ok || !p.setup.serves(&k) || f[ipTTL] <= 1 {
		return false
	}
	c := p.conns[k]
	if c == nil || c.expires <= now {
		if !p.setup.begins(flags) {
			return false
		}
		c = p.newConn(k, now)
	}
	if opens(flags) {
		c.open = true
	}
	c.packets++
	c.expires = now + synTimeout
	if c.open {
		c.expires = math.MaxInt64
	}
	p.setup.rewrite(f, c.server)
	return true
}

// newConn chooses a server.
func (p *pipeline) newConn(k mapKey, now int64) *mapConn {
	if len(p.conns) >= p.setup.Limit {
		clear(p.conns)
	}
	c := &mapConn{}
	p.conns[k] = c
	if p.setup.Persistence == 0 {
		c.server = &p.setup.Servers[p.turns.next()]
		return c
	}
	t := p.clients[k.src]
	if t == nil || t.expires <= now {
		t = &mapConn{server: &p.setup.Servers[p.turns.next()]}
		p.clients[k.src] = t
	}
	t.expires = now + int64(p.setup.Persistence)
	c.server = t.server
	return c
}

// Expire implements Expirer.
func (p *pipeline) Expire(now int64) {
	for k, c := range p.conns {
		if c.expires <= now {
			delete(p.conns, k)
		}
	}
	for k, c := range p.clients {
		if c.expires <= now {
			delete(p.clients, k)
		}
	}
}

// serves reports whether a packet of k is one for the service.
func (s *Setup) serves(k *mapKey) bool {
	return k.dst == s.VIP && k.dstPort == s.Port && k.proto == s.Proto
}

// begins reports whether a packet of no known connection begins one.
func (s *Setup) begins(tcpFlags uint8) bool {
	return s.Proto == frame.ProtoUDP || tcpFlags&(flagSYN|flagRST) == flagSYN || s.Sloppy && tcpFlags&flagRST == 0
}

// opens reports whether a segment tells that its client got the SYN's answer.
func opens(tcpFlags uint8) bool { return tcpFlags&(flagSYN|flagACK) == flagACK }

// rewrite makes f a frame to the server.
func (s *Setup) rewrite(f []byte, to *Server) {
	copy(f, to.MAC[:])
	copy(f[6:], s.MAC[:])
	// RFC 1624: TTL is the high byte of its word.
	f[ipTTL]--
	addSum(f[ipSum:], 0x0100, 0)
}

// turns are numbers below n in turn.
type turns struct{ n, last int }

func (t *turns) next() int {
	i := t.last
	t.last = (i + 1) % t.n
	return i
}

// addSum changes the Internet checksum at sum for a word that went from old to
// new (RFC 1624, equation 3).
func addSum(sum []byte, old, new uint16) {
	s := uint32(^binary.BigEndian.Uint16(sum)) + uint32(^old) + uint32(new)
	s = s&0xffff + s>>16
	s = s&0xffff + s>>16
	binary.BigEndian.PutUint16(sum, ^uint16(s))
}
