package ladder

import (
	"cmp"
	"fmt"
	"io"

	"lvsdr/conntrack"
	"lvsdr/conntrack/mapping"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// forever is a timeout that no run lives to see, in seconds.
const forever = 30 * 24 * 3600

// link is the index of the interface that real servers are behind.
const link = 2

// directorAddr is the director's own address towards real servers: the source of what it
// puts into tunnels.
var directorAddr = frame.AddrFrom4([4]byte{10, 0, 1, 250})

// A plane is a dataplane.Director and the memory of its connections.
type plane struct {
	*dataplane.Director
	memory mapping.Memory
}

// A director is the Forwarder lvsdr: a worker of a dataplane.Director, without
// a port.
type director struct {
	d       *plane
	scratch *dataplane.Scratch
	batch   *dataplane.Batch
}

var (
	_ Expirer   = (*director)(nil)
	_ Counter   = (*director)(nil)
	_ io.Closer = (*director)(nil)
)

// NewDirector makes the candidate "lvsdr": package dataplane's director, as it
// is in `lvsdr run`. It is an Expirer, a Counter and an io.Closer.
func NewDirector(s Setup) (Forwarder, error) {
	d, err := newPlane(s, 1)
	if err != nil {
		return nil, err
	}
	return newWorker(d, 0), nil
}

// newWorker is worker i of d.
func newWorker(d *plane, i int) *director {
	return &director{d: d, scratch: d.NewScratch(i), batch: dataplane.NewBatch()}
}

// newPlane makes a director for s and as many workers.
func newPlane(s Setup, workers int) (d *plane, err error) {
	t := dataplane.DefaultTunables()
	t.SloppyTCP = s.Sloppy
	d = &plane{}
	d.Director, err = dataplane.New(dataplane.Config{Workers: workers, Conns: conntrack.Config{Limit: s.Limit, Secret: [16]byte{1}, Room: d.memory.Room}, Tunables: t})
	if err != nil {
		return nil, fmt.Errorf("make director: %w", err)
	}
	d.SetTimeouts(forever, 0, 0)
	vip := frame.AddrFrom4(s.VIP)
	d.SetVIPs([]frame.Addr{vip})
	k := dataplane.ServiceKey{Proto: s.Proto, Addr: vip, Port: s.Port}
	if err := d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: cmp.Or(s.scheduler, "wrr"), Persistence: s.Persistence}); err != nil {
		return nil, fmt.Errorf("add service: %w", err)
	}
	for _, rs := range s.Servers {
		a := frame.AddrFrom4(rs.Addr)
		d.SetNeighbour(a, rs.MAC, dataplane.Link{Index: link, MAC: s.MAC, MTU: 1500, Source: directorAddr})
		if err := d.AddServer(k, dataplane.ServerConfig{Addr: a, Port: s.Port, Weight: cmp.Or(s.weight, 1), Method: s.method, Tunnel: s.tunnel}); err != nil {
			return nil, fmt.Errorf("add server %s: %w", a, err)
		}
	}
	return d, nil
}

// Name implements Forwarder.
func (c *director) Name() string { return "lvsdr" }

// Forward implements Forwarder.
func (c *director) Forward(frames [][]byte, now int64) int {
	n := 0
	for len(frames) > 0 {
		part := frames[:min(len(frames), dataplane.MaxBatch)]
		frames = frames[len(part):]
		c.batch.Packets = c.batch.Packets[:len(part)]
		for i, f := range part {
			p := &c.batch.Packets[i]
			p.Data, p.GSOSize, p.Partial, p.Mark = f, 0, false, 0
		}
		c.d.Process(c.scratch, c.batch, now)
		for i := range c.batch.Packets {
			if c.batch.Packets[i].Verdict == dataplane.Forward {
				n++
			}
		}
	}
	return n
}

// Expire implements Expirer.
func (c *director) Expire(now int64) { c.d.Sweep(now, c.d.Chunks()) }

// Reasons implements Counter.
func (c *director) Reasons() map[string]uint64 { return c.d.Counters().Map() }

// Close implements io.Closer.
func (c *director) Close() error { return c.d.memory.Free() }
