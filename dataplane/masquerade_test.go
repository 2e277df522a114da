package dataplane_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// The director's own addresses, and the frames' way on the servers' side.
var (
	ownClients = frame.AddrFrom4([4]byte{198, 51, 100, 1})
	ownServers = frame.AddrFrom4([4]byte{10, 0, 0, 100})
)

// A natLab is a lab whose services are masqueraded: TCP 80 to port 8080, UDP 53 to 5353,
// SCTP 7 to 7, of IPv4 and IPv6.
type natLab struct{ *lab }

var natPorts = map[frame.Proto][2]uint16{frame.ProtoTCP: {80, 8080}, frame.ProtoUDP: {53, 5353}, frame.ProtoSCTP: {7, 7}}

func newNATLab(t testing.TB, workers int) *natLab {
	l := &natLab{makeLab(t, unlimited, 1<<12*workers, workers)}
	l.d.SetInterfaces([]dataplane.Interface{
		{Index: clientSide, MAC: directorMAC, MTU: 1500, Own4: ownClients},
		{Index: link.Index, MAC: link.MAC, MTU: 1500, Own4: ownServers, Own6: frame.Addr{0: 0xfd, 15: 100}},
	})
	for _, v := range []frame.Addr{vip, vip6} {
		for proto, ports := range natPorts {
			k := on(v, proto, ports[0])
			l.must(l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "rr"}))
			for n := byte(1); n <= 2; n++ {
				l.must(l.d.AddServer(k, dataplane.ServerConfig{Addr: serverOf(k, n), Port: ports[1], Weight: 1, Method: dataplane.Masquerade}))
			}
		}
	}
	return l
}

// put processes one frame that came in by an interface.
func (l *natLab) put(f []byte, in int32) (*dataplane.Packet, []dataplane.Reply) {
	l.batch.In = in
	l.batch.Packets = append(l.batch.Packets[:0], dataplane.Packet{Data: f})
	l.d.Process(l.scratch, l.batch, l.now)
	return &l.batch.Packets[0], l.batch.Replies
}

// A segment is a packet of either family between two ends.
func segment(proto frame.Proto, src, dst netip.AddrPort, flags string, payload int) []byte {
	ip := build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}
	data := bytes.Repeat([]byte{7}, payload)
	switch proto {
	case frame.ProtoUDP:
		return build.UDP{Src: src, Dst: dst, IP: ip, Payload: data}.Bytes()
	case frame.ProtoSCTP:
		return build.SCTP{Src: src, Dst: dst, IP: ip, Payload: append([]byte{1, 0, 0, 20}, make([]byte, 16)...)}.Bytes()
	}
	return build.TCP{Src: src, Dst: dst, IP: ip, Flags: flags, Seq: 1, Ack: 1, Payload: data}.Bytes()
}

// sums says whether a forwarded packet is sound: parsed anew, with right checksums.
func sums(f []byte) error {
	h := frametest.Parse(f)
	if h.Fault != frame.NoFault || !frame.L4ChecksumOK(f, &h) {
		return fmt.Errorf("%s is not sound: %v", frametest.Describe(f), h.Fault)
	}
	if h.Proto == frame.ProtoSCTP {
		g := bytes.Clone(f)
		frametest.PutSCTPSum(g[h.L4:h.End])
		if !bytes.Equal(f, g) {
			return fmt.Errorf("%s has a wrong checksum", frametest.Describe(f))
		}
	}
	return nil
}

