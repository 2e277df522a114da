package lesson

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// What a look says of frames, told by hand-made ones.
func TestALookCountsConnectionsByTheirFrames(t *testing.T) {
	lab := weighted(t)
	t.Run("balanced", func(t *testing.T) { testBalanced(t, lab) })
	t.Run("connections", func(t *testing.T) { testConnections(t, lab) })
	t.Run("find", func(t *testing.T) { testFind(t, lab) })
	t.Run("shares", func(t *testing.T) { testShares(t, lab) })
	t.Run("journey", func(t *testing.T) { testFollow(t, lab) })
}

func testBalanced(t *testing.T, lab *netlab.Lab) {
	s, _ := newShow(lab)
	for _, c := range []struct {
		law      string
		look     *look
		balanced bool
		all      int // the server that accepted all, from 1; 0: none
	}{
		{"shares as the weights are balanced", looked(lab, 30, 20, 10), true, 0},
		{"the first pass gives each server one", looked(lab, 31, 19, 10), true, 0},
		{"a pass under way is forgiven", looked(lab, 33, 20, 7), true, 0},
		{"more than a pass is not", looked(lab, 37, 18, 5), false, 0},
		{"equal shares are not those of the weights", looked(lab, 20, 20, 20), false, 0},
		{"a server without a connection is none", looked(lab, 5, 1, 0), false, 0},
		{"one server for all is not balanced", looked(lab, 0, 60, 0), false, 2},
		{"nor is the heaviest", looked(lab, 60), false, 1},
		{"a request that failed spoils both", failed(looked(lab, 30, 20, 10)), false, 0},
		{"also where one server had all others", failed(looked(lab, 60)), false, 0},
		{"an answer without a connection seen is none", answered(looked(lab, 30, 20, 10), "rs1", 7), false, 0},
		{"no request at all is accepted by no server", looked(lab), false, 0},
	} {
		if got := s.balanced(c.look); got != c.balanced {
			t.Errorf("%s: balanced is %v", c.law, got)
		}
		at := slices.Index(lab.Servers, s.allBy(c.look)) + 1
		if at != c.all {
			t.Errorf("%s: server %d accepted all, want %d", c.law, at, c.all)
		}
	}
}

// failed is l with a request that was not answered.
func failed(l *look) *look {
	l.tally.Errors, l.tally.First = 1, errors.New("timeout")
	return l
}

// answered is l with n more answers of a server, but no frames of them.
func answered(l *look, name string, n int) *look {
	l.tally.ByServer[name] += n
	return l
}

func testConnections(t *testing.T, lab *netlab.Lab) {
	l := looked(lab, 1, 1)
	vip, client := netip.AddrPortFrom(lab.Spec.VIP, netlab.ServicePort), lab.Clients[0]
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(client.Addr, port) }
	rs1, d := lab.Servers[0], lab.Director
	l.packets = append(l.packets,
		segment{rs1, client, vip, at(9999), "SA"}.leaves(),                                                                 // of an earlier request
		segment{rs1, client, vip, at(10003), "SA"}.leaves(),                                                                // of a later one
		segment{rs1, client, vip, at(10002), "SA"}.reaches(),                                                               // not where it was sent
		segment{rs1, client, vip, at(10002), "A"}.leaves(),                                                                 // does not accept anything
		segment{rs1, client, netip.AddrPortFrom(rs1.Addr, netlab.ServicePort), at(10002), "SA"}.leaves(),                   // not as the VIP
		segment{d, client, netip.AddrPortFrom(lab.Spec.VIP, 10001), at(10002), "SA"}.leaves(),                              // from no service port
		netlab.PacketOf(netlab.Frame{Host: rs1.Name(), Outgoing: true, Data: build.UDP{Src: vip, Dst: at(10002)}.Bytes()}), // no TCP
	)
	for _, c := range []struct {
		what      string
		got, want []uint16
	}{
		{"rs1 accepted", l.servedBy(rs1), []uint16{10001}},
		{"rs2 accepted", l.servedBy(lab.Servers[1]), []uint16{10002}},
		{"rs3 accepted", l.servedBy(lab.Servers[2]), nil},
		{"the client began", l.begun(client, client.Addr, nil), []uint16{10001, 10002}},
		{"the client began, to the director", l.begun(client, client.Addr, d), []uint16{10001, 10002}},
		{"the client began, to a real server", l.begun(client, client.Addr, rs1), nil},
		{"the director passed on to rs2", l.begun(d, client.Addr, lab.Servers[1]), []uint16{10002}},
		{"from another address", l.begun(client, lab.Director.Addr, nil), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s %v, want %v", c.what, c.got, c.want)
		}
	}
	if n := len(looked(lab, 1, 1).handshake(10001)); n != 6 {
		t.Errorf("the handshake of 10001 was seen %d times, want 6", n)
	}
	if all := l.syns(lab.Servers[1]); len(all) != 1 || all[0].SrcPort != 10002 {
		t.Errorf("SYNs that reached rs2: %d", len(all))
	}
}

