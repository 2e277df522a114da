package ladder

import (
	"context"
	"errors"
	"fmt"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// clientLink is the index of the interface that clients are behind.
const clientLink = 1

// clientMAC is the source address of the generated frames.
var clientMAC = frame.MAC{2, 0, 0, 0, 0xcc, 1}

// A way is a forwarding method, in one direction.
type way struct {
	name   string
	method conntrack.Method
	tunnel conntrack.Tunnel
	answer bool // the frames are those of the server
}

// ways are the forwarding methods and, of NAT, both directions. Direct routing is the first.
func ways() []way {
	return []way{
		{name: "lvsdr DR", method: conntrack.Direct},
		{name: "lvsdr TUN, IPIP", method: conntrack.IPIP},
		{name: "lvsdr TUN, GRE", method: conntrack.GRE},
		{name: "lvsdr TUN, GUE", method: conntrack.GUE, tunnel: conntrack.Tunnel{Port: 6080}},
		{name: "lvsdr NAT, requests", method: conntrack.Masquerade},
		{name: "lvsdr NAT, answers", method: conntrack.Masquerade, answer: true},
	}
}

// methodRungs are hits by each forwarding method, beside those of direct routing.
func methodRungs(o *Options) []Rung {
	var rungs []Rung
	for _, flows := range o.Flows {
		r := Rung{Name: "methods/hit/" + count(flows), Metrics: perFrame}
		for _, w := range ways() {
			r.Candidates = append(r.Candidates, inProcess(w.name, func(ctx context.Context) (*loop, error) { return w.start(ctx, flows, o.Batch) }))
		}
		rungs = append(rungs, r)
	}
	return rungs
}

// A methodDriver drives a director with frames of the clients and of the server, which is a
// single one, so that every answer comes from it.
type methodDriver struct {
	way
	d                  *director
	requests, answers  *Frames
	offered, forwarded int
}

// start is segments of established connections.
func (w way) start(ctx context.Context, flows, batch int) (*loop, error) {
	m, err := w.driver(flows, batch)
	if err != nil {
		return nil, err
	}
	if err = m.establish(ctx, flows); err == nil {
		err = m.check()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("warm up: %w", err), m.d.Close())
	}
	m.offered, m.forwarded = 0, 0
	pick := Uniform(flows)
	step := func() int { return m.send(m.answer, flagACK, pick.Next) }
	return &loop{step: step, check: m.check, end: m.d.Close}, nil
}

// driver makes a director with room for the flows, and its frames.
func (w way) driver(flows, batch int) (*methodDriver, error) {
	limit := flows * 105 / 100
	if w.method == conntrack.Masquerade {
		limit *= 2 // each has an entry for the answers
	}
	s := DefaultSetup(limit)
	s.Servers, s.method, s.tunnel = s.Servers[:1], w.method, w.tunnel
	d, err := newPlane(s, 1)
	if err != nil {
		return nil, err
	}
	d.SetInterfaces([]dataplane.Interface{{Index: clientLink, MAC: s.MAC, MTU: 1500}, {Index: link, MAC: s.MAC, MTU: 1500}})
	server := s
	server.VIP = s.Servers[0].Addr
	return &methodDriver{way: w, d: newWorker(d, 0), requests: newFrames(s, batch, dataplane.Headroom), answers: newAnswers(server, batch, dataplane.Headroom)}, nil
}

// establish opens the connections of all flows below n, as both ends do.
func (m *methodDriver) establish(ctx context.Context, n int) error {
	for _, step := range []struct {
		answer bool
		flags  uint8
	}{{false, flagSYN}, {true, flagSYN | flagACK}, {false, flagACK}} {
		if step.answer && m.method != conntrack.Masquerade {
			continue // it does not pass through the director
		}
		flow := uint32(0)
		next := func() uint32 { flow++; return (flow - 1) % uint32(n) }
		for flow < uint32(n) && ctx.Err() == nil {
			m.send(step.answer, step.flags, next)
		}
	}
	return ctx.Err()
}

// send forwards a batch and says how many frames it has.
func (m *methodDriver) send(answer bool, flags uint8, next func() uint32) int {
	f, b := m.requests, m.d.batch
	b.In = clientLink
	if answer {
		f, b.In = m.answers, link
	}
	b.Packets = b.Packets[:len(f.batch)]
	for i := range f.batch {
		f.Set(i, next(), flags)
		p := &b.Packets[i]
		p.Data, p.Front, p.GSOSize, p.Partial, p.Mark = f.batch[i], f.front[i], 0, false, 0
	}
	m.d.d.Process(m.d.scratch, b, firstMoment)
	m.offered += len(b.Packets)
	for i := range b.Packets {
		if b.Packets[i].Verdict == dataplane.Forward {
			m.forwarded++
		}
	}
	return len(b.Packets)
}

// check says whether the frames were forwarded, and the last ones to where they belong. One in
// a thousand may be missing, as in driver.check.
func (m *methodDriver) check() error {
	if lost := m.offered - m.forwarded; lost > m.offered/1000 {
		return fmt.Errorf("%s forwarded %d of %d frames: %v", m.name, m.forwarded, m.offered, m.d.Reasons())
	}
	to := DefaultSetup(0).Servers[0].MAC
	if m.d.batch.In == link {
		to = clientMAC
	}
	for i := range m.d.batch.Packets {
		if p := &m.d.batch.Packets[i]; p.Verdict == dataplane.Forward && frame.DstMAC(p.Data) != to {
			return fmt.Errorf("%s sent a frame to %s: want %s", m.name, frame.DstMAC(p.Data), to)
		}
	}
	return nil
}
