package doctor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"lvsdr/arp"
	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/tap"
)

// A Wire is a Net of packet sockets, one for each link. It needs CAP_NET_RAW and
// works in the network namespace of the thread that opens it.
type Wire struct {
	wait    time.Duration // for an answer
	sockets map[int]*tap.Socket
	readers sync.WaitGroup

	mu      sync.Mutex // guards what follows
	watch   *watch
	waiting map[*waiter]bool
}

var _ Net = (*Wire)(nil)

// A waiter waits for frames.
type waiter struct{ see func(*Sight) }

// OpenWire listens on links from now on, for what concerns vips and servers
// alone. An answer is waited for as long as wait. The error wraps
// os.ErrPermission where CAP_NET_RAW is missing.
func OpenWire(links []*Link, vips, servers []netip.Addr, wait time.Duration) (*Wire, error) {
	filter, err := bpf.Assemble(concerning(append(append([]netip.Addr(nil), vips...), servers...)))
	if err != nil {
		return nil, fmt.Errorf("make a filter: %w", err)
	}
	w := &Wire{wait: wait, sockets: map[int]*tap.Socket{}, watch: newWatch(vips), waiting: map[*waiter]bool{}}
	for _, l := range links {
		if err := w.open(l, filter); err != nil {
			return nil, errors.Join(fmt.Errorf("listen on %s: %w", l.Name, err), w.Close())
		}
	}
	return w, nil
}

// open listens on a link.
func (w *Wire) open(l *Link, filter []bpf.RawInstruction) error {
	c, err := tap.Open(l.Index, filter)
	if err != nil {
		return err
	}
	w.sockets[l.Index] = c
	w.readers.Go(func() { w.read(c, l) })
	for vip := range w.watch.vips {
		if vip.Is4() {
			continue
		}
		if err := c.Join(ndp.GroupMAC(ndp.Group(vip.IP()))); err != nil {
			return fmt.Errorf("join the group of %s: %w", vip, err)
		}
	}
	return nil
}

// read passes frames on until the socket is closed.
func (w *Wire) read(c *tap.Socket, l *Link) {
	for {
		f, err := c.Receive()
		if err != nil {
			return
		}
		if len(f.Data) < frame.EtherLen || frame.VLAN(f.Data) != 0 {
			continue // it belongs to the interface of that VLAN, which sees it too
		}
		w.take(&Sight{Link: l, Outgoing: f.Outgoing, Unfinished: f.Unfinished, Data: f.Data})
	}
}

// take shows a frame to all who wait, and counts it.
func (w *Wire) take(s *Sight) {
	frame.Parse(s.Data, &s.Header)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch.add(s)
	if s.Outgoing {
		return
	}
	for wait := range w.waiting {
		wait.see(s)
	}
}

// ask sends what make gives, and once more after half of the time, and shows
// what comes in to see until it returns true or the time is over.
func (w *Wire) ask(ctx context.Context, l *Link, frame []byte, see func(*Sight) (done bool)) error {
	socket, ok := w.sockets[l.Index]
	if !ok {
		return fmt.Errorf("send on %s: %w", l.Name, os.ErrClosed)
	}
	done, over := make(chan struct{}), false
	wait := &waiter{see: func(s *Sight) {
		if !over && see(s) {
			over = true
			close(done)
		}
	}}
	w.mu.Lock()
	w.waiting[wait] = true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.waiting, wait)
		w.mu.Unlock()
	}()
	for range 2 {
		if err := socket.Send(frame); err != nil {
			return fmt.Errorf("send on %s: %w", l.Name, err)
		}
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(w.wait / 2):
		}
	}
	return nil
}

// Who is as Net has it. It always takes the whole time, so that a second answer
// is heard.
func (w *Wire) Who(ctx context.Context, l *Link, a netip.Addr) ([]Claim, error) {
	from := l.source(a)
	if !from.IsValid() { // a probe, as before an address is taken (RFC 5227, RFC 4862)
		from = netip.IPv4Unspecified()
		if a.Is6() {
			from = ndp.LinkLocal(l.MAC)
		}
	}
	var all []Claim
	seen := map[frame.MAC]bool{}
	err := w.ask(ctx, l, question(l, askedAt(a), from, a), func(s *Sight) bool {
		if mac, ok := tells(s, a); ok && s.Link == l && !seen[mac] {
			seen[mac] = true
			all = append(all, Claim{MAC: mac, Evidence: claimed(l, a, mac)})
		}
		return false
	})
	return all, err
}

