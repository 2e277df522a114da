package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// A hop is one sighting of a packet.
type hop struct {
	where string
	data  []byte
}

// journey makes one request and shows, from frames captured on every host, the
// way of its first packet and of the answer to it.
func (s *labShow) journey(ctx context.Context) (err error) {
	s.title("The way of one packet")
	captures := map[*netlab.Node]*netlab.Capture{}
	for _, n := range s.Nodes() {
		c, failed := n.Capture(netlab.Ifname, netlab.CaptureConfig{})
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, c.Stop()) }()
		captures[n] = c
	}
	t := netlab.Get(ctx, s.client(), s.url, 1, 1)
	s.expect(t.Errors == 0, "the request failed: %v", t.First)
	var server *netlab.Node
	for _, n := range s.Servers {
		if t.ByServer[n.Name()] == 1 {
			server = n
		}
	}
	if server == nil {
		return ctx.Err()
	}
	hops := s.hops(captures, server)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tseen\tsrc mac\tdst mac\tsrc ip\tdst ip\tttl")
	for i, h := range hops {
		if h.data == nil {
			s.expect(false, "no frame was captured at: %s", h.where)
			continue
		}
		var p frame.Header
		frame.Parse(h.data, &p)
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\n", i+1, h.where,
			s.owner(frame.SrcMAC(h.data)), s.owner(frame.DstMAC(h.data)), p.Src, p.Dst, p.TTL)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\nThe director changed the MAC addresses and counted the TTL down; the IP addresses stay.\n"+
		"%s answers the client directly, with the VIP as its address.\n", server.Name())
	s.checkJourney(hops, server)
	return ctx.Err()
}

// hops finds the client's SYN and the server's answer at every place.
func (s *labShow) hops(captures map[*netlab.Node]*netlab.Capture, server *netlab.Node) []hop {
	client := s.Clients[0]
	find := func(n *netlab.Node, outgoing bool, flags uint8, where string) hop {
		// A capture is complete up to now; the frames' way is over.
		for _, f := range captures[n].Frames() {
			var p frame.Header
			frame.Parse(f.Data, &p)
			if f.Outgoing == outgoing && p.Proto == frame.ProtoTCP && p.Flags == flags {
				return hop{where, f.Data}
			}
		}
		return hop{where: where}
	}
	return []hop{
		find(client, true, frame.SYN, "leaves client"),
		find(s.Lab.Director, false, frame.SYN, "reaches director"),
		find(s.Lab.Director, true, frame.SYN, "leaves director"),
		find(server, false, frame.SYN, "reaches "+server.Name()),
		find(server, true, frame.SYN|frame.ACK, "answer leaves "+server.Name()),
		find(client, false, frame.SYN|frame.ACK, "answer reaches client"),
	}
}

// checkJourney wants what Direct Routing promises.
func (s *labShow) checkJourney(hops []hop, server *netlab.Node) {
	mac := func(n *netlab.Node) frame.MAC { return frame.MAC(n.MAC) }
	client, director, vip := s.Clients[0], s.Lab.Director, frame.AddrFrom(s.Spec.VIP)
	want := []struct {
		src, dst     frame.MAC
		srcIP, dstIP frame.Addr
	}{
		{mac(client), mac(director), frame.AddrFrom(client.Addr), vip},
		{mac(client), mac(director), frame.AddrFrom(client.Addr), vip},
		{mac(director), mac(server), frame.AddrFrom(client.Addr), vip},
		{mac(director), mac(server), frame.AddrFrom(client.Addr), vip},
		{mac(server), mac(client), vip, frame.AddrFrom(client.Addr)},
		{mac(server), mac(client), vip, frame.AddrFrom(client.Addr)},
	}
	for i, w := range want {
		d := hops[i].data
		if d == nil {
			continue // noted already
		}
		var p frame.Header
		frame.Parse(d, &p)
		s.expect(frame.SrcMAC(d) == w.src && frame.DstMAC(d) == w.dst && p.Src == w.srcIP && p.Dst == w.dstIP,
			"the packet that %s has other addresses than Direct Routing gives it", hops[i].where)
	}
}

// owner is a MAC address with the name of its host.
func (s *labShow) owner(m frame.MAC) string {
	for _, n := range s.Nodes() {
		if frame.MAC(n.MAC) == m {
			return fmt.Sprintf("%s (%s)", m, n.Name())
		}
	}
	return m.String()
}
