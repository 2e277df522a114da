package dataplane_test

import (
	"net/netip"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame/build"
)

// While more frames wait than can be handled, those of connections that are open go on,
// and only what would begin a TCP connection is dropped, before it costs anything.
func TestUnderPressureOpenConnectionsGoFirst(t *testing.T) {
	l := defaultLab(t)
	server := l.send(tcp(4000, 80, "S")).server
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, server)
	before := l.d.Services()
	l.batch.Pressed = true
	for _, c := range []struct {
		name   string
		f      []byte
		reason dataplane.Reason
	}{
		{"a SYN", tcp(4001, 80, "S"), dataplane.Overload},
		{"a SYN to a persistent service", tcp(4001, 443, "S"), dataplane.Overload},
		{"a SYN to a port without a service", tcp(4001, 81, "S"), dataplane.Overload},
		{"a SYN over IPv6", build.TCP{Src: netip.AddrPortFrom(client6IP, 4001), Dst: netip.AddrPortFrom(vip6IP, 80),
			IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Flags: "S"}.Bytes(), dataplane.Overload},
		{"a SYN of a known connection, sent again", tcp(4000, 80, "S"), dataplane.Overload},
		{"data of a known connection", tcp(4000, 80, "A"), dataplane.Hit},
		{"a FIN of one", tcp(4000, 80, "FA"), dataplane.Hit},
		{"a SYN with ACK, which answers one", tcp(4002, 80, "SA"), dataplane.Scheduled},
		{"a datagram", udp(4001, 53), dataplane.Scheduled},
		{"a ping", icmp(build.ICMP{Type: 8}).Data, dataplane.EchoReplied},
		{"ARP", build.ARP{SrcMAC: clientMAC, SenderIP: clientIP, TargetIP: vipIP}.Bytes(), dataplane.ARPSeen},
	} {
		if r := l.send(c.f); r.reason != c.reason {
			t.Errorf("%s: %s, want %s", c.name, r.reason, c.reason)
		}
	}
	if conns, was := l.d.Services()[0].Traffic.Conns, before[0].Traffic.Conns; conns > was+1 {
		t.Errorf("%d connections were begun under pressure", conns-was)
	}
	l.batch.Pressed = false
	if r := l.send(tcp(4001, 80, "S")); r.reason != dataplane.Scheduled {
		t.Errorf("%s when the pressure is over, want %s", r.reason, dataplane.Scheduled)
	}
}
