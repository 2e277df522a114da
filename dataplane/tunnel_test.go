package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

var (
	source4 = frame.AddrFrom4([4]byte{10, 0, 0, 254})
	source6 = frame.Addr{0: 0xfd, 15: 254}
)

// A tunnelKind is one of the tunnels that a server can have.
type tunnelKind struct {
	method   dataplane.Method
	tunnel   dataplane.Tunnel
	overhead int // bytes, over IPv4; 20 more over IPv6
}

var tunnelKinds = []tunnelKind{
	{dataplane.IPIP, dataplane.Tunnel{}, 20},
	{dataplane.GRE, dataplane.Tunnel{}, 24},
	{dataplane.GRE, dataplane.Tunnel{Sum: dataplane.FullSum}, 28},
	{dataplane.GUE, dataplane.Tunnel{Port: 6080}, 32},
	{dataplane.GUE, dataplane.Tunnel{Port: 6080, Sum: dataplane.FullSum}, 32},
	{dataplane.GUE, dataplane.Tunnel{Port: 6081, Sum: dataplane.RemoteSum}, 32},
}

// tunnelServer is the server of tests about tunnels, behind one of kind k: at an IPv4
// address, or at an IPv6 address.
func tunnelServer(k tunnelKind, v6 bool) dataplane.ServerConfig {
	c := dataplane.ServerConfig{Addr: serverAddr(2), Port: 80, Weight: 1, Method: k.method, Tunnel: k.tunnel}
	if v6 {
		c.Addr = serverAddr6(2)
	}
	return c
}

// tunnelLab has services on TCP port 80 and UDP port 53 of both VIPs, whose one server is
// behind a tunnel of kind k, at an address of either family; the link has that MTU.
func tunnelLab(t testing.TB, k tunnelKind, v6 bool, mtu int) *lab {
	l := makeLab(t, unlimited, 1<<10, 1)
	for _, key := range []dataplane.ServiceKey{tcpService(80), udpService(53), on(vip6, frame.ProtoTCP, 80), on(vip6, frame.ProtoUDP, 53)} {
		if err := l.d.AddService(dataplane.ServiceConfig{Key: key, Scheduler: "rr"}); err != nil {
			t.Fatal(err)
		}
		if err := l.d.AddServer(key, tunnelServer(k, v6)); err != nil {
			t.Fatal(err)
		}
	}
	l.behind(mtu)
	return l
}

// behind makes server 2 reachable by a link with a source address for tunnels.
func (l *lab) behind(mtu int) {
	to := dataplane.Link{Index: link.Index, MAC: link.MAC, MTU: mtu, Source: source4}
	l.d.SetNeighbour(serverAddr(2), serverMAC(2), to)
	to.Source = source6
	l.d.SetNeighbour(serverAddr6(2), serverMAC(2), to)
}

// only is the one server of k.
func (l *lab) only(k dataplane.ServiceKey) dataplane.ServerStatus {
	st, ok := l.d.Service(k)
	if !ok || len(st.Servers) != 1 {
		l.t.Fatalf("%v has %d servers", k, len(st.Servers))
	}
	return st.Servers[0]
}

// A tunnelledFrame is the outcome for one frame that goes to a tunnel.
type tunnelledFrame struct {
	reason dataplane.Reason
	out    [][]byte // what left for the server
	reply  []byte   // what left for the client
}

// tunnel processes f, which has headroom as a NIC gives it where front says so.
func (l *lab) tunnel(f []byte, front bool) tunnelledFrame {
	l.t.Helper()
	p := dataplane.Packet{Data: bytes.Clone(f)}
	if front {
		mem := append(make([]byte, dataplane.Headroom), f...)
		p = dataplane.Packet{Front: mem[:dataplane.Headroom], Data: mem[dataplane.Headroom:]}
	}
	l.batch.Packets = append(l.batch.Packets[:0], p)
	l.d.Process(l.scratch, l.batch, l.now)
	got := &l.batch.Packets[0]
	o := tunnelledFrame{reason: got.Reason}
	if got.Verdict == dataplane.Forward {
		if got.Out != link.Index {
			l.t.Errorf("leaves by interface %d", got.Out)
		}
		o.out = append(o.out, got.Data)
	}
	for _, r := range l.batch.Replies {
		if r.Out == link.Index {
			o.out = append(o.out, bytes.Clone(r.Data))
		} else {
			o.reply = bytes.Clone(r.Data)
		}
	}
	if got.Verdict != dataplane.Forward && !bytes.Equal(got.Data, f) {
		l.t.Errorf("a frame that was %s itself has changed", got.Reason)
	}
	return o
}