// A packet goes to the server's address and port, its answer comes back from the virtual
// ones, by the way the client's frame came; with every protocol and family, also on the
// way that takes no lock but a shard's, and nothing else of them changes but MAC addresses and TTL.
func TestMasqueradingTranslatesBothWays(t *testing.T) {
	for _, family := range []struct {
		client, vip netip.Addr
		v           frame.Addr
	}{{clientIP, vipIP, vip}, {client6IP, vip6IP, vip6}} {
		for proto, ports := range natPorts {
			l := newNATLab(t, 1)
			client, virtual := netip.AddrPortFrom(family.client, 4000), netip.AddrPortFrom(family.vip, ports[0])
			server := netip.AddrPort{}
			for n, flags := range []string{"S", "A", "PA", "PA"} {
				sent := segment(proto, client, virtual, flags, 10*n)
				p, _ := l.put(bytes.Clone(sent), clientSide)
				if p.Verdict != dataplane.Forward || p.Out != link.Index {
					t.Fatalf("%v, packet %d: %s by %d", proto, n, p.Reason, p.Out)
				}
				h := frametest.Parse(p.Data)
				if got := netip.AddrPortFrom(h.Dst.IP(), h.DstPort); n == 0 {
					server = got
				} else if got != server || server.Port() != ports[1] || frame.DstMAC(p.Data) != serverMAC(h.Dst[15]) {
					t.Fatalf("%v, packet %d went to %v, the first to %v", proto, n, got, server)
				}
				want := frametest.Translate(sent, frame.Destination, h.Dst, h.DstPort, false)
				checkRest(t, p.Data, want)

				flags := map[string]string{"S": "SA"}[flags] + map[string]string{"A": "A", "PA": "PA"}[flags]
				sent = segment(proto, server, client, flags, 20*n)
				p, _ = l.put(bytes.Clone(sent), link.Index)
				if p.Reason != dataplane.Answered || p.Out != clientSide || frame.DstMAC(p.Data) != clientMAC || frame.SrcMAC(p.Data) != directorMAC {
					t.Fatalf("%v, answer %d: %s by %d to %v", proto, n, p.Reason, p.Out, frame.DstMAC(p.Data))
				}
				checkRest(t, p.Data, frametest.Translate(sent, frame.Source, family.v, ports[0], false))
			}
			if got := l.d.Conns(l.now); len(got) != 1 || !got[0].Mapped || got[0].Port != server.Port() {
				t.Errorf("%v: listed as %+v", proto, got)
			}
			s, _ := l.d.Service(on(family.v, proto, ports[0]))
			if tr := s.Traffic; tr.Conns != 1 || tr.Packets != 4 || tr.OutPackets != 4 || tr.OutBytes <= tr.Bytes && proto != frame.ProtoSCTP {
				t.Errorf("%v: counted as %+v", proto, tr)
			}
			if n, _, _ := l.d.TableUse(); n != 1 {
				t.Errorf("%v: %d entries are listed", proto, n)
			}
		}
	}
}

// checkRest: got is want but for the MAC addresses and the TTL, which is one less.
func checkRest(t *testing.T, got, want []byte) {
	t.Helper()
	if err := sums(got); err != nil {
		t.Fatal(err)
	}
	h := frametest.Parse(want)
	frame.DecrementTTL(want, &h)
	if !bytes.Equal(got[12:], want[12:]) {
		t.Fatalf("became\n% x, want\n% x", got, want)
	}
}

// open opens a masqueraded connection and says where it went.
func (l *natLab) open(port uint16) (client, server netip.AddrPort) {
	client = netip.AddrPortFrom(clientIP, port)
	p, _ := l.put(segment(frame.ProtoTCP, client, netip.AddrPortFrom(vipIP, 80), "S", 0), clientSide)
	h := frametest.Parse(p.Data)
	server = netip.AddrPortFrom(h.Dst.IP(), h.DstPort)
	l.put(segment(frame.ProtoTCP, server, client, "SA", 0), link.Index)
	l.put(segment(frame.ProtoTCP, client, netip.AddrPortFrom(vipIP, 80), "A", 0), clientSide)
	return client, server
}

