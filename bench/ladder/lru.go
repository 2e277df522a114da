package ladder

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
	"github.com/elastic/go-freelru"
)

// An lruPipeline is a director as one would write it for speed, of libraries:
// gopacket's DecodingLayerParser and a sharded LRU table without pointers. It
// does less than pipeline: it counts nothing, and what a packet of an open
// connection restarts is its place in the LRU order alone, because the table
// hands out copies, and writing one back is a second look-up.
type lruPipeline struct {
	setup   Setup
	parser  *layerParser
	conns   *freelru.ShardedLRU[mapKey, lruConn]
	clients *freelru.ShardedLRU[[4]byte, lruConn] // with persistence; else nil
	turns   turns
}

var _ Expirer = (*lruPipeline)(nil)

// An lruConn is a connection, or a client's template.
type lruConn struct {
	expires int64
	server  uint16 // in Setup.Servers
	open    bool   // an ACK came
}

// NewLRU makes the candidate "LayerParser + LRU": gopacket's
// DecodingLayerParser, which allocates nothing, and the sharded LRU table of
// github.com/elastic/go-freelru. It is an Expirer.
func NewLRU(s Setup) (Forwarder, error) {
	p := &lruPipeline{setup: s, parser: newLayerParser(), turns: turns{n: len(s.Servers)}}
	var err error
	if p.conns, err = newLRU(s.Limit, hashKey); err != nil {
		return nil, err
	}
	if s.Persistence == 0 {
		return p, nil
	}
	p.clients, err = newLRU(s.Limit, hashClient)
	return p, err
}

// newLRU makes a table that holds limit entries.
func newLRU[K comparable](limit int, hash freelru.HashKeyCallback[K]) (*freelru.ShardedLRU[K, lruConn], error) {
	// A quarter more places than entries is freelru's own choice. It takes the
	// shard from bit 16 of the hash on, and the place in it from bit 0 on: with
	// more than 2^16 places in a shard most would never be used.
	places := uint32(limit + limit/4)
	shards := max(32, uint32(1)<<bits.Len32(places)>>16)
	// A shard evicts when it is full itself, and flows are not spread evenly:
	// eight standard deviations of slack.
	capacity := uint32(limit) + 8*uint32(math.Sqrt(float64(limit)*float64(shards)))
	t, err := freelru.NewShardedWithSize[K, lruConn](shards, capacity, max(places, capacity), hash)
	if err != nil {
		return nil, fmt.Errorf("make an LRU table of %d: %w", limit, err)
	}
	return t, nil
}

func hashKey(k mapKey) uint32 {
	var b [13]byte
	copy(b[:], k.src[:])
	copy(b[4:], k.dst[:])
	binary.LittleEndian.PutUint16(b[8:], k.srcPort)
	binary.LittleEndian.PutUint16(b[10:], k.dstPort)
	b[12] = byte(k.proto)
	return uint32(xxhash.Sum64(b[:]))
}

func hashClient(a [4]byte) uint32 { return uint32(xxhash.Sum64(a[:])) }

// Name implements Forwarder.
func (p *lruPipeline) Name() string { return "LayerParser + LRU" }

// Forward implements Forwarder.
func (p *lruPipeline) Forward(frames [][]byte, now int64) int {
	n := 0
	for _, f := range frames {
		if p.forward(f, now) {
			n++
		}
	}
	return n
}

func (p *lruPipeline) forward(f []byte, now int64) bool {
	var k mapKey
	flags, ok := p.parser.decode(f, &k)
	if !ok || !p.setup.serves(&k) || f[ipTTL] <= 1 {
		return false
	}
	c, known := p.conns.Get(k)
	if !known || c.expires <= now {
		if !p.setup.begins(flags) {
			return false
		}
		c = lruConn{server: p.pick(&k, now)}
	}
	if !c.open {
		c.expires = now + synTimeout
		if opens(flags) {
			c.open, c.expires = true, math.MaxInt64
		}
		p.conns.Add(k, c)
	}
	p.setup.rewrite(f, &p.setup.Servers[c.server])
	return true
}

// pick chooses the server of a new connection.
func (p *lruPipeline) pick(k *mapKey, now int64) uint16 {
	if p.clients == nil {
		return uint16(p.turns.next())
	}
	t, known := p.clients.Get(k.src)
	if !known || t.expires <= now {
		t.server = uint16(p.turns.next())
	}
	t.expires = now + int64(p.setup.Persistence)
	p.clients.Add(k.src, t)
	return t.server
}

// Expire implements Expirer.
func (p *lruPipeline) Expire(now int64) {
	expireLRU(p.conns, now)
	if p.clients != nil {
		expireLRU(p.clients, now)
	}
}

func expireLRU[K comparable](t *freelru.ShardedLRU[K, lruConn], now int64) {
	for _, k := range t.Keys() {
		if c, ok := t.Peek(k); ok && c.expires <= now {
			t.Remove(k)
		}
	}
}
