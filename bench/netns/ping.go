package netns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// pingID is in the echo requests of Ping.
const pingID = 0x6c76 // "lv"

// pingTimeout is how long Ping waits.
const pingTimeout = 10 * time.Second

// Ping sends an echo request from the host to addr and waits for the answer, at
// most ten seconds. The kernel chooses the source address.
func (h *Host) Ping(ctx context.Context, addr netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	what := func(err error) error {
		if ctx.Err() != nil {
			err = ctx.Err() // and not that the socket was closed therefore
		}
		return fmt.Errorf("ping %s from %s: %w", addr, h.name, err)
	}
	network, any, proto := "ip4:icmp", "0.0.0.0", 1
	request, reply := icmp.Type(ipv4.ICMPTypeEcho), icmp.Type(ipv4.ICMPTypeEchoReply)
	if addr.Is6() {
		network, any, proto = "ip6:ipv6-icmp", "::", 58
		request, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	c, err := h.ListenPacket(network, any)
	if err != nil {
		return what(err)
	}
	closeIt := func() { _ = c.Close() } // nothing is lost with it
	defer closeIt()
	stop := context.AfterFunc(ctx, closeIt)
	defer stop()
	m := icmp.Message{Type: request, Body: &icmp.Echo{ID: pingID, Seq: 1}}
	b, err := m.Marshal(nil) // of ICMPv6 the kernel makes the checksum
	if err != nil {
		return what(err)
	}
	if _, err := c.WriteTo(b, &net.IPAddr{IP: addr.AsSlice()}); err != nil {
		return what(err)
	}
	for buf := make([]byte, 1500); ; {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return what(err)
		}
		got, err := icmp.ParseMessage(proto, buf[:n])
		if err != nil || got.Type != reply || from.String() != addr.String() {
			continue // the socket gets all ICMP packets of the host
		}
		if echo, ok := got.Body.(*icmp.Echo); ok && echo.ID == pingID {
			return nil
		}
	}
}