// A batch of masqueraded connections' packets, of either side, decides as they do one by one.
func TestBatchesOfAnswersAreTheirFrames(t *testing.T) {
	one, many := newNATLab(t, 1), newNATLab(t, 1)
	r := rand.New(rand.NewSource(5))
	flags := []string{"A", "A", "A", "PA", "A", "FA", "R", "SA", "S"}
	protos := []frame.Proto{frame.ProtoTCP, frame.ProtoTCP, frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP}
	reasons := map[dataplane.Reason]int{}
	for round := range 400 {
		in := []int32{clientSide, link.Index}[round%2]
		many.batch.In, many.batch.Packets = in, many.batch.Packets[:0]
		for range 1 + r.Intn(60) {
			proto, family := protos[r.Intn(len(protos))], r.Intn(3)
			src, virtual := clientIP, vipIP
			if family == 0 {
				src, virtual = client6IP, vip6IP
			}
			client, port := netip.AddrPortFrom(src, uint16(4000+r.Intn(12))), natPorts[proto]
			f := segment(proto, client, netip.AddrPortFrom(virtual, port[0]), flags[r.Intn(len(flags))], 3)
			if in == link.Index {
				k := on(frame.AddrFrom(virtual), proto, port[0])
				server := serverOf(k, byte(1+r.Intn(2)))
				f = segment(proto, netip.AddrPortFrom(server.IP(), port[1]), client, flags[r.Intn(len(flags))], 3)
			}
			many.batch.Packets = append(many.batch.Packets, dataplane.Packet{Data: f})
		}
		frames := make([][]byte, len(many.batch.Packets))
		for i := range frames {
			frames[i] = bytes.Clone(many.batch.Packets[i].Data)
		}
		many.d.Process(many.scratch, many.batch, many.now)
		for i, f := range frames {
			got := &many.batch.Packets[i]
			want, _ := one.put(f, in)
			if got.Reason != want.Reason || !bytes.Equal(got.Data, want.Data) {
				t.Fatalf("round %d, packet %d, %s: %s in a batch, %s alone", round, i, frametest.Describe(f), got.Reason, want.Reason)
			}
			reasons[got.Reason]++
		}
		pause := time.Duration(r.Intn(9000)) * time.Millisecond
		one.pass(pause)
		many.pass(pause)
	}
	if reasons[dataplane.Answered] < 100 || reasons[dataplane.Hit] < 100 || reasons[dataplane.UnknownAnswer] < 100 {
		t.Errorf("the packets were %v", reasons)
	}
}

// Answers go to the neighbour that brought the client's last SYN, and follow another within
// 16 packets.
func TestAnswersFollowTheClientsWay(t *testing.T) {
	l := newNATLab(t, 1)
	client, server := l.open(4000)
	other := frame.MAC{2, 0, 0, 0, 9, 9}
	moved := -1
	for n := range 20 {
		f := segment(frame.ProtoTCP, client, netip.AddrPortFrom(vipIP, 80), "A", 0)
		frame.SetMACs(f, directorMAC, other)
		l.put(f, clientSide)
		if p, _ := l.put(segment(frame.ProtoTCP, server, client, "A", 0), link.Index); frame.DstMAC(p.Data) == other && moved < 0 {
			moved = n
		}
	}
	if moved < 0 || moved > 16 {
		t.Errorf("answers followed after %d packets", moved)
	}
	l.d.SetInterfaces(nil)
	if p, _ := l.put(segment(frame.ProtoTCP, server, client, "A", 0), link.Index); p.Reason != dataplane.NoMAC {
		t.Errorf("an answer by an unknown interface: %s", p.Reason)
	}
}

// Two workers, one of each interface, share a part of the table: answers go by the interface
// that the client's frame came by, and not by the one that the other worker serves.
func TestWorkersOfTwoInterfacesShareAPartOfTheTable(t *testing.T) {
	l := newNATLab(t, 1)
	const conns = 1500
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		s, b := l.d.NewScratch(0), dataplane.NewBatch()
		b.In = link.Index
		from := segment(frame.ProtoTCP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 9}), 1), netip.AddrPortFrom(clientIP, 1), "A", 0)
		for {
			select {
			case <-stop:
				return
			default:
			}
			b.Packets = append(b.Packets[:0], dataplane.Packet{Data: from})
			l.d.Process(s, b, 0)
		}
	}()
	servers := map[uint16]netip.AddrPort{}
	for port := uint16(1000); port < 1000+conns; port++ {
		p, _ := l.put(segment(frame.ProtoTCP, netip.AddrPortFrom(clientIP, port), netip.AddrPortFrom(vipIP, 80), "S", 0), clientSide)
		h := frametest.Parse(p.Data)
		servers[port] = netip.AddrPortFrom(h.Dst.IP(), h.DstPort)
	}
	close(stop)
	<-done
	for port, server := range servers {
		p, _ := l.put(segment(frame.ProtoTCP, server, netip.AddrPortFrom(clientIP, port), "SA", 0), link.Index)
		if p.Verdict != dataplane.Forward || p.Out != clientSide {
			t.Fatalf("the answer to port %d: %v, %v, by interface %d", port, p.Verdict, p.Reason, p.Out)
		}
	}
}

