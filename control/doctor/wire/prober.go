package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/net/bpf"

	"lvsdr/arp"
	"lvsdr/arp/ndp"
	"lvsdr/control/doctor/facts"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/tap"
)

// A Prober asks the network by packet sockets. It is safe for concurrent use.
type Prober struct {
	wait    time.Duration // for an answer
	links   map[int]endpoint
	readers sync.WaitGroup
	// hold takes a TCP port of an address of this host, see holdPort.
	hold func(ctx context.Context, a netip.Addr) (net.Listener, uint16, error)

	mu      sync.Mutex // guards what follows
	watch   *watch
	waiting map[*waiter]bool
}

// An endpoint sends and receives frames on one interface; it is met by
// *tap.Socket.
type endpoint interface {
	Receive() (tap.Frame, error)
	Send(f []byte) error
	Join(group frame.MAC) error
	Close() error
}

var _ endpoint = (*tap.Socket)(nil)

// A waiter waits for frames.
type waiter struct{ take func(*captured) }

// Open listens on links from now on, for what concerns vips and servers alone.
// An answer is waited for as long as wait. It works in the network namespace of
// the calling thread and needs CAP_NET_RAW, without which the error wraps
// os.ErrPermission.
func Open(links []*facts.Link, vips, servers []netip.Addr, wait time.Duration) (*Prober, error) {
	filter, err := bpf.Assemble(concerning(append(append([]netip.Addr(nil), vips...), servers...)))
	if err != nil {
		return nil, fmt.Errorf("make a filter: %w", err)
	}
	p := newProber(vips, wait)
	for _, l := range links {
		s, err := tap.Open(l.Index, filter)
		if err == nil {
			err = p.add(l, s)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen on %s: %w", l.Name, err), p.Close())
		}
	}
	return p, nil
}

// newProber makes a prober without interfaces.
func newProber(vips []netip.Addr, wait time.Duration) *Prober {
	return &Prober{wait: wait, links: map[int]endpoint{}, hold: holdPort, watch: newWatch(vips), waiting: map[*waiter]bool{}}
}

// add listens on an interface by s, which it closes in the end.
func (p *Prober) add(l *facts.Link, s endpoint) error {
	p.links[l.Index] = s
	for vip := range p.watch.vips {
		if vip.Is4() {
			continue
		}
		if err := s.Join(ndp.GroupMAC(ndp.Group(vip.IP()))); err != nil {
			return fmt.Errorf("join the group of %s: %w", vip, err)
		}
	}
	p.readers.Go(func() { p.read(s, l) })
	return nil
}

// read takes frames until the socket is closed, or its interface is gone.
func (p *Prober) read(s endpoint, l *facts.Link) {
	for {
		f, err := s.Receive()
		if err != nil {
			return // a link that goes down and comes back is no error
		}
		if len(f.Data) < frame.EtherLen || frame.VLAN(f.Data) != 0 {
			continue // it belongs to the interface of that VLAN, which receives it too
		}
		p.take(&captured{link: l, outgoing: f.Outgoing, unfinished: f.Unfinished, data: f.Data})
	}
}

// take shows a frame to all who wait, and counts it.
func (p *Prober) take(s *captured) {
	frame.Parse(s.data, &s.header)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch.add(s)
	if s.outgoing {
		return
	}
	for w := range p.waiting {
		w.take(s)
	}
}

// ask sends f, and once more after half of the time, and shows what comes in to
// read until it returns true or the time is over.
func (p *Prober) ask(ctx context.Context, l *facts.Link, f []byte, read func(*captured) (done bool)) error {
	s, ok := p.links[l.Index]
	if !ok {
		return fmt.Errorf("send on %s: %w", l.Name, os.ErrClosed)
	}
	done, over := make(chan struct{}), false
	w := &waiter{take: func(s *captured) {
		if !over && read(s) {
			over = true
			close(done)
		}
	}}
	p.mu.Lock()
	p.waiting[w] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, w)
		p.mu.Unlock()
	}()
	for range 2 {
		if err := s.Send(f); err != nil {
			return fmt.Errorf("send on %s: %w", l.Name, err)
		}
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(p.wait / 2):
		}
	}
	return nil
}

// request is the request for a's MAC address from an address of this host to all
// hosts. Without an address it is a probe, as before an address is taken
// (RFC 5227), or comes from the link-local address.
func request(l *facts.Link, from, a netip.Addr) arp.Packet {
	return arp.Target{IP: a, SourceIP: from, SourceMAC: l.MAC}.Request()
}

