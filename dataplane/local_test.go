package dataplane_test

import (
	"net/netip"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame/build"
)

// A server that is the director itself is chosen in its turn, as IPVS does, and
// refuses: nothing listens there.
func TestALocalServerRefuses(t *testing.T) {
	l := defaultLab(t)
	l.d.SetLocal(serverAddr(2))
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
