package ladder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// A filler makes something full of connections and returns how many it holds,
// and what keeps it alive, to be closed if it can be.
type filler func(ctx context.Context, limit int) (n int, held any, err error)

// memoryRungs are the memory that a connection takes in a table at its limit,
// with all that belongs to it: the process's resident memory, before and after,
// garbage given back.
func memoryRungs(o *Options) []Rung {
	limit := DefaultSetup(slices.Max(o.Flows)).Limit
	rung := func(family string, fillers ...filler) Rung {
		r := Rung{Name: "memory/" + family + "/" + count(limit), Metrics: []Metric{{Unit: "B/flow", Less: true}}}
		for i, name := range []string{"Go map", "LRU", "lvsdr"} {
			fill := fillers[i]
			r.Candidates = append(r.Candidates, Candidate{Name: name, Run: func(ctx context.Context, _ time.Duration) ([]float64, error) {
				v, err := bytesPerFlow(ctx, limit, fill)
				return []float64{v}, err
			}})
		}
		return r
	}
	return []Rung{
		rung("IPv4", fillMap(shortKey), fillLRU(shortKey, hashKey), fillDirector),
		rung("IPv6", fillMap(longKey), fillLRU(longKey, hashLongKey), fillDirector6),
	}
}

// bytesPerFlow is how much larger the process is with what fill makes, for
// each connection in it.
func bytesPerFlow(ctx context.Context, limit int, fill filler) (float64, error) {
	before, err := heldNow()
	if err != nil {
		return 0, err
	}
	n, held, err := fill(ctx, limit)
	if err != nil {
		return 0, err
	}
	if n < limit-limit/1000 {
		return 0, fmt.Errorf("only %d of %d connections are there", n, limit)
	}
	after, err := heldNow()
	return float64(after-before) / float64(n), errors.Join(err, end(held)) // alive until here
}

// heldNow is the process's resident memory in bytes, when garbage has been
// given back to the kernel: without the pages of files, which come and go with
// what else the machine does. The sum over the mappings is exact, other than
// that in statm (proc_pid_statm(5)).
func heldNow() (int64, error) {
	debug.FreeOSMemory()
	const name = "/proc/self/smaps_rollup"
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, fmt.Errorf("measure memory: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "Anonymous:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read %s: %w", name, err)
			}
			return kb << 10, nil
		}
	}
	return 0, fmt.Errorf("read %s: there is no Anonymous", name)
}

// shortKey is the key of a flow of IPv4.
func shortKey(flow int) mapKey {
	k := mapKey{src: [4]byte{100}, dst: [4]byte{10, 0, 0, 1}, srcPort: uint16(1024 + flow%flowsPerClient), dstPort: 80, proto: frame.ProtoTCP}
	k.src[1], k.src[2], k.src[3] = byte(flow>>20), byte(flow>>12), byte(flow>>4)
	return k
}

// A longMapKey names a connection of IPv6.
type longMapKey struct {
	src, dst [16]byte
	srcPort  uint16
	dstPort  uint16
	proto    frame.Proto
}

// longKey is the key of a flow of IPv6.
func longKey(flow int) longMapKey {
	return longMapKey{src: client6(flow), dst: vip6.As16(), srcPort: 1024, dstPort: 80, proto: frame.ProtoTCP}
}

func hashLongKey(k longMapKey) uint32 {
	var b [37]byte
	copy(b[:], k.src[:])
	copy(b[16:], k.dst[:])
	binary.LittleEndian.PutUint16(b[32:], k.srcPort)
	binary.LittleEndian.PutUint16(b[34:], k.dstPort)
	b[36] = byte(k.proto)
	return uint32(xxhash.Sum64(b[:]))
}

// fillMap fills a Go map of pointers, as that of the pipelines is.
func fillMap[K comparable](key func(flow int) K) filler {
	return func(ctx context.Context, limit int) (int, any, error) {
		m := map[K]*mapConn{}
		for i := range limit {
			m[key(i)] = &mapConn{}
		}
		return len(m), m, ctx.Err()
	}
}

// fillLRU fills the table of the candidate "LayerParser + LRU".
func fillLRU[K comparable](key func(flow int) K, hash func(K) uint32) filler {
	return func(ctx context.Context, limit int) (int, any, error) {
		t, err := newLRU(limit, hash)
		if err != nil {
			return 0, nil, err
		}
		for i := range limit {
			t.Add(key(i), lruConn{})
		}
		return t.Len(), t, ctx.Err()
	}
}

// fillDirector fills a director with connections of IPv4.
func fillDirector(ctx context.Context, limit int) (int, any, error) {
	dr, err := newDriver(NewDirector, DefaultSetup(limit), dataplane.MaxBatch)
	if err != nil {
		return 0, nil, err
	}
	if err := dr.each(ctx, limit, flagSYN); err != nil {
		return 0, nil, err
	}
	return numConns(dr.c.(*director).d), dr.c, nil
}

// vip6 is the service of IPv6.
var vip6 = netip.MustParseAddr("2001:db8::1")

// client6 is the address of the client of a flow of IPv6. Two of its words are
// the complement of two others: whatever the flow, their sum is the same, and
// so is a checksum over the address.
func client6(flow int) [16]byte {
	a := netip.MustParseAddr("2001:db8:c::").As16()
	binary.BigEndian.PutUint32(a[8:], uint32(flow))
	binary.BigEndian.PutUint32(a[12:], ^uint32(flow))
	return a
}

// ip6Src is where the source address is in a frame of IPv6.
const ip6Src = 22

// frame6 is a SYN of IPv6 of flow 0; client6 at ip6Src makes it another's.
func frame6(s Setup) []byte {
	return build.TCP{Src: netip.AddrPortFrom(netip.AddrFrom16(client6(0)), 1024), Dst: netip.AddrPortFrom(vip6, s.Port),
		IP: build.IP{SrcMAC: frame.MAC{2, 0, 0, 0, 0xcc, 1}, DstMAC: s.MAC}, Flags: "S"}.Bytes()
}

// fillDirector6 fills a director with connections of IPv6.
func fillDirector6(ctx context.Context, limit int) (int, any, error) {
	s := DefaultSetup(limit)
	d, err := newPlane(s, 1)
	if err != nil {
		return 0, nil, err
	}
	vip, rs := frame.Addr(vip6.As16()), frame.Addr(netip.MustParseAddr("2001:db8:5::1").As16())
	d.SetVIPs([]frame.Addr{vip})
	k := dataplane.ServiceKey{Proto: s.Proto, Addr: vip, Port: s.Port}
	d.SetNeighbour(rs, s.Servers[0].MAC, dataplane.Link{Index: link, MAC: s.MAC, MTU: 1500})
	if err := errors.Join(d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "wrr"}),
		d.AddServer(k, dataplane.ServerConfig{Addr: rs, Port: s.Port, Weight: 1})); err != nil {
		return 0, nil, fmt.Errorf("add a service of IPv6: %w", err)
	}
	c, syn := newWorker(d, 0), frame6(s)
	batch := make([][]byte, dataplane.MaxBatch)
	for i := range batch {
		batch[i] = make([]byte, len(syn))
	}
	for flow := 0; flow < limit && ctx.Err() == nil; {
		for _, f := range batch {
			copy(f, syn)
			src := client6(flow % limit)
			copy(f[ip6Src:], src[:])
			flow++
		}
		c.Forward(batch, firstMoment)
	}
	return numConns(d), c, ctx.Err()
}