// lessTTL is the IP packet of f with its TTL one less, without padding.
func lessTTL(f []byte) []byte {
	f = bytes.Clone(f)
	h := frametest.Parse(f)
	frame.DecrementTTL(f, &h)
	return f[h.L3:h.End]
}

// unwrapped checks the one frame of o and gives the packet in it.
func (l *lab) unwrapped(o tunnelledFrame) frametest.Tunnelled {
	l.t.Helper()
	if len(o.out) != 1 {
		l.t.Fatalf("%s: %d frames left", o.reason, len(o.out))
	}
	got, err := frametest.Unwrap(o.out[0])
	if err != nil {
		l.t.Fatalf("%s: %v in % x", o.reason, err, o.out[0])
	}
	if frame.DstMAC(o.out[0]) != serverMAC(2) || frame.SrcMAC(o.out[0]) != link.MAC {
		l.t.Fatalf("from %v to %v", frame.SrcMAC(o.out[0]), frame.DstMAC(o.out[0]))
	}
	return got
}

// eachTunnel runs f for every kind of tunnel, over both families, with clients of both.
func eachTunnel(t *testing.T, f func(t *testing.T, k tunnelKind, v6 bool, client netip.Addr)) {
	for _, k := range tunnelKinds {
		for _, v6 := range []bool{false, true} {
			for _, client := range []netip.Addr{clientIP, client6IP} {
				t.Run(fmt.Sprintf("%v %v, IPv6 %v, client %v", k.method, k.tunnel.Sum, v6, client), func(t *testing.T) { f(t, k, v6, client) })
			}
		}
	}
}

// TestATunnelledServerGetsTheClientsPacket: its TTL one less and otherwise as it came, in a
// packet from this host's address to the server's. So do all packets of the connection,
// with headroom and without, padded or not, and those that an ICMP error is about.
func TestATunnelledServerGetsTheClientsPacket(t *testing.T) {
	eachTunnel(t, func(t *testing.T, k tunnelKind, v6 bool, client netip.Addr) {
		l := tunnelLab(t, k, v6, 1500)
		src, dst := source4, serverAddr(2)
		if v6 {
			src, dst = source6, serverAddr6(2)
		}
		var ports []uint16
		ids := map[uint16]bool{}
		for i, flags := range []string{"S", "A", "PA", "A"} {
			f := build.TCP{Src: netip.AddrPortFrom(client, 4000), Dst: netip.AddrPortFrom(vipFor(client), 80), Flags: flags,
				IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, TTL: uint8(60 + i), TOS: 0xb8, DF: i == 2, Pad: i == 3, ID: 77}}.Bytes()
			o := l.tunnel(f, i%2 == 0)
			if want := []dataplane.Reason{dataplane.Scheduled, dataplane.Hit}[min(i, 1)]; o.reason != want {
				t.Fatalf("%s: %s, want %s", flags, o.reason, want)
			}
			got := l.unwrapped(o)
			if !bytes.Equal(got.Inner, lessTTL(f)) || got.Src != src || got.Dst != dst || got.TTL != uint8(59+i) || got.TOS != 0xb8 {
				t.Fatalf("%s: %+v", flags, got)
			}
			if df := i == 2 && client.Is4() && !v6; got.DF != df || df && got.ID != 0 {
				t.Errorf("%s: DF %v, id %d", flags, got.DF, got.ID)
			}
			if !v6 && !got.DF && ids[got.ID] {
				t.Errorf("the id %d again", got.ID)
			}
			ids[got.ID] = true
			if k.method == dataplane.GUE && (got.DstPort != k.tunnel.Port || got.SrcPort < 32768) {
				t.Errorf("ports %d to %d", got.SrcPort, got.DstPort)
			}
			if got.HasSum != (k.tunnel.Sum != dataplane.NoSum) {
				t.Errorf("a checksum: %v", got.HasSum)
			}
			ports = append(ports, got.SrcPort)
		}
		if ports[0] != ports[1] || ports[0] != ports[3] {
			t.Errorf("the source ports of one connection: %v", ports)
		}
		answer := build.TCP{Src: netip.AddrPortFrom(vipFor(client), 80), Dst: netip.AddrPortFrom(client, 4000), Flags: "SA"}.Bytes()
		typ := map[bool]uint8{true: 3, false: 1}[client.Is4()]
		f := build.ICMP{Src: client, Dst: vipFor(client), Type: typ, Code: 1, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Payload: build.Quote(answer, 20)}.Bytes()
		o := l.tunnel(f, true)
		if got := l.unwrapped(o); o.reason != dataplane.Related || !bytes.Equal(got.Inner, lessTTL(f)) {
			t.Errorf("an ICMP error about the connection: %s, %+v", o.reason, got)
		}
	})
}

