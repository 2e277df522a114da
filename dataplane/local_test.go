package dataplane_test

import (
	"bytes"
	"net/netip"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// A server that is the director itself is chosen in its turn, as IPVS does, and
// refuses: nothing listens there.
func TestALocalServerRefuses(t *testing.T) {
	l := defaultLab(t)
	l.d.SetLocal(serverAddr(2), frame.MAC{}, dataplane.Link{})
	l.expect(tcp(1000, 80, "S"), dataplane.ResetNoService, 0)
	if got := l.counts(tcpService(80), 2); got != [3]int{0, 1, 0} {
		t.Errorf("active, inactive, templates %v, want one inactive connection", got)
	}
	l.expect(tcp(1001, 80, "S"), dataplane.Scheduled, 1)
	l.expect(tcp(1000, 80, "R"), dataplane.ResetIgnored, 0)
	l.expect(udp(1000, 53), dataplane.UnreachableNoService, 0)
	l.expect(udp(1001, 53), dataplane.Scheduled, 1)

	about := build.Quote(tcpReply(1000), 8)
	icmp := build.ICMP{Src: clientIP, Dst: vipIP, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Type: 3, Code: 4, Payload: about}
	l.expect(icmp.Bytes(), dataplane.ICMPIgnored, 0)

	// It was moved to a host of its own.
	l.d.SetNeighbour(serverAddr(2), serverMAC(2), link)
	l.expect(tcp(1002, 80, "S"), dataplane.Scheduled, 2)
}

// tcpReply is a server's answer to a client's port.
func tcpReply(port uint16) []byte {
	f := build.TCP{Src: netip.AddrPortFrom(vipIP, 80), Dst: netip.AddrPortFrom(clientIP, port), Flags: "A"}
	return f.Bytes()
}

// A server on this host whose stack can be reached gets its clients' packets as under Direct
// Routing (l.expect wants no other change than MAC addresses and TTL), whatever its method
// and port, and so do those of connections from before it was on this host.
func TestALocalServerGetsPacketsAsTheyCame(t *testing.T) {
	for _, m := range []dataplane.Method{dataplane.Direct, dataplane.Masquerade, dataplane.IPIP, dataplane.GRE} {
		t.Run(m.String(), func(t *testing.T) {
			l := newLab(t, unlimited, 1<<12)
			near := link
			near.Source = frame.Addr{} // the pair of interfaces has no addresses
			for _, k := range []dataplane.ServiceKey{tcpService(80), on(vip6, frame.ProtoTCP, 80), udpService(53)} {
				l.service(k, 0)
				l.must(l.d.AddServer(k, dataplane.ServerConfig{Addr: serverOf(k, 2), Port: 8080, Weight: 1, Method: m}))
				l.d.SetLocal(serverOf(k, 2), serverMAC(2), near)
			}
			l.expect(tcp(1000, 80, "S"), dataplane.Scheduled, 2)
			l.expect(tcp(1000, 80, "A"), dataplane.Hit, 2)
			l.expect(tcp(1000, 80, "PA"), dataplane.Hit, 2)
			l.expect(udp(1000, 53), dataplane.Scheduled, 2)
			l.expect(udp(1000, 53), dataplane.Hit, 2)
			about := build.ICMP{Src: clientIP, Dst: vipIP, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Type: 3, Code: 4,
				Payload: build.Quote(tcpReply(1000), 8)}
			l.expect(about.Bytes(), dataplane.Related, 2)
			q := quoted{src: netip.MustParseAddr("2001:db8::50"), proto: frame.ProtoTCP, port: 80}
			l.expect(q.begin(), dataplane.Scheduled, 2)
			if got := l.counts(tcpService(80), 2); got != [3]int{1, 0, 0} {
				t.Errorf("active, inactive, templates %v, want one active connection", got)
			}
			if st := l.only(tcpService(80)); st.Config.Method != m {
				t.Errorf("its method is %s, want what it was given: %s", st.Config.Method, m)
			}
		})
	}
}

// A server that moves to this host takes over the connections that it has there.
func TestConnectionsFollowAServerToThisHost(t *testing.T) {
	l := newNATLab(t, 1)
	client, _ := l.open(4000)
	for n := byte(1); n <= 2; n++ {
		l.d.SetLocal(serverAddr(n), serverMAC(n), link)
	}
	f := segment(frame.ProtoTCP, client, netip.AddrPortFrom(vipIP, 80), "A", 0)
	want := lessTTL(f)
	p, _ := l.put(f, clientSide)
	if p.Reason != dataplane.Hit || !bytes.Equal(p.Data[frame.EtherLen:], want) {
		t.Errorf("%s: %s, want it as it came", p.Reason, frametest.Describe(p.Data))
	}
}