// claim reads where s says that a is.
func claim(s *captured, a netip.Addr) (Claim, bool) {
	in, ok := arp.Parse(s.data)
	return Claim{s.link.Name, a, in.SenderMAC}, ok && in.Op == arp.Reply && in.SenderIP == a
}

// Owners asks the hosts on a link, as ARP does, for the owner of an address and
// returns all that answer. It always takes the whole time, so that a second answer
// is heard. Errors, here as below, are this host's: the question could not be sent.
func (p *Prober) Owners(ctx context.Context, l *facts.Link, a netip.Addr) ([]Claim, error) {
	var all []Claim
	seen := map[frame.MAC]bool{}
	q := request(l, l.Source(a), a)
	err := p.ask(ctx, l, q.Frame(), func(s *captured) bool {
		if c, ok := claim(s, a); ok && s.link == l && !seen[c.MAC] {
			seen[c.MAC] = true
			all = append(all, c)
		}
		return false
	})
	return all, err
}

// AsVIP asks the host at mac alone for its own address rs in the name of vip, as
// if vip were at this host's MAC address, and reports whether it answers. One
// that has the VIP does not: it would answer itself.
//
// With IPv6 the answer to a solicitation does not say anything: the kernel sends
// it without a look at its own addresses. So there it is a ping, whose answer, or
// the question where to send it, comes from a host that does not have the VIP.
func (p *Prober) AsVIP(ctx context.Context, l *facts.Link, mac frame.MAC, rs, vip netip.Addr) (bool, error) {
	answered := false
	if rs.Is4() {
		q := request(l, vip, rs)
		q.Dst = mac
		err := p.ask(ctx, l, q.Frame(), func(s *captured) bool {
			c, ok := claim(s, rs)
			answered = answered || ok && c.MAC == mac
			return answered
		})
		return answered, err
	}
	ping, id := Probe{Link: l, MAC: mac, Source: vip, Dst: rs}, uint16(rand.Uint32())
	err := p.ask(ctx, l, ping.echo(id, 0), func(s *captured) bool {
		a, ok := ping.answerEcho(s, id)
		in, sound := arp.Parse(s.data)
		asks := sound && in.Op == arp.Request && in.TargetIP == vip && in.SenderMAC == mac
		// From any host: the way back may lead through a router.
		answered = answered || asks || ok && a.Outcome == Echoed
		return answered
	})
	return answered, err
}

// Connect sends a TCP SYN, in a frame to the probe's MAC address, and gives up
// the connection if it is accepted.
func (p *Prober) Connect(ctx context.Context, q Probe, port uint16) (Answer, error) {
	held, from, err := p.hold(ctx, q.Source)
	if err != nil {
		return Answer{}, err
	}
	defer held.Close()
	seq := rand.Uint32()
	a, err := p.probe(ctx, q, q.segment("S", from, port, seq), func(s *captured) (Answer, bool) { return q.answerTCP(s, from, port) })
	if err != nil || a.Outcome != Accepted {
		return a, err
	}
	if err := p.links[q.Link.Index].Send(q.segment("R", from, port, seq+1)); err != nil {
		return a, fmt.Errorf("give up a connection on %s: %w", q.Link.Name, err)
	}
	return a, nil
}

// Ping sends an ICMP echo request whose IP packet is size bytes long; 0: a short
// one.
func (p *Prober) Ping(ctx context.Context, q Probe, size int) (Answer, error) {
	id := uint16(rand.Uint32())
	return p.probe(ctx, q, q.echo(id, size), func(s *captured) (Answer, bool) { return q.answerEcho(s, id) })
}

// probe sends f and returns the first answer.
func (p *Prober) probe(ctx context.Context, q Probe, f []byte, read func(*captured) (Answer, bool)) (Answer, error) {
	var a Answer
	err := p.ask(ctx, q.Link, f, func(s *captured) bool {
		got, ok := read(s)
		if ok {
			a = got
			a.Evidence = "received " + describe(s)
		}
		return ok
	})
	sent := captured{link: q.Link, data: f}
	frame.Parse(f, &sent.header)
	if a.Outcome == Silence {
		a.Evidence = fmt.Sprintf("nothing received in %v", p.wait)
	}
	a.Evidence = "sent " + describe(&sent) + "; " + a.Evidence
	return a, err
}

// Traffic returns the traffic seen so far.
func (p *Prober) Traffic() Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.watch.summary()
}

// Close ends the listening.
func (p *Prober) Close() error {
	var failed error
	for _, s := range p.links {
		failed = errors.Join(failed, s.Close())
	}
	p.readers.Wait()
	return failed
}