func testFind(t *testing.T, lab *netlab.Lab) {
	client, vip := lab.Clients[0], lab.Spec.VIP
	echo := func(ifname string, out bool, typ uint8) netlab.Packet {
		return netlab.PacketOf(netlab.Frame{Host: client.Name(), Ifname: ifname, Outgoing: out,
			Data: build.ICMP{Src: client.Addr, Dst: vip, Type: typ}.Bytes()})
	}
	l := &look{vip: vip, packets: []netlab.Packet{
		echo(netlab.Ifname, true, build.EchoRequest), echo(netlab.Ifname, false, 0), echo(netlab.Ifname, false, 3),
		echo(netlab.Loopback, true, build.EchoRequest), echo(netlab.Loopback, false, build.EchoRequest),
	}}
	if got := l.pings(); len(got) != 3 {
		t.Errorf("%d packets of pings, want a request, an answer, and once what stayed on lo", len(got))
	}
	if got := l.find(func(p *netlab.Packet) bool { return p.Ifname == netlab.Loopback }); len(got) != 1 || !got[0].Outgoing {
		t.Errorf("on lo: %d packets", len(got))
	}
	if leaves(&l.packets[3], client) {
		t.Error("what stays on lo leaves the host")
	}
	if !leaves(&l.packets[0], client) || leaves(&l.packets[1], client) || leaves(&l.packets[0], lab.Director) {
		t.Error("a packet leaves the host that sends it, and no other")
	}
}

func testShares(t *testing.T, lab *netlab.Lab) {
	s, out := newShow(lab)
	l := looked(lab, 3, 2, 1)
	s.shares("client1", l)
	const want = `6 requests from client1
  rs1  weight 3  ███████████████···············  3 of 6
  rs2  weight 2  ██████████····················  2 of 6
  rs3  weight 1  █████·························  1 of 6

`
	if out.String() != want {
		t.Errorf("shares:\n%s\nwant\n%s", out, want)
	}
	if got := s.byShares(l); got != "rs1 3, rs2 2, rs3 1" {
		t.Errorf("in words: %s", got)
	}
	out.Reset()
	if err := s.print(l.handshake(10001)[:2], "seen", "from", "to", "ports", "what"); err != nil {
		t.Fatal(err)
	}
	const table = `   seen              from     to        ports         what
1  leaves client1    client1  director  10001 > 8080  TCP SYN
2  reaches director  client1  director  10001 > 8080  TCP SYN

`
	if out.String() != table {
		t.Errorf("packets:\n%s\nwant\n%s", out, table)
	}
}

func testFollow(t *testing.T, lab *netlab.Lab) {
	client, rs2 := lab.Clients[0], lab.Servers[1]
	frames := func(packets []netlab.Packet) (all []netlab.Frame) {
		for _, p := range packets {
			all = append(all, p.Frame)
		}
		return all
	}
	good := handshake(lab, 10001, rs2)
	strayed := slices.Clone(good)
	strayed[3].Data = slices.Clone(strayed[3].Data)
	frame.SetMACs(strayed[3].Data, frame.MAC(lab.Servers[2].MAC), frame.MAC(lab.Director.MAC))
	for _, c := range []struct {
		law     string
		packets []netlab.Packet
		seen    int
		wrong   string // "" where all is right
	}{
		{"all six places are found", good, 6, ""},
		{"a packet that is missing is named", good[:5], 5, "no packet from 192.168.1.100 to 192.168.1.50 was captured at eth0 of client1"},
		{"nothing was captured", nil, 0, "no packet from 192.168.1.50 to 192.168.1.100 was captured at eth0 of client1"},
		{"another MAC address is named", strayed, 6, "the packet that reaches rs2 has other MAC addresses than Direct Routing gives it"},
	} {
		d := &demo{&netlab.Site{Lab: lab}, report{}}
		n := 0
		for _, l := range d.legs(client, lab.Director, rs2) {
			n += len(d.follow(frames(c.packets), l))
		}
		if n != c.seen {
			t.Errorf("%s: %d packets, want %d", c.law, n, c.seen)
		}
		if all := strings.Join(d.wrong, "\n"); (c.wrong == "") != (all == "") || !strings.Contains(all, c.wrong) {
			t.Errorf("%s: wrong is\n%s\nwant %q", c.law, all, c.wrong)
		}
	}
}