// askedAt is where everybody is asked who has a.
func askedAt(a netip.Addr) frame.MAC {
	if a.Is4() {
		return frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return ndp.GroupMAC(ndp.Group(a))
}

// question asks, at dst and in the name of from, who has a.
func question(l *Link, dst frame.MAC, from, a netip.Addr) []byte {
	p := arp.Packet{Dst: dst, Op: arp.Request, SenderMAC: l.MAC, SenderIP: from, TargetIP: a}
	return p.Frame()
}

// tells reads where s says that a is.
func tells(s *Sight, a netip.Addr) (frame.MAC, bool) {
	in, ok := arp.Parse(s.Data)
	return in.SenderMAC, ok && in.Op == arp.Reply && in.SenderIP == a
}

// AsVIP is as Net has it. With IPv6 the answer to a solicitation does not say
// anything: the kernel sends it without a look at its own addresses. So there it
// is a ping, whose answer, or the question where to send it, comes from a host
// that does not have the VIP.
func (w *Wire) AsVIP(ctx context.Context, l *Link, mac frame.MAC, rs, vip netip.Addr) (bool, error) {
	answered := false
	if rs.Is4() {
		err := w.ask(ctx, l, question(l, mac, vip, rs), func(s *Sight) bool {
			from, ok := tells(s, rs)
			answered = answered || ok && from == mac
			return answered
		})
		return answered, err
	}
	p, id := Probe{Link: l, MAC: mac, Source: vip, Dst: rs}, uint16(rand.Uint32())
	err := w.ask(ctx, l, p.echo(id, 0), func(s *Sight) bool {
		a, ok := p.answerEcho(s, id)
		in, sound := arp.Parse(s.Data)
		asks := sound && in.Op == arp.Request && in.TargetIP == vip && in.SenderMAC == mac
		// By whomever it comes: the way back may lead through a router.
		answered = answered || asks || ok && a.Outcome == Echoed
		return answered
	})
	return answered, err
}

// Connect is as Net has it.
func (w *Wire) Connect(ctx context.Context, p Probe, port uint16) (Answer, error) {
	hold, from, err := holdPort(ctx, p.Source)
	if err != nil {
		return Answer{}, err
	}
	defer hold.Close()
	seq := rand.Uint32()
	syn := p.segment("S", from, port, seq)
	a, err := w.probe(ctx, p, syn, func(s *Sight) (Answer, bool) { return p.answerTCP(s, from, port) })
	if err != nil || a.Outcome != Accepted {
		return a, err
	}
	rst := p.segment("R", from, port, seq+1)
	if err := w.sockets[p.Link.Index].Send(rst); err != nil {
		return a, fmt.Errorf("give up a connection on %s: %w", p.Link.Name, err)
	}
	return a, nil
}

// probe sends f and returns the first answer.
func (w *Wire) probe(ctx context.Context, p Probe, f []byte, read func(*Sight) (Answer, bool)) (Answer, error) {
	var a Answer
	err := w.ask(ctx, p.Link, f, func(s *Sight) bool {
		got, ok := read(s)
		if ok {
			a = got
			a.Evidence = "received " + describe(s)
		}
		return ok
	})
	sent := Sight{Link: p.Link, Data: f}
	frame.Parse(f, &sent.Header)
	if a.Outcome == Silence {
		a.Evidence = fmt.Sprintf("nothing received in %v", w.wait)
	}
	a.Evidence = "sent " + describe(&sent) + "; " + a.Evidence
	return a, err
}

// Ping is as Net has it.
func (w *Wire) Ping(ctx context.Context, p Probe, size int) (Answer, error) {
	id := uint16(rand.Uint32())
	return w.probe(ctx, p, p.echo(id, size), func(s *Sight) (Answer, bool) { return p.answerEcho(s, id) })
}

// Traffic is as Net has it.
func (w *Wire) Traffic() Traffic {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.watch.summary()
}

// Close ends the listening.
func (w *Wire) Close() error {
	var failed error
	for _, c := range w.sockets {
		failed = errors.Join(failed, c.Close())
	}
	w.readers.Wait()
	return failed
}

// holdPort takes a TCP port of an address of this host with a socket that
// swallows all it receives. Without it this host's kernel would answer the
// server's SYN with ACK by a RST, to whoever has the VIP by its routes.
func holdPort(ctx context.Context, a netip.Addr) (net.Listener, uint16, error) {
	swallow, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	if err != nil {
		return nil, 0, err
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
				Len: uint16(len(swallow)), Filter: &[]unix.SockFilter{{Code: swallow[0].Op, K: swallow[0].K}}[0]})
		})
		return errors.Join(err, failed)
	}}
	lc.SetMultipathTCP(false) // its sockets take no filter
	l, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(a, 0).String())
	if err != nil {
		return nil, 0, fmt.Errorf("take a port of %s: %w", a, err)
	}
	return l, l.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}
