package lesson

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// A leg of a packet's way leads from one host to the next, over the switch that
// both are on.
type leg struct {
	from, to *netlab.Node
	flags    uint8      // of the TCP segment
	src, dst netip.Addr // its addresses
	// outer are the addresses of the tunnel that it is in; zero: it is in none.
	outerSrc, outerDst netip.Addr
}

// journey makes one request and shows, from frames captured on every host, the
// way of its first packet and of the answer to it.
func (s *demo) journey(ctx context.Context) (err error) {
	s.title("The way of one packet")
	captures, err := s.CaptureAll(netlab.CaptureConfig{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, captures.Stop()) }()
	master, err := s.Master(ctx)
	if err != nil {
		return err
	}
	client, director := s.Clients[0], s.HostOf(master)
	t := netlab.Get(ctx, s.Client(client), s.URL, 1, 1)
	s.expect(t.Errors == 0, "the request failed: %v", t.First)
	at := slices.IndexFunc(s.Servers, func(n *netlab.Node) bool { return t.ByServer[n.Name()] == 1 })
	if at < 0 {
		return ctx.Err()
	}
	server := s.Servers[at]
	var seen []netlab.Packet
	// A capture is complete up to now; the frames' way is over.
	frames := captures.Frames()
	for _, l := range s.legs(client, director, server) {
		seen = append(seen, s.follow(frames, l)...)
	}
	if err := s.WritePackets(s.out, s.width, seen, "seen", "src mac", "dst mac", "src ip", "dst ip", "ttl", "what"); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\n%s\n", s.moral(director, server))
	return ctx.Err()
}

// moral says what the table shows.
func (s *demo) moral(director, server *netlab.Node) string {
	switch s.Spec.Method {
	case netlab.NAT:
		return fmt.Sprintf("%s put the address of %s in place of the VIP, and in the answer the\n"+
			"VIP in place of the server's: answers must come back through it, so it is the\nserver's default gateway.", s.named(director), server.Name())
	case netlab.TUN:
		return fmt.Sprintf("%s put the packet, with one less of TTL, into another one for %s,\n"+
			"which may be anywhere. %s took it out and answers the client directly, with the\nVIP as its address.", s.named(director), server.Name(), server.Name())
	}
	return fmt.Sprintf("%s changed the MAC addresses and counted the TTL down; the IP\naddresses stay.\n"+
		"%s answers the client directly, with the VIP as its address%s.", s.named(director), server.Name(), map[bool]string{true: ", by the router"}[s.Router != nil])
}

// legs is the path that the lab's method promises: to the server by the director, and
// back without it, but for NAT.
func (s *demo) legs(client, director, server *netlab.Node) []leg {
	there, back := s.way(client, director), s.way(server, client)
	ask := leg{flags: frame.SYN, src: client.Addr, dst: s.Spec.VIP}
	sent, answer := ask, leg{flags: frame.SYN | frame.ACK, src: s.Spec.VIP, dst: client.Addr}
	all := ask.along(there)
	switch s.Spec.Method {
	case netlab.NAT:
		sent.dst = server.Addr
		all = append(all, sent.along(s.way(director, server))...)
		all = append(all, leg{flags: answer.flags, src: server.Addr, dst: client.Addr}.along(s.way(server, director))...)
		back = s.way(director, client)
	case netlab.TUN:
		sent.outerSrc, sent.outerDst = director.Addr, server.Addr
		all = append(all, sent.along(s.way(director, server))...)
	default:
		all = append(all, sent.along(s.way(director, server))...)
	}
	return append(all, answer.along(back)...)
}

// way is the hosts from one to another: themselves, and the router between them where no
// switch is common to both.
func (s *demo) way(from, to *netlab.Node) []*netlab.Node {
	for i := range from.Ports {
		if to.PortOn(from.Ports[i].Switch) != nil {
			return []*netlab.Node{from, to}
		}
	}
	return []*netlab.Node{from, s.Router, to}
}

// along is the leg, from host to host.
func (l leg) along(way []*netlab.Node) []leg {
	var all []leg
	for i := range way[1:] {
		one := l
		one.from, one.to = way[i], way[i+1]
		all = append(all, one)
	}
	return all
}

// follow finds the packet of a leg where it begins and where it ends, and wants
// the MAC addresses of both ends.
func (s *demo) follow(frames []netlab.Frame, l leg) []netlab.Packet {
	from, to := l.ports()
	var seen []netlab.Packet
	for _, end := range []struct {
		*netlab.Node
		*netlab.Port
		outgoing bool
	}{{l.from, from, true}, {l.to, to, false}} {
		at := slices.IndexFunc(frames, func(f netlab.Frame) bool {
			p := netlab.PacketOf(f)
			return p.Host == end.Name() && p.Ifname == end.Ifname && p.Outgoing == end.outgoing && l.is(&p)
		})
		if at < 0 {
			s.expect(false, "no packet from %s to %s was captured at %s of %s", l.src, l.dst, end.Ifname, end.Name())
			continue
		}
		p := netlab.PacketOf(frames[at])
		s.expect(p.From() == frame.MAC(from.MAC) && p.To() == frame.MAC(to.MAC),
			"the packet that %s has other MAC addresses than %s gives it", s.Place(&p), s.Spec.Method)
		seen = append(seen, p)
	}
	return seen
}

// is reports whether p is the leg's packet.
func (l leg) is(p *netlab.Packet) bool {
	if l.outerDst.IsValid() {
		in, ok := p.Inner()
		if !ok || !p.IsFrom(l.outerSrc) || !p.IsTo(l.outerDst) {
			return false
		}
		p = &in
	}
	return p.TCP(l.flags) && p.IsFrom(l.src) && p.IsTo(l.dst)
}

// ports are the interfaces at the two ends of a leg, on the switch they share.
func (l leg) ports() (from, to *netlab.Port) {
	for i := range l.from.Ports {
		from = &l.from.Ports[i]
		if to = l.to.PortOn(from.Switch); to != nil {
			return from, to
		}
	}
	panic("no network is common to " + l.from.Name() + " and " + l.to.Name()) // legs' bug
}