// TestATunnelHasLessRoom: what is longer and must not be fragmented comes back with the MTU
// of the link less the headers, and quotes the packet with its TTL one less.
func TestATunnelHasLessRoom(t *testing.T) {
	eachTunnel(t, func(t *testing.T, k tunnelKind, v6 bool, client netip.Addr) {
		room := 1400 - k.overhead
		if v6 {
			room -= 20
		}
		l := tunnelLab(t, k, v6, 1400)
		o := l.tunnel(big(client, frame.ProtoTCP, room, true), true)
		if got := l.unwrapped(o); len(got.Inner) != room || len(o.out[0]) != 1400+14 {
			t.Fatalf("%d bytes: %s, %d in %d", room, o.reason, len(got.Inner), len(o.out[0]))
		}
		f := big(client, frame.ProtoTCP, room+1, true)
		o = l.tunnel(f, true)
		if o.reason != dataplane.FragmentationNeeded || len(o.out) != 0 {
			t.Fatalf("%d bytes: %s", room+1, o.reason)
		}
		a := frametest.Parse(o.reply)
		said := int(binary.BigEndian.Uint16(o.reply[a.L4+6:]))
		want := room
		if client.Is6() {
			want = max(room, 1280)
		}
		if said != want {
			t.Errorf("the answer names an MTU of %d, want %d", said, want)
		}
		if quote := o.reply[a.L4+8 : a.End]; !bytes.Equal(quote, lessTTL(f)[:len(quote)]) {
			t.Error("the packet is not quoted with its TTL one less")
		}
	})
}

// gather puts the fragments of one outer packet together, in order, and checks that none
// is longer than mtu.
func gather(t *testing.T, out [][]byte, mtu int) []byte {
	t.Helper()
	first := frametest.Parse(out[0])
	whole, data := frame.AppendWhole(nil, out[0], &first, func() (n int) {
		last := out[len(out)-1]
		h := frametest.Parse(last)
		return int(h.FragOff) + int(h.End) - frame.FragmentData(last, &h)
	}())
	off := 0
	for i, f := range out {
		h := frametest.Parse(f)
		if h.Fault != frame.NoFault || int(h.FragOff) != off || h.More != (i < len(out)-1) || h.FragID != first.FragID || len(f)-14 > mtu {
			t.Fatalf("fragment %d of %d, of %d bytes: %+v", i, len(out), len(f)-14, h)
		}
		off += copy(data[off:], f[frame.FragmentData(f, &h):h.End])
	}
	return whole
}