// What belongs to no connection is the host's; with nat_icmp_send it is refused, from the
// director's own address.
func TestUnknownAnswers(t *testing.T) {
	l := newNATLab(t, 1)
	client := netip.AddrPortFrom(clientIP, 4000)
	from := func(port uint16, flags string) []byte {
		return segment(frame.ProtoTCP, netip.AddrPortFrom(serverAddr(1).IP(), port), client, flags, 0)
	}
	for _, c := range []struct {
		law  string
		f    []byte
		send bool
		want dataplane.Reason
	}{
		{"an answer of no connection", from(8080, "A"), false, dataplane.UnknownAnswer},
		{"with nat_icmp_send it is refused", from(8080, "A"), true, dataplane.UnreachableAnswer},
		{"but no RST", from(8080, "R"), true, dataplane.UnknownAnswer},
		{"nor what no server sent", from(9999, "A"), true, dataplane.UnknownAnswer},
	} {
		l.tune(func(v *dataplane.Tunables) { v.NATICMPSend = c.send })
		in := bytes.Clone(c.f)
		p, replies := l.put(c.f, link.Index)
		if p.Reason != c.want || !bytes.Equal(p.Data, in) || (len(replies) == 1) != (c.want == dataplane.UnreachableAnswer) {
			t.Errorf("%s: %s, %d replies", c.law, p.Reason, len(replies))
		}
		for _, r := range replies {
			if h := frametest.Parse(r.Data); h.Src != ownServers || r.Out != link.Index || sums(r.Data) != nil {
				t.Errorf("%s: answered with %s", c.law, frametest.Describe(r.Data))
			}
		}
	}
}

// The sources that NICs capture are there as long as connections may be.
func TestAnswerSources(t *testing.T) {
	l := newNATLab(t, 1)
	want := dataplane.AnswerSource{Proto: frame.ProtoTCP, Addr: serverAddr(1), Port: 8080}
	if all := slices.Collect(l.d.Answers()); len(all) != 12 || !slices.Contains(all, want) {
		t.Fatalf("%v", all)
	}
	client, server := l.open(4000)
	k := on(vip, frame.ProtoTCP, 80)
	for n := byte(1); n <= 2; n++ {
		l.must(l.d.DelServer(k, serverAddr(n), 8080, l.now))
	}
	if p, _ := l.put(segment(frame.ProtoTCP, server, client, "PA", 5), link.Index); p.Reason != dataplane.Answered {
		t.Errorf("the answer of a removed server: %s", p.Reason)
	}
	if !slices.Contains(slices.Collect(l.d.Answers()), want) {
		t.Error("a removed server with connections is no source any more")
	}
	l.pass(time.Hour)
	if slices.Contains(slices.Collect(l.d.Answers()), want) {
		t.Error("a forgotten server is a source")
	}
	if p, _ := l.put(segment(frame.ProtoTCP, server, client, "PA", 5), link.Index); p.Reason != dataplane.UnknownAnswer {
		t.Errorf("an answer after the connection: %s", p.Reason) // the other services' servers have the address
	}
}

