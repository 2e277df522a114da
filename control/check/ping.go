package check

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Ping sends an echo request of ICMP or ICMPv6; keepalived's PING_CHECK. Its socket is raw, for
// which CAP_NET_RAW is needed; net.ipv4.ping_group_range has no effect.
type Ping Peer

var _ Probe = Ping{}

// Kind is keepalived's word for it.
func (p Ping) Kind() string { return "PING_CHECK" }

// String is such as "PING_CHECK 192.168.1.11:0 bind_if eth1".
func (p Ping) String() string { return p.Kind() + " " + Peer(p).String() }

// Check asks. Errors read "ping 192.168.1.11: no answer: i/o timeout".
func (p Ping) Check(ctx context.Context) Result {
	peer := Peer(p)
	return Result{Err: peer.talk(ctx, "ip", "ping "+peer.Addr.Addr().String(), 0, func(c net.Conn) error { return echo(c, peer.Addr.Addr().Is6()) })}
}

// echoData is the length of what is to come back, in bytes, as of ping(8).
const echoData = 56

// echo sends a request and waits for its answer.
func echo(c net.Conn, v6 bool) error {
	data := make([]byte, echoData)
	_, _ = rand.Read(data) // it never fails
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(binary.BigEndian.Uint16(data)), Seq: 1, Data: data}}
	answer, proto := icmp.Type(ipv4.ICMPTypeEchoReply), ipv4.ICMPTypeEcho.Protocol()
	if v6 {
		m.Type, answer, proto = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, ipv6.ICMPTypeEchoRequest.Protocol()
	}
	request, err := m.Marshal(nil) // the kernel makes the checksum of ICMPv6
	if err != nil {
		return err
	}
	if _, err := c.Write(request); err != nil {
		return err
	}
	raw, ok := c.(*net.IPConn)
	if !ok {
		return fmt.Errorf("%w: %T is no raw socket", ErrNotMade, c)
	}
	for buf := make([]byte, 2048); ; {
		n, _, err := raw.ReadFrom(buf) // which takes the header of IPv4 away
		if err != nil {
			return err
		}
		if isAnswer(buf[:n], proto, answer, m.Body.(*icmp.Echo)) {
			return nil
		}
	}
}

// isAnswer reports whether b, of this protocol, is the answer to a request.
func isAnswer(b []byte, proto int, answer icmp.Type, request *icmp.Echo) bool {
	m, err := icmp.ParseMessage(proto, b)
	if err != nil || m.Type != answer {
		return false
	}
	e, ok := m.Body.(*icmp.Echo)
	return ok && e.ID == request.ID && e.Seq == request.Seq && bytes.Equal(e.Data, request.Data)
}
