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
	fmt.Fprintf(s.out, "\n%s changed the MAC addresses and counted the TTL down; the IP\naddresses stay.\n"+
		"%s answers the client directly, with the VIP as its address%s.\n", s.named(director), server.Name(), map[bool]string{true: ", by the router"}[s.Router != nil])
	return ctx.Err()
}

// legs is the path that Direct Routing promises: to the server by the director, and back
// without it.
func (s *demo) legs(client, director, server *netlab.Node) []leg {
	there, back := []*netlab.Node{client, director, server}, []*netlab.Node{server, client}
	if s.Spec.Routed {
		there = slices.Insert(there, 1, s.Router)
	}
	if s.Router != nil {
		back = slices.Insert(back, 1, s.Router)
	}
	var all []leg
	for i := range there[1:] {
		all = append(all, leg{there[i], there[i+1], frame.SYN, client.Addr, s.Spec.VIP})
	}
	for i := range back[1:] {
		all = append(all, leg{back[i], back[i+1], frame.SYN | frame.ACK, s.Spec.VIP, client.Addr})
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
			return p.Host == end.Name() && p.Ifname == end.Ifname && p.Outgoing == end.outgoing &&
				p.TCP(l.flags) && p.IsFrom(l.src) && p.IsTo(l.dst)
		})
		if at < 0 {
			s.expect(false, "no packet from %s to %s was captured at %s of %s", l.src, l.dst, end.Ifname, end.Name())
			continue
		}
		p := netlab.PacketOf(frames[at])
		s.expect(p.From() == frame.MAC(from.MAC) && p.To() == frame.MAC(to.MAC),
			"the packet that %s has other MAC addresses than Direct Routing gives it", s.Place(&p))
		seen = append(seen, p)
	}
	return seen
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