// ICMP errors are translated with what they quote, both ways; wrong ones are dropped.
func TestMasqueradedErrors(t *testing.T) {
	l := newNATLab(t, 1)
	client, server := l.open(4000)
	virtual := netip.AddrPortFrom(vipIP, 80)
	router := netip.MustParseAddr("203.0.113.9")
	inner := func(f []byte) frame.Header { h, _ := frametest.Inner(f); return h }
	toClient := build.ICMP{Src: router, Dst: client.Addr(), IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Type: 3, Code: 4,
		Payload: build.Quote(segment(frame.ProtoTCP, client, server, "A", 0), 20)}
	p, _ := l.put(toClient.Bytes(), link.Index)
	if in := inner(p.Data); p.Reason != dataplane.Answered || in.Dst != vip || in.DstPort != 80 || in.Src != frame.AddrFrom(client.Addr()) || sums(p.Data) != nil {
		t.Errorf("an error of the servers' side: %s, %s quotes %+v", p.Reason, frametest.Describe(p.Data), in)
	}
	toClient.BadSum = true
	if p, _ := l.put(toClient.Bytes(), link.Index); p.Reason != dataplane.BadChecksum {
		t.Errorf("a damaged error: %s", p.Reason)
	}
	toServer := build.ICMP{Src: router, Dst: vipIP, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Type: 3, Code: 4,
		Payload: build.Quote(segment(frame.ProtoTCP, virtual, client, "A", 0), 20)}
	p, _ = l.put(toServer.Bytes(), clientSide)
	if in := inner(p.Data); p.Reason != dataplane.Related || in.Src != frame.AddrFrom(server.Addr()) || in.SrcPort != server.Port() || p.Out != link.Index || sums(p.Data) != nil {
		t.Errorf("an error of the clients' side: %s, %s quotes %+v", p.Reason, frametest.Describe(p.Data), in)
	}
	toServer.BadSum = true
	if p, _ := l.put(toServer.Bytes(), clientSide); p.Reason != dataplane.BadChecksum {
		t.Errorf("a damaged error: %s", p.Reason)
	}
}

// TTL 1 and a packet too long are answered to the server from the director's own address.
func TestServersAreToldFromTheDirectorsAddress(t *testing.T) {
	l := newNATLab(t, 1)
	client, server := l.open(4000)
	l.d.SetInterfaces([]dataplane.Interface{{Index: clientSide, MAC: directorMAC, MTU: 500, Own4: ownClients}, {Index: link.Index, MAC: link.MAC, MTU: 1500, Own4: ownServers}})
	build4 := func(ip build.IP, n int) []byte {
		ip.SrcMAC, ip.DstMAC = clientMAC, directorMAC
		return build.TCP{Src: server, Dst: client, IP: ip, Flags: "A", Payload: make([]byte, n)}.Bytes()
	}
	for _, c := range []struct {
		f    []byte
		want dataplane.Reason
	}{{build4(build.IP{TTL: 1}, 0), dataplane.TimeExceeded}, {build4(build.IP{DF: true}, 1000), dataplane.FragmentationNeeded}} {
		in := bytes.Clone(c.f)
		p, replies := l.put(c.f, link.Index)
		if p.Reason != c.want || len(replies) != 1 || !bytes.Equal(p.Data, in) {
			t.Fatalf("%s, want %s; %d replies", p.Reason, c.want, len(replies))
		}
		if h := frametest.Parse(replies[0].Data); h.Src != ownServers || h.Dst != frame.AddrFrom(server.Addr()) || replies[0].Out != link.Index {
			t.Errorf("%s: %s", c.want, frametest.Describe(replies[0].Data))
		}
	}
	p, replies := l.put(build4(build.IP{}, 1000), link.Index)
	if p.Reason != dataplane.Fragmented || len(replies) != 3 {
		t.Fatalf("%s in %d", p.Reason, len(replies))
	}
	for _, r := range replies {
		if h := frametest.Parse(r.Data); h.Src != vip || r.Out != clientSide || frame.DstMAC(r.Data) != clientMAC || h.Fault != frame.NoFault {
			t.Errorf("a fragment went by %d: %s", r.Out, frametest.Describe(r.Data))
		}
	}
}