// TestALongPacketGoesThroughItsTunnelInFragments: of the outer packet, where it may be
// fragmented, or with pmtu_disc off; they make the outer packet.
func TestALongPacketGoesThroughItsTunnelInFragments(t *testing.T) {
	eachTunnel(t, func(t *testing.T, k tunnelKind, v6 bool, client netip.Addr) {
		if client.Is6() {
			return // its packets are never fragmented on the way, see TestATunnelHasLessRoom
		}
		l := tunnelLab(t, k, v6, 1400)
		for _, df := range []bool{false, true} {
			if df {
				l.tune(func(v *dataplane.Tunables) { v.PMTUDisc = false })
			}
			for _, n := range []int{1381, 1400, 3040, 60_000} {
				f := big(client, frame.ProtoTCP, n, df)
				o := l.tunnel(f, n%3 == 0)
				if o.reason != dataplane.Fragmented || o.reply != nil {
					t.Fatalf("%d bytes, DF %v: %s", n, df, o.reason)
				}
				got, err := frametest.Unwrap(gather(t, o.out, 1400))
				if err != nil || !bytes.Equal(got.Inner, lessTTL(f)) || got.DF {
					t.Fatalf("%d bytes, DF %v: %v, %d inside", n, df, err, len(got.Inner))
				}
			}
		}
	})
}

// TestAFragmentedPacketIsTunnelledWhole: it is put together, and the outer packet is
// fragmented so that no fragment is longer than the longest that came; whatever order they
// came in. The server counts one packet, of its whole length.
func TestAFragmentedPacketIsTunnelledWhole(t *testing.T) {
	eachTunnel(t, func(t *testing.T, k tunnelKind, v6 bool, client netip.Addr) {
		for _, cuts := range [][]int{{24}, {512}, {1200}, {400, 1304}, {600, 608}} {
			for _, back := range []bool{false, true} {
				l := tunnelLab(t, k, v6, 1500)
				f := big(client, frame.ProtoUDP, 1440, false)
				pieces := cut(f, cuts...)
				longest := 0
				for _, p := range pieces {
					h := frametest.Parse(p)
					longest = max(longest, int(h.End-uint32(h.L3)))
				}
				var o tunnelledFrame
				for i := range pieces {
					at := i
					if back {
						at = len(pieces) - 1 - i
					}
					if o = l.tunnel(pieces[at], true); i < len(pieces)-1 && (o.reason != dataplane.FragmentHeld || len(o.out) > 0) {
						t.Fatalf("cut at %v: fragment %d: %s, %d frames", cuts, at, o.reason, len(o.out))
					}
				}
				if o.reason != dataplane.Reassembled {
					t.Fatalf("cut at %v: %s", cuts, o.reason)
				}
				got, err := frametest.Unwrap(gather(t, o.out, longest))
				if err != nil || !bytes.Equal(got.Inner, lessTTL(f)) {
					t.Fatalf("cut at %v: %v, %d bytes inside, want %d", cuts, err, len(got.Inner), len(lessTTL(f)))
				}
				traffic := l.only(on(frame.AddrFrom(vipFor(client)), frame.ProtoUDP, 53)).Traffic
				if traffic.Packets != 1 || traffic.Conns != 1 {
					t.Errorf("counted as %+v", traffic)
				}
			}
		}
	})
}

// TestATunnelNeedsASource: without an address of this host on the way a server behind a
// tunnel gets nothing, and new connections go elsewhere.
func TestATunnelNeedsASource(t *testing.T) {
	l := tunnelLab(t, tunnelKinds[0], false, 1500)
	syn := tcpFrame(build.TCP{Flags: "S"}).Data
	l.d.SetNeighbour(serverAddr(2), serverMAC(2), link)
	if o := l.tunnel(syn, true); o.reason != dataplane.UnreachableNoServer {
		t.Errorf("a new connection: %s", o.reason)
	}
	l.behind(1500)
	if o := l.tunnel(syn, true); o.reason != dataplane.Scheduled {
		t.Errorf("with a source: %s", o.reason)
	}
	l.d.SetNeighbour(serverAddr(2), serverMAC(2), link)
	if o := l.tunnel(tcpFrame(build.TCP{Flags: "A"}).Data, true); o.reason != dataplane.NoMAC || len(o.out) != 0 {
		t.Errorf("the connection, once the source is gone: %s", o.reason)
	}
}

