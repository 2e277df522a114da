package ladder

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/conntrack"
	"lvsdr/conntrack/mapping"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/memport"
	"lvsdr/scheduler"
)

// generatorRung is what writing the frames costs, which is part of all path
// rungs.
func generatorRung(o *Options) Rung {
	return Rung{Name: "generator", Metrics: perFrame, Subjects: []Subject{inProcess("frames", func(context.Context) (*work, error) {
		f, pick := NewFrames(DefaultSetup(0), o.Batch), Uniform(o.Flows[0])
		return &work{step: func() int {
			for i := range f.Batch() {
				f.Set(i, pick.Next(), flagACK)
			}
			return len(f.Batch())
		}, check: func() error { return nil }}, nil
	})}}
}

// parseRung is decoding alone: from a frame to addresses and ports.
func parseRung(o *Options) Rung {
	subject := func(name string, newPort func() func(f []byte) uint16) Subject {
		return inProcess(name, func(context.Context) (*work, error) {
			f, port, s := NewFrames(DefaultSetup(0), o.Batch), newPort(), DefaultSetup(0)
			for i := range f.Batch() {
				f.Set(i, uint32(i), flagACK)
			}
			wrong := 0
			step := func() int {
				for _, b := range f.Batch() {
					if port(b) != s.Port {
						wrong++
					}
				}
				return len(f.Batch())
			}
			return &work{step: step, check: func() error {
				if wrong > 0 {
					return fmt.Errorf("%s did not find the port in %d frames", name, wrong)
				}
				return nil
			}}, nil
		})
	}
	return Rung{Name: "parse", Metrics: perFrame, Subjects: []Subject{
		subject("NewPacket", func() func([]byte) uint16 {
			return func(b []byte) uint16 {
				t, ok := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default).TransportLayer().(*layers.TCP)
				if !ok {
					return 0
				}
				return uint16(t.DstPort)
			}
		}),
		subject("LayerParser", func() func([]byte) uint16 {
			var k mapKey
			p := newLayerParser()
			return func(b []byte) uint16 { p.decode(b, &k); return k.dstPort }
		}),
		subject("lvsdr", func() func([]byte) uint16 {
			var h frame.Header
			return func(b []byte) uint16 { frame.Parse(b, &h); return h.DstPort }
		}),
	}}
}

// lookupRungs are the connection table alone: finding a known connection and
// restarting its timer, hash included, uniform over the flows.
func lookupRungs(o *Options) []Rung {
	var rungs []Rung
	for _, flows := range o.Flows {
		rungs = append(rungs, Rung{Name: "lookup/" + count(flows), Metrics: []Metric{{Unit: "ns", Less: true}}, Subjects: []Subject{
			inProcess("Go map", func(context.Context) (*work, error) { return startMapLookup(flows, o.Batch) }),
			inProcess("lvsdr, one by one", func(context.Context) (*work, error) { return startTableLookup(flows, o.Batch, false) }),
			inProcess("lvsdr, batch", func(context.Context) (*work, error) { return startTableLookup(flows, o.Batch, true) }),
		}})
	}
	return rungs
}

// flowKey is the key of a flow.
func flowKey(k *conntrack.Key, flow uint32) {
	k.Client[12], k.Client[13], k.Client[14], k.Client[15] = 100, byte(flow>>20), byte(flow>>12), byte(flow>>4)
	k.ClientPort = uint16(1024 + flow%flowsPerClient)
}

// firstKey is what all keys have in common.
func firstKey() conntrack.Key {
	return conntrack.Key{Client: frame.AddrFrom4([4]byte{100}), Virtual: frame.AddrFrom4([4]byte{10, 0, 0, 1}), VirtualPort: 80, Proto: frame.ProtoTCP}
}

func startMapLookup(flows, batch int) (*work, error) {
	m, k, pick, missed := map[conntrack.Key]*mapConn{}, firstKey(), Uniform(flows), 0
	for i := range flows {
		flowKey(&k, uint32(i))
		m[k] = &mapConn{}
	}
	step := func() int {
		for range batch {
			flowKey(&k, pick.Next())
			c := m[k]
			if c == nil {
				missed++
				continue
			}
			c.expires++
		}
		return batch
	}
	return &work{step: step, check: func() error { return found(missed, 0) }}, nil
}

// A tableLookup looks flows up in lvsdr's connection table.
type tableLookup struct {
	t              *conntrack.Table
	pick           *Flows
	keys           []conntrack.Key
	ids            []conntrack.ID
	missed, looked int
	touched        uint8 // keeps the loads of Table.Touch alive
}

func startTableLookup(flows, batch int, together bool) (*work, error) {
	var memory mapping.Memory
	t, err := conntrack.New(conntrack.Config{Limit: max(flows*105/100, 1<<14), Secret: [16]byte{1}, Room: memory.Room})
	if err != nil {
		return nil, err
	}
	l := &tableLookup{t: t, pick: Uniform(flows), ids: make([]conntrack.ID, batch)}
	for range batch {
		l.keys = append(l.keys, firstKey())
	}
	k := firstKey()
	for i := range flows {
		flowKey(&k, uint32(i))
		if e := t.Insert(&k, t.Hash(&k), 1, nil, firstMoment); e != nil {
			t.SetState(e, conntrack.Established)
			t.Refresh(e, firstMoment)
		}
	}
	step := l.oneByOne
	if together {
		step = l.together
	}
	return &work{step: step, check: func() error { return found(l.missed, l.looked/1000) }, end: memory.Free}, nil
}