// Fragments go where their first goes, in any order, and put together they are what the
// whole would have become.
func TestFragmentsAreMasqueraded(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	l := newNATLab(t, 1)
	client, server := l.open(4000)
	for n := range 40 {
		answer := n%2 == 1
		src, dst, in, out := client, netip.AddrPortFrom(vipIP, 80), int32(clientSide), link.Index
		end, to, port := frame.Destination, frame.AddrFrom(server.Addr()), server.Port()
		if answer {
			src, dst, in, out = server, client, link.Index, clientSide
			end, to, port = frame.Source, vip, 80
		}
		whole := build.TCP{Src: src, Dst: dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, ID: uint16(n)}, Flags: "A", Payload: make([]byte, 400)}.Bytes()
		pieces := build.Fragment(bytes.Clone(whole), 24+8*r.Intn(40))
		if r.Intn(2) == 0 {
			slices.Reverse(pieces)
		}
		want := frametest.Translate(whole, end, to, port, false)
		got := make([]byte, len(want)-34)
		take := func(f []byte, by int32) {
			h := frametest.Parse(f)
			if by != out || h.Fault != frame.NoFault {
				t.Fatalf("datagram %d: %s left by %d", n, frametest.Describe(f), by)
			}
			copy(got[h.FragOff:], f[h.L4:h.End])
		}
		for _, f := range pieces {
			p, replies := l.put(f, in)
			for _, r := range replies {
				take(r.Data, r.Out)
			}
			if p.Verdict == dataplane.Forward {
				take(p.Data, p.Out)
			}
		}
		if !bytes.Equal(got, want[34:]) {
			t.Fatalf("datagram %d, answer %v:\n% x, want\n% x", n, answer, got, want[34:])
		}
	}
}

// A server edited from one method to another keeps the connections of the one.
func TestConnectionsKeepTheirMethod(t *testing.T) {
	l := newNATLab(t, 1)
	client, server := l.open(4000)
	k := on(vip, frame.ProtoTCP, 80)
	for n := byte(1); n <= 2; n++ {
		l.must(l.d.EditServer(k, dataplane.ServerConfig{Addr: serverAddr(n), Port: 8080, Weight: 1}))
	}
	p, _ := l.put(segment(frame.ProtoTCP, client, netip.AddrPortFrom(vipIP, 80), "A", 0), clientSide)
	if h := frametest.Parse(p.Data); h.Dst != frame.AddrFrom(server.Addr()) || h.DstPort != server.Port() || sums(p.Data) != nil {
		t.Errorf("an old connection's packet became %s", frametest.Describe(p.Data))
	}
	if p, _ = l.put(segment(frame.ProtoTCP, server, client, "A", 0), link.Index); p.Reason != dataplane.Answered {
		t.Errorf("its answer: %s", p.Reason)
	}
	p, _ = l.put(segment(frame.ProtoTCP, netip.AddrPortFrom(clientIP, 4001), netip.AddrPortFrom(vipIP, 80), "S", 0), clientSide)
	if h := frametest.Parse(p.Data); h.Dst != vip {
		t.Errorf("a new connection's packet became %s", frametest.Describe(p.Data))
	}
}

// Answers that come to another worker find their connection.
func TestAnswersFindTheShardOfTheirConnection(t *testing.T) {
	l := newNATLab(t, 3)
	client, server := l.open(4000)
	for worker := range 3 {
		l.scratch = l.d.NewScratch(worker)
		if p, _ := l.put(segment(frame.ProtoTCP, server, client, "PA", 9), link.Index); p.Reason != dataplane.Answered || sums(p.Data) != nil {
			t.Errorf("worker %d: %s", worker, p.Reason)
		}
	}
}

