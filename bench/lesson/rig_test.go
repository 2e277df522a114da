package lesson

import (
	"net/netip"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// newLab is a lab in which nothing runs: the frames of its tests are made by hand.
func newLab(t *testing.T, spec netlab.Spec) *netlab.Lab {
	t.Helper()
	netns.Require(t)
	lab, err := netlab.Build(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}

// weighted is a lab of three real servers.
func weighted(t *testing.T) *netlab.Lab {
	return newLab(t, netlab.Spec{Servers: []netlab.ServerSpec{{Weight: 3}, {Weight: 2}, {Weight: 1}}})
}

// newShow gives a lesson in a lab. Its output is in the builder.
func newShow(lab *netlab.Lab) (*lessonShow, *strings.Builder) {
	out := &strings.Builder{}
	return &lessonShow{Site: &netlab.Site{Lab: lab}, report: report{out: out}, number: 2}, out
}

// A segment is a TCP segment between two hosts of a lab, by their first
// interfaces.
type segment struct {
	from, to *netlab.Node
	src, dst netip.AddrPort
	flags    string
}

// leaves is the segment where it leaves its sender, and reaches where it reaches
// its receiver.
func (s segment) leaves() netlab.Packet  { return s.seen(s.from, true) }
func (s segment) reaches() netlab.Packet { return s.seen(s.to, false) }

func (s segment) seen(at *netlab.Node, out bool) netlab.Packet {
	return netlab.PacketOf(netlab.Frame{Host: at.Name(), Ifname: netlab.Ifname, Outgoing: out, Data: build.TCP{
		Src: s.src, Dst: s.dst, Flags: s.flags, IP: build.IP{SrcMAC: frame.MAC(s.from.MAC), DstMAC: frame.MAC(s.to.MAC)}}.Bytes()})
}

// handshake is the beginning of a connection of the first client from port, which
// server accepts: SYN to the director, SYN to the server, SYN ACK to the client,
// each where it leaves a host and where it reaches one.
func handshake(lab *netlab.Lab, port uint16, server *netlab.Node) []netlab.Packet {
	client, vip := netip.AddrPortFrom(lab.Clients[0].Addr, port), netip.AddrPortFrom(lab.Spec.VIP, netlab.ServicePort)
	var all []netlab.Packet
	for _, s := range []segment{
		{lab.Clients[0], lab.Director, client, vip, "S"},
		{lab.Director, server, client, vip, "S"},
		{server, lab.Clients[0], vip, client, "SA"},
	} {
		all = append(all, s.leaves(), s.reaches())
	}
	return all
}

// looked is a look at connections from port 10001 on, of which each server
// accepted as many as shares says, and whose requests were all answered.
func looked(lab *netlab.Lab, shares ...int) *look {
	l := &look{vip: lab.Spec.VIP, first: 10001, last: 10000, tally: netlab.Tally{ByServer: map[string]int{}}}
	for i, n := range shares {
		for range n {
			l.last++
			l.packets = append(l.packets, handshake(lab, uint16(l.last), lab.Servers[i])...)
			l.tally.ByServer[lab.Servers[i].Name()]++
		}
	}
	return l
}