// oneByOne finds each flow before it hashes the next.
func (l *tableLookup) oneByOne() int {
	for i := range l.keys {
		k := &l.keys[i]
		flowKey(k, l.pick.Next())
		l.ids[i] = l.t.ID(k)
		l.find(k, &l.ids[i])
	}
	return len(l.keys)
}

// together has the places of all flows on their way from memory before it
// looks for the first, as the director does.
func (l *tableLookup) together() int {
	for i := range l.keys {
		flowKey(&l.keys[i], l.pick.Next())
		l.ids[i] = l.t.ID(&l.keys[i])
	}
	for i := range l.ids {
		l.touched += l.t.Touch(l.ids[i].Hash)
	}
	for i := range l.keys {
		l.find(&l.keys[i], &l.ids[i])
	}
	return len(l.keys)
}

func (l *tableLookup) find(k *conntrack.Key, id *conntrack.ID) {
	l.looked++
	e := l.t.Peek(id, k, firstMoment)
	if e == nil {
		l.missed++
		return
	}
	l.t.Refresh(e, firstMoment)
}

// found is the error about more keys missed than there may be.
func found(missed, most int) error {
	if missed > most {
		return fmt.Errorf("%d keys were not found", missed)
	}
	return nil
}

// pickRungs compare the schedulers, each choosing among the same servers with
// different weights and connection counts; rr is the baseline. The weights are
// above the connection counts, or ovf would find no server.
func pickRungs() []Rung {
	var rungs []Rung
	for _, n := range []int{10, 100, 1000} {
		r := Rung{Name: fmt.Sprintf("pick/%d", n), Metrics: []Metric{{Unit: "ns", Less: true}}}
		for _, name := range scheduler.Names() {
			s := inProcess(name, func(context.Context) (*work, error) { return startPick(name, n) })
			if name == "rr" {
				r.Subjects = append([]Subject{s}, r.Subjects...)
				continue
			}
			r.Subjects = append(r.Subjects, s)
		}
		rungs = append(rungs, r)
	}
	return rungs
}

func startPick(name string, n int) (*work, error) {
	var dests []*scheduler.Dest
	for i := range n {
		dests = append(dests, &scheduler.Dest{Addr: frame.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), Port: 80,
			Weight: 200 + i%7*10, Active: 100 + i*31%17, Inactive: i * 13 % 23})
	}
	s, err := scheduler.New(name, dests)
	if err != nil {
		return nil, err
	}
	none := 0
	f := scheduler.Flow{Src: frame.AddrFrom4([4]byte{100}), Dst: frame.AddrFrom4([4]byte{10, 0, 0, 1}), DstPort: 80, Now: firstMoment}
	step := func() int {
		for i := range uint16(64) {
			f.SrcPort = i
			f.Src[15] += 37
			if s.Pick(dests, &f) < 0 {
				none++
			}
		}
		return 64
	}
	return &work{step: step, check: func() error {
		if none > 0 {
			return fmt.Errorf("%s found no server %d times", name, none)
		}
		return nil
	}}, nil
}

// portFlows is how many flows the memory port repeats.
const portFlows = 4096

// portRung is a worker on a port in memory, which copies each frame once, and
// the port without a director.
func portRung(o *Options) Rung {
	return Rung{Name: "memport", Metrics: perFrame, Subjects: []Subject{
		inProcess("port alone", func(context.Context) (*work, error) { return startPort(o.Batch, nil) }),
		inProcess("lvsdr", func(context.Context) (*work, error) {
			s := DefaultSetup(portFlows * 2)
			d, err := newPlane(s, 1)
			if err != nil {
				return nil, err
			}
			return startPort(o.Batch, d)
		}),
	}}
}

func startPort(batch int, d *plane) (*work, error) {
	f := NewFrames(DefaultSetup(0), portFlows)
	b := dataplane.NewBatch()
	p := memport.New(memport.Config{Capacity: portFlows, Batch: batch, Repeat: true})
	var scratch *dataplane.Scratch
	if d != nil {
		scratch = d.NewScratch(0)
	}
	for i := range portFlows { // the SYNs
		f.Set(i, uint32(i), flagSYN)
		if d != nil {
			b.Packets = append(b.Packets[:0], dataplane.Packet{Data: f.Batch()[i]})
			d.Process(scratch, b, firstMoment)
		}
		f.Set(i, uint32(i), flagACK)
	}
	if n := p.Feed(f.Batch()...); n != portFlows {
		return nil, fmt.Errorf("only %d frames found room in the port", n)
	}
	var failed error
	var done uint64
	step := func() int {
		if failed != nil {
			return chunk // check tells
		}
		err := p.Recv(b)
		if d != nil {
			d.Process(scratch, b, firstMoment)
		}
		failed = errors.Join(err, p.Send(b))
		done += uint64(len(b.Packets))
		return len(b.Packets)
	}
	w := &work{step: step, check: func() error {
		if sent := p.Stats().Sent; d != nil && sent != done {
			return fmt.Errorf("%d of %d frames were sent: %v", sent, done, d.Counters().Map())
		}
		return failed
	}}
	if d != nil {
		w.end = d.memory.Free
	}
	return w, nil
}