// Explain foretells answers, too, and a trace names their server.
func TestAnswersAreExplainedAndTraced(t *testing.T) {
	l := newNATLab(t, 2)
	client, server := l.open(4000)
	tr, err := l.d.StartTrace(dataplane.TraceConfig{})
	l.must(err)
	defer tr.Stop()
	f := segment(frame.ProtoTCP, server, client, "PA", 9)
	x, err := l.d.Explain(dataplane.Packet{Data: f}, l.now)
	l.must(err)
	p, _ := l.put(f, link.Index)
	if x.Reason != p.Reason || x.Server == nil || x.Server.Config.Addr != frame.AddrFrom(server.Addr()) || x.Conn == nil || x.Link.Index != clientSide {
		t.Errorf("explained as %s to %+v by %+v; it was %s", x.Reason, x.Server, x.Link, p.Reason)
	}
	seen, _ := tr.Take()
	if len(seen) != 1 || seen[0].Server != frame.AddrFrom(server.Addr()) || seen[0].Out != clientSide {
		t.Errorf("traced as %+v", seen)
	}
}

// Both directions take no allocation: hits, and what changes a state.
func TestMasqueradingAllocatesNothing(t *testing.T) {
	l := newNATLab(t, 1)
	client, server := l.open(4000)
	virtual := netip.AddrPortFrom(vipIP, 80)
	for law, c := range map[string]struct {
		f  []byte
		in int32
	}{
		"a client's packet": {segment(frame.ProtoTCP, client, virtual, "A", 0), clientSide},
		"an answer":         {segment(frame.ProtoTCP, server, client, "A", 0), link.Index},
		"an answer's FIN":   {segment(frame.ProtoTCP, server, client, "FA", 0), link.Index},
		"an unknown answer": {segment(frame.ProtoTCP, server, netip.AddrPortFrom(clientIP, 9), "A", 0), link.Index},
		"a UDP query":       {segment(frame.ProtoUDP, client, netip.AddrPortFrom(vipIP, 53), "", 9), clientSide},
	} {
		f := bytes.Clone(c.f)
		if n := testing.AllocsPerRun(50, func() {
			copy(f, c.f)
			l.put(f, c.in)
		}); n != 0 {
			t.Errorf("%s: %v allocations", law, n)
		}
	}
}

// A director that takes the table of a killed one over goes on with masqueraded
// connections, whose answers find them.
func TestMasqueradedConnectionsHaveWays(t *testing.T) {
	l := newNATLab(t, 1)
	l.open(4000)
	f := l.d.FollowFlows()
	defer f.Stop()
	l.open(4001)
	var flows [8]conntrack.Flow
	n, _ := f.Read(flows[:])
	for _, flow := range flows[:n] {
		if flow.Key().Reply || flow.Entry.Way() != conntrack.ByMasquerade {
			t.Errorf("an event of %v, which goes by %d", flow.Key(), flow.Entry.Way())
		}
	}
	if n == 0 {
		t.Error("no events")
	}
}

func BenchmarkMasquerade(b *testing.B) {
	l := newNATLab(b, 1)
	client, server := l.open(4000)
	virtual := netip.AddrPortFrom(vipIP, 80)
	k := tcpService(81)
	l.service(k, 0, 3)
	l.put(segment(frame.ProtoTCP, client, netip.AddrPortFrom(vipIP, 81), "S", 0), clientSide)
	l.put(segment(frame.ProtoTCP, client, netip.AddrPortFrom(vipIP, 81), "A", 0), clientSide)
	for _, c := range []struct {
		name string
		f    []byte
		in   int32
	}{
		{"direct", segment(frame.ProtoTCP, client, netip.AddrPortFrom(vipIP, 81), "A", 0), clientSide},
		{"client", segment(frame.ProtoTCP, client, virtual, "A", 0), clientSide},
		{"server", segment(frame.ProtoTCP, server, client, "A", 0), link.Index},
	} {
		b.Run(c.name, func(b *testing.B) {
			const many = 64
			frames := make([][]byte, many)
			for i := range frames {
				frames[i] = bytes.Clone(c.f)
			}
			l.batch.In = c.in
			b.ReportAllocs()
			for n := 0; n < b.N; n += many {
				l.batch.Packets = l.batch.Packets[:0]
				for i := range frames {
					copy(frames[i], c.f)
					l.batch.Packets = append(l.batch.Packets, dataplane.Packet{Data: frames[i]})
				}
				l.d.Process(l.scratch, l.batch, l.now)
			}
		})
	}
}