// TestAnEditedTunnelCountsForOldConnections: fact 49 of the recordings.
func TestAnEditedTunnelCountsForOldConnections(t *testing.T) {
	l := tunnelLab(t, tunnelKinds[0], false, 1500)
	l.tunnel(tcpFrame(build.TCP{Flags: "S"}).Data, true)
	for _, k := range tunnelKinds {
		if err := l.d.EditServer(tcpService(80), tunnelServer(k, false)); err != nil {
			t.Fatal(err)
		}
		got := l.unwrapped(l.tunnel(tcpFrame(build.TCP{Flags: "A"}).Data, true))
		if got.HasSum != (k.tunnel.Sum != dataplane.NoSum) || got.DstPort != k.tunnel.Port {
			t.Errorf("%v: %+v", k, got)
		}
		if s := l.only(tcpService(80)).Config; s.Method != k.method || s.Tunnel != k.tunnel {
			t.Errorf("listed as %+v, want %+v", s, k)
		}
	}
}

// TestAUsedUpTTLIsAnsweredBeforeATunnel: fact 44; the quote is the packet as it came.
func TestAUsedUpTTLIsAnsweredBeforeATunnel(t *testing.T) {
	l := tunnelLab(t, tunnelKinds[0], false, 1500)
	f := tcpFrame(build.TCP{Flags: "S", IP: build.IP{TTL: 1}}).Data
	o := l.tunnel(f, true)
	a := frametest.Parse(o.reply)
	if o.reason != dataplane.TimeExceeded || len(o.out) != 0 || !bytes.Equal(o.reply[a.L4+8:a.End], f[14:54]) {
		t.Errorf("%s, %d frames, reply % x", o.reason, len(o.out), o.reply)
	}
}

// TestATunnelAllocatesNothing: for a packet of a known connection, one that goes in
// fragments, one that comes in fragments, and one that is too long.
func TestATunnelAllocatesNothing(t *testing.T) {
	for _, k := range tunnelKinds {
		l := tunnelLab(t, k, false, 1400)
		l.tunnel(tcpFrame(build.TCP{Flags: "S"}).Data, true)
		for name, frames := range map[string][][]byte{
			"a packet":                      {tcpFrame(build.TCP{Flags: "A", IP: build.IP{DF: true}}).Data},
			"a packet that is fragmented":   {tcpFrame(build.TCP{Flags: "A", Payload: make([]byte, 3000)}).Data},
			"a packet that came fragmented": cut(big(clientIP, frame.ProtoUDP, 1440, false), 24),
			"a datagram in fragments":       cut(big(clientIP, frame.ProtoUDP, 1440, false), 600, 1200),
			"a packet that is too long":     {tcpFrame(build.TCP{Flags: "A", IP: build.IP{DF: true}, Payload: make([]byte, 1400)}).Data},
		} {
			mem := make([][]byte, len(frames))
			for i, f := range frames {
				mem[i] = make([]byte, dataplane.Headroom+len(f))
			}
			turn := func() {
				l.batch.Packets = l.batch.Packets[:0]
				for i, f := range frames {
					copy(mem[i][dataplane.Headroom:], f)
					l.batch.Packets = append(l.batch.Packets, dataplane.Packet{Front: mem[i][:dataplane.Headroom], Data: mem[i][dataplane.Headroom:]})
				}
				l.d.Process(l.scratch, l.batch, l.now)
			}
			turn()
			if len(l.batch.Replies) == 0 && l.batch.Packets[0].Verdict != dataplane.Forward {
				t.Fatalf("%v, %s: %s", k.method, name, l.batch.Packets[0].Reason)
			}
			if n := testing.AllocsPerRun(100, turn); n != 0 {
				t.Errorf("%v, %s: %v allocations", k.method, name, n)
			}
		}
	}
}
